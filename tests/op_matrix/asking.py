"""One release of the runtime asked about many small files: does its GPU delegate take
each whole, and compute what the CPU computes?

The release lives in a Python of its own. Files share a process, as starting one costs more
than asking it; what it computed wrong or died of is asked again in a process for this file
alone, and that answer counts. What was answered stays in the folder's journal, so that an
interrupted run goes on.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bokeh_tf.delegate.probing.probe import failures, judge, probe_request
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.delegate.probing.worker import REFERENCE_JOB
from bokeh_tf.errors import CheckError
from bokeh_tf.files import make_folder
from bokeh_tf.processes import DONE, REQUEST_NAME, run_command
from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.running import gpu_log
from tests.op_matrix.answering import JOURNAL_NAME, LOG_NAME

LIMIT_S = 120.0
_FILES_PER_PROCESS = 40
_MODULE = "tests.op_matrix.answering"
# How a process ends that was too slow: a thread of Python's own says so and ends it.
_TIME_IS_UP = "Timeout ("
# What the runtime says of every file where there is no NPU.
_OF_ANOTHER_PROCESSOR = "Dispatch API"
# The line that closes an asking alone.
_ALONE = "alone"
_AGAIN = frozenset({Verdict.WRONG, Verdict.CRASHED, Verdict.TIMED_OUT})


@dataclass(frozen=True)
class Answer:
    """What a release made of a file in one precision; `reason` is empty for FULL.

    `verdict` is UNAVAILABLE where nothing is said of the delegate: the CPU cannot run the file,
    or Python cannot feed it.
    """

    verdict: Verdict
    reason: str = ""


def ask(
    python: Path,
    files: Mapping[str, Path],
    folder: Path,
    *,
    precision: str,
    limit_s: float = LIMIT_S,
    on_progress: Callable[[int, int], None] = lambda done, count: None,
) -> dict[str, Answer]:
    """Asks the release that the interpreter `python` has about every file, by name.

    Args:
        folder: the journal's; one for each release and precision.
        limit_s: for each job of a file.
        on_progress: is told how many of how many askings are done.

    Raises:
        CheckError: this Python cannot be asked at all.
    """
    make_folder(folder)
    asked = _Asked(python, folder, [REFERENCE_JOB, precision], limit_s)
    requests = {name: _request(name, path) for name, path in files.items()}
    coarse = {name for name, one in requests.items() if one["probe"]["is_quantised"]}

    def answers():
        lines = asked.lines()
        return {
            name: _judged(lines[name, one["sha256"]], precision, is_quantised=name in coarse)
            for name, one in requests.items()
            if (name, one["sha256"]) in lines
        }

    known = answers()
    left = [one for name, one in requests.items() if name not in known]
    for start in range(0, len(left), _FILES_PER_PROCESS):
        on_progress(len(requests) - len(left) + start, len(requests))
        asked.ask(left[start : start + _FILES_PER_PROCESS])
    alone = asked.asked_alone()
    again = [
        requests[name]
        for name, answer in answers().items()
        if answer.verdict in _AGAIN and (name, requests[name]["sha256"]) not in alone
    ]
    for number, request in enumerate(again):
        on_progress(len(requests) + number, len(requests) + len(again))
        asked.ask_alone(request)
    on_progress(len(requests) + len(again), len(requests) + len(again))
    return answers()


def _request(name, path):
    content = path.read_bytes()
    probe = probe_request(None, inspect(content))
    digest = hashlib.sha256(content).hexdigest()
    return {"name": name, "sha256": digest, "path": str(path.resolve()), "probe": probe}


class _Asked:
    """A folder with its journal, and the processes that write it."""

    def __init__(self, python: Path, folder: Path, jobs: Sequence[str], limit_s: float):
        self._command = [str(python), "-P", "-m", _MODULE, str(folder)]
        self._folder = folder
        self._journal = folder / JOURNAL_NAME
        self._jobs = list(jobs)
        self._limit_s = limit_s

    def lines(self) -> dict:
        """The answered lines of each (name, sha256) by job; the last answer counts."""
        found: dict[tuple[str, str], dict] = {}
        for line in self._read():
            if "content" in line or "ending" in line:
                found.setdefault((line["name"], line["sha256"]), {})[line["job"]] = line
        last = self._jobs[-1]
        return {
            key: jobs
            for key, jobs in found.items()
            if last in jobs or any("ending" in line for line in jobs.values())
        }

    def asked_alone(self) -> set[tuple[str, str]]:
        """The files that have had a process of their own."""
        return {(line["name"], line["sha256"]) for line in self._read() if line["job"] == _ALONE}

    def ask_alone(self, request: dict) -> None:
        """Asks about one file in a process of its own."""
        self.ask([request])
        self._write({**_key(request), "job": _ALONE})

    def ask(self, requests: Sequence[dict]) -> None:
        """Asks about some files; a process that dies is followed by one for the rest."""
        left = list(requests)
        while left:
            request = {"jobs": self._jobs, "limit_s": self._limit_s, "files": left}
            (self._folder / REQUEST_NAME).write_text(json.dumps(request), encoding="utf-8")
            before = len(self._read())
            limit_s = self._limit_s * len(left) * len(self._jobs)
            child = run_command(
                self._command,
                timeout_s=limit_s,
                environment={"XDG_RUNTIME_DIR": str(self._folder)},
            )
            written = self._read()[before:]
            if child.return_code == 0:
                return
            if not written:
                raise CheckError(f"{self._command[0]}: cannot be asked ({child.ending}).")
            last = written[-1]
            is_late = child.timed_out or _TIME_IS_UP in child.stderr
            log = (self._folder / LOG_NAME).read_text("utf-8", "replace")
            how = "time was up" if is_late else f"the process dies ({child.ending})"
            ending = {"ending": how, "is_late": is_late, "log": log}
            self._write({**_key(last), "job": last["job"], **ending})
            names = [one["name"] for one in left]
            left = left[names.index(last["name"]) + 1 :]

    def _read(self):
        if not self._journal.exists():
            return []
        lines = self._journal.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def _write(self, line):
        with self._journal.open("a", encoding="utf-8") as journal:
            journal.write(json.dumps(line) + "\n")


def _key(line):
    return {"name": line["name"], "sha256": line["sha256"]}


def _judged(jobs, precision, *, is_quantised) -> Answer:
    reference = jobs[REFERENCE_JOB]
    on_cpu = reference.get("content")
    line = jobs.get(precision)
    if line is None:
        return Answer(Verdict.UNAVAILABLE, f"on the CPU {reference['ending']}")
    log = gpu_log.parse(line["log"])
    if "ending" in line:
        verdict = Verdict.TIMED_OUT if line["is_late"] else Verdict.CRASHED
        return Answer(verdict, line["ending"])
    content = line["content"]
    if log.has_no_adapter or content.get("kind") == "release":
        words = "no Vulkan adapter" if log.has_no_adapter else content["message"]
        return Answer(Verdict.UNAVAILABLE, words)
    if content["stage"] != DONE:
        own = (text for text in log.runtime_errors if _OF_ANOTHER_PROCESSOR not in text)
        said = (*log.reasons, *log.errors, *own, content["message"])
        is_refused = content["kind"] == "compile"
        return Answer(Verdict.REFUSED if is_refused else Verdict.CRASHED, said[0])
    if log.reasons or not content["is_accelerated"]:
        return Answer(Verdict.REFUSED, (*log.reasons, "not every operation is on the GPU")[0])
    if on_cpu is None or on_cpu["stage"] != DONE:
        words = reference["ending"] if on_cpu is None else on_cpu["message"]
        return Answer(Verdict.UNAVAILABLE, f"taken, but the CPU has no numbers: {words}")
    outputs = judge(content["runs"], is_coarse=precision == "default" or is_quantised)
    wrong = (*failures(outputs), *log.errors)
    return Answer(Verdict.WRONG, wrong[0]) if wrong else Answer(Verdict.FULL)
