"""What each release of the runtime made of the op matrix and of the rules' graphs: the record
`releases.json`, and the page that is written from it.

In the record a release has either "not_measured", the reason, or "asked", how many files,
"versions_of", the operators with a file for each version, and "verdicts": verdict -> {file: reason}
of all that were not full. What is right in every release has no entry there.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.delegate.rules import load_rules
from bokeh_tf.files import write_text
from bokeh_tf.tflite.running import RUNTIME
from bokeh_tf.tflite.running.release import numbers
from tests.op_matrix.asking import Answer
from tests.op_matrix.rule_files import PREFIX as RULE
from tests.op_matrix.version_files import PREFIX as VERSION

RECORD = Path(__file__).with_name("releases.json")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "releases.md"
COMMAND = "python -m tests.op_matrix.releases"
_SCHEMA_VERSION = 1
# A release that does not load an operator's version, and a delegate that does not take it.
_TOO_NEW = re.compile(r"Max version supported|Didn't find op for builtin opcode")
_COLUMNS = (
    Verdict.FULL,
    Verdict.REFUSED,
    Verdict.WRONG,
    Verdict.CRASHED,
    Verdict.TIMED_OUT,
    Verdict.UNAVAILABLE,
)


def read(path: Path = RECORD) -> dict[str, dict]:
    """The entries of all releases, the oldest first."""
    if not path.exists():
        return {}
    entries = json.loads(path.read_text(encoding="utf-8"))["releases"]
    return {name: entries[name] for name in sorted(entries, key=numbers)}


def keep(
    release: str,
    *,
    answers: Mapping[str, Answer] | None = None,
    reason: str = "",
    path: Path = RECORD,
) -> None:
    """Puts a release's answers, or why there are none, in the place of earlier ones."""
    entry = {"not_measured": reason} if answers is None else _entry(answers)
    entries = read(path) | {release: entry}
    kept = {name: entries[name] for name in sorted(entries, key=numbers)}
    document = {"schema_version": _SCHEMA_VERSION, "releases": kept}
    write_text(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _entry(answers):
    verdicts: dict[str, dict[str, str]] = {}
    for name, answer in sorted(answers.items()):
        if answer.verdict is not Verdict.FULL:
            verdicts.setdefault(str(answer.verdict), {})[name] = answer.reason
    return {
        "asked": len(answers),
        "versions_of": sorted({_version_in(name)[0] for name in answers if _is_version(name)}),
        "verdicts": dict(sorted(verdicts.items())),
    }


def _is_version(name):
    return name.startswith(VERSION)


def _version_in(name):
    """The (operator, version) that a file's name says it is for."""
    op, _, version = name.removeprefix(VERSION).rpartition(".")
    return op, int(version)


def verdict_of(entry: dict, name: str) -> Verdict:
    """The verdict of one file in a release that was measured."""
    found = [verdict for verdict, files in entry["verdicts"].items() if name in files]
    return Verdict(found[0]) if found else Verdict.FULL


def differences(entries: Mapping[str, dict]) -> dict[str, dict[str, Verdict]]:
    """Of the files on which releases that answered differ: the verdict by release."""
    measured = {name: one for name, one in entries.items() if "verdicts" in one}
    names = {
        file for one in measured.values() for files in one["verdicts"].values() for file in files
    }
    found = {
        file: {release: verdict_of(one, file) for release, one in measured.items()}
        for file in sorted(names)
    }
    return {
        file: row
        for file, row in found.items()
        if len(set(row.values()) - {Verdict.UNAVAILABLE}) > 1
    }


def too_new(entry: dict) -> set[tuple[str, int]]:
    """(operator, version) of all that a release that was measured does not know yet."""
    refused = entry["verdicts"].get(str(Verdict.REFUSED), {})
    return {
        _version_in(name)
        for name, reason in refused.items()
        if _is_version(name) and _TOO_NEW.search(reason)
    }


def without_versions(entries: Mapping[str, dict]) -> dict[str, tuple[str, ...]]:
    """Of ML Drift's operators whose versions some release was not asked about: those releases."""
    measured = {name: one for name, one in entries.items() if "verdicts" in one}
    found = {
        op: tuple(name for name, one in measured.items() if op not in one["versions_of"])
        for op in sorted(load_rules("mldrift").versions)
    }
    return {op: releases for op, releases in found.items() if releases}


def write_page() -> None:
    """Writes `docs/releases.md` from the record."""
    write_text(PAGE, page(read()))


def page(entries: Mapping[str, dict]) -> str:
    """The page in Markdown."""
    measured = {name: one for name, one in entries.items() if "verdicts" in one}
    rows = {file: row for file, row in differences(entries).items() if not file.startswith(VERSION)}
    lines = [
        "# Releases of the runtime",
        "",
        _ABOUT,
        "",
        *_table(["release", *map(str, _COLUMNS)], [_counts(*item) for item in entries.items()]),
        "",
        "## Where they differ",
        "",
        f"{len(rows)} files, those of versions left out; every other one has the same verdict"
        " wherever it answered."
        if rows
        else "Nowhere, but for versions: every other file has the same verdict wherever it answered.",
    ]
    if rows:
        cells = [[f"`{file}`", *map(str, row.values())] for file, row in rows.items()]
        lines += ["", *_table(["file", *measured], cells)]
    lines += ["", "## Highest versions of operators", "", _ABOUT_VERSIONS]
    lines += ["", *_table(["operator", *measured], _versions(measured))]
    lines += ["", "## Versions that were not asked", "", *_not_asked(entries)]
    return "\n".join(lines) + "\n"


_ABOUT = f"""This page is written by `{COMMAND} --docs` from
`tests/op_matrix/releases.json`; a test fails when it is stale. `{COMMAND} FOLDER`
measures every release of `{RUNTIME}` from 2.1 on: the op matrix's models, the graphs of ML Drift's
rules (`{RULE}<id>`; of some also their nearest right form) and the versions of its operators, each
compiled for the GPU alone and run in float32 on lavapipe, against the same release's CPU. What came
out wrong, or was died of, was asked again in a process of its own. "unavailable" is a file that the
CPU cannot run, or Python cannot feed (2.1 has no truth values). `bokeh-tf check --runtime RELEASE`
judges by the rules of one of those that were measured.

2.1.6 and 2.2.0 wait 20 seconds for the GPU, 2.3.0 two minutes: a network that takes a software
adapter longer than that fails there when its outputs are read, whatever its operators are.
`dbsi_mobile_base` at 512x768 did, on two busy cores; 2.2.0 gave its outputs when they were read
100 seconds after the run was started."""

_ABOUT_VERSIONS = """Where releases differ; what is higher a release refuses, or does not load. A converter that
is newer than the runtime of an app writes such versions for some types and ranks. An operator that
was asked and has no row ends at the same version in all of them."""


_ABOUT_NOT_ASKED = """Of these operators no small file that the newest release computes right is at hand, or they
have no versions. That the table above has no row for them says nothing: which versions of them an
older release takes is not known, and `--runtime` judges them as in the newest."""


def _not_asked(entries):
    """A line for each group of releases that were not asked about the same operators."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for op, releases in without_versions(entries).items():
        groups.setdefault(releases, []).append(op)
    if not groups:
        return ["None."]
    lines = [_ABOUT_NOT_ASKED]
    for releases, ops in groups.items():
        lines += ["", f"{len(ops)} in {', '.join(releases)}: {', '.join(f'`{op}`' for op in ops)}."]
    return lines


def _counts(release, entry):
    if "not_measured" in entry:
        return [release, f"not measured: {entry['not_measured']}", *[""] * (len(_COLUMNS) - 1)]
    others = {verdict: len(entry["verdicts"].get(str(verdict), ())) for verdict in _COLUMNS}
    full = entry["asked"] - sum(others.values())
    return [release, str(full), *(str(others[verdict]) for verdict in _COLUMNS[1:])]


def _versions(measured):
    """A row for each operator whose highest version is not the same in all releases."""
    unknown = {release: too_new(entry) for release, entry in measured.items()}
    rows = []
    for op in sorted({op for pairs in unknown.values() for op, _ in pairs}):
        highest = [
            min((version for name, version in pairs if name == op), default=None)
            for pairs in unknown.values()
        ]
        if len(set(highest)) > 1:
            known = load_rules("mldrift").versions[op]
            cells = (max(known) if first is None else first - 1 for first in highest)
            rows.append([op, *map(str, cells)])
    return rows


def _table(headings, rows):
    lines = [headings, ["---"] * len(headings), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]
