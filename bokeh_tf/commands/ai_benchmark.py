"""`bokeh-tf ai-benchmark`: its options, what it calls, and what it prints where."""

import argparse
from pathlib import Path

from bokeh_tf.commands import outputs, ranges
from bokeh_tf.commands.console import count, open_console, say

_IMPORT = "import"
_DESCRIPTION = """Makes a pack for the AI Benchmark app's PRO mode: model.tflite as the app wants
it, a settings card as text and as a picture for the phone, and a sheet (CSV) for the numbers that
the app shows. `import` puts a filled-in sheet beside our own results of the same file and says
where the difference comes from."""
_EPILOG = """exit status:
  0  done
  1  could not be done: a file that the app would refuse, a wrong cell in a sheet, no phone
  2  wrong usage

examples:
  bokeh-tf ai-benchmark model.tflite -o pack
  bokeh-tf ai-benchmark model.tflite -o pack --push
  bokeh-tf ai-benchmark import pack/results.csv --out runs"""
_PACK_OPTIONS = ("input_range", "iterations", "app_tflite", "push", "serial", "adb")


def add(commands):
    """Adds the command's parser to the subparsers `commands`."""
    parser = commands.add_parser(
        "ai-benchmark",
        help="prepare a .tflite file for the AI Benchmark app, and import what the app shows",
        usage="bokeh-tf ai-benchmark MODEL -o DIR [options]\n       bokeh-tf ai-benchmark import"
        " SHEET --out DIR",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "words", nargs="+", metavar="MODEL", help="a .tflite file; or `import` and a sheet"
    )
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of the pack, or of results",
    )
    _add_pack(parser)
    _add_phone(parser)
    parser.set_defaults(run=run, usage_error=parser.error)


def _add_pack(parser):
    group = parser.add_argument_group("the pack")
    ranges.add(group, sides=("input",))
    group.add_argument(
        "--iterations", type=count, metavar="N", help="runs the app shall make (default 100)"
    )
    group.add_argument(
        "--app-tflite",
        metavar="X.Y",
        help="TensorFlow Lite in your app: refuse what needs a newer one",
    )


def _add_phone(parser):
    group = parser.add_argument_group("the phone")
    group.add_argument(
        "--push",
        action="store_true",
        help="copy the model into the phone's Download folder, verified",
    )
    group.add_argument("--serial", metavar="SERIAL", help="which phone, where there are several")
    group.add_argument(
        "--adb", metavar="FILE", help="the adb program (default: BOKEH_ADB, then PATH)"
    )


def run(options):
    """Runs the command with parsed `options`; returns the exit status."""
    if options.words[0] == _IMPORT:
        if len(options.words) != 2:
            options.usage_error(
                "import needs one sheet: bokeh-tf ai-benchmark import SHEET --out DIR"
            )
        given = [name for name in _PACK_OPTIONS if getattr(options, name)]
        if given:
            options.usage_error(f"--{given[0].replace('_', '-')} does not go with import")
        outputs.claim_in_folder(options.out)
        return _import(options)
    if len(options.words) != 1:
        options.usage_error(f"one model at a time; {len(options.words)} given")
    if (options.serial or options.adb) and not options.push:
        options.usage_error("--serial and --adb go with --push")
    outputs.claim_in_folder(options.out)
    return _pack(options)


def _pack(options):
    from bokeh_tf.ai_benchmark.card import DEFAULT_ITERATIONS, PUSH_LINE
    from bokeh_tf.ai_benchmark.pack import write_pack
    from bokeh_tf.ai_benchmark.releases import parse_release

    app_release = parse_release(options.app_tflite) if options.app_tflite else None
    if options.app_tflite and app_release is None:
        options.usage_error(
            f"--app-tflite is a release such as 2.9. Received: {options.app_tflite!r}"
        )
    ranges.check(options)
    pack = write_pack(
        options.words[0],
        options.out,
        input_range=options.input_range,
        iterations=options.iterations or DEFAULT_ITERATIONS,
        app_release=app_release,
    )
    for file in pack.files:
        say(f"written: {file}")
    say(f"needs TensorFlow Lite: {pack.card.release}")
    for warning in pack.card.warnings:
        say(f"bokeh-tf: mind: {warning}", is_error=True)
    if options.push:
        _push(pack, options)
    else:
        say(f"in {options.out}: {PUSH_LINE}")
    return 0


def _push(pack, options):
    from bokeh_tf.ai_benchmark.card import REMOTE_PATH
    from bokeh_tf.ai_benchmark.phone import push

    serial = push(pack.model, adb=options.adb, serial=options.serial)
    say(f"pushed to {serial}: {REMOTE_PATH}, sha256 {pack.card.sha256[:12]}… verified there")


def _import(options):

    from bokeh_tf.ai_benchmark.comparison import ALWAYS_DIFFERENT
    from bokeh_tf.ai_benchmark.importing import import_sheet

    imported = import_sheet(options.words[1], options.out)
    open_console().print(_table(imported.comparisons))
    for comparison in imported.comparisons:
        for line in (*_source(comparison.own), *comparison.explanation):
            say(f"row {comparison.row.row}: {line}")
    say(f"always: {ALWAYS_DIFFERENT}")
    if imported.path is None:
        say(f"nothing new: {options.out} has all {len(imported.comparisons)} rows already")
    else:
        say(f"written: {imported.path}")
    return 0


def _source(own):
    """Where the number beside the app's is from."""
    return () if own is None else (f"ours is {own.name!r} in {own.file}",)


def _table(comparisons):
    from rich.table import Table

    from bokeh_tf.bench.report.terminal import harmless

    table = Table("row", "phone", "backend")
    for heading in ("app, mean ms", "ours, median ms", "ratio"):
        table.add_column(heading, justify="right")
    for comparison in comparisons:
        row, own = comparison.row, comparison.own
        cells = ("-", "-") if own is None else (f"{own.median_ms:.4g}", f"{comparison.ratio:.2f}")
        table.add_row(
            *map(harmless, (str(row.row), row.phone, row.backend, f"{row.mean_ms:.4g}", *cells))
        )
    return table
