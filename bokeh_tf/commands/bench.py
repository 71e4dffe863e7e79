"""`bokeh-tf bench`: its options, what it calls, and what it prints where."""

import argparse
import sys
from pathlib import Path

from bokeh_tf.commands.console import count, open_console

_HOST_TARGETS = ("cpu", "gpu")
_ANDROID = "android"
_RUNTIMES = ("ai-edge-litert", "tflite-runtime")
_PASSED, _NOT_DONE, _FAILED = 0, 1, 3
_PHONE_SETTINGS = ("cpu", "gpu-fp16", "gpu-fp32", "nnapi")
_DESCRIPTION = """Times each file on each target in interleaved rounds (A B A B), each in a process of its own, so that
whatever disturbs the machine disturbs all of them. Medians with intervals, not means; an unstable run says why, and
what to do. Cold and warm start, the first run and the steady runs are told apart. The warm start is that of a new
process, from the cache on disk that another one wrote, where the runtime has a cache; else the report says so."""
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
  bokeh-tf bench model.tflite --on android:all --benchmark-model android_aarch64_benchmark_model --out timings
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
    parser.add_argument("--rounds", type=count, default=10, metavar="N", help="turns of each (default 10)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the result as JSON, raw samples included")
    parser.add_argument(
        "--timeout", type=count, default=600, metavar="SECONDS", help="per model and turn (default 600)"
    )
    _add_cpu(parser)
    _add_gpu(parser)
    _add_android(parser)
    parser.set_defaults(run=run, usage_error=parser.error)


def _add_cpu(parser):
    group = parser.add_argument_group("cpu")
    group.add_argument("--threads", nargs="+", type=count, default=[1, 2], metavar="N", help="default 1 2")
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


def _add_android(parser):
    group = parser.add_argument_group("android")
    group.add_argument(
        "--benchmark-model",
        type=Path,
        metavar="FILE",
        help="the program that runs on the phone (default: $BOKEH_BENCHMARK_MODEL)",
    )
    group.add_argument("--adb", type=Path, metavar="FILE", help="default: $BOKEH_ADB, PATH, the adbutils wheel's")
    group.add_argument(
        "--phone-settings",
        nargs="+",
        choices=_PHONE_SETTINGS,
        default=_PHONE_SETTINGS[:3],
        metavar="NAME",
        help=f"of {', '.join(_PHONE_SETTINGS)} (default: the first three)",
    )
    group.add_argument("--cores", choices=("all", "big", "prime"), help="cores that the program runs on")
    group.add_argument(
        "--phone-libraries", nargs="+", type=Path, default=[], metavar="FILE", help="what the program needs beside it"
    )


def run(options):
    """Runs the command with parsed `options`; returns the exit status."""
    targets = _targets(options)
    statuses = []
    try:
        if any(target in _HOST_TARGETS for target in targets):
            statuses.append(_run_host(options, targets))
        phones = [target for target in targets if target not in _HOST_TARGETS]
        if phones:
            statuses.append(_run_phones(options, phones))
    except KeyboardInterrupt:
        if options.out and any(options.out.glob("unfinished_*.jsonl")):
            print("what was finished is kept; the same command continues from there", file=sys.stderr)
        raise
    return _FAILED if _FAILED in statuses else max(statuses)


def _run_host(options, targets):
    from bokeh_tf.bench import report
    from bokeh_tf.bench.host_run import HostRun, bench

    settings = _settings(options, targets)
    host_run = HostRun(tuple(options.models), settings, rounds=options.rounds, timeout_s=options.timeout)
    with report.progress(options.rounds) as on_round:
        result, path = bench(host_run, folder=options.out, on_round=on_round, on_continue=_say_continued)
    _show(result, path)
    return exit_status(result)


def _run_phones(options, phones):
    from bokeh_tf.bench import android, report
    from bokeh_tf.bench.adb import Adb, find_adb

    serials = tuple(filter(None, (phone.partition(":")[2] for phone in phones)))
    wanted = android.AndroidRun(
        models=tuple(options.models),
        program=android.find_program(explicit=options.benchmark_model),
        settings=android.parse_settings(options.phone_settings, threads=options.threads, cores=options.cores),
        serials=serials,
        libraries=tuple(options.phone_libraries),
        rounds=options.rounds,
        timeout_s=options.timeout,
    )
    with report.progress(options.rounds) as on_round:
        done = android.bench(
            wanted,
            adb=Adb(find_adb(explicit=options.adb)),
            folder=options.out,
            on_round=on_round,
            on_continue=_say_continued,
            say=lambda text: print(text, file=sys.stderr),
        )
    _show(done.result, done.path)
    for failure in done.failures:
        print(failure, file=sys.stderr)
    return _NOT_DONE if done.failures else exit_status(done.result)


def _show(result, path):

    from bokeh_tf.bench import report

    console = open_console()
    console.print(report.render(result))
    if path:
        print(f"written: {path}")


def exit_status(result):
    """What the command's exit status says of a result."""
    from bokeh_tf.bench.measurement import HOST

    if any(measurement.summary is None for measurement in result.measurements):
        return _NOT_DONE
    # What is stamped on this machine was allowed to be something else; a phone's stamp is a finding.
    judged = [one for one in result.measurements if one.verdict is not None]
    verdicts = [one.verdict for one in judged if one.stamp is None or one.device != HOST]
    return _PASSED if all(verdict.outcome.passed for verdict in verdicts) else _FAILED


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
