"""The base install alone: what it can do, and what each command says where an extra is missing."""

import subprocess
import sys
from pathlib import Path

import pytest

from bokeh_tf.errors import of_missing_module

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "bokeh_tf" / "weights" / "dbsi_mobile_base_float16_1024x1536.tflite"
PHOTO = ROOT / "bokeh_tf" / "samples" / "photo.jpg"
LOG = ROOT / "tests" / "bench" / "benchmark_model" / "transcripts" / "classic_gpu_full.txt"
RESULT = next((ROOT / "benchmarks" / "results").glob("flagship_*.json"))
RUN = ("numpy", "cv2", "PIL", "ai_edge_litert", "flatbuffers")
TENSORFLOW = ("tensorflow", "keras", "tensorboard")
TIMEOUT_S = 600

# What is not installed is not found, whoever asks for it.
PROGRAM = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1].split(","):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from bokeh_tf.cli import main
sys.exit(main(sys.argv[2:]))
"""
NEEDS = {
    "bench": (RUN, "run", lambda out: ["bench", MODEL, "--rounds", "1", "--out", out]),
    "bench read": (RUN, "run", lambda out: ["bench", "read", LOG]),
    "compare": (RUN, "run", lambda out: ["compare", RESULT, RESULT]),
    "report": (RUN, "run", lambda out: ["report", RESULT, "-o", out / "page.html"]),
    "repair": (RUN, "run", lambda out: ["repair", MODEL, "-o", out / "whole.tflite"]),
    "render": (RUN, "run", lambda out: ["render", PHOTO, "-o", out]),
    "ai-benchmark": (RUN, "run", lambda out: ["ai-benchmark", MODEL, "-o", out]),
    "data": (RUN, "run", lambda out: ["data", "inspect", ROOT, "-o", out]),
    "port": (RUN, "run", lambda out: ["port", "dmshn", MODEL, "-o", out / "a.weights.h5"]),
    "check --audit": (RUN, "run", lambda out: ["check", MODEL, "--no-probe", "--audit"]),
    "convert": (RUN, "run", lambda out: ["convert", MODEL, "-o", out / "whole.tflite"]),
    "evaluate": (RUN, "run", lambda out: ["evaluate", ROOT, "--baselines", "-o", out]),
    "export": (
        TENSORFLOW,
        "tensorflow",
        lambda out: ["export", "unet", "--variant", "tiny", "-o", out],
    ),
    "train": (
        TENSORFLOW,
        "tensorflow",
        lambda out: ["train", "unet", "--data", ROOT, "--out", out / "run"],
    ),
}


def run_without(absent, *arguments):
    command = [sys.executable, "-c", PROGRAM, ",".join(absent), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


@pytest.mark.parametrize("command", NEEDS)
def test_a_command_names_the_extra_that_it_misses_in_one_line(command, tmp_path):
    absent, extra, arguments = NEEDS[command]
    done = run_without(absent, *arguments(tmp_path))
    assert done.returncode == 1, done.stderr
    assert len(done.stderr.splitlines()) == 1 and f"bokeh-tf[{extra}]" in done.stderr


@pytest.mark.parametrize(
    "format", ["text", "json", "markdown", "junit", "sarif", "github", "gitlab"]
)
def test_the_static_check_needs_no_extra(format, tmp_path):
    report = tmp_path / "report"
    options = [
        "--no-probe",
        "--format",
        format,
        "--output",
        report,
        "--write-baseline",
        tmp_path / "known.json",
    ]
    done = run_without((*RUN, *TENSORFLOW), "check", MODEL, *options)
    assert (done.returncode, done.stderr) == (0, "")
    assert report.read_text(encoding="utf-8").endswith("\n")


def test_a_check_without_the_runtime_says_that_it_did_not_probe():
    done = run_without(RUN, "check", MODEL)
    assert (
        done.returncode == 0
        and 'not probed: numpy is missing, which the extra "run" brings' in done.stdout
    )
    required = run_without(RUN, "check", MODEL, "--require-probe")
    assert required.returncode == 1 and "required, but not run" in required.stdout


def test_code_and_pages_need_no_extra(tmp_path, monkeypatch):
    done = run_without((*RUN, *TENSORFLOW), "app", MODEL, "--for", "cpp", "-o", tmp_path / "app")
    assert (done.returncode, done.stderr) == (0, "")
    # Which asks npm for LiteRT.js, where there is none.
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    done = run_without((*RUN, *TENSORFLOW), "web", "--model", MODEL, "--out", tmp_path / "page")
    assert (
        done.returncode == 1
        and "fetched by npm once" in done.stderr
        and len(done.stderr.splitlines()) == 1
    )


def test_models_are_listed_without_any_extra():
    assert run_without((*RUN, *TENSORFLOW), "models").returncode == 0


def test_what_no_extra_brings_stays_an_error():
    assert of_missing_module(ModuleNotFoundError("No module named 'other'", name="other")) is None
    assert "bokeh-tf[run]" in str(of_missing_module(ModuleNotFoundError("", name="cv2.data")))
