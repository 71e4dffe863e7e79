"""Timing on this machine: contestants take turns in rounds, each in a worker process of its own."""
