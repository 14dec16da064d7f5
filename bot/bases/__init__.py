"""Base models, as the operator adds and lists them, and as members see them."""
