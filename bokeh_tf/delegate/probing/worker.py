"""The child process of a check: `python -m bokeh_tf.delegate.probing.worker FOLDER
JOB`, asked by `jobs.py` only.

FOLDER holds `model.tflite` and `request.json` ({"photo", "trials" or null, "input_ranges",
"output_ranges", "is_quantised"}). JOB is "reference" (runs the CPU interpreter on every signature
and leaves its inputs and outputs as `.npy`), a precision ("float32", "default": compiles the file
for the GPU alone, runs it on those inputs and compares) or "split" (the same in float32 with the
CPU allowed to take what the GPU refuses). Where the reference failed, a GPU job compiles and stops.
"""

import json
import os
from dataclasses import asdict

import numpy as np

from bokeh_tf.delegate.probing.cpu_reference import CpuReference
from bokeh_tf.errors import ModelFileError, PhotoError
from bokeh_tf.processes import Job, answer_job, failed
from bokeh_tf.tflite import rewriting
from bokeh_tf.tflite.running import parity
from bokeh_tf.tflite.running.agreement import OutputKind, output_scale
from bokeh_tf.tflite.running.feeding import holds_a_picture, load_picture, trial_inputs
from bokeh_tf.tflite.running.signatures import find_graphs

MODEL_NAME = "model.tflite"
REFERENCE_JOB, SPLIT_JOB = "reference", "split"
# The kind of error that may not come again.
STALLED = "stalled"


def do(job: Job) -> dict:
    """Does one job; every foreseen failure becomes an "error" entry of the result,
    anything else a dead process.
    """
    request = job.read_request()
    if job.name == REFERENCE_JOB:
        return _run_reference(job, request)
    return _run_on_delegate(job, request)


def _run_reference(job, request):
    folder = job.folder
    picture, picture_source = load_picture(request["photo"])
    job.enter("reading the file")
    content = (folder / MODEL_NAME).read_bytes()
    graphs = find_graphs(content)
    labels = [[port.name for port in graph.outputs] for graph in graphs]
    has_unique_names = graphs[0].key is not None or graphs[0].has_unique_names
    if not has_unique_names:
        # Without a signature the runtime goes by tensor names, and fails where two are alike.
        content = rewriting.with_outputs(content, [])
        (folder / MODEL_NAME).write_bytes(content)
        graphs = find_graphs(content)
    reference = CpuReference(content, graphs, threads=os.cpu_count())
    signatures = []
    for number, graph in enumerate(graphs):
        # A file's own description speaks of its first signature.
        ranges = request["input_ranges"] if number == 0 else []
        signature = _reference_of(job, request, reference, number, picture, ranges)
        signatures.append({**signature, "key": graph.key, "labels": labels[number]})
    return {
        "picture": picture_source,
        "has_unique_names": has_unique_names,
        "signatures": signatures,
        "has_usual_kernels": reference.has_usual_kernels,
    }


def _reference_of(job, request, reference, number, picture, ranges):
    """Runs one signature on its trials and describes it."""
    graph = reference.graphs[number]
    specs = reference.specs(graph)
    first = "photo" if any(map(holds_a_picture, specs)) else "positive_random"
    trials = request["trials"] or [first, "signed_random"]
    spreads, scales = {}, {}
    for trial in trials:
        job.enter(f"running the CPU interpreter on the {trial} input")
        declared = ranges if len(ranges) == len(specs) else [None] * len(specs)
        bounds = [port.bounds for port in graph.inputs]
        inputs = trial_inputs(trial, specs, picture=picture, ranges=declared, bounds=bounds)
        outputs = reference.run(graph, inputs)
        for kind, arrays in (("input", inputs), ("output", outputs)):
            for position, array in enumerate(arrays):
                path = _array_path(job.folder, number, trial, kind, position)
                np.save(path, _saveable(array), allow_pickle=False)
        spreads[trial] = (
            reference.spread(graph, inputs, outputs)
            if request["is_quantised"]
            else [0.0] * len(outputs)
        )
        scales[trial] = _scales(outputs, request["output_ranges"] if number == 0 else [])
    return {
        "trials": trials,
        "spreads": spreads,
        "scales": scales,
        "inputs": [{"name": port.name, "index": port.index} for port in graph.inputs],
        "outputs": [
            {"name": port.name, "index": port.index, "is_quantised": port.is_quantised}
            for port in graph.outputs
        ],
        "passed_through": sorted(graph.passed_through),
        # A batch of any size is checked as one, which says as much.
        "dynamic_inputs": [
            port.name for port in graph.inputs if min(port.shape_signature[1:], default=0) < 0
        ],
    }


def _scales(outputs, ranges):
    """What errors of each output are relative to; None for text and empty ones."""
    declared = ranges if len(ranges) == len(outputs) else [None] * len(outputs)
    return [
        output_scale(array, bounds) if array.dtype.kind not in "OS" and array.size else None
        for array, bounds in zip(outputs, declared, strict=True)
    ]


def _saveable(array):
    """Texts come from the interpreter as Python objects."""
    return array.astype(np.bytes_) if array.dtype == object else array


def _run_on_delegate(job, request):
    from bokeh_tf.tflite.running.gpu_runtime import StalledError, compile_model

    job.enter("compiling")
    is_float32, allows_cpu = job.name != "default", job.name == SPLIT_JOB
    try:
        compiled = compile_model(
            job.folder / MODEL_NAME, is_float32=is_float32, allows_cpu=allows_cpu
        )
    except RuntimeError as error:
        return failed("compile", error)
    try:
        runs = run_trials(job, request, compiled)
    except RuntimeError as error:
        return failed(STALLED if isinstance(error, StalledError) else "run", error)
    return {
        "compile_s": compiled.compile_s,
        "is_accelerated": compiled.is_accelerated,
        "runs": runs,
    }


def run_trials(job, request, compiled) -> list[dict]:
    """Runs a `gpu_runtime.Compiled` on the inputs of the reference, and compares what comes out;
    a `RuntimeError` is the runtime's. There are no runs where the reference failed.
    """
    written = job.folder / f"{REFERENCE_JOB}.json"
    reference = json.loads(written.read_text(encoding="utf-8"))
    runs = []
    for number, signature in enumerate(reference.get("signatures", ())):
        for trial in signature["trials"]:
            job.enter(f"running on the {trial} input")
            runs.append(_run_trial(job.folder, compiled, number, signature, trial))
    return runs


def _run_trial(folder, compiled, number, signature, trial):
    """Runs one trial of one signature and returns its outputs' errors, in the
    file's own order of outputs.
    """
    arrays = {
        kind: [
            _load(folder, number, trial, kind, position)
            for position in range(len(signature[f"{kind}s"]))
        ]
        for kind in ("input", "output")
    }
    actual, run_s = compiled.run(signature, arrays["input"], arrays["output"])
    outputs = []
    for position, (port, expected) in enumerate(
        zip(signature["outputs"], arrays["output"], strict=True)
    ):
        label = signature["labels"][position]
        scale = signature["scales"][trial][position]
        if scale is None:
            outputs.append({"name": label, "is_judged": False})
            continue
        spread = signature["spreads"][trial][position]
        kind = _kind(
            actual[position],
            expected,
            scale=scale,
            is_quantised=port["is_quantised"],
            spread=spread,
        )
        outputs.append({"name": label, **_compare(actual[position], expected, kind)})
    return {"signature": signature["key"], "trial": trial, "run_s": run_s, "outputs": outputs}


def _kind(actual, expected, *, scale, is_quantised, spread):
    return OutputKind(
        scale=scale,
        is_integer=not np.issubdtype(expected.dtype, np.floating),
        is_quantised=is_quantised,
        other_share=float(np.mean(actual != expected)),
        spread=spread,
    )


def _compare(actual, expected, kind):
    return {
        "is_judged": True,
        "kind": asdict(kind),
        "is_expected_finite": bool(np.isfinite(expected.astype(np.float64)).all()),
        "difference": asdict(parity.compare(actual, expected, data_range=kind.scale)),
    }


def _load(folder, number, trial, kind, position):
    return np.load(_array_path(folder, number, trial, kind, position), allow_pickle=False)


def _array_path(folder, number, trial, kind, position):
    return folder / f"{number}_{trial}_{kind}_{position}.npy"


if __name__ == "__main__":
    answer_job(
        do,
        error_kinds={
            PhotoError: "photo",
            ModelFileError: "model",
            ValueError: "other",
            KeyError: "other",
            IndexError: "other",
            OSError: "other",
        },
    )
