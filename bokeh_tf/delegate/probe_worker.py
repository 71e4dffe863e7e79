"""The child process of a check: `python -m bokeh_tf.delegate.probe_worker FOLDER JOB`, started by `probe.py` only.

FOLDER holds `model.tflite` and `request.json` ({"photo", "input_ranges", "output_ranges"}). JOB is "reference" (runs
the CPU interpreter and leaves `<trial>_<input|output>_<number>.npy`), or a precision ("float32", "default": compiles
the file for the GPU alone, runs it on those inputs and compares). Either writes `<job>.json`, first with the stage it
is in, so that the parent can say where a child died, and at the end with stage "done".
"""

import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from bokeh_tf.delegate.probe_inputs import holds_a_picture, load_picture, trial_inputs
from bokeh_tf.delegate.verdicts import output_scale
from bokeh_tf.errors import ModelFileError, PhotoError
from bokeh_tf.processes import confine
from bokeh_tf.tflite import parity, runtime

MODEL_NAME = "model.tflite"
REQUEST_NAME = "request.json"


def main(folder, job):
    """Does one job; every foreseen failure becomes an "error" entry of the result, anything else a dead process."""
    confine()
    folder = Path(folder)
    request = json.loads((folder / REQUEST_NAME).read_text(encoding="utf-8"))
    runner = runtime.load((folder / MODEL_NAME).read_bytes(), threads=os.cpu_count()) if job == "reference" else None
    if runner is not None:
        return _run_reference(folder, request, runner)
    return _run_on_gpu(folder, request, precision=job)


def _run_reference(folder, request, runner):
    picture, picture_source = load_picture(request["photo"])
    first = "photo" if any(map(holds_a_picture, runner.inputs)) else "positive_random"
    trials = [first, "signed_random"]
    for trial in trials:
        _write_stage(folder, "reference", f"running the CPU interpreter on the {trial} input")
        inputs = trial_inputs(trial, runner.inputs, picture=picture, ranges=request["input_ranges"])
        outputs = runner.run(*inputs)
        for kind, arrays in (("input", inputs), ("output", outputs)):
            for number, array in enumerate(arrays):
                np.save(_array_path(folder, trial, kind, number), array, allow_pickle=False)
    specs = {
        kind: [{"name": spec.name, "index": spec.index} for spec in group]
        for kind, group in (("input", runner.inputs), ("output", runner.outputs))
    }
    _write(folder, "reference", {"stage": "done", "trials": trials, "picture": picture_source, "specs": specs})


def _run_on_gpu(folder, request, *, precision):
    from ai_edge_litert.compiled_model import CompiledModel, GpuOptions, HardwareAccelerator, Options

    reference = json.loads((folder / "reference.json").read_text(encoding="utf-8"))
    _write_stage(folder, precision, "compiling")
    options = Options(
        hardware_accelerators=HardwareAccelerator.GPU, gpu_options=GpuOptions(enforce_f32=precision == "float32")
    )
    start_ns = time.perf_counter_ns()
    try:
        model = CompiledModel.from_file(str(folder / MODEL_NAME), options=options)
    except RuntimeError as error:
        return _write_error(folder, precision, "compile", error)
    compile_s = (time.perf_counter_ns() - start_ns) / 1e9
    result = {"stage": "done", "compile_s": compile_s, "is_accelerated": model.is_fully_accelerated(), "trials": {}}
    for trial in reference["trials"]:
        _write_stage(folder, precision, f"running on the {trial} input")
        try:
            result["trials"][trial] = _run_trial(folder, model, reference["specs"], trial, request["output_ranges"])
        except RuntimeError as error:
            return _write_error(folder, precision, "run", error)
    _write(folder, precision, result)


def _run_trial(folder, model, specs, trial, output_ranges):
    """Runs one trial and returns its outputs' errors, in the file's own order of outputs."""
    positions = {kind: _buffer_positions(model, kind, specs[kind]) for kind in ("input", "output")}
    inputs, outputs = model.create_input_buffers(0), model.create_output_buffers(0)
    for number, position in enumerate(positions["input"]):
        inputs[position].write(np.load(_array_path(folder, trial, "input", number), allow_pickle=False))
    start_ns = time.perf_counter_ns()
    model.run_by_index(0, inputs, outputs)
    comparisons = []
    run_s = None
    for number, position in enumerate(positions["output"]):
        expected = np.load(_array_path(folder, trial, "output", number), allow_pickle=False)
        actual = outputs[position].read(expected.size, expected.dtype).reshape(expected.shape)
        # The run is asynchronous: it is over when the first output can be read.
        run_s = run_s or (time.perf_counter_ns() - start_ns) / 1e9
        scale = output_scale(expected, output_ranges[number])
        comparisons.append(_describe(specs["output"][number]["name"], actual, expected, scale))
    return {"run_s": run_s, "outputs": comparisons}


def _describe(name, actual, expected, scale):
    return {
        "name": name,
        "scale": scale,
        "is_integer": not np.issubdtype(expected.dtype, np.floating),
        "is_expected_finite": bool(np.isfinite(expected.astype(np.float64)).all()),
        "difference": asdict(parity.compare(actual, expected, data_range=scale)),
    }


def _buffer_positions(model, kind, specs):
    """For each tensor of the file its place in the compiled model, whose signature may list them in another order."""
    signature = model.get_signature_by_index(0)
    details = getattr(model, f"get_{kind}_tensor_details")(signature["key"])
    place_of = {details[name]["index"]: place for place, name in enumerate(signature[f"{kind}s"])}
    return [place_of[spec["index"]] for spec in specs]


def _array_path(folder, trial, kind, number):
    return folder / f"{trial}_{kind}_{number}.npy"


def _write_stage(folder, job, stage):
    _write(folder, job, {"stage": stage})


def _write_error(folder, job, kind, error):
    _write(folder, job, {"stage": "error", "kind": kind, "message": " ".join(str(error).split())})


def _write(folder, job, result):
    temporary = folder / f"{job}.partial"
    temporary.write_text(json.dumps(result), encoding="utf-8")
    temporary.replace(folder / f"{job}.json")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except PhotoError as failure:
        _write_error(Path(sys.argv[1]), sys.argv[2], "photo", failure)
    except ModelFileError as failure:
        _write_error(Path(sys.argv[1]), sys.argv[2], "model", failure)
    except (ValueError, KeyError, OSError) as failure:
        _write_error(Path(sys.argv[1]), sys.argv[2], "other", failure)
