"""What `bokeh-tf check` writes to a file: besides the text, while the run goes on and when it ends
in the middle, and over nothing of others.
"""

import json
import shutil

import pytest

from bokeh_tf.cli import main
from bokeh_tf.delegate import check as check_module
from bokeh_tf.delegate.writers import running_report
from bokeh_tf.delegate.writers.formats import FORMATS
from bokeh_tf.errors import PhotoError
from bokeh_tf.program import Interruption
from tests.delegate.check_runs import refused_by_both, run


@pytest.fixture(scope="module")
def refused_file(tiny_tflite):
    return refused_by_both(tiny_tflite)


def test_output_is_written_besides_the_text(capsys, tmp_path, refused_file):
    status, text, _ = run(
        capsys, refused_file, "--no-probe", "--format", "json", "--output", tmp_path / "größe.json"
    )
    document = json.loads((tmp_path / "größe.json").read_text(encoding="utf-8"))
    assert status == document["exit_code"] == 3
    assert text.startswith("FAILED  ") and text.splitlines()[-1].startswith("written: ")
    arguments = ("--no-probe", "--output", tmp_path / "r.xml", "--format", "junit", "--annotate")
    annotated = run(capsys, refused_file, *arguments)[1]
    assert (
        annotated.count("::error title=bokeh-tf check::") == 1 == annotated.count("::error file=")
    )
    status, text, err = run(
        capsys, refused_file, "--no-probe", "--output", tmp_path / "absent" / "r.txt"
    )
    assert status == 1 and "cannot write here" in err and err.count("\n") == 1


class Stop(Exception):
    """What ends a run in the middle."""


def stopped_run(capsys, monkeypatch, paths, output, format, ending):
    """Runs the command over `paths`, ended by `ending` in the last of them."""
    examine = check_module._examine

    def examine_all_but_the_last(subject, steps):
        if subject.label == str(paths[-1]):
            raise ending
        return examine(subject, steps)

    monkeypatch.setattr(check_module, "_examine", examine_all_but_the_last)
    return run(capsys, *paths, "--no-probe", "--format", format, "--output", output)


@pytest.mark.parametrize("ending", [Interruption(15), KeyboardInterrupt(), PhotoError("x"), Stop()])
def test_a_run_that_ends_in_the_middle_keeps_what_it_found(
    capsys, monkeypatch, tmp_path, tiny_convolution, refused_file, ending
):
    output, last = tmp_path / "report.json", tmp_path / "last.tflite"
    shutil.copy(tiny_convolution, last)
    paths = [tiny_convolution, refused_file, last]
    if isinstance(ending, Stop):
        with pytest.raises(Stop):
            stopped_run(capsys, monkeypatch, paths, output, "json", ending)
    else:
        assert stopped_run(capsys, monkeypatch, paths, output, "json", ending)[0] != 0
    document = json.loads(output.read_text(encoding="utf-8"))
    good, bad, unfinished = document["files"]
    assert document["exit_code"] == 3 and good["passed"] and bad["targets"]
    assert not unfinished["passed"] and unfinished["path"] == str(last)
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize("format", FORMATS)
def test_an_unfinished_report_passes_in_no_format(
    capsys, monkeypatch, tmp_path, tiny_convolution, format
):
    output, last = tmp_path / "report", tmp_path / "last.tflite"
    shutil.copy(tiny_convolution, last)
    stopped_run(capsys, monkeypatch, [tiny_convolution, last], output, format, KeyboardInterrupt())
    text = output.read_text(encoding="utf-8")
    assert f"{last}: not checked, because the run" in text
    # A later run knows it as an earlier report of ours.
    monkeypatch.undo()
    arguments = ("--no-probe", "--format", format, "--output", output)
    assert run(capsys, tiny_convolution, *arguments)[0] == 0
    assert "not checked" not in output.read_text(encoding="utf-8")


def test_the_report_grows_with_the_run(capsys, monkeypatch, tmp_path, tiny_convolution):
    """Even SIGKILL leaves what was written, so the file is looked at while the run goes on."""
    monkeypatch.setattr(running_report, "_PAUSE_S", 0.0)
    output, seen = tmp_path / "report.json", []
    paths = [tmp_path / f"{number}.tflite" for number in range(3)]
    for path in paths:
        shutil.copy(tiny_convolution, path)
    examine = check_module._examine

    def look_and_examine(subject, steps):
        document = json.loads(output.read_text(encoding="utf-8"))
        seen.append((document["exit_code"], sum(file["passed"] for file in document["files"])))
        return examine(subject, steps)

    monkeypatch.setattr(check_module, "_examine", look_and_examine)
    assert run(capsys, *paths, "--no-probe", "--format", "json", "--output", output)[0] == 0
    assert seen == [(1, 0), (1, 1), (1, 2)]
    assert json.loads(output.read_text(encoding="utf-8"))["exit_code"] == 0


def test_a_report_into_a_pipe_is_one_report(capfd, tiny_convolution):
    arguments = ["check", str(tiny_convolution), "--no-probe", "--format", "json"]
    assert main([*arguments, "--output", "/dev/stderr"]) == 0
    assert json.loads(capfd.readouterr().err)["exit_code"] == 0


@pytest.mark.parametrize("option", ["--output", "--write-baseline"])
def test_a_deleted_working_folder_is_one_line(
    capsys, monkeypatch, tmp_path, tiny_convolution, option
):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    status, _, errors = run(capsys, tiny_convolution, "--no-probe", option, "report.json")
    assert status == 1 and errors.count("\n") == 1 and "cannot write here" in errors


@pytest.mark.parametrize("option", ["--output", "--write-baseline"])
def test_outputs_replace_neither_inputs_nor_files_of_others(
    capsys, tmp_path, tiny_convolution, option
):
    model, notes = tmp_path / "model.tflite", tmp_path / "notes.json"
    shutil.copy(tiny_convolution, model)
    (tmp_path / "link").symlink_to(model)
    notes.write_text('{"mine": 1}', encoding="utf-8")
    cases = [(tmp_path, model), (model, tmp_path / "link"), (model, notes)]
    for path, output in cases:
        before = output.read_bytes()
        status, _, errors = run(capsys, path, "--no-probe", option, output, "--format", "json")
        assert status == 1 and errors.count("\n") == 1 and str(output) in errors
        assert output.read_bytes() == before
    assert run(capsys, model, "--no-probe", option, notes, "--overwrite")[0] == 0
    assert notes.read_bytes() != b'{"mine": 1}'
