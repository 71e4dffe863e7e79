"""The half of a conversion that runs TensorFlow: a Keras model under its TensorFlow backend
becomes the file's bytes.

`conversion.convert` is what others call: it refuses what cannot be converted and chooses
the process that does it.
"""

import contextlib
import os
import sys
import tempfile

import keras
import tensorflow as tf
from absl import logging
from tensorflow.lite.python.convert import ConverterError

from bokeh_tf.errors import ConversionError
from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.keras_models import input_names, output_names
from bokeh_tf.tflite.metadata import describe, embed

MAX_RANK = 4
_VARIABLE_OPERATORS = frozenset({"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"})
_ASSIGNMENTS = frozenset({"AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp"})
_SHOWN_OFFENDERS = 5
# What TensorFlow alone has, and what to write instead.
_INSTEAD = {
    "FlexBitwiseAnd": "keras.ops.argmax makes it; return the scores and take the largest in the app",
    "FlexErf": "for gelu: keras.activations.gelu",
    "FlexImageProjectiveTransformV3": "warp before the model or after it, in the app",
    "FlexTan": "ops.sin(x) / ops.cos(x)",
}


def convert_here(
    model: keras.Model, *, precision: str, strict: bool, facts: dict[str, dict]
) -> bytes:
    """What `conversion.convert` returns and raises, for a model that it found convertible."""
    with _quiet_native_output():
        content = _run_converter(model, _inference(model), precision)
    file = inspect(content)
    if strict:
        refuse_offenders(model.name, file_offenders(file))
    description = describe(
        model.name,
        precision=precision,
        file=file,
        input_names=input_names(model),
        output_names=output_names(model),
        facts=facts,
    )
    return embed(content, description)


def file_offenders(file):
    """What in a converted `ModelFile` a phone's delegate would refuse or
    a runtime would not have.
    """
    found = _operator_offenders(file)
    for tensor in file.tensors:
        if len(tensor.shape) > MAX_RANK:
            found.append(
                f"tensor {tensor.name}: {len(tensor.shape)} dimensions {list(tensor.shape)}"
            )
        if tensor.is_dynamic:
            found.append(f"tensor {tensor.name}: dynamic dimensions")
    for tensor in file.inputs + file.outputs:
        if tensor.dtype != "float32":
            found.append(f"tensor {tensor.name}: {tensor.dtype} instead of float32")
    return found


def _operator_offenders(file):
    found = []
    for operator in file.operators:
        if operator.is_custom:
            instead = _INSTEAD.get(operator.name)
            found.append(
                f"node {operator.index}: {operator.name}, not a builtin operator"
                + (f" ({instead})" if instead else "")
            )
        if operator.name in _VARIABLE_OPERATORS:
            found.append(f"node {operator.index}: {operator.name}, a variable that is not frozen")
    return found


def refuse_offenders(name, offenders):
    """Raises the `ConversionError` that lists `offenders`, if there are any."""
    if not offenders:
        return
    shown = "; ".join(offenders[:_SHOWN_OFFENDERS])
    more = len(offenders) - _SHOWN_OFFENDERS
    rest = f"; and {more} more" if more > 0 else ""
    raise ConversionError(
        f"{name}: cannot become a phone-ready .tflite. Change: {shown}{rest}.", offenders=offenders
    )


def _inference(model):
    """The model's inference pass as one TensorFlow function, whose variables the converter freezes;
    its outputs are in the model's order.
    """
    specs = [
        tf.TensorSpec((tensor.shape[0] or 1, *tensor.shape[1:]), tensor.dtype, name=name)
        for name, tensor in zip(input_names(model), model.inputs, strict=True)
    ]

    @tf.function(input_signature=specs, autograph=False)
    def infer(*images):
        return keras.tree.flatten(
            model(keras.tree.pack_sequence_as(model.input, images), training=False)
        )

    function = infer.get_concrete_function()
    changes = [node for node in function.graph.get_operations() if node.type in _ASSIGNMENTS]
    refuse_offenders(model.name, [f"{node.name}: inference changes a variable" for node in changes])
    return function


def _run_converter(model, function, precision):
    try:
        return _converter(function, precision).convert()
    except ConverterError as error:
        converter = _converter(function, precision)
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.TFLITE_BUILTINS,
            tf.lite.OpsSet.SELECT_TF_OPS,
        ]
        converter.allow_custom_ops = True
        _refuse_by_name(model, converter, error)
        raise ConversionError(
            f"{model.name}: the TFLite converter failed ({str(error).splitlines()[0]}). Simplify"
            " the model.",
            offenders=[str(error)],
        ) from error


def _refuse_by_name(model, converter, cause):
    """Converts once more with every operator permitted, which tells the offenders' names."""
    with contextlib.suppress(ConverterError):
        content = converter.convert()
        try:
            # Whatever else a delegate would refuse is not why the converter failed.
            refuse_offenders(model.name, _operator_offenders(inspect(content)))
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
    """Keeps what the converter prints on stderr, natively too, out of sight;
    logs it all where it fails.
    """
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
                logging.log(
                    logging.ERROR if failed else logging.DEBUG, "TFLite converter: %s", text
                )
