"""`bokeh-tf convert`: a Keras model from wherever it is to a `.tflite`
that is proved and checked.
"""
