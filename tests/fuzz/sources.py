"""Damaged models as `bokeh-tf convert` takes them: `.keras`, `.h5`, SavedModel folders.

A case is the name of its kind, a line end, and the file; of a SavedModel its graph, beside sound
weights. Each is loaded in a fork, as `convert` loads it in a child: TensorFlow may die of it, but
what Python raises must be one line. Some of those that load are converted too.
"""

import importlib
import io
import json
import math
import os
import random
import resource
import signal
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import h5py

from bokeh_tf.errors import BokehError, ModelFileError
from bokeh_tf.hdf5 import read_through
from bokeh_tf.models.weights import SUFFIX
from bokeh_tf.processes import Job
from tests.fuzz.damage import HOSTILE_TEXTS, damaged_bytes, damaged_json
from tests.fuzz.documents import damaged_weights, small_model

CASE_S = 30.0
_WAITING = 10
_OVERDUE = (-signal.SIGXCPU, -signal.SIGALRM)
# One of so many that load is converted to the end: a second each.
CONVERTED_EVERY = 20
_GRAPH = "saved_model.pb"
# Beside a case once HDF5 is done with it.
READ_THROUGH = "read_through"
_MEMORY_BYTES = 6_000_000_000
_LOADED, _REFUSED, _FAILED = 0, 3, 4
_REQUEST = {
    **dict.fromkeys(("image_size", "shapes", "batch", "custom_objects", "photo")),
    **{"label": "mine", "module": "", "name": "", "precision": "float32"},
    **{"ranges": {}, "images": [], "labels": [], "inputs": []},
}


@dataclass(frozen=True)
class Kind:
    """A kind of source: a whole one, how it is damaged as what it is, and where it is laid."""

    whole: Callable[[], bytes]
    damage: Callable[[bytes, random.Random], bytes]
    file: str


def case(seed, number, folders) -> bytes:
    """The case of a seed and a number; `folders` hold models of another kind."""
    source = random.Random(f"{seed}:{number}")
    name = source.choice(tuple(KINDS))
    content = KINDS[name].whole()
    if source.random() < 0.7:
        content = KINDS[name].damage(content, source)
    if source.random() < 0.4:
        content = damaged_bytes(content, source)
    return name.encode() + b"\n" + content


def read(case_content):
    """Loads the model of a case in a fork.

    Raises:
        ModelFileError: it was refused, or TensorFlow died of it.
        AssertionError: Python raised something else; the text is what.
    """
    _loaded_once()
    with tempfile.TemporaryDirectory(prefix="bokeh_tf_fuzz_") as folder:
        child = os.fork()
        if not child:
            _end_with(_status_of(case_content, Path(folder)))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        is_overdue = status in _OVERDUE
        # HDF5's library goes round for ever in some damaged files: the child in which `convert`
        # reads them through is given up then, and the file refused.
        is_given_up = is_overdue and not (Path(folder) / READ_THROUGH).exists()
        assert is_given_up or not is_overdue, f"longer than {CASE_S:g} s of the processor"
        assert status != _FAILED, (Path(folder) / "failure.txt").read_text(encoding="utf-8")
    if status != _LOADED:
        raise ModelFileError(f"refused ({status})")


def _end_with(status):
    sys.stdout.flush()
    os._exit(status)


def _status_of(case_content, folder):
    """What became of the case, in a process of its own."""
    # Of the processor, because other work may take most of a second; what waits is ended too.
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(CASE_S), math.ceil(CASE_S) + 1))
    signal.alarm(math.ceil(_WAITING * CASE_S))
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY_BYTES,) * 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        _load(case_content, folder)
    except BokehError as error:
        if len(str(error).splitlines()) == 1:
            return _REFUSED
        return _told(folder, error)
    # Whatever else is raised is what the fuzzer looks for; it is reported, never passed over.
    except BaseException as error:
        return _told(folder, error)
    return _LOADED


def _told(folder, error):
    import traceback

    text = "".join(traceback.format_exception(error))
    (folder / "failure.txt").write_text(text, encoding="utf-8", errors="replace")
    return _FAILED


def _load(case_content, folder):
    from bokeh_tf.converting import builder

    name, _, content = case_content.partition(b"\n")
    path = folder / KINDS[name.decode()].file
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    if name == b"saved model":
        for file, part in _saved_model().items():
            if file != _GRAPH:
                (path.parent / file).parent.mkdir(exist_ok=True)
                (path.parent / file).write_bytes(part)
        path = path.parent
    if name != b"saved model":
        # As a child of `convert` does before.
        read_through(path)
    (folder / READ_THROUGH).touch()
    request = {**_REQUEST, "kind": name.decode(), "path": str(path), "search_folder": str(folder)}
    (folder / "request.json").write_text(json.dumps(request))
    is_converted = zlib.crc32(case_content) % CONVERTED_EVERY == 0
    if is_converted:
        builder.work(Job(folder, "build"))
    else:
        from bokeh_tf.converting.loading import load

        load(request, folder)


@cache
def _loaded_once():
    """Everything that all forks share is imported before the first; nothing is computed, so that no
    thread is lost in them.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from absl import logging

    from bokeh_tf import models
    from bokeh_tf.converting import loading  # noqa: F401
    from bokeh_tf.tflite import conversion, saved_models  # noqa: F401

    for name in models.MODELS:
        importlib.import_module(f"bokeh_tf.models.{name}")

    logging.set_verbosity(logging.FATAL)


def _made(make):
    """What `make` writes into a folder, by name: in a fork, as it computes."""
    with tempfile.TemporaryDirectory(prefix="bokeh_tf_fuzz_") as folder:
        child = os.fork()
        if not child:
            make(Path(folder))
            _end_with(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(Path(folder).rglob("*"))
            if path.is_file()
        }


@cache
def _keras_model():
    _loaded_once()
    return _made(lambda folder: small_model().save(folder / "mine.keras"))["mine.keras"]


@cache
def _hdf5_model():
    _loaded_once()
    return _made(lambda folder: small_model().save(folder / "mine.h5"))["mine.h5"]


@cache
def _saved_model():
    _loaded_once()
    return _made(lambda folder: small_model().export(folder, verbose=False))


def _damaged_keras(content, source):
    """Another configuration or other weights in a sound archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = source.choice(tuple(parts))
    damage = damaged_weights if name.endswith(SUFFIX) else damaged_json
    parts[name] = damage(parts[name], source)
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return memory.getvalue()


def _damaged_hdf5(content, source):
    """Another configuration in a sound file, or a group of weights that is none."""
    memory = io.BytesIO(content)
    with h5py.File(memory, "r+") as file:
        if source.random() < 0.7:
            config = file.attrs["model_config"]
            config = config if isinstance(config, bytes) else config.encode()
            text = damaged_json(config, source)[:60_000]
            file.attrs["model_config"] = text.replace(b"\0", b"")
        else:
            place = source.choice(("model_weights", "model_weights/dense"))
            del file[place]
            if source.random() < 0.7:
                file[place] = source.choice((h5py.SoftLink("/nowhere"), [1.0, 2.0], "text"))
    return memory.getvalue()


def _damaged_graph(content, source):
    """Names in it replaced by others of the same length, so that its messages still parse."""
    changed = bytearray(content)
    for word in (
        b"serving_default",
        b"MatMul",
        b"dense",
        b"DT_FLOAT",
        b"Identity",
        b"keras_tensor",
    ):
        place = changed.find(word)
        if place >= 0 and source.random() < 0.5:
            other = source.choice(HOSTILE_TEXTS).encode("utf-8", "replace")
            changed[place : place + len(word)] = (other + b"Placeholder_and_more")[: len(word)]
    return bytes(changed)


KINDS = {
    "keras": Kind(_keras_model, _damaged_keras, "damaged.keras"),
    "hdf5": Kind(_hdf5_model, _damaged_hdf5, "damaged.h5"),
    "saved model": Kind(lambda: _saved_model()[_GRAPH], _damaged_graph, f"damaged/{_GRAPH}"),
}
