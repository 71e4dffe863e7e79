"""Rules by release of the runtime: which hold where, and how a check judges by them."""

import json

import pytest

from bokeh_tf.cli import main
from bokeh_tf.delegate.check import check
from bokeh_tf.delegate.judging.policy import FAILED, NOT_CHECKED, PASSED, Policy, judge
from bokeh_tf.delegate.linting.lint import find_findings, lint
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.delegate.rules import known_releases, load_rules, rules_from
from bokeh_tf.delegate.writers.explanation import explanation_of
from bokeh_tf.delegate.writers.formats import FORMATS, write
from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.running import release
from tests.delegate.check_reports import probed, report, target
from tests.delegate.linting.one_node import RELU
from tests.delegate.rules.rule_graphs import build_graph
from tests.op_matrix.rule_files import every_rule

OLD, NEW = "7.1.0", "7.2.0"
# Right in every release.
RIGHT = "RELU v1: float32[1,6,8,4] -> float32[1,6,8,4]"


EVERY = {rule.id: rule for rule in every_rule()}
OF_SOME = [name for name, rule in EVERY.items() if rule.releases and rule.example_graph]


def made_up(*rules, releases=(OLD, NEW), older=None):
    return rules_from(
        {
            "schema_version": 1,
            "target": "mldrift",
            "release": "the newest",
            "releases": list(releases),
            "sources": {},
            "ops": {"RELU": {"max_version": 2, "source": "", "older": older or {}}},
            "rules": list(rules),
        }
    )


def rule(name, **more):
    texts = {"reason": "", "instead": "", "source": "", "evidence": [], "example": ""}
    return {"id": name, "kind": "refused", "ops": ["RELU"], **texts, **more}


BEFORE = rule("mldrift.before", releases=[OLD])
SINCE = rule("mldrift.since", releases=[NEW])
ALWAYS = rule("mldrift.always")


def found_in(rules, runtime):
    return [finding.rule for finding in find_findings(RELU, rules.of(runtime))]


# Rules


@pytest.mark.parametrize(
    ("rules", "old", "new"),
    [
        ([BEFORE], ["mldrift.before"], []),
        ([SINCE], [], ["mldrift.since"]),
        ([ALWAYS], ["mldrift.always"], ["mldrift.always"]),
        ([BEFORE, ALWAYS], ["mldrift.before"], ["mldrift.always"]),
    ],
)
def test_a_rule_holds_in_its_own_releases_alone(rules, old, new):
    assert found_in(made_up(*rules), OLD) == old
    assert found_in(made_up(*rules), NEW) == new


def test_an_older_release_has_older_versions_of_operators():
    rules = made_up(
        rule("mldrift.version", when=["op.version_is_known", "==", False]), older={OLD: 0}
    )
    assert found_in(rules, OLD) == ["mldrift.version"] and found_in(rules, NEW) == []


@pytest.mark.parametrize("rule_id", OF_SOME)
def test_a_rule_of_some_releases_finds_its_own_graph_in_these_alone(rule_id):
    model_file = inspect(build_graph(EVERY[rule_id].example_graph))
    for runtime in known_releases("mldrift"):
        found = [f.rule for f in lint(model_file, "mldrift", runtime=runtime).findings]
        assert (rule_id in found) is (runtime in EVERY[rule_id].releases), runtime


def test_a_rule_of_an_older_release_is_explained():
    told = explanation_of("mldrift.port_type")
    assert "Holds in ai-edge-litert:\n    2.1.5\n" in told


def test_the_rules_say_whose_they_are():
    rules = made_up(ALWAYS)
    assert rules.of(OLD).release == f"ai-edge-litert {OLD}"
    assert rules.of(NEW).release == "the newest"


def test_a_release_that_no_rule_knows_is_refused():
    with pytest.raises(ValueError, match=rf"Received: '7\.0'\. Known: {OLD}, {NEW}\."):
        made_up(ALWAYS).of("7.0")


@pytest.mark.parametrize("releases", [[], ["7.0"], [OLD, "7.0"]])
def test_a_rule_of_releases_that_its_document_has_not_is_refused(releases):
    with pytest.raises(ValueError, match=r"mldrift\.x: `releases` names some of the document's"):
        made_up(rule("mldrift.x", releases=releases))


def test_by_default_the_newest_release_is_judged_by():
    newest = known_releases("mldrift")[-1]
    assert newest == release.MEASURED
    assert load_rules("mldrift") == load_rules("mldrift", runtime=newest)
    assert known_releases("v2") == ()


# The check


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "relu.tflite"
    path.write_bytes(build_graph(RIGHT))
    return path


def test_the_report_says_which_release_was_judged(path, capsys):
    oldest = known_releases("mldrift")[0]
    assert main(["check", str(path), "--no-probe", "--runtime", oldest]) == 0
    assert f"(rules v2, mldrift of {oldest}; " in capsys.readouterr().out
    main(["check", str(path), "--no-probe", "--runtime", oldest, "--format", "json"])
    (file,) = json.loads(capsys.readouterr().out)["files"]
    assert file["runtime"] == oldest
    assert file["targets"]["mldrift"]["release"] == f"ai-edge-litert {oldest}"
    assert file["targets"]["v2"]["release"] == load_rules("v2").release


def test_without_the_option_nothing_is_said_of_it(path, capsys):
    main(["check", str(path), "--no-probe", "--format", "json"])
    (file,) = json.loads(capsys.readouterr().out)["files"]
    assert file["runtime"] is None and "(rules" not in file["stands_on"]
    assert file["targets"]["mldrift"]["release"] == load_rules("mldrift").release


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--runtime", "2.1"], f"Known: {', '.join(known_releases('mldrift'))}."),
        (["--runtime", "9.9.9"], "Received: '9.9.9'"),
        (["--runtime", "2.3.0", "--target", "v2"], "a release is that of mldrift"),
    ],
)
def test_what_no_rule_knows_is_wrong_usage(path, capsys, options, complaint):
    with pytest.raises(SystemExit) as usage:
        main(["check", str(path), "--no-probe", *options])
    assert usage.value.code == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("verdict", [Verdict.WRONG, Verdict.REFUSED, Verdict.CRASHED])
def test_what_another_release_has_against_a_file_fails_nothing(verdict):
    # Such a probe is of release "1.0".
    probe = probed(verdict, reasons=("odd",))
    for runtime, code in ((None, FAILED), ("1.0", FAILED), ("0.9", PASSED)):
        one = report(target("mldrift"), probe=probe, runtime=runtime)
        assert judge(one, Policy()).code == code, runtime
    (problem,) = judge(one, Policy()).problems
    assert problem.standing == "other_release"
    required = judge(one, Policy(require_probe=True))
    assert required.code == NOT_CHECKED
    assert required.unchecked == ("probe: required of 0.9, but 1.0 is installed",)
    for form in FORMATS:
        assert write([judge(one, Policy())], Policy(), format=form)


@pytest.mark.gpu
def test_another_release_that_ran_is_said_and_overrules_nothing(gpu, path):
    oldest, installed = known_releases("mldrift")[0], release.installed()
    report = check(path, targets=["mldrift"], probe=True, runtime=oldest)
    assert report.probe.verdict is Verdict.FULL
    (note,) = [note for note in report.notes if "judged by" in note]
    assert oldest in note and installed in note
    assert not report.reconciliation
