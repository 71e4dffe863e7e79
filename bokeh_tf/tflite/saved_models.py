"""A TensorFlow SavedModel as a functional Keras model: one layer that calls its signature."""

from pathlib import Path

import keras
import tensorflow as tf
from tensorflow.python.framework import op_def_registry

from bokeh_tf.errors import ModelFileError
from bokeh_tf.paths import printable
from bokeh_tf.tflite.reaching_out import reaching_out

_SHOWN_NAME_CHARACTERS = 80
_SIGNATURES = ("serving_default", "serve")
# What TensorFlow raises for folders that are none, are damaged, or need
# operations it does not have.
DAMAGE = (
    *(OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError),
    tf.errors.OpError,
)


def load_saved_model(
    folder: Path,
    *,
    shapes: list[tuple[int, ...]] | None = None,
    image_size: tuple[int, int] | None = None,
) -> keras.Model:
    """The signature `serving_default` of a SavedModel, with the names that it
    has for inputs and outputs.

    Args:
        shapes: of all inputs, with the batch, in the order of their names.
        image_size: (height, width) in pixels of every input [B, H, W, C] whose own is free.

    Raises:
        ModelFileError: it cannot be read, has no signature, reaches files, the network or code, or
            leaves sizes open that nobody gives.
    """
    try:
        # As `load` reads it, and before that, which runs what it finds.
        graph = tf.__internal__.saved_model.parse_saved_model(str(folder))
        _refuse_reaching_out(folder, graph)
        loaded = tf.saved_model.load(str(folder))
    except DAMAGE as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelFileError(
            f"{folder}: TensorFlow cannot load this SavedModel ({reason})."
        ) from error
    key = next((key for key in _SIGNATURES if key in loaded.signatures), None)
    if key is None:
        raise ModelFileError(
            f"{folder}: a SavedModel without the signature {_SIGNATURES[0]}. Save it with export()."
        )
    call = loaded.signatures[key]
    specs = call.structured_input_signature[1]
    names = sorted(specs)
    if shapes is not None and len(shapes) != len(names):
        raise ModelFileError(
            f"{folder}: has {len(names)} inputs, and {len(shapes)} shapes were given."
        )
    inputs = {}
    for place, name in enumerate(names):
        shape = _fixed(specs[name].shape, None if shapes is None else shapes[place], image_size)
        if shape is None or None in shape[1:]:
            raise ModelFileError(
                f"{folder}: input {name} has free sizes. Give them: --size HxW, or --input-shape."
            )
        inputs[name] = keras.Input(
            shape[1:], batch_size=shape[0], dtype=specs[name].dtype.name, name=name
        )
    return keras.Model(
        inputs, _Signature(loaded, call)(inputs), name=Path(folder).name.replace("/", "_")
    )


def _refuse_reaching_out(folder, graph):
    found = next(reaching_out(graph, _has_effects), None)
    if found is not None:
        operator, node = (printable(text, most_characters=_SHOWN_NAME_CHARACTERS) for text in found)
        raise ModelFileError(
            f"{folder}: not loaded, as it holds {operator} (node {node}), which may reach files, the"
            " network or code outside of the model. Export only what computes the outputs from"
            " the inputs."
        )


def _has_effects(operator):
    """Whether TensorFlow registers an operator as one that does more than compute; None where it
    knows none of that name.
    """
    known = op_def_registry.get(operator)
    return None if known is None else known.is_stateful


def _fixed(shape, given, image_size):
    if given is not None:
        return tuple(given)
    if shape.rank is None:
        return None
    sizes = list(shape)
    if image_size is not None and len(sizes) == 4:
        sizes[1:3] = [old or new for old, new in zip(sizes[1:3], image_size, strict=True)]
    return tuple(sizes)


class _Signature(keras.layers.Layer):
    """Calls a signature with a dict of inputs; gives a dict of outputs."""

    def __init__(self, loaded, call):
        super().__init__(name="saved_model", trainable=False)
        # The function does not keep alive what it was loaded with.
        self._loaded, self._signature = loaded, call

    def call(self, inputs):
        return self._signature(**inputs)
