"""Numbered SQL, forward only. A file never changes after it was released; the next change is the next file."""
