"""`bokeh-tf repair`: its options, what it calls, and what it prints."""

import argparse
from pathlib import Path

from bokeh_tf.commands import outputs, proving, rewriting, shapes
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
_TIMEOUT_S = 600.0


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
    shapes.add_free_sizes(parser)
    shapes.add_interface(parser)
    rewriting.add_also(parser)
    _add_proof(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default text")
    parser.set_defaults(run=run, usage_error=parser.error)


def _add_proof(parser):
    proving.add_no_probe(parser)
    proving.add_runtime(parser)
    proving.add_photo(parser)
    proving.add_timeout(parser, what="for all of it", default_s=_TIMEOUT_S)


def run(options):
    """Runs the command with parsed `options`; returns the exit status."""
    from bokeh_tf.repairing import report
    from bokeh_tf.repairing.repair import NAMES, repair

    if options.list:
        print(report.recipe_list(), end="")
        return 0
    _check_usage(options, NAMES)
    with working(), stage(f"repairing {options.model.name}"):
        repaired = repair(
            options.model,
            recipes=_names(options) or NAMES,
            input_shapes=options.input_shape,
            batch=options.batch or 1,
            probe=not options.no_probe,
            photo=options.photo,
            timeout_s=options.timeout or _TIMEOUT_S,
            allow=list(options.allow_interface),
            runtime=options.runtime,
            also=options.also,
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


def _check_usage(options, known):
    """Ends with status 2 where the options make no sense."""
    if options.model is None:
        options.usage_error("the following arguments are required: MODEL")
    if options.out is None and not options.dry_run:
        options.usage_error("say where the repaired file goes (-o FILE), or --dry-run")
    unknown = set(_names(options)) - set(known)
    if unknown:
        options.usage_error(f"--only takes recipes of --list, not {', '.join(sorted(unknown))}")
    shapes.check(options)
    rewriting.check_also(options)
    proving.check_runtime(options)
    proving.require_files([options.photo])
    outputs.claim(options.out, inputs=[options.model, options.photo], overwrite=options.overwrite)


def _names(options):
    return list(shapes.names(options.only or ""))
