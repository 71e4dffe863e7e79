"""PyTorch checkpoints to Keras weights."""
