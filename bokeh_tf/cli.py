"""The command line: parse, call, print.

Exit status of every command: 0 done, 1 something could not be done (one line on stderr says what), 2 wrong usage,
3 checked and failed, 130 interrupted. Modules are imported where a command needs them, so that `--help` is instant
and no command of the base install touches TensorFlow.
"""

import math
import sys
from pathlib import Path

from absl.flags import argparse_flags

from bokeh_tf import __version__
from bokeh_tf.commands import ai_benchmark, bench, check, compare, report
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
    _add_train(commands)
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


def _add_train(commands):
    parser = commands.add_parser(
        "train",
        help="train a model on synthesised scenes (needs the tensorflow extra)",
        description="Makes training pairs from photographs on the fly. Ctrl-C loses nothing but the steps since the "
        "last checkpoint; --resume goes on.",
    )
    parser.add_argument("model", choices=("dbsi_mobile",), help="the model to train")
    parser.add_argument("--variant", default="base", help="default: base")
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR", help="folder of photographs")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for checkpoints and weights")
    parser.add_argument("--steps", type=_count, help="optimiser steps (default: the shipped plan's)")
    parser.add_argument("--steps-per-checkpoint", type=_count, help="must divide the steps")
    parser.add_argument("--seed", type=int, help="of the first weights and of the scenes (default 0)")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    parser.set_defaults(run=_train, usage_error=parser.error)


def _train(options):
    from bokeh_tf.errors import DependencyError
    from bokeh_tf.native_messages import native_messages_muted

    chosen = {name: getattr(options, name) for name in ("steps", "steps_per_checkpoint", "seed")}
    try:
        # TensorFlow greets at length.
        with native_messages_muted():
            from bokeh_tf.models import variants
            from bokeh_tf.training.plan import Plan
            from bokeh_tf.training.trainer import train
    except ModuleNotFoundError as error:
        if error.name not in ("keras", "tensorflow"):
            raise
        raise DependencyError('Training needs Keras and TensorFlow. Run: pip install "bokeh-tf[tensorflow]"') from error
    if options.variant not in variants(options.model):
        options.usage_error(f"--variant must be one of: {', '.join(variants(options.model))}")
    if options.steps and not options.steps_per_checkpoint:
        chosen["steps_per_checkpoint"] = math.gcd(options.steps, Plan.steps_per_checkpoint)
    try:
        plan = Plan(**{name: value for name, value in chosen.items() if value is not None})
    except ValueError as error:
        options.usage_error(str(error))
    path = train(options.variant, photos=options.photos, out=options.out, plan=plan, resume=options.resume)
    print(f"written: {path}")
    return _PASSED


def _count(text):
    value = int(text)
    if value < 1:
        raise ValueError
    return value


_count.__name__ = "whole number from 1"
