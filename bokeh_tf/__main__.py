"""`python -m bokeh_tf`: the same command line as `bokeh-tf`."""

import sys

from bokeh_tf.cli import main

if __name__ == "__main__":
    sys.exit(main())
