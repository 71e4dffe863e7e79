"""`--on android`: phones over adb, with the user's own `benchmark_model`."""

from pathlib import Path

from bokeh_tf.bench.backends.backend import Backend
from bokeh_tf.bench.vocabulary import CORES, DEFAULT_SETTINGS, SETTINGS


def _add_options(parser, _count):
    group = parser.add_argument_group("android")
    group.add_argument(
        "--benchmark-model",
        type=Path,
        metavar="FILE",
        help="the program that runs on the phone (default: $BOKEH_BENCHMARK_MODEL)",
    )
    group.add_argument(
        "--adb", type=Path, metavar="FILE", help="default: $BOKEH_ADB, PATH, the adbutils wheel's"
    )
    group.add_argument(
        "--phone-settings",
        nargs="+",
        choices=SETTINGS,
        default=DEFAULT_SETTINGS,
        metavar="NAME",
        help=f"of {', '.join(SETTINGS)} (default: the first three)",
    )
    group.add_argument("--cores", choices=CORES, help="cores that the program runs on")
    group.add_argument(
        "--phone-libraries",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="what the program needs beside it",
    )


def _time_devices(options, serials, watch):
    from bokeh_tf.bench.phone import run as android
    from bokeh_tf.bench.phone.adb import Adb, find_adb

    wanted = android.AndroidRun(
        models=tuple(options.models),
        program=android.find_program(explicit=options.benchmark_model),
        settings=android.parse_settings(
            options.phone_settings, threads=options.threads, cores=options.cores
        ),
        serials=tuple(serials),
        libraries=tuple(options.phone_libraries),
        rounds=options.rounds,
        timeout_s=options.timeout,
    )
    return android.bench(
        wanted,
        adb=Adb(find_adb(explicit=options.adb)),
        folder=options.out,
        on_round=watch.on_round,
        on_continue=watch.on_continue,
        say=watch.say,
    )


_SAYS = "a phone over adb; android:all for all of them"
BACKEND = Backend("android", _SAYS, _add_options, time_devices=_time_devices)
