"""Adapter files: how they are checked, read and written."""
