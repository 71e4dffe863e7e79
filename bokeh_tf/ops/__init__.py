"""Image operations on float32 NHWC tensors, with keras.ops alone."""
