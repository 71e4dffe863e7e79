"""Timing on this machine: workers in child processes, models and settings, the GPU, and another
runtime.
"""

import io
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from bokeh_tf.bench.host.cpu import PYTHON_VARIABLE, CpuSetting, find_tflite_runtime_python
from bokeh_tf.bench.host.gpu import NOT_A_GPU_TIMING, GpuSetting
from bokeh_tf.bench.host.run import HostRun, bench
from bokeh_tf.bench.host.worker_process import Worker, WorkerError
from bokeh_tf.bench.report import terminal
from bokeh_tf.bench.results.environment import read_environment
from bokeh_tf.bench.results.output_check import compare_outputs
from bokeh_tf.bench.results.reading import read_result
from bokeh_tf.cli import main
from bokeh_tf.errors import DependencyError, ModelFileError
from tests.bench.tiny_models import tiny_model


@pytest.mark.parametrize(
    "program", ["import os; os.abort()", "import time; time.sleep(60)", "print('nonsense')", ""]
)
def test_a_worker_that_misbehaves_is_one_line_and_gone(program):
    with Worker([sys.executable, "-c", program], timeout_s=1) as worker:
        child = worker._child
        with pytest.raises(WorkerError) as failure:
            worker.ask({"do": "open"})
        assert failure.value.kind in ("died", "timeout") and "\n" not in str(failure.value)
    assert child.poll() is not None


def test_a_worker_leaves_no_process_behind():
    program = (
        "import subprocess, sys; print(subprocess.Popen(['sleep', '60']).pid, flush=True);"
        " sys.stdin.read()"
    )
    with Worker([sys.executable, "-c", program], timeout_s=10) as worker:
        grandchild = int(worker._read_line({"do": "open"}))
    deadline = time.monotonic() + 10
    while Path(f"/proc/{grandchild}/stat").exists() and time.monotonic() < deadline:
        if Path(f"/proc/{grandchild}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            break
        time.sleep(0.05)
    else:
        assert not Path(f"/proc/{grandchild}/stat").exists()


@pytest.fixture
def models(tmp_path):
    paths = (tmp_path / "ä b.tflite", tmp_path / "c" / "ä b.tflite")
    paths[1].parent.mkdir()
    for path in paths:
        path.write_bytes(tiny_model())
    return paths


def test_every_file_is_timed_with_every_setting_and_written(models, tmp_path):
    settings = (CpuSetting(threads=1), CpuSetting(threads=2, xnnpack=False))
    result, path = bench(HostRun(models, settings, rounds=2), folder=tmp_path / "out")
    labels = ("1 thread", "2 threads, without XNNPACK")
    assert [one.name for one in result.measurements] == [
        f"ä b #{n}, {label}" for n in (1, 2) for label in labels
    ]
    assert [one.backend for one in result.measurements] == ["litert-xnnpack", "litert"] * 2
    for one in result.measurements:
        assert (one.model, len(one.model_sha256)) == ("ä b.tflite", 64)
        assert len(one.samples.rounds_ns) == 2 and min(map(min, one.samples.rounds_ns)) > 0
        assert one.startup.cold_init_ns > 0 and one.startup.warm_init_ns > 0
        assert one.startup.warm_init_kind == (
            "serialised" if "xnnpack" in one.backend else "same process"
        )
        assert one.memory.peak_bytes > one.memory.before_load_bytes > 0
        assert one.verdict.outcome == "CPU" and one.outputs[0].max_abs == 0
        assert any("fewer than 5 rounds" in doubt for doubt in one.doubts)
    assert read_result(path) == result
    # The journal went when the result came.
    assert list((tmp_path / "out").iterdir()) == [path]


@pytest.mark.parametrize(("load", "is_doubted"), [(0.0, False), (9.0, True)])
def test_the_load_before_the_callers_own_work_is_judged(models, load, is_doubted):
    before = replace(read_environment(), usable_cores=2, load_average_1min=load)
    result, _ = bench(HostRun(models[:1], (CpuSetting(),), rounds=1), environment=before)
    assert result.environment == before
    assert any("busy at the start" in doubt for doubt in result.doubts) == is_doubted


@pytest.mark.parametrize(
    "content", [b"", b"not a model", b"\x1c\0\0\0TFL3" + b"\xff" * 400, tiny_model()[:200]]
)
def test_damaged_models_are_one_clear_line(tmp_path, content):
    path = tmp_path / "bröken.tflite"
    path.write_bytes(content)
    with pytest.raises(ModelFileError) as failure:
        bench(HostRun((path,), (CpuSetting(),), rounds=1))
    assert str(failure.value).startswith(str(path)) and "\n" not in str(failure.value)


def test_a_missing_model(tmp_path):
    with pytest.raises(ModelFileError, match="nothing"):
        bench(HostRun((tmp_path / "nothing.tflite",), (CpuSetting(),)))


def test_a_run_needs_models_and_settings():
    with pytest.raises(ValueError, match="Needs models and settings"):
        bench(HostRun((), (CpuSetting(),)))


def test_wrong_outputs_are_seen():
    expected = {3: np.linspace(0, 1, 24, dtype=np.float32)}
    names = {3: "rendered"}
    (right,) = compare_outputs(expected, expected, names, is_coarse=False)
    assert (right.problem, right.max_abs, right.psnr_db) == (None, 0.0, None)
    (wrong,) = compare_outputs({3: expected[3] + np.float32(0.1)}, expected, names, is_coarse=False)
    # A constant error of a tenth of the range is 20 dB.
    assert wrong.problem and wrong.psnr_db == pytest.approx(20, abs=0.01)
    (broken,) = compare_outputs(
        {3: expected[3] * np.float32(np.nan)}, expected, names, is_coarse=True
    )
    assert (broken.psnr_db, broken.max_abs, broken.non_finite_count) == (
        None,
        None,
        24,
    ) and broken.problem
    (bent,) = compare_outputs({3: expected[3][:2]}, expected, names, is_coarse=True)
    assert "shape" in bent.problem


def test_a_step_of_quantised_integers_is_no_other_class():
    expected = {3: np.arange(24, dtype=np.uint8)}
    names, made = {3: "output"}, {3: expected[3] + np.uint8(1)}
    (class_number,) = compare_outputs(made, expected, names, is_coarse=True)
    assert "share of other values" in class_number.problem
    (value,) = compare_outputs(made, expected, names, is_coarse=True, quantised={3})
    assert value.problem is None


@pytest.mark.gpu
def test_a_software_adapter_is_refused_or_stamped(gpu, tiny_convolution, tmp_path, capsys):
    if "llvmpipe" not in gpu:
        pytest.skip(f"{gpu} is not a software adapter")
    arguments = [
        "bench",
        str(tiny_convolution),
        "--on",
        "gpu,cpu",
        "--threads",
        "1",
        "--rounds",
        "1",
    ]
    assert main([*arguments, "--out", str(tmp_path / "none")]) == 1
    assert "--allow-software" in capsys.readouterr().err and not (tmp_path / "none").exists()
    assert main([*arguments, "--out", str(tmp_path), "--allow-software"]) == 0
    shown = capsys.readouterr().out
    assert NOT_A_GPU_TIMING in shown and "predicted by mldrift" in shown
    (path,) = tmp_path.glob("bench_*.json")
    on_cpu, on_gpu = sorted(
        read_result(path).measurements, key=lambda one: one.backend == "litert-gpu"
    )
    assert (
        on_gpu.stamp.startswith(NOT_A_GPU_TIMING)
        and "llvmpipe" in on_gpu.accelerator
        and on_cpu.stamp is None
    )
    # Not the verdict of a run that may be believed, and yet its values are right.
    assert on_gpu.verdict.outcome == "WRONG_BACKEND" and on_gpu.outputs[0].problem is None
    assert any("Selected adapter" in line for line in on_gpu.verdict.evidence)
    assert (
        on_gpu.prediction.verdict == "compatible" and on_gpu.startup.warm_init_kind == "serialised"
    )


@pytest.mark.gpu
def test_a_file_that_the_gpu_refuses_has_the_verdict_and_the_reason(gpu, tiny_tflite):
    def graph(image):
        import keras

        return keras.ops.pad(image, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="symmetric")

    model = tiny_tflite("symmetric_pad", graph)
    settings = (GpuSetting(allow_software=True), CpuSetting())
    result, _ = bench(HostRun((model,), settings, rounds=1))
    refused, timed = result.measurements
    assert refused.samples is None and timed.samples is not None
    assert refused.verdict.outcome == "FAILED_INIT" and refused.verdict.why.startswith("MIRROR_PAD")
    assert (
        refused.prediction.verdict == "incompatible"
        and "MIRROR_PAD" in refused.prediction.reasons[0]
    )
    assert "it failed after 0 of 1 rounds" in refused.doubts[0]
    compared = refused.details["predicted_and_logged"]
    assert compared["is_same"] and compared["agreed"][0][1] == refused.details["reasons"][0]
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(terminal.render(result))
    assert "predicted and said by the device: MIRROR_PAD" in console.export_text()


def test_phones_need_their_program_and_targets_are_known(capsys, monkeypatch):
    monkeypatch.delenv("BOKEH_BENCHMARK_MODEL", raising=False)
    assert main(["bench", "a.tflite", "--on", "android:all"]) == 1
    assert "BOKEH_BENCHMARK_MODEL" in capsys.readouterr().err
    for targets in ("tpu", "android:", "", "cpu,gpux"):
        with pytest.raises(SystemExit) as stop:
            main(["bench", "a.tflite", "--on", targets])
        assert stop.value.code == 2 and "--on" in capsys.readouterr().err


def test_tflite_runtime_needs_a_python_of_its_own(tmp_path, models, monkeypatch):
    monkeypatch.delenv(PYTHON_VARIABLE, raising=False)
    with pytest.raises(DependencyError, match="--runtime-python"):
        find_tflite_runtime_python()
    with pytest.raises(DependencyError, match="no such interpreter"):
        find_tflite_runtime_python(explicit=tmp_path / "python")
    monkeypatch.setenv(PYTHON_VARIABLE, sys.executable)
    assert find_tflite_runtime_python() == sys.executable
    # This Python has no tflite-runtime.
    setting = CpuSetting(runtime="tflite-runtime", python=sys.executable)
    with pytest.raises(DependencyError, match=r"tflite-runtime cannot be used .*pip install"):
        bench(HostRun(models[:1], (setting,), rounds=1))


@pytest.fixture(scope="session")
def tflite_runtime_python(tmp_path_factory):
    """The interpreter of a new environment with the last wheel of tflite-runtime, or the
    one that a variable names.
    """
    if os.environ.get(PYTHON_VARIABLE):
        return os.environ[PYTHON_VARIABLE]
    folder = tmp_path_factory.mktemp("tflite_runtime")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=600)
    python = folder / "bin" / "python"
    command = [python, "-m", "pip", "install", "--quiet", "tflite-runtime==2.14.0", "numpy<2"]
    subprocess.run(command, check=True, timeout=300)
    return str(python)


@pytest.mark.slow
@pytest.mark.skipif(
    sys.version_info >= (3, 12), reason="tflite-runtime has no wheel for this Python"
)
def test_tflite_runtime_is_timed_beside_litert(tflite_runtime_python, tiny_convolution, tmp_path):
    arguments = [
        "--runtime",
        "ai-edge-litert,tflite-runtime",
        "--runtime-python",
        tflite_runtime_python,
    ]
    status = main(
        [
            "bench",
            str(tiny_convolution),
            *arguments,
            "--threads",
            "1",
            "--rounds",
            "2",
            "--out",
            str(tmp_path),
        ]
    )
    assert status == 0
    (path,) = tmp_path.iterdir()
    litert, old = read_result(path).measurements
    assert (litert.backend, old.backend) == ("litert-xnnpack", "tflite-runtime-xnnpack")
    assert old.runtime == "tflite-runtime 2.14.0" and litert.runtime.startswith("ai-edge-litert 2")
    assert (
        "tflite-runtime has none" in old.startup.warm_init_how
        and litert.startup.warm_init_kind == "serialised"
    )
    assert old.outputs[0].problem is None and len(old.samples.rounds_ns) == 2
