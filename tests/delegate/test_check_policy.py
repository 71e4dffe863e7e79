"""What makes a check fail: conditions and limits, the real delegate against
the lint, and the baseline.
"""

import itertools
import json
import os
from pathlib import Path

import pytest

from bokeh_tf.delegate.findings import Kind
from bokeh_tf.delegate.judging.baseline import Baseline, read
from bokeh_tf.delegate.judging.policy import Policy, exit_code, judge
from bokeh_tf.delegate.judging.problems import Standing
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.delegate.reconciliation import reconcile
from bokeh_tf.delegate.unchecked import Unchecked
from bokeh_tf.delegate.writers import formats
from bokeh_tf.delegate.writers.formats import FORMATS
from bokeh_tf.errors import CheckError
from export.manifest import check_summary
from tests.delegate.check_reports import coverage, finding, probed, report, target

DEFAULT = Policy.parse("refused,wrong")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("refused,wrong", Policy(frozenset({"refused", "wrong"}))),
        (" fp16 , partitions:2,macs:99.5", Policy(frozenset({"fp16"}), 2, 99.5)),
        ("", Policy(frozenset())),
    ],
)
def test_conditions_are_read(text, expected):
    assert Policy.parse(text) == expected
    assert Policy.parse(expected.to_text()) == expected


@pytest.mark.parametrize(
    "text",
    ["nonsense", "partitions", "partitions:0", "partitions:1.5", "macs:101", "macs:nan", "wrong:1"],
)
def test_conditions_that_make_no_sense_are_named(text):
    with pytest.raises(ValueError, match="Received"):
        Policy.parse(text)


@pytest.mark.parametrize(
    ("kind", "policy", "code"),
    [
        (Kind.REFUSED, "refused", 3),
        (Kind.FAILS, "refused", 3),
        (Kind.WRONG, "refused", 0),
        (Kind.WRONG, "wrong", 3),
        (Kind.REFUSED, "wrong", 0),
        (Kind.REFUSED, "", 0),
    ],
)
def test_findings_fail_by_their_kind(kind, policy, code):
    assert judge(report(target("v2", finding(kind=kind))), Policy.parse(policy)).code == code


@pytest.mark.parametrize(
    ("policy", "broken"),
    [("partitions:2", 1), ("partitions:3", 0), ("macs:80.1", 1), ("macs:80", 0)],
)
def test_limits_are_on_partitions_and_arithmetic(policy, broken):
    covered = coverage(macs_delegated=800, partitions=2)
    judged = judge(report(target("v2", covered=covered)), Policy.parse(policy))
    assert len(judged.broken_limits) == broken and judged.code == 3 * broken


@pytest.mark.parametrize(
    ("verdict", "policy", "code"),
    [
        (Verdict.FULL, DEFAULT, 0),
        (Verdict.REFUSED, DEFAULT, 3),
        (Verdict.CRASHED, DEFAULT, 3),
        (Verdict.WRONG, DEFAULT, 3),
        (Verdict.WRONG, Policy.parse("refused"), 0),
        (Verdict.TIMED_OUT, DEFAULT, 1),
        (Verdict.UNAVAILABLE, DEFAULT, 0),
        (Verdict.UNAVAILABLE, Policy(require_probe=True), 1),
    ],
)
def test_the_real_delegate_counts(verdict, policy, code):
    judged = judge(report(target("mldrift"), probe=probed(verdict, reasons=("because",))), policy)
    assert judged.code == code


CRITERION = {Verdict.REFUSED: "refused", Verdict.CRASHED: "refused", Verdict.WRONG: "wrong"}


@pytest.mark.parametrize("fail_on", ["refused,wrong", "refused", "wrong", ""])
@pytest.mark.parametrize("require_probe", [False, True])
@pytest.mark.parametrize(("full", "half"), list(itertools.product(Verdict, repeat=2)))
def test_each_outcome_in_one_precision_counts_beside_each_in_the_other(
    full, half, require_probe, fail_on
):
    policy = Policy.parse(fail_on, require_probe=require_probe)
    probe = probed(full, half, reasons=("because",))
    judged = judge(report(target("mldrift"), probe=probe), policy)
    unanswered = {Verdict.TIMED_OUT, *([Verdict.UNAVAILABLE] if require_probe else [])}
    fails = any(CRITERION.get(verdict) in policy.criteria for verdict in (full, half))
    is_unanswered = bool(unanswered & {full, half})
    assert bool(judged.failing) == fails
    assert bool(judged.unchecked) == is_unanswered
    assert judged.code == (3 if fails else int(is_unanswered))
    for name in FORMATS:
        assert formats.write([judged], policy, format=name)
    assert probe.reason == ("" if full is half is Verdict.FULL else "because")
    assert "verdict" in check_summary(probe)


def test_a_failure_outweighs_what_could_not_be_checked():
    failed = judge(report(target("v2", finding()), probe=Unchecked("a", "broke down")), DEFAULT)
    unread = judge(report(error="cannot read"), DEFAULT)
    assert (failed.code, unread.code) == (3, 1)
    assert exit_code([unread, failed]) == 3 and exit_code([unread]) == 1 and exit_code([]) == 0


@pytest.mark.parametrize(
    ("findings", "verdict", "believed"),
    [
        ((), Verdict.FULL, None),
        ((), Verdict.UNAVAILABLE, None),
        ((Kind.REFUSED,), Verdict.REFUSED, None),
        ((Kind.WRONG,), Verdict.WRONG, None),
        ((Kind.REFUSED,), Verdict.FULL, "probe"),
        ((Kind.FAILS,), Verdict.WRONG, "probe"),
        ((Kind.WRONG,), Verdict.FULL, "probe"),
        ((Kind.WRONG,), Verdict.CRASHED, "probe"),
        ((), Verdict.REFUSED, "probe"),
        ((), Verdict.WRONG, "probe"),
        ((Kind.REFUSED,), Verdict.UNAVAILABLE, None),
    ],
)
def test_lint_and_probe_are_reconciled(findings, verdict, believed):
    linted = target("mldrift", *(finding(kind=kind) for kind in findings))
    found = reconcile((target("v2", finding()), linted), probed(verdict))
    assert [item.believe for item in found] == ([believed] if believed else [])
    assert all(item.target == "mldrift" and item.probe == verdict for item in found)


def test_the_lint_is_believed_where_the_trial_could_not_show_it():
    linted = target("mldrift", finding(kind=Kind.WRONG))
    (found,) = reconcile((linted,), probed(Verdict.FULL, has_float16=False))
    assert found.believe == "lint" and found.overruled == ()


def test_an_overruled_finding_does_not_fail_but_the_same_for_v2_does():
    full = probed(Verdict.FULL)
    targets = (target("v2", finding()), target("mldrift", finding(rule="mldrift.op")))
    judged = judge(report(*targets, probe=full, reconciliation=reconcile(targets, full)), DEFAULT)
    assert [problem.standing for problem in judged.problems] == [Standing.FAILS, Standing.OVERRULED]
    only = judge(report(targets[1], probe=full, reconciliation=reconcile(targets, full)), DEFAULT)
    assert only.code == 0


def test_a_baseline_knows_problems_but_no_new_ones():
    old = [judge(report(target("v2", finding(node=1), finding(node=5, layer="other"))), DEFAULT)]
    baseline = Baseline.of(old, Path())
    moved = report(target("v2", finding(node=40), finding(node=50, layer="other")))
    assert judge(moved, DEFAULT, baseline=baseline).code == 0
    one_more = report(
        target("v2", finding(node=1), finding(node=2), finding(node=5, layer="other"))
    )
    judged = judge(one_more, DEFAULT, baseline=baseline)
    assert [problem.standing for problem in judged.problems] == [
        Standing.KNOWN,
        Standing.FAILS,
        Standing.KNOWN,
    ]
    assert (
        judge(
            report(target("v2", finding()), path="another.tflite"), DEFAULT, baseline=baseline
        ).code
        == 3
    )


def test_a_baseline_tells_nodes_without_layers_by_their_tensors():
    first, second = (
        finding(layer=None, tensors=(shape,)) for shape in ("float32[1,2]", "float32[1,3]")
    )
    baseline = Baseline.of([judge(report(target("v2", first)), DEFAULT)], Path())
    assert judge(report(target("v2", first)), DEFAULT, baseline=baseline).code == 0
    assert judge(report(target("v2", second)), DEFAULT, baseline=baseline).code == 3


@pytest.fixture
def two_of_one_name(tmp_path, monkeypatch):
    """`seg/model.tflite` and `depth/model.tflite`; the working folder is theirs."""
    monkeypatch.chdir(tmp_path)
    for folder in ("seg", "depth", "known"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "model.tflite").touch()
    return tmp_path


def judged_file(path, baseline=None):
    return judge(report(target("v2", finding()), path=str(path)), DEFAULT, baseline=baseline)


def test_a_baseline_covers_no_file_of_the_same_name(two_of_one_name):
    baseline = Baseline.of([judged_file("seg/model.tflite")], Path())
    (two_of_one_name / "known.json").write_text(baseline.to_json(), encoding="utf-8")
    known = read("known.json")
    assert judged_file("seg/model.tflite", known).code == 0
    assert judged_file("depth/model.tflite", known).code == 3
    assert judged_file("model.tflite", known).code == 3


@pytest.mark.parametrize("place", ["known.json", "known/known.json"])
def test_a_baseline_goes_by_paths_from_its_own_folder(two_of_one_name, monkeypatch, place):
    baseline = Baseline.of([judged_file("seg/model.tflite")], Path(place).parent)
    (two_of_one_name / place).write_text(baseline.to_json(), encoding="utf-8")
    assert judged_file(two_of_one_name / "seg" / "model.tflite", read(place)).code == 0
    monkeypatch.chdir(two_of_one_name / "seg")
    assert judged_file("model.tflite", read(two_of_one_name / place)).code == 0
    (two_of_one_name / "link").symlink_to(two_of_one_name, target_is_directory=True)
    linked = two_of_one_name / "link" / "seg" / "model.tflite"
    assert judged_file(linked, read(f"../{place}")).code == 0


def test_an_old_baseline_goes_by_names_and_says_so(two_of_one_name):
    entry = {
        "file": "model.tflite",
        "rule": "v2.op",
        "op": "GATHER_ND",
        "place": "warp",
        "count": 1,
    }
    text = json.dumps({"schema_version": 1, "problems": [entry]})
    (two_of_one_name / "known.json").write_text(text, encoding="utf-8")
    known = read("known.json")
    assert judged_file("seg/model.tflite", known).code == 0
    assert "known.json: of schema version 1" in known.warning and "anew" in known.warning
    assert "\n" not in known.warning


def test_a_baseline_survives_its_file(tmp_path):
    baseline = Baseline.of([judge(report(target("v2", finding(), finding())), DEFAULT)], tmp_path)
    (tmp_path / "known.json").write_text(baseline.to_json(), encoding="utf-8")
    assert read(tmp_path / "known.json") == baseline
    assert json.loads(baseline.to_json())["problems"][0]["count"] == 2


ENTRY = '{"file": "a", "rule": "b", "op": "c", "place": "d", "count": %s}'


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"schema_version": 4, "problems": []}',
        '{"schema_version": 2, "problems": {}}',
        '{"schema_version": 2, "problems": [1]}',
        *(
            f'{{"schema_version": 2, "problems": [{ENTRY % count}]}}'
            for count in ("0", "true", '"1"', "null")
        ),
        "[" * 100_000,
        b"\xff\xfe".decode("latin-1"),
    ],
)
def test_what_is_no_baseline_is_one_line(content, tmp_path):
    path = tmp_path / "known.json"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(CheckError, match=r"known\.json: .*--write-baseline") as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_a_baseline_that_is_no_file_is_one_line(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    for path in (
        tmp_path / "absent.json",
        tmp_path / "pipe.json",
        tmp_path,
        "/dev/zero",
        "a" * 5000,
        "a\0b",
    ):
        with pytest.raises(CheckError, match="cannot read this baseline"):
            read(path)
