"""What was measured of each release of the runtime: the record, the page that is written from it,
and that the rules say the same.
"""

import sys
from pathlib import Path

import pytest

from bokeh_tf.delegate.findings import TargetVerdict
from bokeh_tf.delegate.linting.lint import lint
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.delegate.rules import known_releases, load_rules
from bokeh_tf.errors import CheckError
from bokeh_tf.tflite.inspection import inspect
from tests.delegate.rules.mldrift_cases import CASES
from tests.delegate.rules.rule_graphs import build_graph
from tests.delegate.rules.test_agreement import MLDRIFT_DISAGREEMENTS
from tests.op_matrix import VERDICTS, asking, build_all, measured
from tests.op_matrix.asking import Answer
from tests.op_matrix.rule_files import PREFIX, every_rule

OLD, NEW = "7.1.0", "7.2.0"
RELEASES = known_releases("mldrift")
ENTRIES = measured.read()
REFUSED = "RELU_0_TO_1 v1: float32[1,6,8,4] -> float32[1,6,8,4]"
RIGHT = "RELU v1: float32[1,6,8,4] -> float32[1,6,8,4]"
WORDS = {
    Verdict.FULL: {TargetVerdict.COMPATIBLE},
    Verdict.REFUSED: {TargetVerdict.INCOMPATIBLE},
    Verdict.WRONG: {TargetVerdict.ACCEPTED_BUT_WRONG},
    # A process that dies says no more than that something is amiss.
    Verdict.CRASHED: {TargetVerdict.INCOMPATIBLE, TargetVerdict.ACCEPTED_BUT_WRONG},
}


# The record


def test_the_record_keeps_what_was_not_full(tmp_path):
    path = tmp_path / "releases.json"
    wrong, refused = Answer(Verdict.WRONG, "by 0.5"), Answer(Verdict.REFUSED, "No")
    full = Answer(Verdict.FULL)
    measured.keep(NEW, answers={"a": full, "b": refused, "c": full}, path=path)
    measured.keep(OLD, answers={"a": wrong, "b": refused, "c": full}, path=path)
    measured.keep("7.0.0", reason="its wheel has no GPU delegate", path=path)
    entries = measured.read(path)
    assert list(entries) == ["7.0.0", OLD, NEW]
    assert entries[OLD]["verdicts"] == {"refused": {"b": "No"}, "wrong": {"a": "by 0.5"}}
    assert measured.differences(entries) == {"a": {OLD: Verdict.WRONG, NEW: Verdict.FULL}}
    page = measured.page(entries)
    assert "| 7.0.0 | not measured: its wheel has no GPU delegate |" in page
    assert f"| {OLD} | 1 | 1 | 1 | 0 |" in page and f"| {NEW} | 2 | 1 | 0 | 0 |" in page
    assert "| `a` | wrong | full |" in page and "`b`" not in page and "`c`" not in page


def test_operators_whose_versions_were_not_asked_are_listed(tmp_path):
    path = tmp_path / "releases.json"
    refused = Answer(Verdict.REFUSED, "Max version supported: 2. Requested version 3.")
    every = {f"version.{op}.1": Answer(Verdict.FULL) for op in load_rules("mldrift").versions}
    measured.keep(NEW, answers={**every, "version.ADD.3": refused, "a": refused}, path=path)
    assert measured.page(measured.read(path)).endswith("## Versions that were not asked\n\nNone.\n")
    del every["version.LSTM.1"], every["version.CUSTOM:Resampler.1"]
    measured.keep(OLD, answers=every, path=path)
    entries = measured.read(path)
    assert measured.too_new(entries[NEW]) == {("ADD", 3)}
    assert measured.without_versions(entries) == {"CUSTOM:Resampler": (OLD,), "LSTM": (OLD,)}
    assert f"\n2 in {OLD}: `CUSTOM:Resampler`, `LSTM`.\n" in measured.page(entries)


def test_what_the_rules_say_of_versions_was_asked():
    unasked = measured.without_versions(ENTRIES)
    for runtime in RELEASES:
        assert not {op for op, _ in measured.too_new(ENTRIES[runtime])} & set(unasked)


def test_the_page_is_that_of_the_record():
    assert measured.PAGE.read_text(encoding="utf-8") == measured.page(measured.read()), (
        f"stale: {measured.COMMAND} --docs"
    )


def test_a_python_without_the_runtime_cannot_be_asked(tmp_path):
    path = tmp_path / "relu.tflite"
    path.write_bytes(build_graph(RIGHT))
    with pytest.raises(CheckError, match="/bin/false: cannot be asked"):
        asking.ask(Path("/bin/false"), {"relu": path}, tmp_path / "asked", precision="float32")


@pytest.mark.gpu
@pytest.mark.slow
def test_a_release_is_asked_once(gpu, tmp_path):
    contents = {
        "full": build_graph(RIGHT),
        "wrong": CASES["mldrift.constant_shape"][0],
        "refused": build_graph(REFUSED),
    }
    paths = {name: tmp_path / f"{name}.tflite" for name in contents}
    for name, content in contents.items():
        paths[name].write_bytes(content)
    progress = []
    answers = asking.ask(
        Path(sys.executable),
        paths,
        tmp_path / "asked",
        precision="float32",
        on_progress=lambda *counts: progress.append(counts),
    )
    assert {name: str(answer.verdict) for name, answer in answers.items()} == {
        name: name for name in contents
    }
    # What came out wrong was asked again alone.
    assert progress[0] == (0, 3) and progress[-1] == (4, 4)
    again = asking.ask(Path("/bin/false"), paths, tmp_path / "asked", precision="float32")
    assert again == answers


# The rules


def disagreements(contents):
    """(release, file) of those that the lint judges otherwise than the release did."""
    found = set()
    for name, content in contents.items():
        model_file = inspect(content)
        for runtime in RELEASES:
            verdict = measured.verdict_of(ENTRIES[runtime], name)
            said = lint(model_file, "mldrift", runtime=runtime).verdict
            if verdict is not Verdict.UNAVAILABLE and said not in WORDS[verdict]:
                found.add((runtime, name))
    return found


def test_the_rules_are_those_of_the_releases_that_were_measured():
    assert list(RELEASES) == [name for name, entry in ENTRIES.items() if "verdicts" in entry]
    assert len({ENTRIES[name]["asked"] for name in RELEASES}) == 1


def test_every_release_agrees_with_the_rules_on_their_graphs():
    contents = {
        f"{PREFIX}{rule}.{form}": content
        for rule, (wrong, right) in CASES.items()
        for form, content in (("wrong", wrong), ("right", right))
    }
    for rule in every_rule():
        if rule.example_graph and rule.id not in CASES:
            contents[f"{PREFIX}{rule.id}"] = build_graph(rule.example_graph)
    assert disagreements(contents) == set()


@pytest.mark.slow
def test_every_release_agrees_with_the_rules_on_the_op_matrix(tmp_path):
    names = [name for name, facts in VERDICTS.items() if not facts.not_rebuilt]
    files = build_all(tmp_path, set(names) - set(MLDRIFT_DISAGREEMENTS))
    assert disagreements(files) == set()


@pytest.mark.parametrize("runtime", RELEASES)
def test_versions_of_operators_are_those_that_the_release_takes(runtime):
    newest = load_rules("mldrift").versions
    # What the newest runtime does not load either, no rule need refuse.
    found = measured.too_new(ENTRIES[runtime]) - measured.too_new(ENTRIES[RELEASES[-1]])
    assert found == {
        (op, version)
        for op, versions in load_rules("mldrift", runtime=runtime).versions.items()
        if versions is not None
        for version in newest[op] - versions
    }
