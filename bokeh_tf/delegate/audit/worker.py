"""The child process of an audit: `python -m bokeh_tf.delegate.audit.worker FOLDER JOB`,
asked by `audit.py` only.

FOLDER holds `model.tflite` and `request.json` ({"photo", "inputs", "input_ranges"}); the answer
holds the report's parts.
"""

import os
from dataclasses import asdict
from math import prod

import numpy as np

from bokeh_tf.delegate.audit import kernels, ranges
from bokeh_tf.delegate.audit.findings import AuditFinding, OutputPrediction, Peak, worst_first
from bokeh_tf.delegate.audit.half_precision import UNIT_ROUNDOFF
from bokeh_tf.delegate.audit.inputs import byte_range, samples
from bokeh_tf.delegate.audit.tensor_values import Run, open_interpreter, tensor_reader
from bokeh_tf.errors import BokehError, ModelFileError, PhotoError
from bokeh_tf.native_messages import native_messages_muted
from bokeh_tf.processes import Job, answer_job
from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.running.runtime import UNNAMED, TensorSpec
from bokeh_tf.tflite.running.signatures import find_graphs

MODEL_NAME = "model.tflite"
_RULES = (*ranges.RULES, *kernels.RULES)
_MOST_DOUBTS = 5
_MEMORY_SHARE = 0.7


def audit_file(job: Job) -> dict:
    """Audits the file in the job's folder; every foreseen failure becomes an
    "error" entry of the result.
    """
    content = (job.folder / MODEL_NAME).read_bytes()
    model_file = inspect(content)
    _check_memory(model_file)
    job.enter("loading the file into the CPU interpreter")
    try:
        with native_messages_muted():
            interpreter = open_interpreter(content, model_file, threads=os.cpu_count())
    except (RuntimeError, ValueError) as error:
        raise ModelFileError(
            f"{UNNAMED}: the CPU interpreter refuses it ({_one_line(error)})."
        ) from error
    return _audited(job, model_file, interpreter)


def _audited(job, model_file, interpreter):
    """The parts of a report, over all samples."""
    folder, request = job.folder, job.read_request()
    specs = [_spec(entry) for entry in interpreter.get_input_details()]
    unrun = Run(model_file, lambda tensor: None)
    bounds = _integer_bounds(folder, specs)
    guessed = [byte_range(unrun, spec.index) for spec in specs]
    value_ranges = [
        declared or guess for declared, guess in zip(request["input_ranges"], guessed, strict=True)
    ]
    doubts = [
        f"input {spec.name!r} is fed 0..255, because its first node scales bytes"
        for spec, declared, guess in zip(specs, request["input_ranges"], guessed, strict=True)
        if guess and not declared
    ]
    findings: list[AuditFinding] = []
    errors: dict[int, float] = {}
    names, peaks, unseen = [], [], set()
    paths, photo = request["inputs"], request["photo"]
    for name, arrays in samples(
        specs, paths=paths, photo=photo, ranges=value_ranges, bounds=bounds
    ):
        job.enter(f"running the CPU interpreter on {name}")
        _invoke(interpreter, specs, arrays)
        job.enter(f"auditing the run on {name}")
        run = Run(model_file, tensor_reader(interpreter, model_file))
        names.append(name)
        findings += _findings(run)
        for node, error in _accumulation_errors(run).items():
            errors[node] = max(errors.get(node, 0.0), error)
        peaks.append(_peak(run))
        unseen |= _unseen(run)
        doubts += _not_finite(run, name)
    kept = worst_first(findings)
    known = [peak for peak in peaks if peak is not None]
    return {
        "findings": [asdict(finding) for finding in kept],
        "predicted": [
            asdict(prediction)
            for prediction in _predictions(model_file, _output_names(folder), kept, errors)
        ],
        "peak": asdict(max(known, key=lambda peak: peak.value)) if known else None,
        "samples": names,
        "nodes": len(model_file.operators) - len(unseen),
        "nodes_unseen": len(unseen),
        "doubts": list(dict.fromkeys(doubts))[:_MOST_DOUBTS],
    }


def _integer_bounds(folder, specs):
    """What whole numbers each input may hold, as the main graph's operations ask;
    None where that is not known.
    """
    indices = {spec.index for spec in specs}
    for graph in find_graphs((folder / MODEL_NAME).read_bytes()):
        if {port.index for port in graph.inputs} == indices:
            by_index = {port.index: port.bounds for port in graph.inputs}
            return [by_index[spec.index] for spec in specs]
    return None


def _check_memory(model_file):
    """Every tensor is kept, so their sum must fit. Dying of a full memory would
    look like a damaged file.
    """
    needed_bytes = sum(
        4 * prod(tensor.shape) for tensor in model_file.tensors if not tensor.is_constant
    )
    physical_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed_bytes > _MEMORY_SHARE * physical_bytes:
        raise MemoryError(f"{needed_bytes / 1e9:.1f} GB")


def _invoke(interpreter, specs, arrays):
    try:
        for spec, array in zip(specs, arrays, strict=True):
            interpreter.set_tensor(spec.index, array)
        interpreter.invoke()
    except (RuntimeError, ValueError) as error:
        raise ModelFileError(
            f"{UNNAMED}: the CPU interpreter cannot run it ({_one_line(error)})."
        ) from error


def _findings(run):
    return [
        finding
        for node in run.model_file.operators
        for rule in _RULES
        for finding in rule(run, node)
    ]


def _accumulation_errors(run):
    """What each convolution and matrix product loses in half precision, flagged or not."""
    sums = {node.index: run.sums(node) for node in run.model_file.operators}
    return {
        index: entry.error
        for index, entry in sums.items()
        if entry is not None and np.isfinite(entry.error)
    }


def _output_names(folder):
    """What the first signature calls the output tensors, by index: the names that
    the probe's report has, too.
    """
    return {
        port.index: port.name for port in find_graphs((folder / MODEL_NAME).read_bytes())[0].outputs
    }


def _predictions(model_file, names, findings, errors):
    """For each output the worst of what lies before it."""
    predictions = []
    for output in model_file.outputs:
        before = _nodes_before(model_file, output.index)
        behind = [finding for finding in findings if finding.node in before]
        behind.sort(key=lambda finding: -(finding.predicted_error or 0.0))
        known = [errors.get(node, 0.0) for node in before]
        known += [
            finding.predicted_error for finding in behind if finding.predicted_error is not None
        ]
        predictions.append(
            OutputPrediction(
                name=names.get(output.index, output.name),
                error=max([UNIT_ROUNDOFF, *known]),
                rules=tuple(dict.fromkeys(finding.rule for finding in behind)),
                nodes=tuple(dict.fromkeys(finding.node for finding in behind)),
            )
        )
    return predictions


def _nodes_before(model_file, tensor):
    """The nodes that a tensor's values depend on."""
    found, pending = set(), [tensor]
    while pending:
        producer = model_file.producer(pending.pop())
        if producer is not None and producer not in found:
            found.add(producer)
            pending += [read for read in model_file.operators[producer].inputs if read >= 0]
    return found


def _peak(run) -> Peak | None:
    places = [(run.spread(tensor).peak, node) for node, tensor in _made(run)]
    if not places:
        return None
    value, node = max(places, key=lambda place: place[0])
    return Peak(value, node.index, node.name, run.model_file.layer(node.index))


def _made(run):
    """(node, output) of everything that is computed from the inputs."""
    nodes = [node for node in run.model_file.operators if run.runtime_inputs(node)]
    return [(node, tensor) for node in nodes for tensor in node.outputs if tensor >= 0]


def _unseen(run):
    """Nodes with a float output whose values the interpreter does not show."""
    tensors = run.model_file.tensors
    return {
        node.index
        for node, tensor in _made(run)
        if tensors[tensor].dtype == "float32"
        and 0 not in tensors[tensor].shape
        and run.values(tensor) is None
    }


def _not_finite(run, name):
    """Doubts about nodes that already give infinity or NaN in float32."""
    return [
        f"{name}: node {node.index} {node.name} gives {run.spread(tensor).non_finite_count} values"
        " on the CPU "
        "that are not finite"
        for node, tensor in _made(run)
        if run.spread(tensor).non_finite_count
        and not any(run.spread(read).non_finite_count for read in run.runtime_inputs(node))
    ]


def _spec(entry):
    shape = tuple(int(size) for size in entry["shape"])
    return TensorSpec(entry["name"], shape, np.dtype(entry["dtype"]), int(entry["index"]))


def _one_line(error):
    return " ".join(str(error).split())


# What a file can provoke in array arithmetic is as foreseen as what it can
# provoke in the interpreter.
_ERROR_KINDS: dict[type[BaseException], str] = {
    PhotoError: "photo",
    ModelFileError: "model",
    MemoryError: "memory",
    BokehError: "other",
    ValueError: "other",
    IndexError: "other",
    KeyError: "other",
    ArithmeticError: "other",
    OSError: "other",
}

if __name__ == "__main__":
    answer_job(audit_file, error_kinds=_ERROR_KINDS)
