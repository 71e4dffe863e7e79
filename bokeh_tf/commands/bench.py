"""`bokeh-tf bench`: its options, what it calls, and what it prints where."""

import argparse
import sys
from pathlib import Path

_HOST_TARGETS = ("cpu", "gpu")
_ANDROID = "android"
_RUNTIMES = ("ai-edge-litert", "tflite-runtime")
_PASSED, _NOT_DONE, _FAILED = 0, 1, 3
_GOOD_OUTCOMES = ("CPU", "FULL_GPU", "FULL_NNAPI")
_DESCRIPTION = """Times each file on each target in interleaved rounds (A B A B), each in a process of its own, so that
whatever disturbs the machine disturbs all of them. Medians with intervals, not means; an unstable run says why, and
what to do. Cold and warm start, the first run and the steady runs are told apart."""
_EPILOG = """targets of --on, a comma between them (default: cpu):
  cpu               this machine's CPU
  gpu               this machine's GPU, through LiteRT, with nothing left to the CPU
  android[:SERIAL]  a phone over adb; android:all for all of them

With --out the raw samples are kept as JSON, and an interrupted run continues where it stopped when the same command
is given again.

exit status:
  0  timed
  1  something could not be timed: one line says what
  2  wrong usage
  3  timed, but something else than what was asked for: wrong values, or not all of it on the GPU

examples:
  bokeh-tf bench model.tflite --threads 1 2 4
  bokeh-tf bench a.tflite b.tflite --on cpu,gpu --out timings
  bokeh-tf bench model.tflite --runtime ai-edge-litert,tflite-runtime --runtime-python old/bin/python"""


def add(commands):
    """Adds the command's parser to the subparsers `commands`."""
    parser = commands.add_parser(
        "bench",
        help="time .tflite files on CPU, GPU and phones",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL", help=".tflite files")
    parser.add_argument("--on", default="cpu", metavar="LIST", help="targets, see below (default cpu)")
    parser.add_argument("--rounds", type=_count, default=10, metavar="N", help="turns of each (default 10)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the result as JSON, raw samples included")
    parser.add_argument(
        "--timeout", type=_count, default=600, metavar="SECONDS", help="per model and turn (default 600)"
    )
    _add_cpu(parser)
    _add_gpu(parser)
    parser.set_defaults(run=run, usage_error=parser.error)


def _add_cpu(parser):
    group = parser.add_argument_group("cpu")
    group.add_argument("--threads", nargs="+", type=_count, default=[1, 2], metavar="N", help="default 1 2")
    group.add_argument(
        "--xnnpack", action=argparse.BooleanOptionalAction, default=True, help="use XNNPACK's kernels (the default)"
    )
    group.add_argument(
        "--runtime", default=_RUNTIMES[0], metavar="LIST", help=f"of {', '.join(_RUNTIMES)} (default {_RUNTIMES[0]})"
    )
    group.add_argument(
        "--runtime-python",
        metavar="PATH",
        help="Python that has tflite-runtime, which needs NumPy 1 (default: $BOKEH_TFLITE_RUNTIME_PYTHON)",
    )


def _add_gpu(parser):
    group = parser.add_argument_group("gpu")
    group.add_argument(
        "--gpu-precision", choices=("default", "float32"), default="default", help="default: the delegate's own, half"
    )
    group.add_argument(
        "--allow-software", action="store_true", help="time a software adapter too, stamped: not a GPU timing"
    )


def run(options):
    """Runs the command with parsed `options`; returns the exit status."""
    targets = _targets(options)
    _refuse_phones_without_adb(targets)
    from rich.console import Console

    from bokeh_tf.bench import report
    from bokeh_tf.bench.host_run import HostRun, bench

    settings = _settings(options, targets)
    host_run = HostRun(tuple(options.models), settings, rounds=options.rounds, timeout_s=options.timeout)
    try:
        with report.progress(options.rounds) as on_round:
            result, path = bench(host_run, folder=options.out, on_round=on_round, on_continue=_say_continued)
    except KeyboardInterrupt:
        if options.out and any(options.out.glob("unfinished_*.jsonl")):
            print("what was finished is kept; the same command continues from there", file=sys.stderr)
        raise
    console = Console() if sys.stdout is not None and sys.stdout.isatty() else Console(width=200)
    console.print(report.render(result))
    if path:
        print(f"written: {path}")
    return exit_status(result)


def exit_status(result):
    """What the command's exit status says of a result."""
    if any(measurement.summary is None for measurement in result.measurements):
        return _NOT_DONE
    # What is stamped was allowed to be something else.
    verdicts = [one.verdict for one in result.measurements if one.verdict is not None and one.stamp is None]
    return _PASSED if all(verdict.outcome in _GOOD_OUTCOMES for verdict in verdicts) else _FAILED


def _targets(options):
    """The targets of --on in order, each once; ends with status 2 where they make no sense."""
    targets = tuple(dict.fromkeys(name.strip() for name in options.on.split(",") if name.strip()))
    for target in targets:
        name, _, serial = target.partition(":")
        if not (target in _HOST_TARGETS or target == _ANDROID or (name == _ANDROID and serial)):
            options.usage_error(
                f"--on: unknown target {target!r}. Known: cpu, gpu, android, android:SERIAL, android:all"
            )
    if not targets:
        options.usage_error("--on: name at least one target: cpu, gpu, android")
    return targets


def _refuse_phones_without_adb(targets):
    from bokeh_tf.errors import DependencyError

    phones = [target for target in targets if target.partition(":")[0] == _ANDROID]
    if phones:
        raise DependencyError(f"{phones[0]}: timing on phones needs the adb layer, which this installation lacks.")


def _settings(options, targets):
    from bokeh_tf.bench.cpu import CpuSetting, find_tflite_runtime_python
    from bokeh_tf.bench.gpu import GpuSetting

    runtimes = tuple(dict.fromkeys(name.strip() for name in options.runtime.split(",")))
    for name in runtimes:
        if name not in _RUNTIMES:
            options.usage_error(f"--runtime: unknown runtime {name!r}. Known: {', '.join(_RUNTIMES)}")
    settings = []
    for runtime in runtimes if "cpu" in targets else ():
        python = (
            sys.executable if runtime == _RUNTIMES[0] else find_tflite_runtime_python(explicit=options.runtime_python)
        )
        settings += [
            CpuSetting(runtime=runtime, threads=threads, xnnpack=options.xnnpack, python=python)
            for threads in dict.fromkeys(options.threads)
        ]
    if "gpu" in targets:
        settings.append(GpuSetting(precision=options.gpu_precision, allow_software=options.allow_software))
    return tuple(settings)


def _say_continued():
    print("continuing an interrupted run; what it had finished is kept", file=sys.stderr)


def _count(text):
    value = int(text)
    if value < 1:
        raise ValueError
    return value


_count.__name__ = "whole number from 1"
