"""Training: the dataset, the losses, one file a method, and checkpoints. Knows neither Redis nor Discord."""
