"""Choosing: which checkpoint of a training is the best one, at which weight, and how that is told to its member."""
