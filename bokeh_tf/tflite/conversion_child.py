"""Conversion of a Keras model that runs on JAX or PyTorch: TensorFlow, which has the
converter, does it in a child.

The model is saved into a temporary folder; `python -m bokeh_tf.tflite.conversion_child FOLDER JOB`,
asked by `convert_in_child` only, loads it there under Keras's TensorFlow backend and converts it.
"""

import importlib
import os
import sys
import tempfile
from pathlib import Path

from bokeh_tf.errors import ConversionError
from bokeh_tf.processes import DONE, Job, answer_job, ask_module, failed

_TIMEOUT_S = 1200
_MODEL, _CONTENT = "model.keras", "model.tflite"
# The device stays with the parent, and a child does not join the processes that train together.
_ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow",
    "CUDA_VISIBLE_DEVICES": "-1",
    "KERAS_DISTRIBUTION_JOB_ADDRESSES": "",
    "KERAS_DISTRIBUTION_NUM_PROCESSES": "",
    "KERAS_DISTRIBUTION_PROCESS_ID": "",
}


def convert_in_child(model, *, precision, strict, facts):
    """What `conversion.convert` returns and raises, for a model that does not run on TensorFlow.

    Its own layers must be registered (`keras.saving.register_keras_serializable`) by a
    module that can be imported.
    """
    with tempfile.TemporaryDirectory(prefix="bokeh_tf_") as name:
        folder = Path(name)
        model.save(folder / _MODEL)
        modules = sorted({type(operation).__module__ for operation in _all_operations(model)})
        request = {
            "name": model.name,
            "precision": precision,
            "strict": strict,
            "modules": modules,
            "facts": facts,
        }
        environment = {**_ENVIRONMENT, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        answer = ask_module(
            __spec__.name,
            folder,
            request=request,
            timeout_s=_TIMEOUT_S,
            environment=environment,
        )
        if answer.error_kind:
            raise ConversionError(answer.message, offenders=answer.content["offenders"])
        if answer.child.return_code or answer.stage != DONE:
            raise ConversionError(
                f"{model.name}: cannot be converted under TensorFlow ({answer.child.ending}). "
                "Set KERAS_BACKEND=tensorflow."
            )
        return (folder / _CONTENT).read_bytes()


def _all_operations(model):
    """The operations of a model and of the models inside it."""
    for operation in model.operations:
        yield operation
        if hasattr(operation, "operations"):
            yield from _all_operations(operation)


def _convert(job: Job) -> dict:
    import keras

    from bokeh_tf.tflite.converter import convert_here

    request = job.read_request()
    for name in request["modules"]:
        if name != "__main__":
            importlib.import_module(name)
    model = keras.models.load_model(job.folder / _MODEL, compile=False, safe_mode=True)
    model.name = request["name"]
    try:
        content = convert_here(
            model, precision=request["precision"], strict=request["strict"], facts=request["facts"]
        )
    except ConversionError as error:
        return failed("conversion", error, offenders=error.offenders)
    (job.folder / _CONTENT).write_bytes(content)
    return {}


if __name__ == "__main__":
    answer_job(_convert, error_kinds={})
