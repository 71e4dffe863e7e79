"""Everything about `.tflite` files: making them, looking into them, running them and comparing what comes out."""

# What weights of a converted file can be; here, because the command line asks before it imports TensorFlow.
PRECISIONS = ("float16", "float32")
