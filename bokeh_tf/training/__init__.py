"""Training: plans, checkpoints, the trainer."""
