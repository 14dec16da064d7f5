"""Plugs pulled on purpose: `python -m tests.chaos` plays a day of jobs while workers, bot and Redis are killed."""
