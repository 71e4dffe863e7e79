"""The child that has Keras: `python -m bokeh_tf.converting.builder FOLDER JOB`,
started by `children` only.

The job "build" loads the model, converts it and leaves in FOLDER the file, its float32 twin, and
what the model itself computes: `exchange` says where. "layers" looks for the first layer that the
file computes otherwise.
"""

import contextlib
import re

from bokeh_tf.converting.children import BUILD, KINDS, LAYERS
from bokeh_tf.converting.exchange import (
    CONVERTED_NAME,
    EXPECTED,
    FLOAT32_NAME,
    INPUTS,
    OWN,
    write_arrays,
)
from bokeh_tf.converting.labelling import labels_of
from bokeh_tf.converting.sampling import parity_samples
from bokeh_tf.converting.source import Kind
from bokeh_tf.errors import ConversionError, of_missing_module
from bokeh_tf.paths import printable
from bokeh_tf.processes import Job, answer_job

_SHOWN_WEIGHTS = 3
_SHOWN_REASON_CHARACTERS = 300
# What layers raise for shapes that do not fit; Keras prints in bold.
_CALLS_FAIL = (ValueError, TypeError, RuntimeError)
_TERMINAL_STYLE = re.compile(r"\x1b\[\d*m")


def work(job: Job) -> dict:
    """Does one job and returns its answer."""
    request = job.read_request()
    job.enter("importing")
    try:
        import keras

        from bokeh_tf.converting.loading import load
    except ModuleNotFoundError as error:
        raise of_missing_module(error) or error from error
    keras.config.disable_interactive_logging()
    job.enter("loading")
    model = load(request, job.folder)
    job.enter("converting")
    return _JOBS[job.name](job, request, model)


def _build(job, request, model):
    from bokeh_tf.tflite.conversion import convert
    from bokeh_tf.tflite.keras_models import (
        computes_in_half,
        computing_in_float32,
        input_names,
        output_names,
    )

    _refuse_non_finite(model)
    is_half = computes_in_half(model)
    with _calling(request["label"]), computing_in_float32(model):
        whole = _functional(model, request)
        _refuse_unknown(
            request, "--range", request["ranges"], [*input_names(whole), *output_names(whole)]
        )
        _refuse_unknown(request, "--image", request["images"], input_names(whole))
        labels = labels_of(request["labels"], request["label"], whole.outputs, output_names(whole))
        whole.tensor_facts = _facts(model, request["images"])
        wishes = {"strict": False, "ranges": request["ranges"]}
        twin = _described(convert(whole, precision="float32", **wishes), labels)
        content = twin
        if request["precision"] != "float32":
            content = convert(whole, precision=request["precision"], **wishes)
            content = _described(content, labels)
        (job.folder / FLOAT32_NAME).write_bytes(twin)
        (job.folder / CONVERTED_NAME).write_bytes(content)
        job.enter("running")
        names = list(_samples(whole, request))
        for place, (_, arrays) in enumerate(names):
            write_arrays(job.folder, INPUTS, place, arrays)
            write_arrays(job.folder, EXPECTED, place, _run(whole, arrays))
    if is_half:
        for place, (_, arrays) in enumerate(names):
            write_arrays(job.folder, OWN, place, _run(whole, arrays))
    return {
        "model": whole.name,
        "parameters": int(whole.count_params()),
        "inputs": input_names(whole),
        "outputs": output_names(whole),
        "samples": [str(name) for name, _ in names],
        "computes_in_half": is_half,
        "notes": list(_notes(request, is_half)),
    }


def _refuse_unknown(request, option, names, known):
    unknown = sorted(set(names) - set(known))
    if unknown:
        reason = f"{option} names {unknown[0]}, which the model does not have"
        raise ConversionError(f"{request['label']}: {reason}. Known: {', '.join(known)}.")


def _facts(model, images):
    """What is known of the model's tensors: by its builder, and which inputs
    are pictures by the user.
    """
    from bokeh_tf.tflite.metadata import PHOTO_ENCODING

    facts = dict(getattr(model, "tensor_facts", {}))
    for name in images:
        facts[name] = {**facts.get(name, {}), "encoding": PHOTO_ENCODING}
    return facts


def _described(content, labels):
    from bokeh_tf.tflite.inspection import inspect
    from bokeh_tf.tflite.standard_metadata import with_standard_metadata

    return with_standard_metadata(content, inspect(content).metadata, labels=labels)


def _notes(request, is_half):
    from bokeh_tf.models.weights import packaged_weights

    if is_half:
        yield (
            "the model computes in half precision: the file is that of a float32 copy with the"
            " same weights"
        )
    if (
        request["kind"] == Kind.CATALOGUE
        and packaged_weights(request["module"], request["name"]) is None
    ):
        yield "no trained weights: the file holds random ones, and what it computes means nothing"


def _functional(model, request):
    from bokeh_tf.tflite.keras_models import functional

    size = request["image_size"]
    return functional(
        model, shapes=request["shapes"], image_size=size and tuple(size), batch=request["batch"]
    )


@contextlib.contextmanager
def _calling(label):
    """What the model's own code raises where shapes do not fit is the
    user's to know, in one line.
    """
    try:
        yield
    except _CALLS_FAIL as error:
        text = _TERMINAL_STYLE.sub("", " ".join(str(error).split()))
        reason = printable(text, most_characters=_SHOWN_REASON_CHARACTERS)
        raise ConversionError(f"{label}: cannot be called with these sizes ({reason}).") from error


def _refuse_non_finite(model):
    """NaN weights convert without a word, and no picture comes out of them."""
    import numpy as np

    found = []
    for variable in model.weights:
        values = np.asarray(variable)
        if values.dtype.kind not in "fV" or np.isfinite(values.astype(np.float32)).all():
            continue
        found.append(
            f"{variable.path} ({np.count_nonzero(~np.isfinite(values.astype(np.float32)))} of"
            f" {values.size})"
        )
    if found:
        more = f"; and {len(found) - _SHOWN_WEIGHTS} more" if len(found) > _SHOWN_WEIGHTS else ""
        raise ConversionError(
            f"{model.name}: weights are not finite: {'; '.join(found[:_SHOWN_WEIGHTS])}{more}."
            " Go back to a checkpoint from before the loss broke."
        )


def _samples(model, request):
    """(name, one array per input) of what the model and the file are run on."""
    import numpy as np

    from bokeh_tf.tflite.keras_models import input_names
    from bokeh_tf.tflite.running.runtime import TensorSpec

    specs = [
        TensorSpec(name, (tensor.shape[0] or 1, *tensor.shape[1:]), np.dtype(tensor.dtype), place)
        for place, (name, tensor) in enumerate(zip(input_names(model), model.inputs, strict=True))
    ]
    return parity_samples(specs, request)


def _run(model, arrays):
    import keras
    import numpy as np

    tensors = keras.tree.pack_sequence_as(
        model.input, [keras.ops.convert_to_tensor(array) for array in arrays]
    )
    outputs = keras.tree.flatten(model(tensors, training=False))
    return [
        np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(output, _wide(output))))
        for output in outputs
    ]


def _wide(tensor):
    """NumPy has no bfloat16."""
    import keras

    dtype = keras.backend.standardize_dtype(tensor.dtype)
    return "float32" if dtype in ("float16", "bfloat16") else dtype


def _find_layer(job, request, model):
    """The first layer that the file computes otherwise: of a file that shows
    what every layer puts out.
    """
    import keras

    from bokeh_tf.tflite.conversion import convert
    from bokeh_tf.tflite.keras_models import computing_in_float32
    from bokeh_tf.tflite.running.runtime import load

    if not getattr(model, "inputs", None):
        return {
            "first": None,
            "note": "a subclassed model shows its outputs only; no layer can be named",
        }
    with _calling(request["label"]), computing_in_float32(model):
        shown = list(_shown(model))
        exposed = keras.Model(model.inputs, [tensor for *_, tensor in shown], name=model.name)
        exposed = _functional(exposed, request)
        job.enter("converting every layer")
        runner = load(convert(exposed, precision=request["precision"], strict=False))
        job.enter("running every layer")
        for sample, arrays in _samples(exposed, request):
            expected = _run(exposed, arrays)
            for (name, kind, _), *pair in zip(shown, runner.run(*arrays), expected, strict=True):
                share = _share(*pair)
                if not share <= request["tolerance"]:
                    first = {"layer": name, "kind": kind, "sample": str(sample), "share": share}
                    return {"first": first}
    return {"first": None, "note": "with every layer shown, no layer leaves the tolerance"}


def _shown(model):
    """(name, class, what it puts out) of each layer, in the order of the model; those of a model
    inside it come before it, with its name before theirs.
    """
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        tensors = _floats(layer)
        if tensors and isinstance(layer, keras.Model) and getattr(layer, "inputs", None):
            inner = list(_shown(layer))
            # Its layers' outputs lie in a graph of its own: once more, with what it is called on.
            called_on = list(layer._inbound_nodes[0].input_tensors)
            outputs = keras.Model(layer.inputs, [tensor for *_, tensor in inner])(called_on)
            for (name, kind, _), tensor in zip(inner, keras.tree.flatten(outputs), strict=True):
                yield f"{layer.name}/{name}", kind, tensor
        for tensor in tensors:
            yield layer.name, type(layer).__name__, tensor


def _floats(layer):
    """What a layer puts out, where it has one place in the model and numbers to compare."""
    if len(layer._inbound_nodes) != 1:
        return []
    # A model in a model calls its own outputs `output`, not those of its place.
    outputs = layer._inbound_nodes[0].output_tensors
    return [tensor for tensor in outputs if "float" in tensor.dtype]


def _share(actual, expected):
    from bokeh_tf.tflite.running.agreement import output_scale
    from bokeh_tf.tflite.running.parity import compare

    scale = output_scale(expected, None)
    return compare(actual.reshape(expected.shape), expected, data_range=scale).max_abs / scale


_JOBS = {BUILD: _build, LAYERS: _find_layer}


if __name__ == "__main__":
    answer_job(work, error_kinds=KINDS)
