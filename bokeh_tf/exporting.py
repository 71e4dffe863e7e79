"""From the name of a model to a checked `.tflite`: build, load weights, convert, judge.

Nothing is written here. Keras and TensorFlow are imported where a model is built, so that command
lines can be parsed without them.
"""

from collections.abc import Callable
from pathlib import Path

from bokeh_tf.delegate.check import check
from bokeh_tf.delegate.judging.policy import Judged, Policy, judge
from bokeh_tf.errors import DependencyError
from bokeh_tf.native_messages import native_messages_muted
from bokeh_tf.tflite.subject import Model, subject_of

# Fresh weights are the same each time, so that the same file comes out.
_SEED = 0


def artifact_name(model: str, variant: str, precision: str, image_shape: tuple[int, int]) -> str:
    """What a file is called, without its suffix."""
    height_px, width_px = image_shape
    return f"{model}_{variant}_{precision}_{height_px}x{width_px}"


def build_model(
    name: str,
    *,
    variant: str,
    image_shape: tuple[int, int],
    build: Callable | None = None,
):
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


def convert_model(model, *, precision: str) -> bytes:
    """The bytes of the `.tflite` of a Keras model; raises
    `ConversionError` where it cannot be one.
    """
    with native_messages_muted():
        from bokeh_tf.tflite.conversion import convert
    return convert(model, precision=precision)


def check_and_judge(
    model: Model,
    *,
    label: str | None = None,
    probe: bool = True,
    require_probe: bool = False,
    photo: Path | None = None,
    timeout_s: float | None = None,
    runtime: str | None = None,
) -> Judged:
    """Whether a file may ship: both delegates' rules and, if `probe`, the real delegate.

    What counts is the default policy's business, here as in `bokeh-tf check`.

    Args:
        model: a path, the bytes of a `.tflite`, or a `Subject`.
        label: what the report calls it; see `subject_of`.
        require_probe: without a Vulkan adapter the file counts as not checked.
        photo: a photograph for the real delegate; the packaged one if None.
        timeout_s: limit for the real delegate; its own if None.
        runtime: the release by whose rules to judge; see `check.Steps`.

    Raises:
        PhotoError: the photo cannot be read.
    """
    report = check(
        subject_of(model, label=label),
        probe=probe,
        photo=photo,
        timeout_s=timeout_s,
        runtime=runtime,
    )
    return judge(report, Policy(require_probe=require_probe))
