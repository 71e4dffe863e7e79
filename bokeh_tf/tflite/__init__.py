"""Everything about `.tflite` files: making them, looking into them, running them and
comparing what comes out.
"""

# What weights of a converted file can be; here, because the command line asks
# before it imports TensorFlow.
PRECISIONS = ("float16", "float32")
# What weights, and for the last two what tensors too, can be made of a float32 file afterwards.
QUANTISED = ("dynamic_int8", "int8", "int16x8")
