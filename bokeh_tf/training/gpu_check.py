"""A Keras callback that refuses an architecture that phones' GPUs would not
run, before it is trained.

    model.fit(..., callbacks=[RequireGpuCompatible(image_shape=(512, 768))])

What stands in the way of a GPU is the graph, not the weights; so a copy with fresh weights is
converted and linted in the first second, instead of the trained model in the last hour. Biases
of 0 and the like are varied in it, because a converter would fold them away and show another
graph than a trained one's.
"""

import contextlib
import random

import keras

from bokeh_tf.delegate.check import check
from bokeh_tf.delegate.findings import TARGETS
from bokeh_tf.delegate.judging.policy import DEFAULT, Policy, judge
from bokeh_tf.errors import ConversionError, TrainingError
from bokeh_tf.models.variation import vary_constant_weights
from bokeh_tf.tflite.keras_models import functional

_SHOWN_PROBLEMS = 3
_PHOTO_CHANNELS = 3


class RequireGpuCompatible(keras.callbacks.Callback):
    """Stops `fit` with a `TrainingError` before its first step where a GPU delegate
    would not take the model.

    Args:
        image_shape: (height, width) in pixels to convert at; needed where the model's own
            inputs have free sizes, or where a subclassed model was never called: it is then
            taken to be fed one photo.
        targets: the delegates that have to take it: "v2", "mldrift" or both.
        fail_on: as `--fail-on` of `bokeh-tf check`; a lint only, so "fp16" and "npu" are no
            conditions here.
    """

    def __init__(self, *, image_shape=None, targets=TARGETS, fail_on=DEFAULT):
        super().__init__()
        self._image_shape = image_shape and tuple(image_shape)
        self._targets = tuple(targets)
        self._policy = Policy.parse(fail_on)
        if "fp16" in self._policy.criteria:
            raise ValueError(
                f"fail_on takes no fp16 here, untrained numbers say nothing. Received: {fail_on!r}."
            )
        if "npu" in self._policy.criteria:
            raise ValueError(
                f"fail_on takes no npu here, where no engine is run. Received: {fail_on!r}."
            )

    def on_train_begin(self, logs=None):
        """Converts a copy of the model and lints it; the model and its weights
        are afterwards as they were.
        """
        if getattr(self.model, "inputs", None):
            copy = untrained_copy(self.model, image_shape=self._image_shape)
            require_gpu_compatible(copy, targets=self._targets, policy=self._policy)
            return
        whole = _traced(self.model, self._image_shape)
        with _varied(self.model):
            require_gpu_compatible(whole, targets=self._targets, policy=self._policy)


def require_gpu_compatible(model, *, targets=TARGETS, policy=None):
    """Lints `model`, a Keras model with inputs of known sizes; `TrainingError` where a
    GPU would not take it whole.
    """
    try:
        report = check(model, targets=targets)
    except ConversionError as error:
        raise TrainingError(f"Training not started: {error}") from error
    judged = judge(report, policy or Policy.parse(DEFAULT))
    reasons = [_line(problem) for problem in judged.failing] + list(judged.broken_limits)
    if reasons:
        more = len(reasons) - _SHOWN_PROBLEMS
        rest = f"; and {more} more" if more > 0 else ""
        shown = "; ".join(reasons[:_SHOWN_PROBLEMS])
        raise TrainingError(
            f"Training not started: {report.path} would not run on the GPU: {shown}{rest}."
        )


def untrained_copy(model, *, image_shape=None):
    """The same architecture with fresh weights and batch 1; Python's random state stays as it is.

    Args:
        image_shape: (height, width) that replaces those of NHWC inputs, None to keep them.
    """
    if isinstance(model, keras.Sequential):
        model = keras.Model(model.inputs, model.outputs, name=model.name)
    sizes = [_size(tensor, image_shape) for tensor in model.inputs]
    if any(None in size for size in sizes):
        raise ValueError(
            f"image_shape is needed for inputs with free sizes. Received: {image_shape}."
        )
    inputs = [
        keras.Input(size, batch_size=1, dtype=tensor.dtype, name=tensor.name)
        for size, tensor in zip(sizes, model.inputs, strict=True)
    ]
    # Initialisers draw their seeds from it, and the training that follows must not depend
    # on having been checked.
    state = random.getstate()
    try:
        copy = keras.models.clone_model(
            model, input_tensors=keras.tree.pack_sequence_as(model.input, inputs)
        )
    finally:
        random.setstate(state)
    copy.name = model.name
    vary_constant_weights(copy)
    return copy


def _traced(model, image_shape):
    """The functional form of a subclassed model, which takes one photo
    where it was never called.
    """
    if model.get_build_config():
        return functional(model, image_size=image_shape, batch=1)
    if image_shape is None:
        raise ValueError("image_shape is needed for a model that was never called. Received: None.")
    return functional(model, shapes=[(1, *image_shape, _PHOTO_CHANNELS)])


@contextlib.contextmanager
def _varied(model):
    """Stands in for a copy of a subclassed model, which only its own code could make."""
    before = [keras.ops.convert_to_numpy(variable) for variable in model.weights]
    vary_constant_weights(model)
    try:
        yield
    finally:
        for variable, values in zip(model.weights, before, strict=True):
            variable.assign(values)


def _size(tensor, image_shape):
    size = tuple(tensor.shape[1:])
    return (*image_shape, size[2]) if image_shape and len(size) == 3 else size


def _line(problem):
    return f"{problem.rule}: {problem.place}: {problem.reason} Instead: {problem.instead}".rstrip(
        "."
    )
