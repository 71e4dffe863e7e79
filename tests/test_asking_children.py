"""`ask_module` and `answer_job`: how a parent learns what became of a
child that it asked something.
"""

import json
import os

import pytest

from bokeh_tf.processes import DONE, STARTING, ask_module

CHILD = """
import os, sys, time
from bokeh_tf.errors import BokehError, ModelFileError
from bokeh_tf.processes import answer_job, failed

def work(job):
    request = job.read_request()
    job.enter("thinking")
    {work}

if __name__ == "__main__":
    answer_job(work, error_kinds={{ModelFileError: "model", BokehError: "other"}})
"""


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Asks a child that does `work`, lines of Python, to double 21."""
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    )
    folder = tmp_path / "between us"
    folder.mkdir()

    def asked(work, *, timeout_s=60, request=None):
        (tmp_path / "child_of_a_test.py").write_text(CHILD.format(work=work), encoding="utf-8")
        question = {"number": 21} if request is None else request
        return ask_module("child_of_a_test", folder, request=question, timeout_s=timeout_s)

    asked.folder = folder
    return asked


def test_an_answer(ask):
    answer = ask("return {'double': 2 * request['number']}")
    assert answer.content == {"stage": DONE, "double": 42}
    assert (answer.error_kind, answer.traceback, answer.child.return_code) == (None, None, 0)


@pytest.mark.parametrize(("error", "kind"), [("ModelFileError", "model"), ("BokehError", "other")])
def test_a_foreseen_error_has_the_first_kind_that_fits(ask, error, kind):
    answer = ask(f"raise {error}('two\\n  lines')")
    assert (answer.error_kind, answer.message) == (kind, "two lines")
    assert answer.child.return_code == 0


def test_a_child_can_say_more_of_an_error(ask):
    answer = ask("return failed('late', BokehError(), offenders=[7])")
    assert (answer.error_kind, answer.message) == ("late", "BokehError")
    assert answer.content["offenders"] == [7]


def test_an_error_that_nobody_foresaw_is_a_bug_of_ours(ask):
    answer = ask("raise TypeError('mistake')")
    assert answer.traceback.endswith("TypeError: mistake\n")
    assert (answer.stage, answer.error_kind) == ("thinking", None)


def test_a_child_that_dies_says_at_what(ask):
    answer = ask("os.kill(os.getpid(), 11)")
    assert (answer.stage, answer.child.signal_name, answer.traceback) == (
        "thinking",
        "SIGSEGV",
        None,
    )


def test_a_child_that_hangs_says_at_what(ask):
    answer = ask("time.sleep(60)", timeout_s=5)
    assert answer.child.timed_out and answer.stage == "thinking"


def test_a_child_that_runs_out_of_memory_is_no_bug_of_ours(ask):
    answer = ask("raise MemoryError")
    assert answer.is_out_of_memory and answer.traceback is None


def test_an_old_answer_is_not_taken_for_a_new_one(ask):
    (ask.folder / "answer.json").write_text(
        json.dumps({"stage": DONE, "double": 0}), encoding="utf-8"
    )
    answer = ask("return {}", timeout_s=0)
    assert answer.stage == STARTING
