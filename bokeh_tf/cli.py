"""The command line: parse, call, print.

Exit status of every command: 0 done, 1 something could not be done (one line on stderr says what), 2 wrong usage,
3 checked and failed, 130 interrupted. Modules are imported where a command needs them, so that `--help` is instant
and no command of the base install touches TensorFlow.
"""

import sys

from absl.flags import argparse_flags

from bokeh_tf import __version__
from bokeh_tf.commands import ai_benchmark, bench, check, compare, data, export, models, port, render, report, train
from bokeh_tf.errors import BokehError

_PASSED, _NOT_DONE, _INTERRUPTED = 0, 1, 130


def main(arguments=None):
    """Runs the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        status = options.run(options)
        # A reader that has gone shows itself here, not while Python shuts down.
        if sys.stdout:
            sys.stdout.flush()
        return status
    except BokehError as error:
        print(f"bokeh-tf: {error}", file=sys.stderr)
        return _NOT_DONE
    except KeyboardInterrupt:
        print("bokeh-tf: interrupted; everything written so far is whole", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader (`head`, a pager) has seen enough; Python must not complain again while it shuts down.
        sys.stdout = None
        return _PASSED


def _parser():
    parser = argparse_flags.ArgumentParser(
        prog="bokeh-tf", description="Bokeh networks for phones: check, time and render .tflite files; train models."
    )
    parser.add_argument("--version", action="version", version=f"bokeh-tf {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    check.add(commands)
    bench.add(commands)
    compare.add(commands)
    report.add(commands)
    ai_benchmark.add(commands)
    render.add(commands)
    models.add(commands)
    export.add(commands)
    port.add(commands)
    data.add(commands)
    train.add(commands)
    return parser
