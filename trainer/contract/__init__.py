"""Everything that crosses the border between bot and trainer, and all that the bot may import from the trainer.

Imports only msgspec, obstore and the standard library.
"""
