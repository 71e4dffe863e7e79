"""The versions of ML Drift's operators as files: of each operator that a small graph is at hand
for, that graph with every version up to the highest that the rules know.
"""

from collections.abc import Mapping
from pathlib import Path

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

from bokeh_tf.delegate.rules import load_rules
from bokeh_tf.files import write_bytes
from bokeh_tf.tflite.inspection import inspect
from tests.op_matrix import VERDICTS
from tests.op_matrix.rule_files import PREFIX as RULE

PREFIX = "version."
_CODES = {
    name: code for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)
}


def write_version_files(folder: Path, files: Mapping[str, Path]) -> dict[str, Path]:
    """Writes those that `folder` does not hold yet; returns the paths of all by name,
    "version.<operator>.<version>".

    Args:
        files: the op matrix's and the rules', from which the graphs are taken.
    """
    graphs = _smallest_by_operator(files)
    paths = {}
    for op, versions in load_rules("mldrift").versions.items():
        for version in sorted(versions or ())[1:] if op in graphs else ():
            name = f"{PREFIX}{op}.{version}"
            paths[name] = folder / f"{name}.tflite"
            if not paths[name].exists():
                write_bytes(paths[name], _with_version(graphs[op].read_bytes(), op, version))
    return paths


def _smallest_by_operator(files):
    """The smallest file with each operator, of those that the newest release computes right."""
    found: dict[str, Path] = {}
    right = [path for name, path in files.items() if _is_right(name)]
    for path in sorted(right, key=lambda path: (path.stat().st_size, path.name)):
        for operator in inspect(path).operators:
            if not operator.is_custom:
                found.setdefault(operator.name, path)
    return found


def _is_right(name):
    if name.startswith(RULE):
        return name.endswith(".right")
    facts = VERDICTS[name]
    return facts.mldrift == "gpu" and not facts.is_wrong


def _with_version(content, op, version):
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    for code in model.operatorCodes:
        if max(code.builtinCode, code.deprecatedBuiltinCode) == _CODES[op]:
            code.version = version
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
