"""Adapters that strangers made: checked in a child process, freed of what is private, stored under their hash.

``child`` runs ``inspection`` with limits of memory and time, ``checking`` asks it, ``importer`` makes the adapter.
"""
