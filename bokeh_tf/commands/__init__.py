"""Commands of the command line that outgrew `bokeh_tf.cli`: parse, call, print; no logic."""
