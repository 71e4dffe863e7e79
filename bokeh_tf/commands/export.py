"""`bokeh-tf export`: its options, what it calls, and what it prints where."""

import argparse
import sys
from pathlib import Path

from bokeh_tf.commands import outputs, proving, shapes
from bokeh_tf.commands.console import open_console
from bokeh_tf.commands.working import working
from bokeh_tf.paths import printable
from bokeh_tf.stages import stage
from bokeh_tf.tflite import PRECISIONS

_NOT_DONE = 1
_DESCRIPTION = """Builds a model, loads trained weights, converts it to a .tflite file,
checks that file by the rules of both GPU delegates and, where there is a Vulkan adapter, on
the real one, and writes it."""
_EPILOG = """The file is called MODEL_VARIANT_PRECISION_HEIGHTxWIDTH.tflite. Without --weights the trained weights that
come with the package are used; where there are none, fresh ones, with a warning: such a file shows what the network
costs and whether a phone takes it, not what it renders.

exit status:
  0  written
  1  could not be built, converted or checked; nothing was written
  2  wrong usage
  3  checked and failed; nothing was written

examples:
  bokeh-tf export dbsi_mobile --size 512x768 -o models/
  bokeh-tf export dmshn --variant tiny --size 1024x1536 --no-probe -o models/"""


def add(commands) -> None:
    """Adds the command's parser to the subparsers `commands`."""
    parser = commands.add_parser(
        "export",
        help="write a model as a checked .tflite (needs the tensorflow extra)",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="the model, see: bokeh-tf models")
    parser.add_argument("--variant", default="base", help="default: base")
    shapes.add_size(parser, what="its pictures (default: the reference size)")
    parser.add_argument(
        "--precision", choices=PRECISIONS, default=PRECISIONS[0], help=f"default: {PRECISIONS[0]}"
    )
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="trained weights, a .weights.h5 file"
    )
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="DIR", help="folder for the file"
    )
    outputs.add(parser)
    proving.add_photo(parser)
    proving.add_timeout(parser, what="for the check", default_s=600)
    proving.add_no_probe(parser)
    proving.add_runtime(parser)
    parser.set_defaults(run=run, usage_error=parser.error)


def run(options: argparse.Namespace) -> int:
    """Runs the command with parsed `options`; returns the exit status."""
    from bokeh_tf import exporting
    from bokeh_tf.files import make_folder, write_bytes
    from bokeh_tf.models.weights import load_weights, packaged_weights

    shapes.check(options)
    proving.check_runtime(options)
    shape = _checked_size(options)
    weights = options.weights or packaged_weights(options.model, options.variant)
    name = f"{exporting.artifact_name(options.model, options.variant, options.precision, shape)}.tflite"
    path = options.out / name
    inputs = [weights, options.photo]
    proving.require_files([options.photo])
    outputs.claim_in_folder(options.out, files=[name], inputs=inputs, overwrite=options.overwrite)
    try:
        model = exporting.build_model(options.model, variant=options.variant, image_shape=shape)
    except ValueError as error:
        options.usage_error(str(error))
    if weights:
        load_weights(model, weights)
    else:
        _say(
            "warning: no trained weights: this file holds random ones, and what it renders means"
            " nothing"
        )
    content = exporting.convert_model(model, precision=options.precision)
    code = _check(content, name, options)
    if code:
        _say(
            f"{name}: not written{'; --no-probe asks the rules alone' if code == _NOT_DONE else ''}"
        )
        return code
    make_folder(options.out)
    write_bytes(path, content)
    print(f"written: {printable(path)}")
    return code


def _checked_size(options):
    """The (height, width) to export at; ends with status 2 where there is
    no such model or variant.
    """
    from bokeh_tf.models import catalogue

    try:
        entry = catalogue.entry(options.model)
        entry.variant(options.variant)
    except ValueError as error:
        options.usage_error(str(error))
    return options.size or entry.reference_size_px


def _check(content, name, options):
    """Checks the bytes and prints the report; returns the exit status."""
    from bokeh_tf import exporting
    from bokeh_tf.delegate.writers.text import print_file

    with working(), stage(name):
        judged = exporting.check_and_judge(
            content,
            label=name,
            probe=not options.no_probe,
            photo=options.photo,
            timeout_s=options.timeout,
            runtime=options.runtime,
        )
    print_file(judged, open_console())
    return judged.code


def _say(text):
    print(f"bokeh-tf: {text}", file=sys.stderr)
