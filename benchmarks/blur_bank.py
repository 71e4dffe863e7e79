"""The blur bank 25+45+75: ours as `.tflite` against the direct separable one and against OpenCV.

One interleaved run of all three on one float32 image, at each thread count. Every contender leaves
three float32 images in memory that it already owns. The ratios are paired by round. The error of
ours is against OpenCV's exact blur: on the picture it was timed on, on sparse highlights (the
hardest case) and on the photos given.
"""

import argparse
import contextlib
import functools
import json
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.pictures import highlights, natural_noise, photo_of_size
from bokeh_tf.bench.host.cpu import BACKEND, open_model
from bokeh_tf.bench.host.sampling import Contender, sample_interleaved
from bokeh_tf.bench.report import terminal
from bokeh_tf.bench.results.environment import find_environment_doubts, read_environment
from bokeh_tf.bench.results.measurement import make_measurement
from bokeh_tf.bench.results.result import Result, as_json, utc_now, write_document
from bokeh_tf.bench.results.statistics import paired_ratio
from bokeh_tf.metrics import psnr
from bokeh_tf.paths import names_apart
from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.running import runtime

SCHEMA_VERSION = 1
KERNEL_SIZES_PX = (25, 45, 75)
OURS, DIRECT, OPENCV = "ours", "direct", "opencv"
_CHANNELS = 3
# A mirrored border needs more pixels than half the largest kernel.
_MIN_SIDE_PX = max(KERNEL_SIZES_PX) // 2 + 1


def add_options(parser):
    """Adds this suite's options to an argparse parser."""
    side, count = _at_least(_MIN_SIDE_PX), _at_least(1)
    parser.add_argument(
        "--rounds", type=count, default=10, help="turns of each contender (default: %(default)s)"
    )
    parser.add_argument(
        "--threads", type=count, nargs="+", default=[1, 2], help="thread counts (default: 1 2)"
    )
    parser.add_argument(
        "--height", type=side, default=1024, help="rows of the image (default: %(default)s)"
    )
    parser.add_argument(
        "--width", type=side, default=1536, help="columns of the image (default: %(default)s)"
    )
    parser.add_argument(
        "--photos", type=Path, nargs="*", default=[], help="photos to measure the error on as well"
    )


def _at_least(minimum):
    """A type for argparse: an integer that is not smaller than `minimum`."""

    def integer(text):
        if int(text) < minimum:
            raise argparse.ArgumentTypeError(f"must be at least {minimum}, not {text}")
        return int(text)

    return integer


def run(options):
    """Runs the suite, prints its tables and returns the path of the JSON it wrote."""
    size_px = (options.height, options.width)
    photos = {
        name: photo_of_size(path, *size_px)
        for name, path in zip(names_apart(options.photos), options.photos, strict=True)
    }
    models = build_models(*size_px)
    timed = natural_noise(*size_px)
    timing = time_banks(models, timed, threads=options.threads, rounds=options.rounds)
    ratios = find_ratios(timing, options.threads)
    errors_db = measure_errors(models[OURS], {"natural noise (timed)": timed, **photos}, size_px)
    macs = {
        name: inspect(model).macs / (size_px[0] * size_px[1] * _CHANNELS)
        for name, model in models.items()
    }
    _print(timing, ratios, errors_db, macs)
    content = {
        "schema_version": SCHEMA_VERSION,
        "suite": "blur_bank",
        "size_px": size_px,
        "kernel_sizes_px": KERNEL_SIZES_PX,
        "macs_per_pixel_and_channel": macs,
        "ratios": {name: asdict(ratio) for name, ratio in ratios.items()},
        "psnr_db_against_opencv": errors_db,
        "timing": as_json(timing),
    }
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    return write_document(text, options.out, "blur_bank", timing.created_utc)


def build_models(height_px, width_px):
    """Our bank and the direct one as bytes of a float32 `.tflite` with one
    image in and three images out.
    """
    import keras

    from bokeh_tf.ops.blur import GaussianBlurBank, SeparableGaussianBlur
    from bokeh_tf.tflite.conversion import convert

    image = keras.Input((height_px, width_px, _CHANNELS), batch_size=1, name="image")
    banks = {
        OURS: GaussianBlurBank(KERNEL_SIZES_PX)(image),
        DIRECT: [SeparableGaussianBlur(size_px)(image) for size_px in KERNEL_SIZES_PX],
    }
    return {
        name: convert(keras.Model(image, bank, name=name), precision="float32")
        for name, bank in banks.items()
    }


def time_banks(models, picture, *, threads, rounds):
    """The interleaved run on `picture`, float32 `[H, W, 3]`; measurements are named by `label`."""
    environment, created_utc = read_environment(), utc_now()
    plan = [(name, count) for count in dict.fromkeys(threads) for name in (OURS, DIRECT, OPENCV)]
    opened = [_open(name, models.get(name), picture, threads=count) for name, count in plan]
    contenders = [contender for contender, _ in opened]
    with _opencv_threads_restored(), terminal.progress(rounds) as on_round:
        samples = sample_interleaved(contenders, rounds=rounds, on_round=on_round)
    measurements = tuple(
        make_measurement(
            contender.name,
            times,
            backend=f"opencv {cv2.__version__}" if name == OPENCV else BACKEND,
            threads=count,
            load_ns=load_ns,
        )
        for (name, count), (contender, load_ns), times in zip(plan, opened, samples, strict=True)
    )
    doubts = find_environment_doubts(environment, threads=max(threads))
    return Result(created_utc, environment, doubts, measurements)


def label(name, threads):
    """What a contender is called in the result, for example `"ours, 2 threads"`."""
    return f"{name}, {threads} thread{'s' if threads > 1 else ''}"


def _open(name, model, picture, *, threads):
    """The contender and how long loading it took in nanoseconds; without a
    model it is OpenCV's bank.
    """
    if model is not None:
        invoke, load_ns = open_model(model, threads=threads, inputs=(picture[None],))
        return Contender(label(name, threads), invoke), load_ns
    outputs = [np.empty_like(picture) for _ in KERNEL_SIZES_PX]
    run_once = functools.partial(opencv_bank, picture, outputs)
    return Contender(
        label(name, threads), run_once, prepare=functools.partial(cv2.setNumThreads, threads)
    ), None


def opencv_bank(picture, outputs):
    """OpenCV's exact blurs of `picture` with each kernel, into the images
    `outputs`, which it returns.
    """
    for size_px, output in zip(KERNEL_SIZES_PX, outputs, strict=True):
        cv2.GaussianBlur(
            picture, (size_px, size_px), 0, dst=output, borderType=cv2.BORDER_REFLECT_101
        )
    return outputs


@contextlib.contextmanager
def _opencv_threads_restored():
    before = cv2.getNumThreads()
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def find_ratios(timing, threads):
    """Time of ours over that of the others, paired by round, by `"ours / <other>, <n> threads"`."""
    rounds_ns = {
        measurement.name: measurement.samples.rounds_ns for measurement in timing.measurements
    }
    return {
        label(f"{OURS} / {other}", count): paired_ratio(
            rounds_ns[label(OURS, count)], rounds_ns[label(other, count)]
        )
        for count in threads
        for other in (DIRECT, OPENCV)
    }


def measure_errors(model, pictures, size_px):
    """PSNR in dB of the bank in `model` against OpenCV, by picture and kernel size.

    Errors on the highlights are relative to the blurred highlights' peak, which is
    far below the image's range.
    """
    runner = runtime.load(model)

    def psnr_by_kernel(picture, *, of_peak):
        exact = opencv_bank(picture, [np.empty_like(picture) for _ in KERNEL_SIZES_PX])
        scales = [image.max() if of_peak else np.float32(1) for image in exact]
        blurred = runner.run(picture[None])
        return {
            str(size_px): psnr(actual[0] / scale, expected / scale)
            for size_px, actual, expected, scale in zip(
                KERNEL_SIZES_PX, blurred, exact, scales, strict=True
            )
        }

    errors_db = {name: psnr_by_kernel(picture, of_peak=False) for name, picture in pictures.items()}
    return {
        **errors_db,
        "highlights (of the blurred peak)": psnr_by_kernel(highlights(*size_px), of_peak=True),
    }


def _print(timing, ratios, errors_db, macs):
    ratio_table = Table("time of ours over the other", "median", "95 % interval", "times faster")
    for name, ratio in ratios.items():
        interval = f"{ratio.low:.4f} … {ratio.high:.4f}"
        ratio_table.add_row(name, f"{ratio.value:.4f}", interval, f"{1 / ratio.value:.1f}")
    error_table = Table(
        "PSNR against OpenCV, dB", *(f"{size_px} px" for size_px in KERNEL_SIZES_PX)
    )
    for name, by_kernel in errors_db.items():
        error_table.add_row(name, *(f"{value_db:.1f}" for value_db in by_kernel.values()))
    console = Console()
    console.print(terminal.render(timing), ratio_table, error_table)
    cost = ", ".join(f"{name} {value:.1f}" for name, value in macs.items())
    console.print(f"multiply-accumulates per pixel and channel: {cost}")
