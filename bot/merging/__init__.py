"""Merging members' adapters and models: who may, what is taken over, and what becomes of it."""
