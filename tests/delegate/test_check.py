"""`bokeh-tf check` and its Python twin from the file to the exit status; `test_check_policy.py` has
what fails, `test_written_reports.py` what is written to a file.
"""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from bokeh_tf.cli import main
from bokeh_tf.delegate.check import Steps, check, check_paths, find_models
from bokeh_tf.delegate.findings import TargetVerdict
from bokeh_tf.delegate.judging.baseline import Baseline
from bokeh_tf.delegate.judging.policy import Policy, judge
from bokeh_tf.errors import ModelFileError
from bokeh_tf.testing import assert_runs_on_gpu
from tests.delegate.check_runs import refused_by_both, run
from tests.privileges import without_privileges

DEFAULT = Policy.parse("refused,wrong")


@pytest.fixture(scope="module")
def refused_file(tiny_tflite):
    return refused_by_both(tiny_tflite)


def test_folders_are_searched_and_files_come_once(tmp_path):
    for name in ("b.tflite", "deep/er/a.TFLITE", "deep/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    found = find_models(
        [tmp_path / "b.tflite", tmp_path, tmp_path / "empty", tmp_path / "absent.tflite"]
    )
    names = [path.relative_to(tmp_path).as_posix() for path in found]
    assert names == ["b.tflite", "deep/er/a.TFLITE", "empty", "absent.tflite"]


def test_a_pattern_stands_for_the_models_that_it_matches(tmp_path, monkeypatch):
    for name in ("a.tflite", "b[1].tflite", "deep/er/c.tflite", "deep/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    assert [str(path) for path in find_models(["**/*.tflite"])] == [
        "a.tflite",
        "b[1].tflite",
        "deep/er/c.tflite",
    ]
    assert find_models([f"{tmp_path}/deep/*/*"]) == (tmp_path / "deep/er/c.tflite",)
    assert [str(path) for path in find_models(["b[1].tflite", "none*"])] == ["b[1].tflite", "none*"]
    assert [str(path) for path in find_models(["a\0*", "[", "***"])] == ["a\0*", "[", "***"]


def test_a_folder_that_cannot_be_listed_is_not_passed_over(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "locked").mkdir(parents=True)
    (tmp_path / "models" / "a.tflite").touch()
    (tmp_path / "models" / "locked").chmod(0)
    tmp_path.chmod(0o755)
    with without_privileges():
        paths = find_models(["models"])
        *_, locked = check_paths(paths, Steps())
    assert [path.as_posix() for path in paths] == ["models/a.tflite", "models/locked"]
    assert "cannot list this folder" in locked.error


def test_one_bad_file_does_not_stop_the_rest(tmp_path, tiny_convolution):
    (tmp_path / "garbage.tflite").write_bytes(np.random.default_rng(1).bytes(500))
    (tmp_path / "empty").mkdir()
    paths = [
        tmp_path / "garbage.tflite",
        tmp_path / "absent.tflite",
        tmp_path / "empty",
        tiny_convolution,
    ]
    garbage, absent, empty, good = check_paths(paths, Steps())
    for bad in (garbage, absent, empty):
        assert bad.error and "\n" not in bad.error and not bad.targets
    assert "without .tflite files" in empty.error
    assert (
        good.error is None
        and [one.verdict for one in good.targets] == [TargetVerdict.COMPATIBLE] * 2
    )


def test_a_file_name_that_is_no_text_is_reported(tmp_path):
    name = b"caf\xe9.tflite".decode("utf-8", "surrogateescape")
    (one,) = check_paths([tmp_path / name], Steps())
    assert "caf\ufffd.tflite" in one.error
    one.error.encode("utf-8")


def test_path_bytes_and_keras_model_are_the_same_check(tiny_convolution):
    import keras

    by_path, by_bytes = check(str(tiny_convolution)), check(tiny_convolution.read_bytes())
    assert by_path.targets == by_bytes.targets and by_bytes.path == "the model"
    image = keras.Input((16, 24, 3), name="image")
    model = keras.Model(image, keras.layers.Conv2D(4, 3, name="only")(image), name="tiny")
    by_model = check(model, targets=("v2",))
    assert by_model.path == "tiny" and by_model.targets[0].verdict is TargetVerdict.COMPATIBLE


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"model": 5}, TypeError, "a path, the bytes"),
        ({"model": b"", "targets": ("opencl",)}, ValueError, "Known: v2, mldrift"),
        ({"model": b"", "targets": ()}, ValueError, "Known: v2, mldrift"),
        ({"model": b"", "timeout_s": 0}, ValueError, "timeout_s"),
        ({"model": b"not a model"}, ModelFileError, "the model"),
    ],
)
def test_wrong_arguments_are_named(arguments, kind, message):
    with pytest.raises(kind, match=message):
        check(**arguments)


def test_the_assertion_passes_and_names_what_is_refused(tiny_convolution, refused_file, tmp_path):
    assert (
        assert_runs_on_gpu(tiny_convolution, fail_on="refused,wrong,partitions:2,macs:99").error
        is None
    )
    with pytest.raises(AssertionError, match=r"FAILED .*nearest_upsampling") as caught:
        assert_runs_on_gpu(refused_file)
    assert (
        "v2." in str(caught.value)
        and "mldrift." in str(caught.value)
        and "instead: " in str(caught.value)
    )
    known = Baseline.of([judge(check(refused_file), DEFAULT)], tmp_path)
    (tmp_path / "known.json").write_text(known.to_json(), encoding="utf-8")
    assert_runs_on_gpu(refused_file, baseline=tmp_path / "known.json")


@pytest.mark.gpu
def test_the_assertion_asks_the_real_delegate(gpu, tiny_convolution):
    assert assert_runs_on_gpu(tiny_convolution, require_probe=True).probe.adapter == gpu


def test_the_command_says_what_fails(capsys, tiny_convolution, refused_file):
    assert run(capsys, tiny_convolution, "--no-probe")[0] == 0
    status, text, err = run(capsys, refused_file, tiny_convolution, "--no-probe")
    assert status == 3 and err == ""
    assert (
        text.startswith("FAILED  ")
        and "instead: " in text
        and "2 files: 1 passed, 1 failed" in text
    )
    assert run(capsys, refused_file, "--no-probe", "--fail-on", "wrong")[0] == 0
    assert run(capsys, refused_file, "--no-probe", "--fail-on", "macs:99")[0] in (0, 3)


def test_unread_files_are_status_1_and_failed_ones_status_3(
    capsys, tmp_path, tiny_convolution, refused_file
):
    absent = tmp_path / "absent.tflite"
    status, text, _ = run(capsys, absent, tiny_convolution, "--no-probe")
    assert status == 1 and text.startswith(f"NOT CHECKED  {absent}: ")
    assert run(capsys, absent, refused_file, "--no-probe")[0] == 3


def test_a_baseline_is_written_and_used(capsys, tmp_path, tiny_convolution, refused_file):
    known = tmp_path / "known.json"
    assert run(capsys, refused_file, "--no-probe", "--write-baseline", known)[0] == 0
    status, text, _ = run(capsys, refused_file, tiny_convolution, "--no-probe", "--baseline", known)
    assert status == 0 and "[in the baseline]" in text
    copy = tmp_path / "new.tflite"
    shutil.copy(refused_file, copy)
    assert run(capsys, copy, refused_file, "--no-probe", "--baseline", known)[0] == 3


def test_an_old_baseline_still_covers_and_is_one_line(capsys, tmp_path, refused_file):
    known = tmp_path / "known.json"
    assert run(capsys, refused_file, "--no-probe", "--write-baseline", known)[0] == 0
    document = json.loads(known.read_text(encoding="utf-8"))
    for entry in document["problems"]:
        entry["file"] = entry["file"].rpartition("/")[2]
    known.write_text(json.dumps({**document, "schema_version": 1}), encoding="utf-8")
    status, _, errors = run(capsys, refused_file, "--no-probe", "--baseline", known)
    assert status == 0 and errors.count("\n") == 1 and "schema version 1" in errors
    with pytest.warns(UserWarning, match="schema version 1"):
        assert_runs_on_gpu(refused_file, baseline=known)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "PATH"),
        (["x.tflite", "--target", "opencl"], "Known: v2, mldrift"),
        (["x.tflite", "--fail-on", "everything"], "Known: refused"),
        (["x.tflite", "--no-probe", "--bisect"], "exclude each other"),
        (["x.tflite", "--no-probe", "--fail-on", "npu"], "--fail-on npu and --no-probe exclude"),
        (["x.tflite", "--engines", "mldrift", "--fail-on", "npu"], "needs the engine openvino"),
        (["x.tflite", "--engines", "openvino", "--bisect"], "--bisect needs the engine mldrift"),
        (["x.tflite", "--engines", "none", "--require-probe"], "needs the engine mldrift"),
        (["x.tflite", "--engines", ""], "--engines takes a list of names"),
        (["x.tflite", "--annotate"], "--output"),
        (["x.tflite", "--output", "a", "--write-baseline", "./a"], "different files"),
        (["--explain", "v2.nonsense"], "Known: "),
    ],
)
def test_wrong_usage_is_status_2(arguments, complaint, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["check", *arguments])
    assert stop.value.code == 2 and complaint in capsys.readouterr().err


@pytest.mark.parametrize("prefix", ["v2.", "mldrift.", "fp16."])
def test_every_rule_met_can_be_explained(prefix, capsys, refused_file):
    if prefix == "fp16.":
        rule = "fp16.overflow"
    else:
        findings = [found for one in check(refused_file).targets for found in one.findings]
        rule = next(found.rule for found in findings if found.rule.startswith(prefix))
    status, text, _ = run(capsys, "--explain", rule)
    assert status == 0 and text.startswith(f"{rule}  (")
    assert all(f"\n{heading}:\n" in text for heading in ("Reason", "Instead", "Evidence"))


def test_without_an_adapter_the_lint_decides(capsys, monkeypatch, tmp_path, tiny_convolution):
    for name in ("VK_DRIVER_FILES", "VK_ICD_FILENAMES"):
        monkeypatch.setenv(name, str(tmp_path / "no_driver.json"))
    status, text, _ = run(capsys, tiny_convolution)
    assert status == 0 and "note: not probed: " in text and "make software-gpu" in text
    status, text, _ = run(capsys, tiny_convolution, "--require-probe")
    assert status == 1 and text.startswith("NOT CHECKED")


@pytest.mark.gpu
def test_lint_and_real_delegate_stand_side_by_side(
    gpu, capsys, tmp_path, tiny_convolution, refused_file
):
    status, text, _ = run(capsys, tiny_convolution, refused_file, "--format", "json")
    good, bad = json.loads(text)["files"]
    assert status == 3 and good["passed"] and not bad["passed"]
    assert good["probe"]["verdict"] == "full" and good["probe"]["adapter"] == gpu
    assert (
        bad["probe"]["verdict"] == "refused"
        and bad["targets"]["mldrift"]["verdict"] == "incompatible"
    )
    assert good["reconciliation"] == bad["reconciliation"] == []


def test_only_v2_is_not_probed(capsys, tiny_convolution):
    status, text, _ = run(capsys, tiny_convolution, "--target", "v2")
    assert (
        status == 0 and "note: not probed" in text and "mldrift" not in text.replace("ML Drift", "")
    )


LINT_PROGRAM = """
import sys
from bokeh_tf.cli import main
main(sys.argv[1:])
print([name for name in ("tensorflow", "keras", "cv2", "PIL", "jax") if name in sys.modules])
"""


def test_the_lint_imports_no_framework(tiny_convolution):
    command = [sys.executable, "-c", LINT_PROGRAM, "check", "--no-probe", str(tiny_convolution)]
    child = subprocess.run(command, capture_output=True, text=True, check=True)
    assert child.stdout.splitlines()[-1] == "[]"


@pytest.fixture(scope="module")
def wrong_groups(tiny_tflite):
    """Two channels in a group, which the delegate accepts and computes wrong."""

    def graph(image):
        import keras

        wide = keras.layers.Conv2D(8, 1, name="before")(image)
        return keras.layers.Conv2D(8, 3, groups=4, padding="same", name="grouped")(wide)

    return tiny_tflite("wrong_groups", graph)


@pytest.fixture(scope="module")
def overflow(tiny_tflite):
    """Values to 160,000 from pictures in [0, 1]."""
    return tiny_tflite("overflow", lambda image: image * 400.0 * 400.0)


@pytest.mark.gpu
def test_a_bisection_names_the_node_that_the_delegate_gets_wrong(gpu, capsys, wrong_groups):
    status, text, _ = run(capsys, wrong_groups, "--bisect", "--format", "json")
    (file,) = json.loads(text)["files"]
    assert status == 3 and file["probe"]["verdict"] == "wrong"
    assert (
        file["bisection"]["first"]["op"] == "CONV_2D"
        and file["targets"]["mldrift"]["verdict"] != "compatible"
    )
    assert "bisection: wrong in float32: node " in run(capsys, wrong_groups, "--bisect")[1]


@pytest.mark.gpu
def test_the_measured_error_stands_beside_the_predicted_one(gpu, capsys, tiny_convolution):
    lines = [
        line
        for line in run(capsys, tiny_convolution, "--audit")[1].splitlines()
        if "half precision" in line
    ]
    assert lines and all("predicted error about" in line and "measured" in line for line in lines)


def test_the_audit_fails_where_it_is_asked_to(capsys, overflow):
    assert run(capsys, overflow, "--no-probe", "--audit")[0] == 0
    status, text, _ = run(capsys, overflow, "--no-probe", "--fail-on", "fp16", "--format", "json")
    (file,) = json.loads(text)["files"]
    assert status == 3 and any("fp16.overflow" in failure for failure in file["failures"])
    assert any(found["rule"] == "fp16.overflow" for found in file["audit"]["findings"])
