"""The bot's memory: one SQLite file, and all SQL there is. Functions take a transaction and return frozen records."""
