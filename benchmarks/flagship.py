"""The shipped files, at every size, on this machine's CPU: one interleaved run that an
interruption does not lose.
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from bokeh_tf.bench.host.cpu import CpuSetting
from bokeh_tf.bench.host.run import HostRun, bench
from bokeh_tf.bench.report import terminal

_SHIPPED = Path(__file__).resolve().parent.parent / "android_assets"


def add_options(parser):
    """Adds this suite's options to an argparse parser."""
    add_timing_options(parser)
    parser.add_argument(
        "--models",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="other files (default: android_assets)",
    )


def add_timing_options(parser):
    """Adds the options of `time_files` to an argparse parser."""
    parser.add_argument(
        "--rounds", type=_at_least_one, default=10, help="turns of each (default: %(default)s)"
    )
    parser.add_argument(
        "--threads", type=_at_least_one, nargs="+", default=[1, 2], help="default: 1 2"
    )


def run(options):
    """Runs the suite, prints its table and returns the path of the JSON it wrote."""
    models = tuple(options.models or sorted(_SHIPPED.glob("*.tflite")))
    return time_files(models, options, prefix="flagship")


def time_files(models, options, *, prefix, more_settings=(), environment=None):
    """Times `.tflite` files on the CPU in one interleaved run; prints the table and
    returns the path of the JSON.

    Args:
        more_settings: what the same run times besides, such as the GPU.
        environment: as for `bokeh_tf.bench.host.run.bench`.
    """
    settings = tuple(CpuSetting(threads=threads) for threads in dict.fromkeys(options.threads))
    host_run = HostRun(models, (*settings, *more_settings), rounds=options.rounds)
    with terminal.progress(options.rounds) as on_round:
        result, path = bench(
            host_run,
            folder=options.out,
            prefix=prefix,
            environment=environment,
            on_round=on_round,
            on_continue=_say_continued,
        )
    Console().print(terminal.render(result))
    return path


def _say_continued():
    print("continuing an interrupted run; what it had finished is kept", file=sys.stderr)


def _at_least_one(text):
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {text}")
    return int(text)
