"""Conversion of a Keras model that runs on JAX or PyTorch: TensorFlow, which has the converter, does it in a child.

The model is saved into a temporary folder; `python -m bokeh_tf.tflite.conversion_child FOLDER`, by `convert_in_child`
only, loads it there under Keras's TensorFlow backend and converts it.
"""

import importlib
import json
import os
import sys
import tempfile
from pathlib import Path

from bokeh_tf.errors import ConversionError
from bokeh_tf.processes import run_module

_TIMEOUT_S = 1200
_MODEL, _REQUEST, _CONTENT, _ERROR = "model.keras", "request.json", "model.tflite", "error.json"
# The device stays with the parent, and a child does not join the processes that train together.
_ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow",
    "CUDA_VISIBLE_DEVICES": "-1",
    "KERAS_DISTRIBUTION_JOB_ADDRESSES": "",
    "KERAS_DISTRIBUTION_NUM_PROCESSES": "",
    "KERAS_DISTRIBUTION_PROCESS_ID": "",
}


def convert_in_child(model, *, precision, strict):
    """What `conversion.convert` returns and raises, for a model that does not run on TensorFlow.

    Its own layers must be registered (`keras.saving.register_keras_serializable`) by a module that can be imported.
    """
    with tempfile.TemporaryDirectory(prefix="bokeh_tf_") as folder:
        folder = Path(folder)
        model.save(folder / _MODEL)
        modules = sorted({type(operation).__module__ for operation in _all_operations(model)})
        request = {"name": model.name, "precision": precision, "strict": strict, "modules": modules}
        (folder / _REQUEST).write_text(json.dumps(request), encoding="utf-8")
        environment = {**_ENVIRONMENT, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        child = run_module(__spec__.name, [folder], timeout_s=_TIMEOUT_S, environment=environment)
        if (folder / _ERROR).is_file():
            error = json.loads((folder / _ERROR).read_text(encoding="utf-8"))
            raise ConversionError(error["message"], offenders=error["offenders"])
        if child.return_code or not (folder / _CONTENT).is_file():
            raise ConversionError(
                f"{model.name}: cannot be converted under TensorFlow ({child.ending}). Set KERAS_BACKEND=tensorflow."
            )
        return (folder / _CONTENT).read_bytes()


def _all_operations(model):
    """The operations of a model and of the models inside it."""
    for operation in model.operations:
        yield operation
        if hasattr(operation, "operations"):
            yield from _all_operations(operation)


def _main(folder):
    import keras

    from bokeh_tf.tflite.conversion import convert

    request = json.loads((folder / _REQUEST).read_text(encoding="utf-8"))
    for name in request["modules"]:
        if name != "__main__":
            importlib.import_module(name)
    model = keras.models.load_model(folder / _MODEL, compile=False, safe_mode=True)
    model.name = request["name"]
    try:
        content = convert(model, precision=request["precision"], strict=request["strict"])
    except ConversionError as error:
        answer = {"message": str(error), "offenders": error.offenders}
        (folder / _ERROR).write_text(json.dumps(answer), encoding="utf-8")
    else:
        (folder / _CONTENT).write_bytes(content)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
