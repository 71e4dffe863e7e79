"""A Keras model becomes a phone-ready `.tflite`: `convert(model, precision="float16")`.

The file has batch 1, static shapes, frozen variables, builtin operators only, tensors of at most
four dimensions in NHWC order, and float32 inputs and outputs whatever its weights are; whatever
stands in the way is a `ConversionError` that lists it. The same model gives the same bytes. Names
of inputs and outputs are the Keras model's; its own name, "<model>.<variant>" as
`bokeh_tf.models.build` sets it, goes into the file's metadata. Which values its inputs and outputs
hold stands there too, if the model comes from `bokeh_tf.models.build` or the caller says it; of
any other model it is left open. On another backend of Keras than TensorFlow, which has the
converter, a child process converts.
"""

from bokeh_tf.errors import DependencyError
from bokeh_tf.tflite import PRECISIONS
from bokeh_tf.tflite.conversion_child import convert_in_child
from bokeh_tf.tflite.value_ranges import is_range

try:
    import keras

    from bokeh_tf.tflite.converter import MAX_RANK, convert_here, refuse_offenders
    from bokeh_tf.tflite.keras_models import (
        computing_in_float32,
        functional,
        input_names,
        output_names,
    )
except ModuleNotFoundError as error:
    raise DependencyError(
        'Converting a model needs TensorFlow and Keras. Run: pip install "bokeh-tf[tensorflow]"'
    ) from error

# An image has at most this many channels; a larger last dimension after a small first one is
# a channels-first input.
_MAX_IMAGE_CHANNELS = 4


def convert(model, *, precision, strict=True, ranges=None):
    """Returns the bytes of the `.tflite` file for a Keras `model`, functional,
    Sequential or subclassed.

    Layers of half precision, mixed or whole, become float32 with the same weights.

    Args:
        model: its inputs have known sizes; the batch size is free or 1. A subclassed one
            has been called or built.
        precision: of the weights: "float16" for phones, or "float32", the twin to compare with.
        strict: refuse a file that no GPU delegate would take. False leaves that to
            `bokeh_tf.delegate.check`, which names node, layer and remedy.
        ranges: (lowest, highest) value of inputs and outputs by their names, as in `{"image":
            (0, 255), "rendered": (0, 1)}`, for the file's metadata: `render`, `ai-benchmark` and
            the check read them there. Those of a model from `bokeh_tf.models.build` are known;
            of others null is written.

    Raises:
        ConversionError: the model cannot become such a file; `offenders`
            says what stands in the way.
    """
    if precision not in PRECISIONS:
        raise ValueError(
            f"precision must be a known one. Received: {precision!r}. Known:"
            f" {', '.join(PRECISIONS)}."
        )
    if not isinstance(model, keras.Model):
        raise TypeError(f"model must be a Keras model. Received: {type(model).__name__}")
    left = getattr(model, "tensor_facts", {})
    with computing_in_float32(model):
        model = functional(model)
        refuse_offenders(model.name, model_offenders(model, strict=strict))
        facts = tensor_facts(model, ranges, left=left)
        if keras.backend.backend() != "tensorflow":
            return convert_in_child(model, precision=precision, strict=strict, facts=facts)
        return convert_here(model, precision=precision, strict=strict, facts=facts)


def tensor_facts(model, ranges, *, left):
    """What is known of inputs and outputs: what their builder `left` on the
    model, and `ranges` (or None).

    Returns:
        By name of the tensor in the file, `{"range": (lowest, highest), "encoding":
        …}`; either may be missing.

    Raises:
        ValueError: `ranges` names a tensor that the model does not have, or holds
            something else than a range.
    """
    inputs, outputs = input_names(model), output_names(model)
    facts = {name: dict(left[name]) for name in [*inputs, *outputs] if name in left}
    for name, pair in (ranges or {}).items():
        if name not in inputs + outputs:
            known = ", ".join(inputs + outputs)
            raise ValueError(
                f"ranges must name inputs and outputs. Received: {name!r}. Known: {known}."
            )
        if not is_range(pair):
            raise ValueError(
                f"ranges must be two finite numbers, the lower one first. Received for {name}:"
                f" {pair!r}"
            )
        facts[name] = {**facts.get(name, {}), "range": tuple(pair)}
    return facts


def model_offenders(model, *, strict=True):
    """What in a functional Keras model cannot go into the file, before converting it."""
    found = [
        offender for tensor in model.inputs for offender in _input_offenders(tensor, strict=strict)
    ]
    for layer in _all_layers(model):
        if getattr(layer, "data_format", None) == "channels_first":
            found.append(f"layer {layer.name}: channels first (NCHW)")
    return found


def _input_offenders(tensor, *, strict):
    batch, *sizes = tensor.shape
    label = f"input {tensor.name} {tuple(tensor.shape)}"
    if None in sizes:
        yield f"{label}: dynamic dimensions (bokeh-tf convert fixes them: --size, --input-shape)"
    elif len(sizes) == 3 and sizes[0] <= _MAX_IMAGE_CHANNELS < sizes[2]:
        yield f"{label}: channels first (NCHW)"
    if strict and batch not in (None, 1):
        yield f"{label}: batch size is not 1"
    if strict and len(tensor.shape) > MAX_RANK:
        yield f"{label}: {len(tensor.shape)} dimensions"


def _all_layers(model):
    """The layers of a model and of the models inside it."""
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _all_layers(layer)
