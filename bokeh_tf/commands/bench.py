"""`bokeh-tf bench`: its options, what it calls, and what it prints where."""

import argparse
import sys
from pathlib import Path

from bokeh_tf.bench.backends import BACKENDS
from bokeh_tf.bench.backends.backend import Watch
from bokeh_tf.commands import bench_read, outputs
from bokeh_tf.commands.console import count, open_console, say

_PASSED, _NOT_DONE, _FAILED = 0, 1, 3
_DESCRIPTION = """Times each file on each target in interleaved rounds (A B A B), each in a process
of its own, so that whatever disturbs the machine disturbs all of them. Medians with intervals, not
means; an unstable run says why, and what to do. Cold and warm start, the first run and the steady
runs are told apart. The warm start is that of a new process, from the cache on disk that another
one wrote, where the runtime has a cache; else the report says so."""
_TARGETS = "\n".join(f"  {backend.usage:<17} {backend.says}" for backend in BACKENDS)
_EPILOG = f"""targets of --on, a comma between them (default: cpu):
{_TARGETS}

With --out the raw samples are kept as JSON, and an interrupted run continues where it stopped when the same command
is given again.

`bench read` times nothing: it reads what a benchmark_model printed (its output, a logcat, a CI's
log), says who computed each run and by which lines, and keeps it as a result with --out.

exit status:
  0  timed
  1  something could not be timed: one line says what
  2  wrong usage
  3  timed, but something else than what was asked for: wrong values, or not all of it on the GPU

examples:
  bokeh-tf bench model.tflite --threads 1 2 4
  bokeh-tf bench a.tflite b.tflite --on cpu,gpu --out timings
  bokeh-tf bench model.tflite --on android:all --benchmark-model android_aarch64_benchmark_model --out timings
  bokeh-tf bench read logcat.txt --wanted gpu --out timings
  bokeh-tf bench model.tflite --runtime ai-edge-litert,tflite-runtime --runtime-python old/bin/python"""


def add(commands):
    """Adds the command's parser to the subparsers `commands`."""
    parser = commands.add_parser(
        "bench",
        help="time .tflite files on CPU, GPU and phones, and read logs of such runs",
        usage="bokeh-tf bench MODEL [MODEL ...] [options]\n       bokeh-tf bench read LOG [LOG"
        " ...] [options]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "models", nargs="+", type=Path, metavar="MODEL", help=".tflite files; or `read` and logs"
    )
    parser.add_argument(
        "--on", default="cpu", metavar="LIST", help="targets, see below (default cpu)"
    )
    parser.add_argument(
        "--rounds", type=count, default=10, metavar="N", help="turns of each (default 10)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for the result as JSON, raw samples included",
    )
    parser.add_argument(
        "--timeout",
        type=count,
        default=600,
        metavar="SECONDS",
        help="per model and turn (default 600)",
    )
    for backend in BACKENDS:
        backend.add_options(parser, count)
    bench_read.add_options(parser)
    parser.set_defaults(run=run, usage_error=parser.error, default_of=parser.get_default)


def run(options):
    """Runs the command with parsed `options`; returns the exit status."""
    if options.models[0] == Path(bench_read.WORD):
        return bench_read.run(options)
    for name in ("wanted", "exit_code"):
        if getattr(options, name) is not None:
            options.usage_error(f"--{name.replace('_', '-')} goes with bench read")
    chosen = _chosen(options)
    outputs.claim_in_folder(options.out)
    statuses = []
    try:
        if any(backend.settings for backend, _ in chosen):
            statuses.append(_run_host(options, chosen))
        for backend, devices in chosen:
            if backend.time_devices:
                statuses.append(_run_devices(options, backend, devices))
    except KeyboardInterrupt:
        if options.out and any(options.out.glob("unfinished_*.jsonl")):
            print(
                "what was finished is kept; the same command continues from there", file=sys.stderr
            )
        raise
    return _FAILED if _FAILED in statuses else max(statuses)


def _run_host(options, chosen):
    """One run of this machine, in which all its backends take turns."""
    from bokeh_tf.bench.host.run import HostRun, bench
    from bokeh_tf.bench.report import terminal

    asked = [backend.settings(options) for backend, _ in chosen if backend.settings]
    settings = tuple(setting for settings in asked for setting in settings)
    host_run = HostRun(
        tuple(options.models), settings, rounds=options.rounds, timeout_s=options.timeout
    )
    with terminal.progress(options.rounds) as on_round:
        result, path = bench(
            host_run, folder=options.out, on_round=on_round, on_continue=_say_continued
        )
    _show(result, path)
    return exit_status(result)


def _run_devices(options, backend, devices):
    from bokeh_tf.bench.report import terminal

    with terminal.progress(options.rounds) as on_round:
        watch = Watch(on_round, _say_continued, lambda text: say(text, is_error=True))
        done = backend.time_devices(options, devices, watch)
    _show(done.result, done.path)
    for failure in done.failures:
        say(failure, is_error=True)
    return _NOT_DONE if done.failures else exit_status(done.result)


def _show(result, path):

    from bokeh_tf.bench.report import terminal

    console = open_console()
    console.print(terminal.render(result))
    if path:
        say(f"written: {path}")


def exit_status(result):
    """What the command's exit status says of a result."""
    from bokeh_tf.bench.results.measurement import HOST

    if any(measurement.summary is None for measurement in result.measurements):
        return _NOT_DONE
    # What is stamped on this machine was allowed to be something else; a
    # phone's stamp is a finding.
    judged = [one for one in result.measurements if one.verdict is not None]
    verdicts = [one.verdict for one in judged if one.stamp is None or one.device != HOST]
    return _PASSED if all(verdict.outcome.passed for verdict in verdicts) else _FAILED


def _chosen(options):
    """(backend, names of devices) for the targets of --on; ends with status 2
    where they make no sense.
    """
    devices: dict[str, list[str]] = {}
    for target in filter(None, (name.strip() for name in options.on.split(","))):
        for backend in BACKENDS:
            if backend.is_meant_by(target):
                named = devices.setdefault(backend.name, [])
                device = target.partition(":")[2]
                if device and device not in named:
                    named.append(device)
                break
        else:
            known = ", ".join(form for one in BACKENDS for form in one.forms)
            options.usage_error(f"--on: unknown target {target!r}. Known: {known}")
    if not devices:
        names = ", ".join(backend.name for backend in BACKENDS)
        options.usage_error(f"--on: name at least one target: {names}")
    return [(backend, devices[backend.name]) for backend in BACKENDS if backend.name in devices]


def _say_continued():
    print("continuing an interrupted run; what it had finished is kept", file=sys.stderr)
