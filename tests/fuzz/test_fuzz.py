"""A short run of the fuzzer, and the proof that it would notice: broken readers
of every kind are caught.
"""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from bokeh_tf.errors import ModelFileError
from bokeh_tf.tflite.inspection import inspect
from tests.delegate.rules.mldrift_graphs import IMAGE, OP, Graph
from tests.fuzz import documents, sources
from tests.fuzz import runner as fuzz
from tests.fuzz.agreement import NOT_PROVED, PROVED, agree, second_opinion
from tests.fuzz.graphs import IDENTIFIER, repeated_tables
from tests.fuzz.mutations import structure_of
from tests.fuzz.readers import LIMITS, READERS, Limits, everything, native, repairing

ROOT = Path(__file__).resolve().parents[2]
OWN_FILES = (str(ROOT / "android_assets"),)
CASES = 400
NATIVE_CASES = 16
REPAIR_CASES = 200
DOCUMENTS = 400
SOURCES = 60
SEED = 3


def test_every_case_ends_in_a_report_or_one_line():
    summary = fuzz.fuzz(everything, cases=CASES, seed=SEED, folders=OWN_FILES)
    assert summary.failures == ()
    assert sum(summary.outcomes.values()) == CASES
    # Both ways are well trodden: neither is everything refused at the door nor
    # does damage go unnoticed.
    assert summary.outcomes["report"] > CASES / 5 and summary.outcomes["refused"] > CASES / 5
    assert (
        summary.slowest_s < LIMITS.seconds and 0 < summary.peak_bytes < LIMITS.address_space_bytes
    )


def test_every_document_is_read_or_refused_in_one_line():
    reader, limits = READERS["documents"]
    summary = fuzz.fuzz(reader, cases=DOCUMENTS, make=documents.case, limits=limits, seed=SEED)
    assert summary.failures == () and sum(summary.outcomes.values()) == DOCUMENTS
    assert (
        summary.outcomes["report"] > DOCUMENTS / 5 and summary.outcomes["refused"] > DOCUMENTS / 5
    )


@pytest.mark.slow
def test_every_source_of_a_conversion_is_loaded_or_refused_in_one_line():
    reader, limits = READERS["sources"]
    summary = fuzz.fuzz(reader, cases=SOURCES, make=sources.case, limits=limits, seed=SEED)
    assert summary.failures == () and sum(summary.outcomes.values()) == SOURCES
    assert summary.outcomes["report"] > SOURCES / 5 and summary.outcomes["refused"] > SOURCES / 5


@pytest.mark.slow
def test_what_python_raises_in_the_fork_of_a_source_is_a_finding():
    outcome, what = fuzz.outcome_of(sources.read, b"unknown kind\n")
    assert outcome == "failed" and "KeyError: 'unknown kind'" in what


@pytest.mark.slow
@pytest.mark.parametrize("wait", ["while True: pass", "import time; time.sleep(600)"])
def test_a_source_that_hangs_is_a_finding_and_no_refusal(wait, monkeypatch):
    def load(_, folder):
        (folder / sources.READ_THROUGH).touch()
        exec(wait)

    monkeypatch.setattr(sources, "CASE_S", 0.5)
    monkeypatch.setattr(sources, "_load", load)
    outcome, what = fuzz.outcome_of(sources.read, b"model.keras\n")
    assert outcome == "failed" and "longer than 0.5 s" in what


@pytest.mark.slow
def test_a_file_that_hdf5_never_ends_with_is_given_up_as_convert_does(monkeypatch):
    def load(*_):
        while True:
            pass

    monkeypatch.setattr(sources, "CASE_S", 0.5)
    monkeypatch.setattr(sources, "_load", load)
    assert fuzz.outcome_of(sources.read, b"model.h5\n") == ("refused", None)


def _trusts_json(content):
    json.loads(content.partition(b"\n")[2])["schema_version"]


def test_a_reader_that_trusts_documents_is_caught():
    summary = fuzz.fuzz(_trusts_json, cases=200, make=documents.case, seed=SEED)
    assert len(summary.failures) >= fuzz.MOST_FAILURES


def test_no_repair_of_damaged_files_is_wrong():
    summary = fuzz.fuzz(
        repairing, cases=REPAIR_CASES, limits=READERS["repair"][1], seed=SEED, folders=OWN_FILES
    )
    assert summary.failures == () and sum(summary.outcomes.values()) == REPAIR_CASES


def test_a_wrong_repair_would_be_seen():
    graph = Graph()
    first = graph.file(graph.node(OP.ROUND, [graph.input(IMAGE)], IMAGE))
    other = Graph()
    second = other.file(other.node(OP.FLOOR, [other.input(IMAGE)], IMAGE))
    assert second_opinion(first, first) == PROVED
    assert second_opinion(first, second) == NOT_PROVED
    values = np.linspace(-1, 1, 8, dtype=np.float32)
    assert (
        agree(values, values)
        and not agree(values, values + 1e-3)
        and not agree(values, values[::-1].copy())
    )


@pytest.mark.gpu
def test_native_steps_survive_too(gpu):
    summary = fuzz.fuzz(
        native, cases=NATIVE_CASES, limits=READERS["native"][1], seed=SEED, folders=OWN_FILES
    )
    assert summary.failures == () and sum(summary.outcomes.values()) == NATIVE_CASES


def test_a_case_is_a_function_of_seed_and_number():
    first = [fuzz.case(SEED, number, OWN_FILES) for number in range(40)]
    assert first == [fuzz.case(SEED, number, OWN_FILES) for number in range(40)]
    assert len(set(first)) > 35
    written = [documents.case(SEED, number, ()) for number in range(40)]
    # HDF5 and ZIP note the time, NumPy and the rest do not.
    timeless = [one for one in written if not one.startswith((b"weights", b"checkpoint"))]
    again = [documents.case(SEED, number, ()) for number in range(40)]
    assert len(timeless) > 20 and set(timeless) <= set(again)
    assert first != [fuzz.case(SEED + 1, number, OWN_FILES) for number in range(40)]


def test_structure_is_found_in_a_shipped_file():
    """The walk guesses; on a sound file it must reach the tensors' shapes and the nodes' fields."""
    content = next((ROOT / "android_assets").glob("*.tflite")).read_bytes()
    structure = structure_of(content)
    assert (
        len(structure.fields) > 2000
        and len(structure.offsets) > 1000
        and len(structure.numbers) > 500
    )
    assert all(
        4 <= position <= len(content) - 4 for position in structure.fields + structure.numbers
    )


def test_one_table_named_very_many_times_is_refused_at_once():
    """Beyond any graph there is, nodes and tables cost only time and memory."""
    started_s = time.process_time()
    messages = set()
    for seed in range(12):
        try:
            inspect(repeated_tables(random.Random(seed), counts=(20_001, 200_001)))
        except ModelFileError as error:
            messages.add(str(error))
    assert any("20001 nodes, more than 20000" in message for message in messages)
    assert any("more than 200000 tables" in message for message in messages)
    assert fuzz.outcome_of(repairing, _graph_named_a_thousand_times()) == ("refused", None)
    assert time.process_time() - started_s < 2 * LIMITS.seconds


def _graph_named_a_thousand_times():
    """8 kB that stand for a million nodes, none of them in the main graph's way."""
    counts = (1000,)
    files = (repeated_tables(random.Random(seed), counts=counts) for seed in range(1000))
    return next(one for one in files if _counts_of(one) == (1000, 1000))


def _counts_of(content):
    model = schema.Model.GetRootAs(content, 0)
    return model.SubgraphsLength(), model.Subgraphs(0).OperatorsLength()


# The readers below are broken on files with the identifier only; workers import them by name.
def _raises(content):
    if content[4:8] == IDENTIFIER:
        raise KeyError("an accident")


def _says_too_much(content):
    raise ModelFileError("two\nlines")


def _dies(content):
    if content[4:8] == IDENTIFIER:
        os.abort()


def _hangs(content):
    if content[4:8] == IDENTIFIER:
        time.sleep(600)


def _spins(content):
    while content[4:8] == IDENTIFIER:
        pass


def _hoards(content):
    bytearray(LIMITS.address_space_bytes)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (_raises, "KeyError: 'an accident'"),
        (_says_too_much, "an error of 2 lines"),
        (_dies, "the process dies with exit code -6"),
        (_hoards, "MemoryError"),
    ],
)
def test_a_broken_reader_is_caught(broken, message):
    summary = fuzz.fuzz(broken, cases=10, seed=SEED, jobs=1)
    assert summary.failures and message in summary.failures[0].what


def _trusts(content):
    schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))


def test_the_generated_accessors_would_fail():
    """They trust the file, which is why ours exist; a fuzzer that they passed would be too kind."""
    summary = fuzz.fuzz(_trusts, cases=100, seed=SEED, folders=OWN_FILES)
    assert len(summary.failures) >= fuzz.MOST_FAILURES


@pytest.mark.parametrize("reader", [_hangs, _spins])
def test_a_reader_that_hangs_is_caught_and_ended(reader):
    summary = fuzz.fuzz(reader, cases=10, limits=Limits(seconds=0.5), seed=SEED, jobs=1)
    assert [failure.what for failure in summary.failures] == ["longer than 0.5 s"]
    assert summary.wall_s < 300


def test_the_command_writes_the_offending_file_and_says_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(READERS, "broken", (_raises, LIMITS))
    arguments = ["--cases", "4", "--seed", "5", "--jobs", "1", "--out", str(tmp_path), "--reader"]
    assert fuzz.main([*arguments, "broken"]) == 1
    written = sorted(tmp_path.glob("*.tflite"))
    assert written and "KeyError" in written[0].with_suffix(".txt").read_text()
    number = written[0].stem.removeprefix("seed5_case")
    assert (
        f"FAILED seed 5 case {number}: KeyError: 'an accident' -> {written[0]}"
        in capsys.readouterr().out
    )
    with pytest.raises(KeyError):
        _raises(written[0].read_bytes())
    assert fuzz.main([*arguments, "everything", "--corpus", *OWN_FILES]) == 0
    assert "4 cases" in capsys.readouterr().out


def test_the_command_of_the_makefile_runs():
    command = [sys.executable, "-m", "tests.fuzz", "--cases", "8"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stderr
    assert "8 cases" in ended.stdout
