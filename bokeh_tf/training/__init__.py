"""Training: plans, checkpoints, the trainer."""

# Keras's policies for what layers compute in; here, because the command line asks
# before it imports Keras.
PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")
