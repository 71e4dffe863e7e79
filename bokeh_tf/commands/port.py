"""`bokeh-tf port`: its options, what it calls, and what it prints."""

import argparse
from pathlib import Path

from bokeh_tf.commands import outputs
from bokeh_tf.errors import DependencyError
from bokeh_tf.native_messages import native_messages_muted
from bokeh_tf.paths import printable
from bokeh_tf.porting import PORTABLE

_PASSED = 0
_MOST_NAMES = 3
_DESCRIPTION = """Writes a published PyTorch checkpoint as Keras weights. Every tensor is mapped by
its name and must have the right shape; one that is missing or left over is an error. The checkpoint
is read as tensors alone: nothing in it is run. Needs the extras tensorflow and pytorch."""
_EPILOG = """exit status:
  0  written
  1  not written: no such file, not a state dict, not of this model and variant, or no PyTorch
  2  wrong usage

examples:
  bokeh-tf port dmshn dmshn.pth -o dmshn_base.weights.h5
  bokeh-tf port dmshn stacked.pth --variant stacked -o dmshn_stacked.weights.h5
  bokeh-tf port megadepth best_generalization_net_G.pth -o megadepth_base.weights.h5"""


def add(commands):
    """Adds the command's parser to the subparsers `commands`."""
    parser = commands.add_parser(
        "port",
        help="write a published PyTorch checkpoint as Keras weights (needs the pytorch extra)",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", choices=PORTABLE, help=f"the model: {' or '.join(PORTABLE)}")
    parser.add_argument(
        "checkpoint", type=Path, metavar="CHECKPOINT", help="a .pth file that holds a state dict"
    )
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="FILE", help="must end in .weights.h5"
    )
    outputs.add(parser)
    parser.add_argument(
        "--variant", default="base", help="the variant that the checkpoint is of (default base)"
    )
    parser.add_argument(
        "--key",
        metavar="NAME",
        help="the entry of the checkpoint to take (default: averaged weights, then the model)",
    )
    parser.add_argument(
        "--ignore",
        nargs="+",
        default=(),
        metavar="NAME",
        help="last parts of names that may be left over, such as total_ops total_params of a"
        " profiler",
    )
    parser.set_defaults(run=run, usage_error=parser.error)


def run(options):
    """Runs the command with parsed `options`; returns the exit status."""
    try:
        # TensorFlow greets at length.
        with native_messages_muted():
            from bokeh_tf.models import variants
            from bokeh_tf.models.weights import SUFFIX
            from bokeh_tf.porting.port import port
    except ModuleNotFoundError as error:
        if error.name not in ("keras", "tensorflow"):
            raise
        raise DependencyError(
            'Porting needs Keras and TensorFlow. Run: pip install "bokeh-tf[tensorflow]"'
        ) from error
    if options.variant not in variants(options.model):
        options.usage_error(f"--variant must be one of: {', '.join(variants(options.model))}")
    if not options.out.name.endswith(SUFFIX):
        options.usage_error(f"--out must end in {SUFFIX}")
    outputs.claim(options.out, inputs=[options.checkpoint], overwrite=options.overwrite)
    ported = port(
        options.model,
        options.checkpoint,
        options.out,
        variant=options.variant,
        key=options.key,
        ignore=options.ignore,
    )
    if ported.choices:
        print(f"read: {printable(', '.join(ported.choices))}")
    if ported.ignored:
        shown = ", ".join(ported.ignored[:_MOST_NAMES])
        more = len(ported.ignored) - _MOST_NAMES
        print(f"ignored: {printable(shown)}{f' and {more} more' if more > 0 else ''}")
    print(
        f"written: {printable(ported.path)} ({ported.tensors} tensors, {ported.parameters:,}"
        " trainable parameters)"
    )
    return _PASSED
