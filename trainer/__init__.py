"""The GPU side of Darkroom: everything that trains and generates. Never imports the bot or SQLite."""
