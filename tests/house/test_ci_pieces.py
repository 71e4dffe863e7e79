"""What others put into their CI: the GitHub action and the pre-commit hook, run as their runners run them."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ACTION = ROOT / "action.yml"
HOOKS = ROOT / ".pre-commit-hooks.yaml"
TIMEOUT_S = 120
# How GitHub's runner starts `shell: bash`.
BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail")
PACKAGED = ("bokeh_tf", "setup.py", "pyproject.toml", "README.md")


def action():
    return yaml.safe_load(ACTION.read_text(encoding="utf-8"))


def step(name):
    return next(step for step in action()["runs"]["steps"] if step["name"] == name)


def run_step(name, folder, *, environment=None, **inputs):
    """One step of the action with its inputs filled in, in `folder`, as the runner does it."""
    values = {key: entry.get("default") for key, entry in action()["inputs"].items()} | {"python": sys.executable}
    values |= {key.replace("_", "-"): value for key, value in inputs.items()}

    def filled(text):
        return re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda match: values[match[1]], text)

    chosen = step(name)
    script = folder / "script.sh"
    script.write_text(filled(chosen["run"]), encoding="utf-8")
    variables = {key: filled(value) for key, value in chosen["env"].items()}
    return subprocess.run(
        [*BASH, str(script)],
        cwd=folder,
        env={**os.environ, "GITHUB_ACTION_PATH": str(ROOT), **variables, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@pytest.fixture
def workplace(tmp_path, tiny_convolution, tiny_tflite):
    """A checkout of someone's models: a good one, and one that no delegate takes, under awkward names."""

    def graph(image):
        import keras

        return keras.layers.UpSampling2D(2, interpolation="nearest")(image)

    folder = tmp_path / "models"
    folder.mkdir()
    shutil.copy(tiny_convolution, folder / "good größe.tflite")
    shutil.copy(tiny_tflite("nearest_upsampling", graph), folder / "$(touch injected) ; bad.tflite")
    return tmp_path


def test_the_action_is_valid_by_githubs_schema():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-actions"]
    checked = subprocess.run([*command, str(ACTION)], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert checked.returncode == 0, checked.stdout


def test_the_schema_refuses_a_broken_action(tmp_path):
    broken = tmp_path / "action.yml"
    broken.write_text(ACTION.read_text(encoding="utf-8").replace("using: composite", "using: magic"), encoding="utf-8")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-actions", str(broken)]
    assert subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False).returncode == 1


def test_no_input_is_read_as_code():
    for chosen in action()["runs"]["steps"]:
        assert "${{" not in chosen["run"]


def test_the_action_annotates_what_fails(workplace):
    good = "models/good größe.tflite\n"
    passed = run_step("Check", workplace, paths=good)
    assert passed.returncode == 0, passed.stderr
    assert passed.stdout.startswith("PASSED: models/good größe.tflite") and "::error" not in passed.stdout
    failed = run_step("Check", workplace, paths=f"\n{good}\nmodels/$(touch injected) ; bad.tflite\n\n")
    assert failed.returncode == 3, failed.stderr
    assert "::error file=models/$(touch injected) ; bad.tflite,title=" in failed.stdout
    assert not list(workplace.glob("**/injected"))


def test_the_action_writes_a_file_for_code_scanning(workplace):
    done = run_step("Check", workplace, paths="models", output="check.sarif", target="v2")
    assert done.returncode == 3 and "::error file=" in done.stdout
    log = json.loads((workplace / "check.sarif").read_text(encoding="utf-8"))
    assert log["version"] == "2.1.0" and log["runs"][0]["results"]


def test_the_action_takes_a_baseline_and_conditions(workplace):
    assert run_step("Check", workplace, paths="models", fail_on="").returncode == 0
    command = [sys.executable, "-m", "bokeh_tf", "check", "models", "--no-probe", "--write-baseline", "known.json"]
    subprocess.run(command, cwd=workplace, check=True, capture_output=True, timeout=TIMEOUT_S)
    assert run_step("Check", workplace, paths="models", baseline="known.json").returncode == 0
    assert run_step("Check", workplace, paths="models", baseline="absent.json").returncode == 1
    assert run_step("Check", workplace, paths="--help").returncode == 1, "a path is never an option"


def test_the_action_installs_what_it_runs(workplace):
    """The install step itself, into a folder of its own and without its dependencies, which are here already."""
    source, installed = workplace / "source", workplace / "installed"
    source.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", "*.tflite", "*.h5")
    for name in PACKAGED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, source / name)
    offline = {"PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_TARGET": str(installed)}
    done = run_step("Install bokeh-tf", workplace, environment={"GITHUB_ACTION_PATH": str(source), **offline})
    assert done.returncode == 0, done.stderr
    checked = run_step("Check", workplace, paths="models", environment={"PYTHONPATH": str(installed)})
    assert checked.returncode == 3, checked.stderr
    assert {path.name for path in (installed / "bokeh_tf" / "delegate" / "rules").glob("*.json")} >= {
        "v2.json",
        "mldrift.json",
    }


def hook():
    (only,) = yaml.safe_load(HOOKS.read_text(encoding="utf-8"))
    return only


def run_hook(folder, *files):
    program = shlex.split(hook()["entry"])
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    assert shutil.which(program[0], path=path), "the hook's program is installed with the package"
    return subprocess.run(
        [shutil.which(program[0], path=path), *program[1:], *files],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def test_the_hook_has_what_pre_commit_needs():
    assert {"id", "name", "entry", "language"} <= hook().keys()
    assert re.search(hook()["files"], "a/b.tflite") and not re.search(hook()["files"], "a.tflite.md")


def test_the_hook_refuses_what_a_phone_would(workplace):
    good, bad = "models/good größe.tflite", "models/$(touch injected) ; bad.tflite"
    assert run_hook(workplace, good).returncode == 0
    refused = run_hook(workplace, good, bad)
    assert refused.returncode == 3 and refused.stdout.startswith(f"FAILED  {bad}\n")
