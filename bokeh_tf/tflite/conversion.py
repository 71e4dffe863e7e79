"""A Keras model becomes a phone-ready `.tflite`: `convert(model, precision="float16")`.

The file has batch 1, static shapes, frozen variables, builtin operators only, tensors of at most four dimensions in
NHWC order, and float32 inputs and outputs whatever its weights are; whatever stands in the way is a `ConversionError`
that lists it. The same model gives the same bytes. Names of inputs and outputs are the Keras model's; its own name,
"<model>.<variant>" as `bokeh_tf.models.build` sets it, goes into the file's metadata. On another backend of Keras than
TensorFlow, which has the converter, a child process converts.
"""

import contextlib
import os
import sys
import tempfile

from absl import logging

from bokeh_tf.errors import ConversionError, DependencyError
from bokeh_tf.tflite import PRECISIONS
from bokeh_tf.tflite.conversion_child import convert_in_child
from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.metadata import describe, embed

try:
    import keras
    import tensorflow as tf
    from tensorflow.lite.python.convert import ConverterError
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
except ModuleNotFoundError as error:
    raise DependencyError(
        'Converting a model needs TensorFlow and Keras. Run: pip install "bokeh-tf[tensorflow]"'
    ) from error

MAX_RANK = 4
# An image has at most this many channels; a larger last dimension after a small first one is a channels-first input.
_MAX_IMAGE_CHANNELS = 4
_VARIABLE_OPERATORS = frozenset({"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"})
_ASSIGNMENTS = frozenset({"AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp"})
_SHOWN_OFFENDERS = 5


def convert(model, *, precision, strict=True):
    """Returns the bytes of the `.tflite` file for a functional Keras `model`.

    Args:
        model: its inputs have known sizes; the batch size is free or 1.
        precision: of the weights: "float16" for phones, or "float32", the twin to compare with.
        strict: refuse a file that no GPU delegate would take. False leaves that to `bokeh_tf.delegate.check`, which
            names node, layer and remedy.

    Raises:
        ConversionError: the model cannot become such a file; `offenders` says what stands in the way.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be a known one. Received: {precision!r}. Known: {', '.join(PRECISIONS)}.")
    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
        raise TypeError(f"model must be a functional Keras model. Received: {type(model).__name__}")
    _require(model.name, model_offenders(model))
    if keras.backend.backend() != "tensorflow":
        return convert_in_child(model, precision=precision, strict=strict)
    with _quiet_native_output():
        content = _run_converter(model, _frozen_function(model), precision)
    file = inspect(content)
    if strict:
        _require(model.name, file_offenders(file))
    description = describe(
        model.name,
        precision=precision,
        file=file,
        input_names=[tensor.name for tensor in model.inputs],
        output_names=_distinct(model.output_names),
    )
    return embed(content, description)


def _distinct(names):
    """Numbers repeated names, as a layer with several outputs gives them: GPU runtimes find tensors by name."""
    names = list(names)
    return [
        name if names.count(name) == 1 else f"{name}_{names[:position].count(name)}"
        for position, name in enumerate(names)
    ]


def model_offenders(model):
    """What in a Keras model cannot go into the file, before converting it."""
    found = [offender for tensor in model.inputs for offender in _input_offenders(tensor)]
    for layer in _all_layers(model):
        if getattr(layer, "data_format", None) == "channels_first":
            found.append(f"layer {layer.name}: channels first (NCHW)")
    return found


def file_offenders(file):
    """What in a converted `ModelFile` a phone's delegate would refuse or a runtime would not have."""
    found = []
    for operator in file.operators:
        if operator.is_custom:
            found.append(f"node {operator.index}: {operator.name}, not a builtin operator")
        if operator.name in _VARIABLE_OPERATORS:
            found.append(f"node {operator.index}: {operator.name}, a variable that is not frozen")
    for tensor in file.tensors:
        if len(tensor.shape) > MAX_RANK:
            found.append(f"tensor {tensor.name}: {len(tensor.shape)} dimensions {list(tensor.shape)}")
        if tensor.is_dynamic:
            found.append(f"tensor {tensor.name}: dynamic dimensions")
    for tensor in file.inputs + file.outputs:
        if tensor.dtype != "float32":
            found.append(f"tensor {tensor.name}: {tensor.dtype} instead of float32")
    return found


def _input_offenders(tensor):
    batch, *sizes = tensor.shape
    label = f"input {tensor.name} {tuple(tensor.shape)}"
    if None in sizes:
        yield f"{label}: dynamic dimensions"
    elif len(sizes) == 3 and sizes[0] <= _MAX_IMAGE_CHANNELS < sizes[2]:
        yield f"{label}: channels first (NCHW)"
    if batch not in (None, 1):
        yield f"{label}: batch size is not 1"
    if len(tensor.shape) > MAX_RANK:
        yield f"{label}: {len(tensor.shape)} dimensions"


def _all_layers(model):
    """The layers of a model and of the models inside it."""
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _all_layers(layer)


def _require(name, offenders):
    if not offenders:
        return
    shown = "; ".join(offenders[:_SHOWN_OFFENDERS])
    more = len(offenders) - _SHOWN_OFFENDERS
    rest = f"; and {more} more" if more > 0 else ""
    raise ConversionError(f"{name}: cannot become a phone-ready .tflite. Change: {shown}{rest}.", offenders=offenders)


def _frozen_function(model):
    """The model's inference pass as one TensorFlow function of constants; its outputs are in the model's order."""
    specs = [tf.TensorSpec((1, *tensor.shape[1:]), tensor.dtype, name=tensor.name) for tensor in model.inputs]

    @tf.function(input_signature=specs, autograph=False)
    def infer(*images):
        return keras.tree.flatten(model(keras.tree.pack_sequence_as(model.input, images), training=False))

    function = infer.get_concrete_function()
    changes = [node for node in function.graph.get_operations() if node.type in _ASSIGNMENTS]
    _require(model.name, [f"{node.name}: inference changes a variable" for node in changes])
    # The converter leaves variable handles in the graph of a Keras 3 model unless it is frozen first.
    return convert_variables_to_constants_v2(function)


def _run_converter(model, function, precision):
    try:
        return _converter(function, precision).convert()
    except ConverterError as error:
        converter = _converter(function, precision)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
        converter.allow_custom_ops = True
        _refuse_by_name(model, converter, error)
        raise ConversionError(
            f"{model.name}: the TFLite converter failed ({str(error).splitlines()[0]}). Simplify the model.",
            offenders=[str(error)],
        ) from error


def _refuse_by_name(model, converter, cause):
    """Converts once more with every operator permitted, which tells the offenders' names."""
    with contextlib.suppress(ConverterError):
        content = converter.convert()
        try:
            _require(model.name, file_offenders(inspect(content)))
        except ConversionError as refusal:
            raise refusal from cause


def _converter(function, precision):
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if precision == "float16":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    return converter


@contextlib.contextmanager
def _quiet_native_output():
    """Keeps what the converter prints on stderr, natively too, out of sight; logs it all where it fails."""
    sys.stderr.flush()
    original = os.dup(2)
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            sys.stderr.flush()
            os.dup2(original, 2)
            os.close(original)
            captured.seek(0)
            text = captured.read().decode("utf-8", "replace").strip()
            if text:
                logging.log(logging.ERROR if failed else logging.DEBUG, "TFLite converter: %s", text)
