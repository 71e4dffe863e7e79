"""The table of measurements as it is made: which rows still hold, and measuring those that do not.

A row holds while the code that its model is built from and the versions of the libraries are those
of its making. Code is compared by its definitions: one that moves to another file, a comment or
another line break makes no row stale.
"""

import ast
import functools
import hashlib
import json
import tempfile
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import bokeh_tf
from bokeh_tf.delegate.findings import TARGETS
from bokeh_tf.delegate.rules import load_rules
from bokeh_tf.files import write_text
from bokeh_tf.models import catalogue, measured
from bokeh_tf.paths import is_file
from bokeh_tf.processes import DONE, Answer, ask_module

PACKAGE = Path(bokeh_tf.__file__).resolve().parent
LIBRARIES = ("keras", "tensorflow", "tensorflow-cpu", "ai-edge-litert")
# What a row depends on besides its own model.
_SHARED_SOURCES = (
    "tflite/conversion.py",
    "tflite/converter.py",
    "delegate/linting/memory.py",
    "exporting.py",
    "models/variation.py",
)
# Other parts are mechanism that no number depends on.
_MODEL_PARTS = ("models", "ops")


def all_keys() -> tuple[tuple[str, str], ...]:
    """(model, variant) of every row, in the catalogue's order."""
    return tuple(
        (entry.name, variant.name) for entry in catalogue.ENTRIES for variant in entry.variants
    )


def wanted_keys(names) -> tuple[tuple[str, str], ...]:
    """The rows that `NAME` or `NAME.VARIANT` ask for, all of them without names;
    `ValueError` for unknown ones.
    """
    if not names:
        return all_keys()
    found = {name: [key for key in all_keys() if name in (key[0], ".".join(key))] for name in names}
    unknown = [name for name, keys in found.items() if not keys]
    if unknown:
        known = ", ".join(entry.name for entry in catalogue.ENTRIES)
        raise ValueError(
            f"NAME or NAME.VARIANT of a model. Received: {', '.join(unknown)}. Known: {known}."
        )
    return tuple(key for key in all_keys() if any(key in keys for keys in found.values()))


def holds(row, name) -> bool:
    """Whether a row is still true; one that could not be measured never is."""
    if row is None or row["parameters"] is None:
        return False
    return row["sources_sha256"] == sources_sha256(name) and row["versions"] == versions()


def measure_row(key, *, timeout_s) -> dict:
    """Measures one variant in a child process; where that fails, the row
    says why and has no numbers.
    """
    name, variant = key
    with tempfile.TemporaryDirectory(prefix="bokeh_tf_zoo_") as folder:
        request = {"model": name, "variant": variant}
        answer = ask_module(
            "export.zoo.measuring", Path(folder), request=request, timeout_s=timeout_s
        )
    if answer.child.return_code == 0 and answer.stage == DONE:
        found = answer.content["row"]
    else:
        found = {**_NOTHING, "reasons": [_failure(answer, timeout_s)]}
    entry = catalogue.entry(name)
    return {
        "model": name,
        "variant": variant,
        "reference_size_px": list(entry.reference_size_px),
        "check_size_px": list(entry.check_size_px),
        **found,
        "sources_sha256": sources_sha256(name),
        "versions": versions(),
    }


def write(rows, path=measured.PATH):
    """Writes rows by key; those that the catalogue no longer lists are left out."""
    document = {
        "schema_version": measured.SCHEMA_VERSION,
        "rows": [rows[key] for key in all_keys() if key in rows],
    }
    write_text(path, json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def versions() -> dict[str, str]:
    """What a row's numbers come from besides our sources: libraries, and the
    releases that the rules are of.
    """
    found = {f"lint {target}": load_rules(target).release for target in TARGETS}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


@functools.cache
def sources_sha256(name: str) -> str:
    """Digest of all code of ours that a model's numbers depend on."""
    return code_sha256(sources(name))


def code_sha256(paths: Iterable[Path]) -> str:
    """Digest of what Python files define, in hexadecimal: the same in whichever of the
    files a definition stands.

    Imports, docstrings, comments and layout do not count, nor does the order of the definitions.
    """
    definitions = [_form(node) for path in paths for node in _definitions(path)]
    digest = hashlib.sha256()
    for definition in sorted(map(repr, definitions)):
        digest.update(f"{definition}\0".encode())
    return digest.hexdigest()


class _WithoutWords(ast.NodeTransformer):
    """Takes imports and docstrings out of a tree, as they change when
    the code around them moves.
    """

    def visit_Import(self, node):
        return None

    def visit_ImportFrom(self, node):
        return None

    def visit_Expr(self, node):
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else self.generic_visit(node)


def _definitions(path):
    return _WithoutWords().visit(ast.parse(path.read_text(encoding="utf-8"))).body


def _form(node):
    """A syntax tree as nested tuples; what is empty is left out, as later
    Pythons add fields that are.
    """
    if isinstance(node, ast.AST):
        fields = [
            (name, _form(value)) for name, value in ast.iter_fields(node) if value not in (None, [])
        ]
        return (type(node).__name__, *fields)
    if isinstance(node, list):
        return tuple(map(_form, node))
    return node


def sources(name) -> list[Path]:
    """The model's file, what it imports of models and operations, directly or not,
    and what all rows depend on.
    """
    found: set[Path] = set()
    waiting = [PACKAGE / "models" / f"{name}.py"]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _imported_files(path)
    return sorted(found | {PACKAGE / source for source in _SHARED_SOURCES})


def _imported_files(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        modules = []
        if isinstance(node, ast.ImportFrom) and node.module:
            modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        for module in modules:
            parts = module.split(".")
            file = PACKAGE.joinpath(*parts[1:]).with_suffix(".py")
            if (
                parts[0] == "bokeh_tf"
                and len(parts) > 2
                and parts[1] in _MODEL_PARTS
                and is_file(file)
            ):
                yield file


_NOTHING: dict[str, object] = {
    "parameters": None,
    "moving_statistics": None,
    "macs": {},
    "float16_bytes": None,
    "lint": {},
    "memory": None,
    "warnings": [],
    "probe": {"verdict": "not checked", "adapter": None, "runtime_version": None, "errors": {}},
    "classic_gl": measured.NOT_ASKED,
}


def _failure(answer: Answer, timeout_s):
    if answer.child.timed_out:
        return f"not measured: it took longer than {timeout_s:g} s"
    if answer.child.signal_name:
        return f"not measured: the process died ({answer.child.signal_name})"
    if answer.error_kind:
        return f"not measured: {answer.message}"
    return f"not measured: {answer.child.last_line}"
