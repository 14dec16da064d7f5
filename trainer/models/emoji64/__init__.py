"""emoji-64: the embedded base model, and everything that builds, measures and documents it."""
