"""`--on cpu`: this machine's CPU, in either of the TFLite runtimes."""

import argparse
import sys

from bokeh_tf.bench.backends.backend import Backend
from bokeh_tf.bench.vocabulary import LITERT, RUNTIMES


def _add_options(parser, count):
    group = parser.add_argument_group("cpu")
    group.add_argument(
        "--threads", nargs="+", type=count, default=[1, 2], metavar="N", help="default 1 2"
    )
    group.add_argument(
        "--xnnpack",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="use XNNPACK's kernels (the default)",
    )
    group.add_argument(
        "--runtime",
        default=LITERT,
        metavar="LIST",
        help=f"of {', '.join(RUNTIMES)} (default {LITERT})",
    )
    group.add_argument(
        "--runtime-python",
        metavar="PATH",
        help="Python that has tflite-runtime, which needs NumPy 1 (default:"
        " $BOKEH_TFLITE_RUNTIME_PYTHON)",
    )


def _settings(options):
    """Every runtime with every number of threads."""
    from bokeh_tf.bench.host.cpu import CpuSetting, find_tflite_runtime_python

    runtimes = tuple(dict.fromkeys(name.strip() for name in options.runtime.split(",")))
    for name in runtimes:
        if name not in RUNTIMES:
            options.usage_error(
                f"--runtime: unknown runtime {name!r}. Known: {', '.join(RUNTIMES)}"
            )
    settings = []
    for runtime in runtimes:
        python = sys.executable
        if runtime != LITERT:
            python = find_tflite_runtime_python(explicit=options.runtime_python)
        settings += [
            CpuSetting(runtime=runtime, threads=threads, xnnpack=options.xnnpack, python=python)
            for threads in dict.fromkeys(options.threads)
        ]
    return tuple(settings)


BACKEND = Backend("cpu", "this machine's CPU", _add_options, settings=_settings)
