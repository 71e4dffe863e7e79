"""From the name of a model to a checked `.tflite`: build, load weights, convert, check. Nothing is written here.

Keras and TensorFlow are imported where a model is built, so that command lines can be parsed without them.
"""

import warnings
from pathlib import Path

from bokeh_tf.delegate.check import check, check_file
from bokeh_tf.errors import DependencyError, ModelFileError
from bokeh_tf.native_messages import native_messages_muted
from bokeh_tf.tflite.subject import subject_of

# Fresh weights are the same each time, so that the same file comes out.
_SEED = 0
_SHOWN_REASON_CHARACTERS = 200


def artifact_name(model, variant, precision, image_shape) -> str:
    """What a file is called, without its suffix."""
    height_px, width_px = image_shape
    return f"{model}_{variant}_{precision}_{height_px}x{width_px}"


def build_model(name, *, variant, image_shape, build=None):
    """Builds a model with fresh weights, varied so that its graph is that of trained ones.

    Args:
        build: a function like `bokeh_tf.models.build`, which is used if None.

    Raises:
        ValueError: the model has no such variant, or cannot take images of this size.
    """
    try:
        # Keras and TensorFlow greet at length.
        with native_messages_muted():
            import keras

            from bokeh_tf import models
            from bokeh_tf.models.variation import vary_constant_weights
    except ModuleNotFoundError as error:
        if error.name not in ("keras", "tensorflow"):
            raise
        raise DependencyError(
            'Exporting needs Keras and TensorFlow. Run: pip install "bokeh-tf[tensorflow]"'
        ) from error
    keras.utils.set_random_seed(_SEED)
    model = (build or models.build)(name, variant=variant, image_shape=image_shape)
    vary_constant_weights(model)
    return model


def load_weights(model, path):
    """Loads trained weights into a Keras model.

    Raises:
        ModelFileError: the file is missing, or holds no weights or those of another model.
    """
    label = model.name.replace(".", " ")
    if not Path(path).is_file():
        raise ModelFileError(f"{path}: no trained weights for {label}. Train the model or fetch the file.")
    try:
        with warnings.catch_warnings():
            # Of a file that lacks some of the layers Keras only warns, and leaves those as they were.
            warnings.simplefilter("error", UserWarning)
            model.load_weights(path)
    except (OSError, ValueError, KeyError, UserWarning) as error:
        reason = " ".join(str(error).split())[:_SHOWN_REASON_CHARACTERS]
        raise ModelFileError(f"{path}: these are not the weights of {label} ({reason}).") from error


def convert_model(model, *, precision) -> bytes:
    """The bytes of the `.tflite` of a Keras model; raises `ConversionError` where it cannot be one."""
    with native_messages_muted():
        from bokeh_tf.tflite.conversion import convert
    return convert(model, precision=precision)


def check_on_delegate(content, name, *, photo=None, timeout_s=None):
    """Checks a file's bytes on the real delegate alone, under the file name `name`; see `check.check_file`."""
    return check_file(subject_of(content, label=name), photo=photo, timeout_s=timeout_s)


def check_content(content, name, *, probe, photo=None, timeout_s=None):
    """Lints a file's bytes for every target and asks the real delegate if `probe`; the report calls it `name`."""
    return check(subject_of(content, label=name), probe=probe, photo=photo, timeout_s=timeout_s)
