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
from bokeh_tf.delegate.writers.running_report import RunningReport
from bokeh_tf.repairing.outcome import RANKS, rank
from bokeh_tf.testing import assert_runs_on_gpu
from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.running import release
from tests.delegate.check_reports import finding, probed, report, target
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
    assert told.startswith("mldrift.port_type  (mldrift; ")
    release_of_v2 = load_rules("v2").release
    assert explanation_of("v2.op").startswith(f"v2.op  (v2, {release_of_v2}; refused)\n")


def test_the_rules_say_whose_they_are():
    rules = made_up(ALWAYS)
    assert rules.of(OLD).release == "LiteRT 7.1 (ai-edge-litert 7.1.0)"
    assert rules.release == rules.of(NEW).release == "LiteRT 7.2 (ai-edge-litert 7.2.0)"


def test_a_release_that_no_rule_knows_is_refused():
    with pytest.raises(ValueError, match=rf"Received: '7\.0'\. Known: {OLD}, {NEW}\."):
        made_up(ALWAYS).of("7.0")


@pytest.mark.parametrize("releases", [[], ["7.0"], [OLD, "7.0"]])
def test_a_rule_of_releases_that_its_document_has_not_is_refused(releases):
    with pytest.raises(ValueError, match=r"mldrift\.x: `releases` names some of the document's"):
        made_up(rule("mldrift.x", releases=releases))


def test_by_default_the_newest_release_is_judged_by():
    newest = known_releases("mldrift")[-1]
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
    assert file["targets"]["mldrift"]["release"] == f"LiteRT 2.1 (ai-edge-litert {oldest})"
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
        (["--runtime", "9.9.9", "--explain", "mldrift.op"], "Received: '9.9.9'"),
    ],
)
def test_what_no_rule_knows_is_wrong_usage(path, capsys, options, complaint):
    with pytest.raises(SystemExit) as usage:
        main(["check", str(path), "--no-probe", *options])
    assert usage.value.code == 2
    assert complaint in capsys.readouterr().err


def test_of_a_file_that_is_not_read_the_release_is_said_and_no_engine(tmp_path, capsys):
    oldest = known_releases("mldrift")[0]
    broken, kept = tmp_path / "broken.tflite", tmp_path / "kept.json"
    broken.write_bytes(b"no model")
    main(["check", str(broken), "--no-probe", "--runtime", oldest, "--format", "json"])
    with RunningReport(kept, ["a"], Policy(), format="json", runtime=oldest):
        waiting = kept.read_text(encoding="utf-8")
    for text in (capsys.readouterr().out, waiting):
        (file,) = json.loads(text)["files"]
        assert file["error"] and (file["runtime"], file["stands_on"]) == (oldest, "")


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


# The commands that repair, convert and export


# The newest release takes both, the oldest neither; the first can be written otherwise.
COSINE = "COS v2: float32[1,6,8,4] -> float32[1,6,8,4]"
GATHER = EVERY["mldrift.gather.several"].example_graph


def model(folder, graph):
    path = folder / "model.tflite"
    path.write_bytes(build_graph(graph))
    return str(path)


def test_what_an_older_release_refuses_is_repaired_for_it(tmp_path, capsys):
    oldest, source, out = known_releases("mldrift")[0], model(tmp_path, COSINE), tmp_path / "out"
    arguments = ["repair", source, "-o", str(out), "--no-probe"]
    assert main(arguments) == 0
    assert "nothing to repair" in capsys.readouterr().out and not out.exists()
    assert main([*arguments, "--runtime", oldest]) == 0
    assert f"mldrift of {oldest} incompatible -> compatible" in capsys.readouterr().out
    for path, code in ((source, 3), (str(out), 0)):
        assert main(["check", path, "--no-probe", "--runtime", oldest]) == code


def test_the_assertion_of_a_test_judges_by_a_release(tmp_path):
    oldest, source = known_releases("mldrift")[0], model(tmp_path, COSINE)
    assert assert_runs_on_gpu(source).runtime is None
    with pytest.raises(AssertionError, match=f"mldrift of {oldest}: "):
        assert_runs_on_gpu(source, runtime=oldest)
    with pytest.raises(ValueError, match=r"Received: '9\.9\.9'"):
        assert_runs_on_gpu(source, runtime="9.9.9")


def test_what_stays_refused_by_an_older_release_is_said(tmp_path, capsys):
    oldest, source = known_releases("mldrift")[0], model(tmp_path, GATHER)
    options = ["--dry-run", "--no-probe", "--runtime", oldest, "--format", "json"]
    assert main(["repair", source, *options]) == 3
    document = json.loads(capsys.readouterr().out)
    assert document["runtime"] == oldest
    assert [one["rule"] for one in document["not_repaired"]] == ["mldrift.gather.several"]


def test_a_conversion_is_judged_and_repaired_for_the_release_asked_for(tmp_path, capsys):
    oldest, source = known_releases("mldrift")[0], model(tmp_path, COSINE)
    for number, (options, code, is_repaired) in enumerate(
        [
            ([], 0, False),
            (["--runtime", oldest, "--no-repair"], 3, False),
            (["--runtime", oldest], 0, True),
        ]
    ):
        out = str(tmp_path / f"{number}.tflite")
        common = ["convert", source, "-o", out, "--no-probe", "--format", "json"]
        assert main([*common, *options]) == code, options
        document = json.loads(capsys.readouterr().out)
        assert document["check"]["runtime"] == (oldest if options else None)
        assert (document["repair"] is not None) is is_repaired


@pytest.mark.parametrize(
    "command",
    [
        ["convert", "gather.tflite", "-o", "out.tflite"],
        ["export", "unet", "-o", "out"],
        ["repair", "gather.tflite", "-o", "out.tflite"],
    ],
)
def test_a_release_that_no_rule_knows_is_one_line(command, capsys):
    with pytest.raises(SystemExit) as usage:
        main([*command, "--runtime", "9.9.9"])
    assert usage.value.code == 2
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if "Received: '9.9.9'. Known: " in line] == said[-1:]


def test_another_release_has_no_veto_on_a_repair():
    probe = probed(Verdict.WRONG, reasons=("odd",))
    assert rank(probe, None) == rank(probe, "1.0") == RANKS.index(Verdict.WRONG)
    assert rank(probe, "0.9") is None and rank(None, "0.9") is None


@pytest.mark.gpu
def test_another_release_that_ran_is_said_and_overrules_nothing(gpu, path):
    oldest, installed = known_releases("mldrift")[0], release.installed()
    report = check(path, targets=["mldrift"], probe=True, runtime=oldest)
    assert report.probe.verdict is Verdict.FULL
    (note,) = [note for note in report.notes if "judged by" in note]
    assert oldest in note and installed in note
    assert not report.reconciliation


def test_machines_are_told_whose_rules_object():
    found = target("mldrift", finding(rule="mldrift.op", op="GATHER_ND"))
    texts = {}
    for runtime in ("0.9", None):
        one = judge(report(target("v2", finding()), found, runtime=runtime), Policy())
        for form in ("junit", "sarif", "gitlab"):
            texts[form, runtime] = write([one], Policy(), format=form)
    assert 'name="mldrift of 0.9"' in texts["junit", "0.9"]
    results = json.loads(texts["sarif", "0.9"])["runs"][0]["results"]
    led = {one["ruleId"]: one["message"]["text"].startswith("mldrift of 0.9: ") for one in results}
    assert led == {"v2.op": False, "mldrift.op": True}
    (entry,) = json.loads(texts["gitlab", "0.9"])
    assert entry["description"].startswith("mldrift of 0.9: v2.op, mldrift.op  refused, 1 node")
    assert not any(" of 0.9" in texts[form, None] for form in ("junit", "sarif", "gitlab"))
