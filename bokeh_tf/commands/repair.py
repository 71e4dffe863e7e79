"""`bokeh-tf repair`: its options, what it calls, and what it prints."""

import argparse
import re
from pathlib import Path

from bokeh_tf.commands import outputs
from bokeh_tf.commands.console import count, positive
from bokeh_tf.commands.working import working
from bokeh_tf.files import write_bytes
from bokeh_tf.stages import stage

_DESCRIPTION = """Rewrites what a phone's GPU delegates refuse or compute wrongly into operators
that they take and that compute the same, for the classic TFLite GPU delegate (v2) and LiteRT's
(mldrift). The CPU proves it: both files are run on random numbers and a photograph, in three modes
of the interpreter. What does not prove itself is left out again. Inputs and outputs keep name, type
and shape; the file itself is not touched."""
_EPILOG = """exit status:
  0  whole: both delegates take every node of the file written (or of the file as it was: then
  nothing is written) 1  not done: the file cannot be read, or the repair broke down 2  wrong usage
  3  not whole: some nodes are still refused or wrong; what got better is written all the same

examples:
  bokeh-tf repair model.tflite -o model_gpu.tflite
  bokeh-tf repair model.tflite -o model_gpu.tflite --input-shape 1x256x256x3
  bokeh-tf repair model.tflite --dry-run --no-probe --format json
  bokeh-tf repair --list"""
_SHAPE = re.compile(r"[1-9]\d{0,8}(x[1-9]\d{0,8})*")


def add(commands):
    """Adds the command's parser to the subparsers `commands`."""
    parser = commands.add_parser(
        "repair",
        help="rewrite what GPU delegates refuse into what they take, and prove it equal",
        usage="bokeh-tf repair MODEL -o FILE [options]\n       bokeh-tf repair --list",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", nargs="?", type=Path, metavar="MODEL", help="a .tflite file")
    parser.add_argument(
        "-o", "--out", type=Path, metavar="FILE", help="where the repaired file goes"
    )
    outputs.add(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="repair and prove, and write nothing"
    )
    parser.add_argument(
        "--only", metavar="LIST", help="recipes that may be used, a comma between them"
    )
    parser.add_argument("--list", action="store_true", help="print the recipes, and stop")
    _add_interface(parser)
    _add_proof(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default text")
    parser.set_defaults(run=run, usage_error=parser.error)


def _add_interface(parser):
    parser.add_argument(
        "--input-shape",
        action="append",
        metavar="SHAPE",
        help="size of an input whose size is free, such as 1x256x256x3; once for each input",
    )
    parser.add_argument(
        "--allow-interface",
        default="",
        metavar="LIST",
        help="changes of inputs and outputs that may be made: int64, uint8, bool,"
        " cut-postprocessing; the report says what the app must then do",
    )
    parser.add_argument(
        "--batch", type=count, default=1, metavar="N", help="what a free batch becomes (default 1)"
    )


def _add_proof(parser):
    parser.add_argument("--no-probe", action="store_true", help="do not ask the real delegate")
    parser.add_argument(
        "--photo",
        type=Path,
        metavar="FILE",
        help="photograph to prove with instead of the packaged one",
    )
    parser.add_argument(
        "--timeout",
        type=positive,
        default=600.0,
        metavar="SECONDS",
        help="for all of it (default 600)",
    )


def run(options):
    """Runs the command with parsed `options`; returns the exit status."""
    from bokeh_tf.repairing import report
    from bokeh_tf.repairing.interface import KINDS
    from bokeh_tf.repairing.repair import NAMES, repair

    if options.list:
        print(report.recipe_list(), end="")
        return 0
    _check_usage(options, NAMES, KINDS)
    with working(), stage(f"repairing {options.model.name}"):
        repaired = repair(
            options.model,
            recipes=_names(options) or NAMES,
            input_shapes=_shapes(options),
            batch=options.batch,
            probe=not options.no_probe,
            photo=options.photo,
            timeout_s=options.timeout,
            allow=_list(options.allow_interface),
        )
    written = None
    if repaired.content is not None and not options.dry_run:
        write_bytes(options.out, repaired.content)
        written = options.out
    if options.format == "json":
        print(report.to_json(repaired, written=written), end="")
    else:
        print(report.to_text(repaired, written=written, dry_run=options.dry_run), end="")
    return repaired.exit_code


def _check_usage(options, known, kinds):
    """Ends with status 2 where the options make no sense."""
    if options.model is None:
        options.usage_error("the following arguments are required: MODEL")
    if options.out is None and not options.dry_run:
        options.usage_error("say where the repaired file goes (-o FILE), or --dry-run")
    unknown = set(_names(options)) - set(known)
    if unknown:
        options.usage_error(f"--only takes recipes of --list, not {', '.join(sorted(unknown))}")
    unknown = set(_list(options.allow_interface)) - set(kinds)
    if unknown:
        options.usage_error(
            f"--allow-interface takes {', '.join(kinds)}, not {', '.join(sorted(unknown))}"
        )
    if any(not _SHAPE.fullmatch(text) for text in options.input_shape or ()):
        options.usage_error("--input-shape takes sizes such as 1x256x256x3")
    outputs.claim(options.out, inputs=[options.model, options.photo], overwrite=options.overwrite)


def _names(options):
    return _list(options.only or "")


def _list(text):
    return [name for name in text.split(",") if name]


def _shapes(options):
    if options.input_shape is None:
        return None
    return [tuple(int(size) for size in text.split("x")) for text in options.input_shape]
