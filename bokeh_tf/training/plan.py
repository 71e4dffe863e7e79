"""How a model is trained, as data."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """A training schedule. The defaults are the ones the shipped weights were trained with."""

    # Optimiser steps in all, and between two checkpoints.
    steps: int = 10_000
    steps_per_checkpoint: int = 250
    # Pairs per step.
    batch_size: int = 8
    # AdamW; the learning rate rises for 200 steps and then falls along a cosine to nothing.
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    # The shipped weights are a running mean over about this many steps.
    average_steps: int = 500
    # Weight of the picture's L1 error beside the cross-entropy of the weight maps.
    picture_loss: float = 4.0
    # Seed of the first weights and of every scene.
    seed: int = 0

    def __post_init__(self):
        if min(self.steps, self.steps_per_checkpoint, self.batch_size) < 1:
            raise ValueError(f"steps, steps_per_checkpoint and batch_size must be positive. Received: {self}")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed must be from 0 to 2^32 - 1. Received: {self.seed}")
        if self.steps % self.steps_per_checkpoint:
            raise ValueError(f"steps must be a multiple of steps_per_checkpoint. Received: {self}")
