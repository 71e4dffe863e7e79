"""Published PyTorch checkpoints to Keras weights: reading them safely, and mapping every
tensor by name and shape.
"""

# The models that have a published checkpoint; `modules.TABLES` says how each
# one's tensors are called.
PORTABLE = ("dmshn", "megadepth")
