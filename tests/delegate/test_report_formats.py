"""What is written of a check: each format against its own grammar, with names
that try to break out of it.
"""

import io
import json
import re
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import jsonschema
import pytest
from rich.console import Console

from bokeh_tf.delegate.findings import Kind
from bokeh_tf.delegate.judging.policy import Policy, judge
from bokeh_tf.delegate.judging.problems import Standing
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.delegate.reconciliation import reconcile
from bokeh_tf.delegate.unchecked import Unchecked
from bokeh_tf.delegate.writers.formats import FORMATS, write
from bokeh_tf.delegate.writers.summary import HEADINGS
from bokeh_tf.delegate.writers.text import print_file, print_summary
from bokeh_tf.delegate.writers.workflow import leave
from bokeh_tf.errors import OutputError
from bokeh_tf.escaping import (
    command_data,
    command_property,
    file_uri,
    markdown_code,
    markdown_text,
    printable,
)
from tests.delegate.check_reports import HOSTILE, coverage, finding, probed, report, target

SARIF_SCHEMA = Path(__file__).parent / "sarif-schema-2.1.0.json"
POLICY = Policy.parse("refused,wrong,macs:99")


def run_of_everything():
    """Passed, refused, wrong, overruled, unread and unchecked files with hostile names."""
    refused = target(
        "v2",
        finding(op=HOSTILE, layer=HOSTILE, tensors=(HOSTILE,)),
        covered=coverage(macs_delegated=10),
    )
    wrong = target("mldrift", finding(kind=Kind.WRONG, rule="mldrift.arg_max", node=None))
    full = probed(Verdict.FULL)
    missing = target("mldrift", finding(rule="mldrift.rank"))
    reports = [
        report(target("v2"), target("mldrift"), path="good.tflite", probe=full),
        report(
            refused, wrong, path=f"{HOSTILE}.tflite", probe=probed(Verdict.WRONG, output=HOSTILE)
        ),
        report(
            missing, path="overruled.tflite", probe=full, reconciliation=reconcile((missing,), full)
        ),
        report(path=f"unread {HOSTILE}", error=f"unread {HOSTILE}: cannot read this model file"),
        report(
            target("v2"),
            path="stuck.tflite",
            probe=Unchecked("stuck.tflite", HOSTILE),
            notes=(HOSTILE,),
        ),
    ]
    return [judge(one, POLICY) for one in reports]


@pytest.fixture(scope="module")
def written():
    return {format: write(run_of_everything(), POLICY, format=format) for format in FORMATS}


@pytest.mark.parametrize("format", FORMATS)
def test_no_format_lets_control_characters_through(written, format):
    text = written[format]
    assert text.endswith("\n")
    assert not [
        character for character in text if not character.isprintable() and character != "\n"
    ]


def test_no_line_is_filled_up_with_spaces(written):
    # Empty cells are as wide as their columns, and no more.
    assert not [line for line in written["text"].splitlines() if line.endswith(" " * 40)]


def test_an_unknown_format_is_named():
    with pytest.raises(ValueError, match="Known: text, json"):
        write([], POLICY, format="yaml")


def test_json_has_what_it_promises(written):
    document = json.loads(
        written["json"], parse_constant=lambda name: pytest.fail(f"{name} is not JSON")
    )
    assert (document["schema_version"], document["exit_code"], document["fail_on"]) == (
        2,
        3,
        "refused,wrong,macs:99",
    )
    good, hostile, overruled, unread, stuck = document["files"]
    assert [file["passed"] for file in document["files"]] == [True, False, True, False, False]
    assert good["targets"]["v2"]["verdict"] == good["targets"]["mldrift"]["verdict"] == "compatible"
    assert good["probe"]["verdict"] == "full" and good["probe"]["adapter"] == "Some GPU"
    assert good["probe"]["outputs"][0]["psnr_db"] == "inf" and good["probe"]["split"] is None
    (found,) = hostile["targets"]["v2"]["findings"]
    assert (
        found["op"] == found["layer"] == HOSTILE
        and found["node"] == 3
        and found["standing"] == "fails"
    )
    assert hostile["targets"]["v2"]["coverage"]["macs_percent"] == 1.0
    assert hostile["targets"]["mldrift"]["verdict"] == "accepted_but_wrong"
    assert len(hostile["failures"]) == 4
    assert overruled["targets"]["mldrift"]["findings"][0]["standing"] == "overruled"
    assert overruled["reconciliation"][0]["believe"] == "probe"
    assert unread["targets"] == {} and "cannot read" in unread["error"]
    assert stuck["probe"] == {"verdict": None, "reasons": [HOSTILE]} and stuck["audit"] is None


def sarif_validator():
    return jsonschema.Draft7Validator(json.loads(SARIF_SCHEMA.read_text(encoding="utf-8")))


def test_sarif_is_valid_by_the_official_schema(written):
    log = json.loads(written["sarif"])
    sarif_validator().validate(log)
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert {"v2.op", "mldrift.arg_max", "mldrift.rank", "probe.wrong"} == {
        rule["id"] for rule in rules
    }
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        uri = urlsplit(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"])
        assert uri.path and not (uri.scheme or uri.netloc or uri.query or uri.fragment)
    assert not run["invocations"][0]["executionSuccessful"]
    levels = {result["ruleId"]: result["level"] for result in run["results"]}
    assert levels["v2.op"] == "error" and levels["mldrift.rank"] == "warning"


def test_the_schema_refuses_what_is_not_sarif(written):
    log = json.loads(written["sarif"])
    log["runs"][0]["results"][0]["level"] = "fatal"
    assert not sarif_validator().is_valid(log)


def test_junit_counts_and_parses(written):
    root = ElementTree.fromstring(written["junit"])
    suites = root.findall("testsuite")
    assert len(suites) == 5 and root.get("tests") == str(len(root.findall("*/testcase")))
    for tag, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert root.get(name) == str(len(root.findall(f"*/testcase/{tag}"))), name
    assert [suite.get("name") for suite in suites][1] == printable(f"{HOSTILE}.tflite")
    failed = {case.get("name") for case in suites[1] if case.find("failure") is not None}
    assert failed == {"v2", "mldrift", "probe", "limits"}
    assert (
        suites[3].find("testcase/error") is not None and suites[0].find("testcase/failure") is None
    )


def test_junit_skips_what_no_adapter_could_check():
    unavailable = probed(Verdict.UNAVAILABLE, reasons=("no Vulkan adapter",))
    for required, tag in ((False, "skipped"), (True, "error")):
        judged = judge(report(target("mldrift"), probe=unavailable), Policy(require_probe=required))
        case = ElementTree.fromstring(write([judged], POLICY, format="junit")).find(
            "*/testcase[@name='probe']"
        )
        assert [child.tag for child in case] == [tag]


def test_github_commands_stay_one_line_each(written):
    lines = written["github"].splitlines()
    commands = [line for line in lines if line.startswith("::")]
    assert re.fullmatch(r"::error title=bokeh-tf check::5 files: 2 passed, .+", commands[0])
    assert all(
        re.fullmatch(r"::(error|warning|notice) file=[^,:]*,title=[^,:]*::.+", line)
        for line in commands[1:]
    )
    assert not any("::set-output" in line.split("::", 2)[1] for line in commands)
    assert all(line.startswith(("::", "PASSED: ", "FAILED: ", "NOT CHECKED: ")) for line in lines)
    assert any(
        line.startswith("::error file=") and "title=v2.op::v2.op  refused, 1 node" in line
        for line in commands
    )


def annotations(*judged):
    return [
        line
        for line in write(judged, POLICY, format="github").splitlines()
        if line.startswith("::")
    ]


def test_a_rule_with_a_thousand_nodes_is_one_annotation():
    many = target("v2", *(finding(node=number) for number in range(1000)))
    summary, only = annotations(judge(report(many), POLICY))
    assert "1 failed" in summary and "v2.op  refused, 1000 nodes" in only


def test_at_most_ten_annotations_are_written_and_the_first_says_what_is_left_out():
    causes = target("v2", *(finding(op=f"OP_{number}", node=number) for number in range(14)))
    shown = annotations(judge(report(causes, notes=("a note",)), POLICY))
    assert len(shown) == 10 and shown[0].startswith(
        "::error title=bokeh-tf check::1 files: 1 failed"
    )
    assert "6 more findings are in the job summary" in shown[0]
    assert all(line.startswith("::error file=") for line in shown[1:]), (
        "what fails comes before notes"
    )


def test_files_with_one_cause_share_its_annotation():
    files = [
        judge(report(target("v2", finding()), path=f"{name}.tflite"), POLICY) for name in "abc"
    ]
    _, only = annotations(*files)
    assert only.startswith("::error file=a.tflite,") and "%0AAlso in: b.tflite, c.tflite" in only


def test_nothing_is_annotated_where_all_is_well():
    assert annotations(judge(report(target("v2")), POLICY)) == []


def test_gitlab_s_report_has_the_fields_that_it_asks_for(written):
    """By GitLab's documentation of the Code Quality report format."""
    entries = json.loads(written["gitlab"])
    assert {entry["location"]["path"] for entry in entries} > {"overruled.tflite", "stuck.tflite"}
    for entry in entries:
        assert {"description", "check_name", "fingerprint", "severity", "location"} == entry.keys()
        assert entry["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert entry["location"]["lines"] == {"begin": 1} and not entry["location"][
            "path"
        ].startswith(("/", "./"))
        assert re.fullmatch(r"[0-9a-f]{64}", entry["fingerprint"])
    assert len({entry["fingerprint"] for entry in entries}) == len(entries)
    severities = {
        entry["check_name"].removeprefix("bokeh-tf/"): entry["severity"] for entry in entries
    }
    assert (severities["v2.op"], severities["mldrift.rank"], severities["not-checked"]) == (
        "major",
        "info",
        "critical",
    )


def test_a_step_is_left_its_summary_and_its_outputs(tmp_path):
    summary, outputs = tmp_path / "summary.md", tmp_path / "outputs"
    summary.write_text("of another command\n", encoding="utf-8")
    leave(
        run_of_everything(),
        POLICY,
        {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(outputs)},
    )
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("of another command\n# bokeh-tf check\n") and "@team" not in text
    values = dict(line.split("=") for line in outputs.read_text(encoding="utf-8").splitlines())
    assert values == {
        "exit-code": "3",
        "files": "5",
        "passed": "2",
        "failed": "1",
        "not-checked": "2",
    }


def test_a_summary_that_github_would_refuse_is_cut_at_a_line(tmp_path):
    summary = tmp_path / "summary.md"
    many = [judge(report(target("v2", finding(op=f"OP{n}"))), POLICY) for n in range(4000)]
    leave(many, POLICY, {"GITHUB_STEP_SUMMARY": str(summary)})
    text = summary.read_text(encoding="utf-8")
    assert 500_000 < summary.stat().st_size < 1_048_576 and text.endswith(
        "the other reports have all.\n"
    )


def test_a_summary_that_cannot_be_written_is_one_line(tmp_path):
    with pytest.raises(OutputError, match="cannot write here"):
        leave([], POLICY, {"GITHUB_OUTPUT": str(tmp_path)})


def test_workflow_commands_are_escaped_as_the_runner_reads_them():
    # The runner undoes %25, %0D, %0A in data and also %3A and %2C in properties.
    assert command_data("50%\nnext") == "50%25%0Anext"
    assert command_property("a:b,c%") == "a%3Ab%2Cc%25"


def cells_of(row):
    """Cells of a Markdown table row as GitHub splits it: at every pipe
    without a backslash before it.
    """
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]


def test_markdown_tables_keep_their_columns(written):
    lines = written["markdown"].splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert {len(cells_of(row)) for row in rows} == {len(HEADINGS), 6}
    assert not [line for line in lines if "<b>" in line or "@team" in line]
    assert sum(line.startswith("## ") for line in lines) == 4


@pytest.mark.parametrize("text", ["plain", "a`b", "``", "a\\|b", "|", "`", " ", "", "x\\", HOSTILE])
def test_markdown_code_is_closed_and_one_cell(text):
    code = markdown_code(text)
    assert len(cells_of(f"| {code} |")) == 1
    if code.startswith("`"):
        assert "`" not in code[1:-1] and code.endswith("`") and "\\" not in code
    elif code:
        assert not re.search(r"[`|\\*_\[\]]", code) and code.count("<") == 2


def test_markdown_text_has_no_markup_left():
    text = markdown_text("*a* [b](http://c) <d> @e `f` ~~g~~ | \\ _h_ expand_dims")
    assert not re.search(r"[\\`*\[\]<>|~]|https?://|@\w|\b_|_\b", text) and text.endswith(
        "expand_dims"
    )


def test_uris_are_relative_and_encoded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert file_uri("models/größe 1.tflite") == "models/gr%C3%B6%C3%9Fe%201.tflite"
    assert file_uri(tmp_path / "models" / "a.tflite") == "models/a.tflite"
    assert file_uri("./a#b?.tflite") == "a%23b%3F.tflite"
    assert file_uri("/elsewhere/a.tflite") == "file:///elsewhere/a.tflite"


def shown(one):
    output = io.StringIO()
    print_file(one, Console(file=output, width=160))
    return output.getvalue()


def test_text_groups_by_rule_and_says_what_to_do():
    nodes = [finding(node=number) for number in range(7)]
    text = shown(judge(report(target("v2", *nodes, finding(rule="v2.rank", node=9))), POLICY))
    assert text.startswith("FAILED  model.tflite\n") and text.count("v2.op  refused, 7 nodes") == 1
    assert (
        text.count("GATHER_ND is not there") == 2
        and text.count("instead: Use something else.") == 2
    )
    assert "and 2 more" in text and "node 9 GATHER_ND v1 (layer warp)  float32[1,2,3,4]" in text


def test_text_has_a_table_of_several_files(written):
    text = written["text"]
    table = text[text.index("\nfile ") :]
    assert "5 files: 2 passed, 2 not checked, 1 failed" in table
    assert re.search(r"good\.tflite\s+PASSED\s+full\s+full\s+full\s+100\s+100\s+1\s+0", table)
    assert "::error" not in "".join(line[:7] for line in text.splitlines())


def test_text_says_which_to_believe(written):
    assert (
        "the lint says incompatible, the real delegate full. Believe the probe" in written["text"]
    )


def test_percentages_are_never_rounded_up_to_all():
    covered = coverage(nodes=10000, delegated=9999, macs=10**9, macs_delegated=10**9 - 1)
    assert "99.9 % of 10000 nodes and 99.9 % of MACs" in shown(
        judge(report(target("v2", covered=covered)), POLICY)
    )


def test_every_standing_is_told_apart_in_sarif():
    from bokeh_tf.delegate.judging.baseline import Baseline

    judged = [judge(report(target("v2", finding())), POLICY)]
    known = judge(judged[0].report, POLICY, baseline=Baseline.of(judged, Path()))
    assert [problem.standing for problem in known.problems] == [Standing.KNOWN]
    (result,) = json.loads(write([known], POLICY, format="sarif"))["runs"][0]["results"]
    assert (
        result["baselineState"] == "unchanged" and result["suppressions"][0]["kind"] == "external"
    )


def test_the_table_has_room_in_a_narrow_terminal():
    covered = coverage(delegated=4, macs_delegated=123, partitions=3, copies=12)
    reports = [
        report(target("v2"), target("mldrift", finding(), covered=covered), path=f"a/b/file_{n}")
        for n in "12"
    ]
    output = io.StringIO()
    judged = [judge(one, POLICY) for one in reports]
    print_summary(judged, POLICY, Console(file=output, width=80))
    text = output.getvalue()
    assert "\nin a/b/\n" in text and "…" not in text
    assert re.search(
        r"^file_1 +FAILED +full +partial +100 / 40\.0 +100 / 12\.3 +1 / 3 +0 / 12 *$",
        text,
        re.MULTILINE,
    )
