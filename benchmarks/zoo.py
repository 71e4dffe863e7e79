"""Every model of the catalogue at one small size, with fresh weights, in one
interleaved run on this machine.
"""

import gc
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Column, Table

from benchmarks import flagship
from bokeh_tf.bench.host.gpu import GpuSetting
from bokeh_tf.bench.results.environment import read_environment
from bokeh_tf.bench.results.reading import read_result
from bokeh_tf.bench.results.statistics import paired_ratio
from bokeh_tf.models import catalogue

# All models accept it.
_SIZE_PX = (256, 384)
_COMPARED_WITH = "dmshn"
_VARIANTS = ("tiny", "base")


def add_options(parser):
    """Adds this suite's options to an argparse parser."""
    flagship.add_timing_options(parser)
    parser.add_argument(
        "--variants",
        nargs="+",
        choices=_VARIANTS,
        default=["tiny"],
        help="default: tiny; base takes minutes a round",
    )
    parser.add_argument(
        "--gpu",
        action="store_true",
        help="time the GPU too, where there is one that is no software",
    )


def run(options):
    """Runs the suite, prints its tables and returns the path of the JSON it wrote."""
    # Converting keeps a core at work for minutes, which is no other work that the
    # times must be doubted for.
    environment = read_environment()
    with tempfile.TemporaryDirectory(prefix="bokeh_tf_zoo_") as folder:
        paths = export_models(Path(folder), variants=tuple(dict.fromkeys(options.variants)))
        gpu = (GpuSetting(),) if options.gpu else ()
        path = flagship.time_files(
            paths, options, prefix="zoo", more_settings=gpu, environment=environment
        )
    Console().print(ratio_table(find_ratios(read_result(path))))
    return path


def keys_of(variants):
    """(model, variant) of all that is timed; a model without "tiny" is one for phones
    itself and takes its place.
    """
    for entry in catalogue.ENTRIES:
        names = [variant.name for variant in entry.variants]
        wanted = [name for name in variants if name in names] or ["base"]
        yield from ((entry.name, name) for name in wanted)


def export_models(folder, *, variants=("tiny",)):
    """Writes the models into `folder` as float16 `.tflite`; returns the paths."""
    from bokeh_tf import exporting

    paths = []
    console = Console(stderr=True)
    keys = list(keys_of(variants))
    for name, variant in track(
        keys, "exporting", console=console, transient=True, disable=not sys.stderr.isatty()
    ):
        paths.append(
            folder / f"{exporting.artifact_name(name, variant, 'float16', _SIZE_PX)}.tflite"
        )
        # The same weights each time make the same file: results can be compared, an
        # interrupted run goes on.
        model = exporting.build_model(name, variant=variant, image_shape=_SIZE_PX)
        paths[-1].write_bytes(exporting.convert_model(model, precision="float16"))
        del model
        # A large network must not wait for the collector while the next one is converted.
        gc.collect()
    return tuple(paths)


def find_ratios(result):
    """Times over that of DMSHN's same variant, or where there is none its "tiny",
    by (model's file, setting).

    Both sides are of the same backend, threads and precision, paired by round. What could
    not be timed is left out.
    """
    timed = {
        (one.model, (one.backend, one.threads, one.precision)): one
        for one in result.measurements
        if one.samples
    }
    ratios = {}
    for (model, setting), one in timed.items():
        reference = timed.get((_reference_of(model), setting)) or timed.get(
            (_file_name("tiny"), setting)
        )
        if reference is not None:
            ratios[model, setting] = paired_ratio(
                one.samples.rounds_ns, reference.samples.rounds_ns
            )
    return ratios


def ratio_table(ratios):
    """The ratios as a table for people."""
    height_px, width_px = _SIZE_PX
    table = Table(
        Column("model", overflow="fold"),
        "backend",
        "threads",
        f"time over {_COMPARED_WITH}'s",
        "95 % interval",
    )
    table.title = f"at {height_px}x{width_px}, the same variant of {_COMPARED_WITH}"
    for (model, (backend, threads, _)), ratio in ratios.items():
        interval = f"{ratio.low:.3f} … {ratio.high:.3f}"
        table.add_row(
            model.split("_float16_")[0],
            backend,
            str(threads or "-"),
            f"{ratio.value:.3f}",
            interval,
        )
    return table


def _reference_of(model):
    return _file_name(
        "base" if "_base_" in model and not model.startswith("dbsi_mobile_") else "tiny"
    )


def _file_name(variant):
    height_px, width_px = _SIZE_PX
    return f"{_COMPARED_WITH}_{variant}_float16_{height_px}x{width_px}.tflite"
