"""The command line: parse, call, print.

Exit status of every command: 0 done, 1 something could not be done (one line on stderr says what), 2 wrong usage,
3 checked and failed, 130 interrupted. Modules are imported where a command needs them, so that `--help` is instant
and no command of the base install touches TensorFlow.
"""

import sys
from pathlib import Path

from absl.flags import argparse_flags

from bokeh_tf import __version__
from bokeh_tf.commands import ai_benchmark, bench, check, compare, data, export, models, port, report, train
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
    _add_render(commands)
    models.add(commands)
    export.add(commands)
    port.add(commands)
    data.add(commands)
    train.add(commands)
    return parser


def _add_render(commands):
    parser = commands.add_parser(
        "render",
        help="give photographs a shallow depth of field",
        description="Renders photos of any size; what is in focus keeps the photo's own pixels.",
    )
    parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTO", help="photographs, or folders of them")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder, or file name for a single photo")
    parser.add_argument("--model", help="a .tflite file or the name of a model (default: the shipped dbsi_mobile)")
    parser.add_argument("--compare", action="store_true", help="also write before | after | weight map in one picture")
    parser.set_defaults(run=_render)


def _render(options):
    from bokeh_tf.rendering import render_files

    failures = render_files(options.photos, output=options.out, model=options.model, compare=options.compare)
    return _NOT_DONE if failures else _PASSED
