"""Small files for the tests of the AI Benchmark pack: models that run,
filled-in sheets, results of ours.
"""

import csv
import io

from ai_edge_litert import schema_py_generated as schema

from bokeh_tf.ai_benchmark.sheet import COLUMNS
from bokeh_tf.bench.results.environment import Environment
from bokeh_tf.bench.results.measurement import make_measurement
from bokeh_tf.bench.results.result import Result
from bokeh_tf.bench.results.samples import Samples
from tests.model_writer import FLOAT16, FLOAT32, FileWriter

SHA256 = "0123456789abcdef" * 4
SHAPE = [1, 4, 6, 3]


def model(
    *,
    shape=SHAPE,
    image_type=FLOAT32,
    weight_type=FLOAT16,
    metadata=None,
    runtime=b"1.15.0",
    version=1,
    custom=None,
):
    """Image plus three float16 weights: the smallest file in the form that this package ships."""
    writer = FileWriter()
    image = writer.tensor("image", shape, dtype=image_type)
    weights = writer.tensor("weights", [3], constant=True, dtype=weight_type)
    rendered = writer.tensor("rendered", shape, dtype=image_type)
    added = weights
    if weight_type == FLOAT16:
        added = writer.tensor("unpacked", [3])
        writer.operator(
            schema.BuiltinOperator.DEQUANTIZE,
            [weights],
            [added],
            options=schema.DequantizeOptionsT(),
            version=3,
        )
    if custom:
        writer.operator(schema.BuiltinOperator.CUSTOM, [image, added], [rendered], custom=custom)
    else:
        options = schema.AddOptionsT()
        writer.operator(
            schema.BuiltinOperator.ADD, [image, added], [rendered], options=options, version=version
        )
    writer.graph.inputs, writer.graph.outputs = [image], [rendered]
    if runtime:
        writer.metadata("min_runtime_version", runtime.ljust(16, b"\0"))
    if metadata is not None:
        writer.metadata("bokeh_tf", metadata)
    return writer


def write_model(path, **changes):
    path.write_bytes(model(**changes).finish())
    return path


def row(**changes):
    filled = {
        **{
            "model": "m.tflite",
            "model_sha256": SHA256,
            "backend": "gpu",
            "precision": "FP16",
            "iterations": "100",
        },
        **{"mean_ms": "53.6", "phone": "Pixel 8", "android_release": "14", "app_version": "6.0.1"},
    }
    return {**filled, **changes}


def sheet_text(*rows, delimiter=",", columns=COLUMNS):
    file = io.StringIO()
    writer = csv.DictWriter(file, columns, restval="", delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def write_sheet(path, *rows, **options):
    path.write_text(sheet_text(*rows, **options), encoding="utf-8", newline="")
    return path


def own_result(
    *, backend="gpu", device="Pixel 8", rounds_ms=((10.0, 10.0), (10.0, 30.0)), sha256=SHA256
):
    """A result of ours: first run 100 ms, one warm-up run of 40 ms, then the rounds."""
    rounds_ns = tuple(tuple(int(time_ms * 1e6) for time_ms in round_ms) for round_ms in rounds_ms)
    samples = Samples(100_000_000, (40_000_000,), True, rounds_ns)
    measurement = make_measurement(
        "m", samples, backend=backend, threads=4, model="m.tflite", model_sha256=sha256, load_ns=1
    )
    environment = Environment(device, "arm64", 8, "Android 14", "3.11", "r", "0.1.0", None, None)
    return Result("2026-01-02T03:04:05Z", environment, (), (measurement,))
