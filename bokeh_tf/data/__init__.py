"""Training data: photographs made ready, scenes rendered from them, batches."""
