"""Base models: what there is, how it is loaded, and the embedded base emoji-64."""
