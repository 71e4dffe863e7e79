"""`bokeh-tf` and `python -m bokeh_tf`: the command line, guarded from its first import on."""

import sys

import bokeh_tf.quiet_start  # noqa: F401 (before what takes time to import)
from bokeh_tf.program import run_program


def main() -> int:
    """Runs the command line; returns the exit status."""
    return run_program("bokeh-tf", _load)


def _load():
    from bokeh_tf import cli

    return cli.run


if __name__ == "__main__":
    sys.exit(main())
