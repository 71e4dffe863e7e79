"""`tflite.running.runtime` on a real file against Keras' arithmetic, and on files
that are none; `processes`.
"""

import math
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from bokeh_tf.errors import ModelFileError
from bokeh_tf.models.weights import FLAGSHIP_FILE
from bokeh_tf.processes import memory_bytes, run_module
from bokeh_tf.tflite.running.memory import too_large
from bokeh_tf.tflite.running.runtime import load, verify_loads
from tests.model_writer import FileWriter

# One multiplication and one addition in float32.
ARITHMETIC_TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def affine(tiny_tflite):
    return tiny_tflite("affine", lambda image: [image * 2.0 + 0.25, image[..., :1] - 1.0])


def test_runs_and_names_its_tensors(affine):
    runner = load(affine, threads=1)
    assert [(spec.shape, spec.dtype) for spec in runner.inputs] == [((1, 16, 24, 3), np.float32)]
    image = np.random.default_rng(0).random((1, 16, 24, 3), np.float32)
    outputs = {array.shape[-1]: array for array in runner.run(image)}
    np.testing.assert_allclose(outputs[3], image * 2 + 0.25, atol=ARITHMETIC_TOLERANCE)
    np.testing.assert_allclose(outputs[1], image[..., :1] - 1, atol=ARITHMETIC_TOLERANCE)


def test_results_outlive_the_next_run(affine):
    runner = load(affine.read_bytes())
    first = runner.run(np.zeros((1, 16, 24, 3), np.float32))
    kept = [array.copy() for array in first]
    runner.run(np.ones((1, 16, 24, 3), np.float32))
    for array, copy in zip(first, kept, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((), "one array per input"),
        ((np.zeros((1, 16, 24, 3)),), "float32"),
        ((np.zeros((16, 24, 3), np.float32),), r"\[1, 16, 24, 3\]"),
    ],
)
def test_refuses_wrong_arrays(affine, arrays, message):
    with pytest.raises(ValueError, match=message):
        load(affine).run(*arrays)


def test_refuses_no_threads(affine):
    with pytest.raises(ValueError, match="threads"):
        load(affine, threads=0)


def test_a_file_with_another_alphabet_in_its_path(affine, tmp_path):
    path = tmp_path / "модель 模型.tflite"
    path.write_bytes(affine.read_bytes())
    assert load(path).inputs
    verify_loads(path)


def _damaged(affine, kind):
    content = affine.read_bytes()
    if kind == "text":
        return b"not a model at all"
    if kind == "empty":
        return b""
    if kind == "cut":
        return content[: len(content) // 2]
    # Offsets that point far outside: what a bit flip on a memory card can do.
    return content[:8] + b"\xff" * 64 + content[72:]


@pytest.mark.parametrize("kind", ["text", "empty", "cut", "wild offsets"])
def test_damaged_files_are_one_line(affine, tmp_path, kind):
    path = tmp_path / "broken.tflite"
    path.write_bytes(_damaged(affine, kind))
    with pytest.raises(ModelFileError, match=r"broken\.tflite") as caught:
        verify_loads(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"), [("absent.tflite", "cannot read this model file"), ("", "not a file")]
)
def test_a_missing_file_or_a_folder_is_one_line(tmp_path, name, message):
    with pytest.raises(ModelFileError, match=message):
        verify_loads(tmp_path / name)


def test_a_time_limit_ends_the_loading(affine):
    with pytest.raises(ModelFileError, match="takes longer than"):
        verify_loads(affine, timeout_s=0.01)


def _child_module(folder, source):
    (folder / "child_of_a_test.py").write_text(source, encoding="utf-8")
    return {"PYTHONPATH": str(folder)}


def test_a_child_that_hangs_is_ended_with_all_it_started(tmp_path):
    source = """
import pathlib, subprocess, sys, time
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path(sys.argv[1]).write_text(str(grandchild.pid))
time.sleep(600)
"""
    note = tmp_path / "grandchild"
    start_s = time.monotonic()
    # Long enough for the child to start on a busy machine.
    result = run_module(
        "child_of_a_test", [note], timeout_s=8, environment=_child_module(tmp_path, source)
    )
    assert result.timed_out and result.signal_name == "SIGKILL"
    assert result.ending.startswith("not done after ")
    assert time.monotonic() - start_s < 300
    # Of itself it would run for ten minutes; on a busy machine a killed
    # process takes a moment to go.
    deadline_s = start_s + 300
    while _is_running(int(note.read_text())) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert not _is_running(int(note.read_text()))


def _is_running(process_id):
    """Whether a process still computes; one that nobody has reaped yet (Z) does not."""
    try:
        return (
            Path(f"/proc/{process_id}/stat")
            .read_text(encoding="ascii")
            .rpartition(")")[2]
            .split()[0]
            != "Z"
        )
    except FileNotFoundError:
        return False


def test_a_child_that_dies_is_a_result(tmp_path):
    source = (
        "import os, sys; print('last words', file=sys.stderr, flush=True); os.kill(os.getpid(), 4)"
    )
    result = run_module(
        "child_of_a_test", [], timeout_s=30, environment=_child_module(tmp_path, source)
    )
    assert (result.signal_name, result.timed_out, result.ending) == ("SIGILL", False, "SIGILL")
    assert "last words" in result.stderr


def test_a_module_in_the_current_folder_is_not_taken_for_ours(tmp_path, monkeypatch):
    (tmp_path / "numpy.py").write_text("raise SystemExit('stolen')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    result = run_module("bokeh_tf.tflite.running.runtime", ["absent"], timeout_s=30)
    assert "stolen" not in result.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds a child's private memory")
def test_a_confined_child_cannot_take_all_memory(tmp_path):
    physical_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    source = f"""
import mmap
from bokeh_tf.processes import confine
confine()
mmap.mmap(-1, {physical_bytes}, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
"""
    environment = _child_module(tmp_path, source)
    environment["PYTHONPATH"] += os.pathsep + str(Path.cwd())
    result = run_module("child_of_a_test", [], timeout_s=30, environment=environment)
    assert result.return_code == 1 and "Cannot allocate memory" in result.stderr


def test_a_file_larger_than_the_memory_says_so(tmp_path):
    """A RELU of more than half the memory each side, in a file of some hundred bytes."""
    writer = FileWriter()
    side = math.ceil(1.1 * math.sqrt(memory_bytes() / 24))
    shape = [1, side, side, 3]
    photo, rendered = writer.tensor("photo", shape), writer.tensor("rendered", shape)
    writer.operator(schema.BuiltinOperator.RELU, [photo], [rendered])
    writer.graph.inputs, writer.graph.outputs = [photo], [rendered]
    path = tmp_path / "giant.tflite"
    path.write_bytes(writer.finish())
    # 2 x 4 bytes x 3 channels of so many pixels.
    needed = rf"giant\.tflite: .*take {24 * side**2 / 1e9:,.0f} GB, and this machine has"
    with pytest.raises(ModelFileError, match=needed):
        verify_loads(path)
    assert too_large(FLAGSHIP_FILE.read_bytes()) is None and too_large(b"no file") is None
