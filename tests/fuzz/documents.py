"""Damaged and hostile documents of ours: results, journals, manifests, baselines,
sheets, checkpoints, weights.

A case is the name of its kind, a line end, and the file. Half of the cases are damaged as
bytes, the others as what they are: JSON with other types, without keys, with keys twice,
with numbers of 5,000 digits, nested beyond any stack; HDF5 with other shapes, groups for
datasets and links in circles.
"""

import dataclasses
import io
import json
import os
import random
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import h5py
import numpy as np
from absl import logging
from rich.console import Console

from bokeh_tf.ai_benchmark.sheet import COLUMNS, is_blank, read_sheet
from bokeh_tf.bench.report import comparison as comparison_text
from bokeh_tf.bench.report import csv_table, markdown
from bokeh_tf.bench.report.html import page
from bokeh_tf.bench.report.runs import read_runs
from bokeh_tf.bench.results.comparison import compare_results
from bokeh_tf.bench.results.journal import Journal as TimingJournal
from bokeh_tf.bench.results.reading import read_result
from bokeh_tf.data.journal import Journal as DataJournal
from bokeh_tf.delegate.judging import baseline
from bokeh_tf.hdf5 import read_through
from bokeh_tf.models.weights import SUFFIX, give_weights
from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.value_ranges import stated_ranges
from bokeh_tf.training import checkpoints
from bokeh_tf.training.plans import PLANS
from tests.ai_benchmark.ai_benchmark_files import model, row, sheet_text
from tests.fuzz.damage import DIGITS, HOSTILE_TEXTS, damaged_bytes, damaged_json, damaged_lines

ROOT = Path(__file__).resolve().parents[2]
# Those of one measurement: small enough to be damaged often.
RESULTS = ("flagship_*.json", "overhead_*.json", "repeatability_*.json")
KEY = "0123456789abcdef"
SETTINGS = {"version": 1}
PLAN_NAME = "unet"


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of file: whole ones, how one is damaged as what it is, and what reads it."""

    seeds: Callable[[], tuple[bytes, ...]]
    damage: Callable[[bytes, random.Random], bytes]
    read: Callable[[Path], None]
    name: str


def case(seed, number, folders) -> bytes:
    """The case of a seed and a number; `folders` hold models and are of no use here."""
    source = random.Random(f"{seed}:{number}")
    name = source.choice(tuple(KINDS))
    kind = KINDS[name]
    content = source.choice(kind.seeds())
    if source.random() < 0.6:
        content = kind.damage(content, source)
    if source.random() < 0.5:
        content = damaged_bytes(content, source)
    return name.encode() + b"\n" + content


def read(case_content):
    """Reads the file of a case as its kind is read."""
    # What is wrong with a checkpoint is a warning, thousands of which say nothing.
    logging.set_verbosity(logging.ERROR)
    name, _, content = case_content.partition(b"\n")
    kind = KINDS[name.decode()]
    path = _folder() / kind.name
    path.write_bytes(content)
    kind.read(path)


@cache
def _temporary():
    """One folder for all cases of a process, gone with it."""
    return tempfile.TemporaryDirectory(prefix="bokeh_tf_fuzz_")


def _folder():
    return Path(_temporary().name)


@cache
def _results():
    folder = ROOT / "benchmarks" / "results"
    return tuple(next(folder.glob(pattern)).read_bytes() for pattern in RESULTS)


@cache
def _good_result():
    path = _folder() / "good.json"
    path.write_bytes(_results()[0])
    return read_result(path)


def _read_result(path):
    result = read_result(path)
    runs = read_runs([path])
    for writer in (page, markdown, csv_table):
        text = writer.write(runs)
        text.encode("utf-8")
        assert all(map(str.isprintable, text.split("\n"))), f"{writer.__name__}: control characters"
    said = io.StringIO()
    for first, second in ((result, result), (_good_result(), result)):
        compared = compare_results(first, second, budget=0.05)
        Console(file=said, width=200).print(comparison_text.render(compared))
    assert all(map(str.isprintable, said.getvalue().split("\n"))), "compare: control characters"


@cache
def _timing_journals():
    lines = (
        {"journal": 1, "key": KEY, "created_utc": "2025-01-02T03:04:05Z"},
        {"session_utc": "2025-01-02T03:04:05Z", "at_ns": 0},
        {"facts": {"runtime": "r 1", "cold_init_ns": 12, "reasons": ["a"]}, "of": "a"},
        {"warmup": {"first_ns": 9, "times_ns": [5, 5, 5], "was_flat": True, "runs": 2}, "of": "a"},
        {"turn": [5, 6], "of": "a", "start_ns": 100},
        {"turn": [5, 7], "of": "a", "start_ns": 200},
    )
    return ("\n".join(map(json.dumps, lines)) + "\n").encode(), b""


def _read_timing_journal(path):
    with TimingJournal(path.parent, KEY, created_utc="2025-01-02T03:04:05Z") as journal:
        samples = journal.samples("a")
        assert samples is None or samples.rounds_ns
        journal.facts("a")
        journal.add({"turn": [5, 6], "of": "a", "start_ns": 300})


@cache
def _data_journals():
    lines = (
        {"journal": 1, "settings": SETTINGS},
        {"key": "a", "version": [[1, 2]], "record": {"refused": "dark"}},
        {"key": "b", "version": [[3, 4]], "record": {"file": "b.jpg", "width": 1}},
    )
    return (("\n".join(map(json.dumps, lines)) + "\n").encode(),)


def _read_data_journal(path):
    with DataJournal(path, SETTINGS) as journal:
        journal.get("a", [[1, 2]])
        journal.add("c", [[0, 0]], {})


def _as_json(document):
    return json.dumps(document).encode()


@cache
def _manifests():
    plan = PLANS[PLAN_NAME]
    phase = {"is_finished": False, "skipped": [{"batch": 17, "ids": ["12"]}]}
    document = {
        **{
            "schema_version": 1,
            "plan": dataclasses.asdict(plan),
            "conditions": {},
            "versions": {},
            "commit": None,
        },
        "phases": {one.name: phase for one in plan.phases},
    }
    return (_as_json(document),)


def _read_manifest(path):
    _without_frameworks()
    from bokeh_tf.training import manifest

    read = manifest.start(path.parent, PLANS[PLAN_NAME], {}, resume=True, is_writing=False)
    for phase in PLANS[PLAN_NAME].phases:
        read.skipped(phase.name)
        read.finish(phase.name)


def _baselines():
    problem = {"file": "a.tflite", "rule": "v2.op", "op": "RFFT2D", "place": "x", "count": 2}
    return tuple(
        _as_json({"schema_version": version, "problems": [problem] * 2}) for version in (1, 2)
    )


def _described_models():
    pair = {"name": "image", "range": [0, 255]}
    return (
        _as_json(
            {"schema_version": 1, "inputs": [pair], "outputs": [{**pair, "name": "rendered"}]}
        ),
    )


def _read_described_model(path):
    file = inspect(model(metadata=path.read_bytes()).finish())
    for side, ports in (("inputs", file.inputs), ("outputs", file.outputs)):
        assert len(stated_ranges(file.metadata, side, len(ports))) == len(ports)


# Archives, tables, HDF5.


ARRAYS = {"00000": np.arange(6, dtype=np.float32), "00001": np.ones((2, 3), np.float16)}


@cache
def _header():
    return {"schema_version": 2, "phase": 1, "batch": 3, "sha256": checkpoints._digest(ARRAYS)}


def _checkpoints():
    return (_archive(np.array(json.dumps(_header()))),)


def _archive(header):
    file = io.BytesIO()
    np.savez(file, header=header, **ARRAYS)
    return file.getvalue()


def _damaged_checkpoint(content, source):
    if source.random() < 0.2:
        return _archive(
            source.choice((np.ones(3), np.array(1.5), np.zeros((0,)), np.array(["a", "b"])))
        )
    text = damaged_json(_as_json(_header()), source).decode("utf-8", "replace")
    return _archive(np.array(text[:50_000].replace("\0", "")))


def _read_checkpoint(path):
    found = checkpoints.newest(path.parent)
    assert all(isinstance(array, np.ndarray) for array in found.arrays)


def _sheets():
    return (sheet_text(row(), row(backend="cpu")).encode(),)


def _damaged_sheet(content, source):
    cells = {
        source.choice(COLUMNS): source.choice(
            (*HOSTILE_TEXTS, "9" * DIGITS, "1e999", "-1", "nan", "1,5")
        )
    }
    rows = [row(**cells) for _ in range(source.choice((1, 3)))]
    return sheet_text(*rows, delimiter=source.choice(",;\t")).encode("utf-8", "replace")


def _read_sheet(path):
    read_sheet(path)
    is_blank(path)


def _weights():
    return (_hdf5(lambda file: None),)


def _hdf5(change):
    """The weights of `small_model`, as Keras lays them out, after `change`."""
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        for name, shapes in (("dense", ((4, 3), (3,))), ("dense_1", ((3, 2), (2,)))):
            group = file.create_group(f"layers/{name}/vars")
            group.attrs["name"] = name
            for index, shape in enumerate(shapes):
                group[str(index)] = np.ones(shape, np.float32)
        file.create_group("vars")
        change(file)
    return memory.getvalue()


def damaged_weights(content, source):
    place = source.choice(
        ("layers/dense/vars/0", "layers/dense/vars/1", "layers/dense_1/vars/0", "layers", "vars")
    )
    changes = (
        lambda file: file.create_dataset(
            place, data=np.zeros(source.choice(((), (1,), (4, 3, 1), (0, 3))), np.float32)
        ),
        lambda file: file.create_dataset(place, shape=(2**20, 2**20), chunks=(1, 1024), dtype="f4"),
        lambda file: file.create_dataset(
            place, data=np.array(["text"] * 3, dtype=object), dtype=h5py.string_dtype()
        ),
        lambda file: file.create_dataset(
            place, data=np.zeros((4, 3), source.choice(("i8", "c16", "?", "f8")))
        ),
        lambda file: file.create_group(place),
        lambda file: file.__setitem__(
            place, h5py.SoftLink(source.choice(("/nowhere", place, "/layers")))
        ),
        lambda file: file.__setitem__(
            place, h5py.ExternalLink(source.choice(("/dev/zero", "other.h5")), "/")
        ),
        lambda file: file.create_group(place).attrs.create("name", np.zeros(100)),
    )
    change = source.choice(changes)

    def applied(file):
        del file[place]
        change(file)

    return _hdf5(applied)


def _without_frameworks():
    """Keras on NumPy alone, in this process that does nothing else; what reads is the same code."""
    if "keras" not in sys.modules:
        os.environ.setdefault("KERAS_BACKEND", "numpy")


@cache
def small_model():
    _without_frameworks()
    import keras

    sizes = ((3, "dense"), (2, "dense_1"))
    layers = [keras.layers.Dense(size, name=name) for size, name in sizes]
    return keras.Sequential([keras.Input((4,)), *layers], name="small.base")


def _read_weights(path):
    # In this process, where a child for each of thousands of cases would take too long.
    read_through(path)
    give_weights(small_model(), path)


KINDS = {
    "result": Kind(_results, damaged_json, _read_result, "result.json"),
    "timings": Kind(
        _timing_journals, damaged_lines, _read_timing_journal, f"unfinished_{KEY}.jsonl"
    ),
    "journal": Kind(_data_journals, damaged_lines, _read_data_journal, "alignments.jsonl"),
    "manifest": Kind(_manifests, damaged_json, _read_manifest, "manifest.json"),
    "baseline": Kind(_baselines, damaged_json, baseline.read, "baseline.json"),
    "description": Kind(_described_models, damaged_json, _read_described_model, "description.json"),
    "checkpoint": Kind(
        _checkpoints, _damaged_checkpoint, _read_checkpoint, "phase01_batch00000003.npz"
    ),
    "sheet": Kind(_sheets, _damaged_sheet, _read_sheet, "results.csv"),
    "weights": Kind(_weights, damaged_weights, _read_weights, f"small{SUFFIX}"),
}
