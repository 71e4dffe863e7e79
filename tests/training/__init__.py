"""Trainings: plans, runs, checkpoints, several processes."""
