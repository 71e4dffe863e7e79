"""Everything about `.tflite` files: making them, looking into them, running them and comparing what comes out."""
