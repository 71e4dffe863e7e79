"""What others put into their CI: the GitHub action and the pre-commit hook, run
as their runners run them.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ACTION = ROOT / "action.yml"
HOOKS = ROOT / ".pre-commit-hooks.yaml"
EXAMPLES = ROOT / "docs" / "examples"
TIMEOUT_S = 600
# How GitHub's runner starts `shell: bash`.
BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail")
PACKAGED = ("bokeh_tf", "setup.py", "pyproject.toml", "README.md")


def action():
    return yaml.safe_load(ACTION.read_text(encoding="utf-8"))


def step(name):
    return next(step for step in action()["runs"]["steps"] if step["name"] == name)


def run_step(name, folder, *, environment=None, **inputs):
    """One step of the action with its inputs filled in, in `folder`, as the runner does it."""
    values = {key: entry.get("default") for key, entry in action()["inputs"].items()} | {
        "python": sys.executable
    }
    temporary = folder / "runner temp"
    temporary.mkdir(exist_ok=True)
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
        env={
            **os.environ,
            "GITHUB_ACTION_PATH": str(ROOT),
            "RUNNER_TEMP": str(temporary),
            "GITHUB_STEP_SUMMARY": str(temporary / "summary.md"),
            "GITHUB_OUTPUT": str(temporary / "outputs"),
            **variables,
            **(environment or {}),
        },
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def installed(folder):
    """What the first step leaves, without installing: an environment whose Python is this one."""
    python = folder / "runner temp" / "bokeh-tf" / "bin" / "python"
    python.parent.mkdir(parents=True, exist_ok=True)
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    return folder


def left_behind(folder):
    """(the step's outputs, the job's summary)."""
    temporary = folder / "runner temp"
    lines = (temporary / "outputs").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines), (temporary / "summary.md").read_text(
        encoding="utf-8"
    )


@pytest.fixture
def workplace(tmp_path, tiny_convolution, tiny_tflite):
    """A checkout of someone's models: a good one, and one that no delegate
    takes, under awkward names.
    """

    def graph(image):
        import keras

        return keras.layers.UpSampling2D(2, interpolation="nearest")(image)

    folder = tmp_path / "models"
    folder.mkdir()
    shutil.copy(tiny_convolution, folder / "good größe.tflite")
    shutil.copy(tiny_tflite("nearest_upsampling", graph), folder / "$(touch injected) ; bad.tflite")
    return installed(tmp_path)


def test_the_action_is_valid_by_githubs_schema():
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.github-actions",
    ]
    checked = subprocess.run(
        [*command, str(ACTION)], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert checked.returncode == 0, checked.stdout


def test_the_schema_refuses_a_broken_action(tmp_path):
    broken = tmp_path / "action.yml"
    broken.write_text(
        ACTION.read_text(encoding="utf-8").replace("using: composite", "using: magic"),
        encoding="utf-8",
    )
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.github-actions",
        str(broken),
    ]
    assert (
        subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False).returncode == 1
    )


def test_no_input_is_read_as_code():
    for chosen in action()["runs"]["steps"]:
        assert "${{" not in chosen["run"]


def test_the_action_annotates_what_fails(workplace):
    good = "models/good größe.tflite\n"
    passed = run_step("Check", workplace, paths=good)
    assert passed.returncode == 0, passed.stderr
    assert (
        passed.stdout.startswith("PASSED: models/good größe.tflite")
        and "::error" not in passed.stdout
    )
    failed = run_step(
        "Check", workplace, paths=f"\n{good}\nmodels/$(touch injected) ; bad.tflite\n\n"
    )
    assert failed.returncode == 3, failed.stderr
    assert "::error file=models/$(touch injected) ; bad.tflite,title=" in failed.stdout
    assert not list(workplace.glob("**/injected"))


def test_the_action_leaves_outputs_and_a_summary(workplace):
    run_step("Check", workplace, paths="models")
    outputs, summary = left_behind(workplace)
    assert outputs == {
        "exit-code": "3",
        "files": "2",
        "passed": "1",
        "failed": "1",
        "not-checked": "0",
    }
    assert summary.startswith("# bokeh-tf check\n") and "UpSampling2D" in summary
    assert set(action()["outputs"]) == set(outputs)


def test_the_action_takes_patterns_and_several_outputs(workplace):
    outputs = "\n".join(
        ["check.sarif", "junit:check.xml", "gitlab:out put.json", "markdown:check.md"]
    )
    done = run_step("Check", workplace, paths="mod*/**/*.tflite", output=outputs, target="v2")
    assert done.returncode == 3 and "::error file=models/" in done.stdout, done.stderr
    assert json.loads((workplace / "check.sarif").read_text(encoding="utf-8"))["runs"]
    assert json.loads((workplace / "out put.json").read_text(encoding="utf-8"))
    assert (workplace / "check.xml").read_text(encoding="utf-8").startswith("<?xml")
    assert (workplace / "check.md").read_text(encoding="utf-8").startswith("# bokeh-tf check")
    nothing = run_step("Check", workplace, paths="absent/*.tflite")
    assert nothing.returncode == 1 and "absent/*.tflite" in nothing.stdout


def test_the_action_writes_a_file_for_code_scanning(workplace):
    done = run_step("Check", workplace, paths="models", output="check.sarif", target="v2")
    assert done.returncode == 3 and "::error file=" in done.stdout
    log = json.loads((workplace / "check.sarif").read_text(encoding="utf-8"))
    assert log["version"] == "2.1.0" and log["runs"][0]["results"]


def test_the_action_takes_a_baseline_and_conditions(workplace):
    assert run_step("Check", workplace, paths="models", fail_on="").returncode == 0
    command = [
        sys.executable,
        "-m",
        "bokeh_tf",
        "check",
        "models",
        "--no-probe",
        "--write-baseline",
        "known.json",
    ]
    subprocess.run(command, cwd=workplace, check=True, capture_output=True, timeout=TIMEOUT_S)
    assert run_step("Check", workplace, paths="models", baseline="known.json").returncode == 0
    assert run_step("Check", workplace, paths="models", baseline="absent.json").returncode == 1
    assert run_step("Check", workplace, paths="--help").returncode == 1, "a path is never an option"


def test_the_action_installs_what_it_runs(workplace):
    """The install step itself, in an environment of its own and without its
    dependencies, which are here already.
    """
    source = workplace / "source"
    source.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", "*.tflite", "*.h5")
    for name in PACKAGED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, source / name)
    shutil.rmtree(workplace / "runner temp")
    offline = {"PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0"}
    here = {"PYTHONPATH": sysconfig.get_path("purelib")}
    environment = {"GITHUB_ACTION_PATH": str(source), **offline, **here}
    done = run_step("Install bokeh-tf", workplace, environment=environment)
    assert done.returncode == 0, done.stderr
    (package,) = (workplace / "runner temp" / "bokeh-tf").glob("lib/*/site-packages/bokeh_tf")
    checked = run_step("Check", workplace, paths="models", environment=here)
    assert checked.returncode == 3, checked.stderr
    assert {path.name for path in (package / "delegate" / "rules").glob("*.json")} >= {
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
    assert re.search(hook()["files"], "a/b.tflite") and not re.search(
        hook()["files"], "a.tflite.md"
    )


def test_the_hook_refuses_what_a_phone_would(workplace):
    good, bad = "models/good größe.tflite", "models/$(touch injected) ; bad.tflite"
    assert run_hook(workplace, good).returncode == 0
    refused = run_hook(workplace, good, bad)
    assert refused.returncode == 3 and refused.stdout.startswith(f"FAILED  {bad}\n")


def valid_by(schema, path):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


@pytest.mark.parametrize(
    ("name", "schema"),
    [("github-workflow.yml", "vendor.github-workflows"), ("gitlab-ci.yml", "vendor.gitlab-ci")],
)
def test_an_example_is_valid_by_its_official_schema(name, schema, tmp_path):
    checked = valid_by(schema, EXAMPLES / name)
    assert checked.returncode == 0, checked.stdout
    broken = tmp_path / name
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    broken.write_text(
        text.replace("    steps:", "    stages:").replace("  script:", "  scripts:"),
        encoding="utf-8",
    )
    assert valid_by(schema, broken).returncode == 1


def test_the_readme_s_workflow_is_the_example():
    (shown,) = re.findall(
        r"```yaml\n(name: models\n.*?)```",
        (ROOT / "README.md").read_text(encoding="utf-8"),
        re.DOTALL,
    )
    example = (EXAMPLES / "github-workflow.yml").read_text(encoding="utf-8")
    assert example.partition("\n")[2] == shown
    check, upload = yaml.safe_load(shown)["jobs"]["check"]["steps"][1:]
    assert set(check["with"]) <= set(action()["inputs"])
    assert upload["if"] == "always()" and upload["with"]["sarif_file"] in check["with"]["output"]


def test_the_example_s_command_for_gitlab_runs(workplace):
    job = yaml.safe_load((EXAMPLES / "gitlab-ci.yml").read_text(encoding="utf-8"))["check-models"]
    program, *arguments = shlex.split(job["script"][-1])
    assert program == "bokeh-tf"
    done = subprocess.run(
        [sys.executable, "-m", "bokeh_tf", *arguments],
        cwd=workplace,
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 3
    for name in job["artifacts"]["reports"].values():
        assert (workplace / name).stat().st_size


def test_the_example_for_pre_commit_names_the_hook():
    (repository,) = yaml.safe_load(
        (EXAMPLES / "pre-commit-config.yaml").read_text(encoding="utf-8")
    )["repos"]
    assert [one["id"] for one in repository["hooks"]] == [hook()["id"]]
