"""`bokeh-tf app`: its options, what it calls, and what it prints."""

import argparse
from pathlib import Path

from bokeh_tf.commands import outputs, ranges
from bokeh_tf.commands.console import say

_DESCRIPTION = """Writes source code that runs a .tflite file on a phone's GPU, with a fallback that
it tells of: the names, shapes and ranges of the file are filled in, and the file lies beside it.
For files that take a photo and give a picture it also has the way from one to the other, with tap
and aperture where the file takes them."""
_EPILOG = """exit status:
  0  written
  1  could not be done: the file cannot be read, or has a type that the runtime has no arrays of
  2  wrong usage

examples:
  bokeh-tf app model.tflite --for android-kotlin -o app
  bokeh-tf app depth.tflite --for web --input-range 0 1 --output-range 0 1 -o page"""
KINDS = ("android-kotlin", "android-java", "cpp", "swift", "web")


def add(commands):
    """Adds the command's parser to the subparsers `commands`."""
    parser = commands.add_parser(
        "app",
        help="source code that runs a .tflite file in an app, on the GPU",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="a .tflite file")
    parser.add_argument("--for", dest="kind", choices=KINDS, required=True, help="which app")
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for the code and the model",
    )
    ranges.add(parser)
    outputs.add(parser)
    parser.set_defaults(run=run, usage_error=parser.error)


def run(options):
    """Runs the command with parsed `options`; returns the exit status."""
    from bokeh_tf.apps.generation import TARGETS, write_app

    ranges.check(options)
    outputs.claim_in_folder(options.out)
    target = TARGETS[options.kind]
    written = write_app(
        options.model,
        target,
        options.out,
        input_range=options.input_range,
        output_range=options.output_range,
        overwrite=options.overwrite,
    )
    for path in written:
        say(f"written: {path}")
    say(target.tried)
    return 0
