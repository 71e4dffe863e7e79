"""Every model of the table at one small size, with fresh weights, on this machine's CPU: one interleaved run."""

import tempfile
from pathlib import Path

from benchmarks import flagship

_SIZE_PX = (256, 384)
_SEED = 0


def add_options(parser):
    """Adds this suite's options to an argparse parser."""
    flagship.add_timing_options(parser)


def run(options):
    """Runs the suite, prints its table and returns the path of the JSON it wrote."""
    with tempfile.TemporaryDirectory(prefix="bokeh_tf_zoo_") as folder:
        return flagship.time_files(export_models(Path(folder)), options, prefix="zoo")


def export_models(folder):
    """Writes every model of the table into `folder` as float16 `.tflite`; returns the paths."""
    import keras

    from bokeh_tf import models
    from bokeh_tf.tflite.conversion import convert

    paths = []
    for name in models.MODELS:
        # The same weights each time make the same file: results can be compared, an interrupted run goes on.
        keras.utils.set_random_seed(_SEED)
        height_px, width_px = _SIZE_PX
        paths.append(folder / f"{name}_base_float16_{height_px}x{width_px}.tflite")
        paths[-1].write_bytes(convert(models.build(name, image_shape=_SIZE_PX), precision="float16"))
    return tuple(paths)
