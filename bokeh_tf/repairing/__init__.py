"""`bokeh-tf repair`: a `.tflite` that GPU delegates refuse, rewritten so that they take it and it
computes the same.
"""
