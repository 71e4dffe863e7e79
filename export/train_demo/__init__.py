"""`python -m export.train_demo`: from fabricated photographs to a checked file, by
a training that is killed.
"""
