"""Where Keras and TensorFlow may be imported, and that the base install needs neither."""

import subprocess
import sys

import pytest

from tests.house.sources import MODULES, ROOT, imports_of

# Where the frameworks may be imported; everything else works with the base install.
KERAS_PARTS = {"ops", "losses", "models", "data", "training"}
TENSORFLOW_FILES = {
    "bokeh_tf/tflite/converter.py",
    "bokeh_tf/tflite/saved_models.py",
    "bokeh_tf/data/pairs/pipeline.py",
    "bokeh_tf/training/adversarial.py",
    "bokeh_tf/training/distribution.py",
    "bokeh_tf/training/pictures.py",
}
KERAS_FILES = {
    "bokeh_tf/exporting.py",
    "bokeh_tf/tflite/conversion.py",
    "bokeh_tf/tflite/conversion_child.py",
    "bokeh_tf/tflite/converter.py",
    "bokeh_tf/tflite/keras_models.py",
    "bokeh_tf/tflite/saved_models.py",
    "bokeh_tf/converting/builder.py",
    "bokeh_tf/converting/loading.py",
    "bokeh_tf/rendering/backends.py",
    "benchmarks/blur_bank.py",
    "export/zoo/practice.py",
}

# Started by their file's name in a Python of the user's, which has these packages and not ours.
IN_ANOTHER_PYTHON = {
    "bokeh_tf/bench/host/timing_worker.py": {"numpy"},
    "bokeh_tf/delegate/classic_gl/child.py": {"flatbuffers", "mediapipe", "numpy"},
}


@pytest.mark.parametrize("name", IN_ANOTHER_PYTHON)
def test_what_another_python_runs_needs_nothing_of_ours(name):
    roots = {module.split(".")[0] for module in imports_of(ROOT / name)}
    assert roots - sys.stdlib_module_names == IN_ANOTHER_PYTHON[name]


@pytest.mark.parametrize("name", MODULES)
def test_frameworks_stay_where_they_belong(name):
    roots = {module.split(".")[0] for module in imports_of(ROOT / name)}
    part = name.split("/")[1] if name.startswith("bokeh_tf/") else ""
    if name not in TENSORFLOW_FILES:
        assert "tensorflow" not in roots
    if part not in KERAS_PARTS and name not in KERAS_FILES:
        assert "keras" not in roots


BASE_MODULES = [
    "bokeh_tf",
    "bokeh_tf.cli",
    "bokeh_tf.delegate.check",
    "bokeh_tf.delegate.writers.formats",
    "bokeh_tf.delegate.writers.text",
    "bokeh_tf.testing",
    "bokeh_tf.bench.report.comparison",
    "bokeh_tf.bench.host.run",
    "bokeh_tf.bench.report.terminal",
    "bokeh_tf.converting.report",
    "bokeh_tf.converting.measurer",
    "bokeh_tf.exporting",
    "bokeh_tf.models.catalogue",
    "bokeh_tf.models.listing",
    "bokeh_tf.rendering",
    "bokeh_tf.repairing.report",
    "bokeh_tf.repairing.worker",
    "bokeh_tf.tflite.inspection",
    "bokeh_tf.tflite.running.runtime",
    "bokeh_tf.photos",
    "benchmarks.suites",
    "export.__main__",
    "export.zoo.__main__",
]


def test_base_install_imports_no_framework():
    code = (
        f"import {', '.join(BASE_MODULES)}, sys; print([m for m in ('tensorflow', 'keras',"
        " 'jax') if m in sys.modules])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "[]"
