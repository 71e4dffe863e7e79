"""The child that runs a file: `python -m bokeh_tf.converting.measurer FOLDER JOB`,
started by `children` only.

The job "measure" compares the outputs of `measured.tflite` with those that the model left
in FOLDER; "reference" leaves such ones of `measured.tflite` itself, where a file is what
others are compared with.
"""

import numpy as np

from bokeh_tf.converting.children import KINDS, MEASURE, REFERENCE
from bokeh_tf.converting.exchange import (
    EXPECTED,
    INPUTS,
    MEASURED_NAME,
    OWN,
    read_arrays,
    write_arrays,
)
from bokeh_tf.converting.sampling import parity_samples
from bokeh_tf.processes import Job, answer_job
from bokeh_tf.tflite.running.agreement import output_scale
from bokeh_tf.tflite.running.parity import compare
from bokeh_tf.tflite.running.runtime import load


def work(job: Job) -> dict:
    """Does one job and returns its answer."""
    request = job.read_request()
    job.enter("loading")
    runner = load((job.folder / MEASURED_NAME).read_bytes())
    job.enter("running")
    return _JOBS[job.name](job, request, runner)


def _reference(job, request, runner):
    names = []
    for place, (name, arrays) in enumerate(parity_samples(runner.inputs, request)):
        names.append(str(name))
        write_arrays(job.folder, INPUTS, place, arrays)
        write_arrays(job.folder, EXPECTED, place, runner.run(*arrays))
    outputs = [spec.name for spec in runner.outputs]
    return {"samples": names, "outputs": outputs, "computes_in_half": False, "notes": []}


def _measure(job, request, runner):
    """How far the file, and the model in its own types, are from the model in float32."""
    outputs = []
    for place, sample in enumerate(request["samples"]):
        expected = read_arrays(job.folder, EXPECTED, place)
        actual = runner.run(*read_arrays(job.folder, INPUTS, place))
        own = (
            read_arrays(job.folder, OWN, place)
            if request["computes_in_half"]
            else [None] * len(expected)
        )
        for name, *arrays in zip(request["outputs"], actual, expected, own, strict=True):
            outputs.append({"sample": sample, "output": name, **_measured(*arrays)})
    return {"outputs": outputs}


def _measured(actual, expected, own):
    # Interpreters drop a batch of one from no output, but a scalar may come as one element.
    actual = np.asarray(actual).reshape(expected.shape)
    finite = expected[np.isfinite(expected)]
    scale = output_scale(expected, None)
    difference = compare(actual, expected, data_range=scale)
    return {
        "max_abs": difference.max_abs,
        "mean_abs": difference.mean_abs,
        "psnr_db": difference.psnr_db,
        "non_finite": difference.non_finite_count,
        "reference_non_finite": int(expected.size - finite.size),
        "low": float(finite.min()) if finite.size else 0.0,
        "high": float(finite.max()) if finite.size else 0.0,
        "scale": scale,
        "own_max_abs": None if own is None else compare(own, expected, data_range=scale).max_abs,
    }


_JOBS = {MEASURE: _measure, REFERENCE: _reference}


if __name__ == "__main__":
    answer_job(work, error_kinds=KINDS)
