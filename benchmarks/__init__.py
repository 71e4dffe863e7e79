"""What this project measures about itself, and the results it keeps; the
machinery is in `bokeh_tf.bench`.
"""
