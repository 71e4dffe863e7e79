"""`manifest.json`, schema version 1: what a phone needs to know about the files
beside it, and what was proved.

`{"schema_version": 1, "files": [{"file", "sha256", "bytes", "model", "variant", "precision",
"inputs", "outputs", "min_runtime_version", "macs", "parameters", "package_version", "commit",
"check"}]}`. `check` is what the real delegate
showed: `{"verdict", "adapter", "runtime_version", "picture", "precisions": [{"precision",
    "verdict", "outputs"}]}`, or
`{"verdict": "unchecked", "reason"}` for a file written with --allow-unchecked.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import bokeh_tf
from bokeh_tf.delegate.probing.probe import ProbeReport
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.delegate.unchecked import Unchecked
from bokeh_tf.delegate.writers.document import plain
from bokeh_tf.errors import OutputError
from bokeh_tf.files import write_text
from bokeh_tf.paths import exists, is_file, read_bytes
from bokeh_tf.tflite.subject import Subject
from export.recipes import Recipe

SCHEMA_VERSION = 1
NAME = "manifest.json"
_LIMIT_BYTES = 64_000_000
_CHECK_KEYS = ("verdict", "adapter", "adapter_has_float16", "runtime_version", "picture", "doubts")
_PRECISION_KEYS = ("precision", "verdict", "outputs")


def entry(
    recipe: Recipe, subject: Subject, probe: ProbeReport | Unchecked, *, commit: str | None
) -> dict:
    """The manifest's entry for one file: what it holds, what the real
    delegate showed, the commit.
    """
    file = subject.model_file
    if file.metadata is None:
        raise ValueError(
            f"a file of our own converter describes itself. Received: {subject.label}."
        )
    return {
        "file": f"{recipe.name}.tflite",
        "sha256": subject.sha256,
        "bytes": len(subject.content),
        "model": recipe.model,
        "variant": recipe.variant,
        "precision": recipe.precision,
        "inputs": file.metadata["inputs"],
        "outputs": file.metadata["outputs"],
        "min_runtime_version": file.metadata["min_runtime_version"],
        "macs": file.macs,
        "parameters": file.parameters,
        "package_version": bokeh_tf.__version__,
        "commit": commit,
        "check": check_summary(probe),
    }


def check_summary(probe: ProbeReport | Unchecked) -> dict:
    """What the manifest keeps of a check: no paths and no times, so that the same
    files give the same manifest.
    """
    if isinstance(probe, Unchecked):
        return {"verdict": "unchecked", "reason": probe.reason}
    if probe.verdict is not Verdict.FULL:
        return {"verdict": "unchecked", "reason": probe.reason}
    full = plain(probe)
    precisions = [{key: part[key] for key in _PRECISION_KEYS} for part in full["precisions"]]
    return {**{key: full[key] for key in _CHECK_KEYS}, "precisions": precisions}


def halfway(folder: Path, recipes: Iterable[Recipe], *, package: Path | None) -> list[Recipe]:
    """The recipes that a run which was killed left halfway: a file is there, but not as
    the manifest describes it.

    Args:
        package: where packaged files are copied to, if anywhere.

    Raises:
        OutputError: there is a manifest that cannot be read.
    """
    digests = {old["file"]: old.get("sha256") for old in _read(folder)}
    found = []
    for recipe in recipes:
        name = f"{recipe.name}.tflite"
        copies = [folder / name, *([package / name] if package and recipe.is_packaged else [])]
        if any(is_file(copy) and _digest(copy) != digests.get(name) for copy in copies):
            found.append(recipe)
    return found


def _digest(path):
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be read ({error.strerror}). Check its rights."
        ) from error


def write(folder: Path, new_entries: list[dict], *, order: list[str]) -> None:
    """Writes the manifest of `folder`, keeping the entries of files that
    were not written this time.

    Args:
        order: file names in the order that the manifest lists them; a file not named
            here leaves the manifest.
    """
    entries = {old["file"]: old for old in _read(folder) if is_file(Path(folder) / old["file"])}
    entries |= {new["file"]: new for new in new_entries}
    document = {
        "schema_version": SCHEMA_VERSION,
        "files": [entries[name] for name in order if name in entries],
    }
    write_text(
        Path(folder) / NAME,
        json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
    )


def _read(folder):
    path = Path(folder) / NAME
    if not exists(path):
        return []
    try:
        document = json.loads(read_bytes(path, limit_bytes=_LIMIT_BYTES))
        if document["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"schema version {document['schema_version']}")
        return [old for old in document["files"] if isinstance(old["file"], str)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"{path}: not a manifest that can be added to ({error!r}). Remove it and export all."
        ) from error
