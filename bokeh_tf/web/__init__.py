"""`bokeh-tf web`: a `.tflite` in a browser, on this machine's GPU or a phone's, from a
page served by this machine.

`site` is the table of all there is to serve, `runtime` the LiteRT.js that it needs, `server` hands
it out. The code that runs the file is that of `bokeh_tf.apps`; `page/` is what a person sees.
"""
