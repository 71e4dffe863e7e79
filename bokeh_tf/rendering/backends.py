"""The models a photo can be rendered with: a `.tflite` file, or a Keras
model by its name or its file.

Both look the same from outside (`BokehModel`): they say which canvas they want for a photo and turn
a canvas into a rendering and, if they know it, the weight of the sharp photo in it.
"""

import dataclasses
import importlib
from pathlib import Path
from typing import Protocol

import numpy as np

from bokeh_tf import paths, zips
from bokeh_tf.errors import DependencyError, ModelFileError
from bokeh_tf.hdf5 import require_readable
from bokeh_tf.models import weights
from bokeh_tf.models.weights import load_weights
from bokeh_tf.native_messages import native_messages_muted

# A dynamic size is stored as 1 and would render to mush.
MIN_CANVAS_SIDE_PX = 16
# Height and width for photos lying and standing: near 3:2 and 3:4, in multiples
# that every model takes.
_LYING_CANVAS, _STANDING_CANVAS = (1024, 1536), (1536, 1152)
# Shape of the second input of a model that can be told where to focus, and what
# leaves everything to it.
FOCUS_SHAPE = (1, 1, 1, 4)
_AUTOMATIC = np.array([-1, -1, -1, 0], np.float32).reshape(FOCUS_SHAPE)
KERAS_SUFFIX = ".keras"
_INSTALL_TENSORFLOW = 'pip install "bokeh-tf[tensorflow]"'


@dataclasses.dataclass(frozen=True)
class ModelOutput:
    """`rendered` float32 `[h, w, 3]`; `in_focus_weight` float32 `[h, w]`, or None
    where the model has none.

    `subject_confidence` from 0 to 1 is how sure the model is that there is
    a clear subject, or None.
    """

    rendered: np.ndarray
    in_focus_weight: np.ndarray | None
    subject_confidence: float | None = None


class BokehModel(Protocol):
    """What rendering needs of a model.

    One that can be told where to focus says so by an attribute `takes_focus` and takes the four
    numbers of `bokeh_tf.rendering.focus` as a second argument of `run`. One that must be told how
    near everything is says so by `takes_guide` and takes a map, float32 `[h, w]`, as a third. One
    that has a single size says so by `has_one_size`.
    """

    name: str

    def canvas_size(self, photo_height: int, photo_width: int) -> tuple[int, int]:
        """Height and width of the input this model wants for a photo of the given size."""

    def run(self, canvas: np.ndarray) -> ModelOutput:
        """Renders one canvas, float32 `[h, w, 3]` in [0, 1]."""


def load_model(name=None, *, input_range=None, output_range=None):
    """The `BokehModel` that `name` says.

    Args:
        name: the path of a `.tflite` or `.keras` file, or of a `<model>_<variant>.weights.h5`; the
            name of one of `bokeh_tf.models.MODELS` or of
            `bokeh_tf.models.weights.PACKAGED_FILES`, or None for the flagship.
        input_range: (lowest, highest) value of the pictures a `.tflite` takes; what the
            file itself states if None.
        output_range: the same of the picture it computes; what the file states if
            None, or else `input_range`.

    Raises:
        ModelFileError: there is no such model, the file is no bokeh model,
            or nothing says its ranges.
        DependencyError: a Keras model is asked for and Keras or TensorFlow is not installed.
    """
    packaged = weights.PACKAGED_FILES.get(None if name is None else str(name))
    if packaged is not None:
        if not paths.is_file(packaged):
            raise ModelFileError(
                f"{packaged}: missing from this installation. Reinstall, or name a model."
            )
        return TfliteModel(
            packaged, is_trusted=True, input_range=input_range, output_range=output_range
        )
    if str(name).endswith((weights.SUFFIX, KERAS_SUFFIX)):
        return _keras_model_in(name, input_range)
    if Path(name).suffix == ".tflite" or paths.exists(name):
        return TfliteModel(name, input_range=input_range, output_range=output_range)
    if input_range is not None or output_range is not None:
        raise ModelFileError(
            f"{name}: the models of this package take and compute [0, 1]. Leave out the range."
        )
    return KerasModel(str(name))


def _keras_model_in(path, input_range):
    if input_range is not None:
        raise ModelFileError(
            f"{path}: Keras models are taken to work in [0, 1]. Leave out the input range."
        )
    if str(path).endswith(KERAS_SUFFIX):
        return KerasFile(path)
    from bokeh_tf import models

    stem = Path(path).name.removesuffix(weights.SUFFIX)
    # The longest name that fits: dbsi_mobile_base is not a variant "mobile_base" of dbsi.
    fitting = [name for name in models.MODELS if stem.startswith(f"{name}_")]
    if not fitting:
        known = ", ".join(models.MODELS)
        raise ModelFileError(
            f"{path}: name it <model>_<variant>{weights.SUFFIX}. Known models: {known}."
        )
    name = max(fitting, key=len)
    return KerasModel(name, variant=stem.removeprefix(f"{name}_"), weights_file=path)


class TfliteModel:
    """A `.tflite` with an image input `[1, H, W, 3]`, an output of that shape and,
    optionally, one `[1, H, W, 1]`.

    It may have a further input `[1, 1, 1, 4]`, where to focus, beside that one `[1, H, W, 1]`, how
    near everything is, and a further output `[1, 1, 1, 1]`, how sure it is that there is a subject.
    """

    has_one_size = True

    def __init__(self, path, *, is_trusted=False, input_range=None, output_range=None):
        """Loads the file `path`; one that `is_trusted` is spared the
        trial run in a child process.
        """
        from bokeh_tf.tflite.running import runtime

        path = Path(path)
        if not is_trusted:
            runtime.verify_loads(path)
        self.name = path.name
        self._runner = runtime.load(path)
        self._roles = _input_roles(path, self._runner.inputs)
        self._image_input = self._roles.index("image")
        self.takes_focus, self.takes_guide = (name in self._roles for name in ("focus", "guide"))
        _, self._height, self._width, _ = self._runner.inputs[self._image_input].shape
        self._outputs = _Outputs.find(
            str(path), [spec.shape for spec in self._runner.outputs], self._height, self._width
        )
        stated_in, stated_out = _stated(path, self._image_input, self._outputs.rendered)
        self._input_range = _known(input_range or stated_in, path, "input takes", "--input-range")
        # Whoever names one range for a file that states none means the pictures on both sides.
        self._output_range = _known(
            output_range or stated_out or input_range, path, "picture has", "--output-range"
        )

    def canvas_size(self, photo_height, photo_width):
        """The size the file was converted for, whatever the photo's."""
        return self._height, self._width

    def run(self, canvas, focus=None, guide=None):
        low, high = self._input_range
        inputs = {
            "image": canvas[None] * np.float32(high - low) + np.float32(low),
            "focus": _AUTOMATIC if focus is None else focus,
            "guide": None if guide is None else guide[None, ..., None],
        }
        output = self._outputs.pick(self._runner.run(*(inputs[role] for role in self._roles)))
        low, high = self._output_range
        return dataclasses.replace(
            output, rendered=(output.rendered - np.float32(low)) / np.float32(high - low)
        )


class KerasModel:
    """A model of `bokeh_tf.models` with trained weights; needs Keras and TensorFlow.

    It is built at 1024x1536 for photos lying and 1536x1152 for photos standing, and at
    each size that it is run at.
    """

    def __init__(self, name, *, variant="base", weights_file=None):
        """Builds the model `name` with the weights in a file; those that come
        with the package if None.
        """
        from bokeh_tf import models

        if name not in models.MODELS:
            known = ", ".join(models.MODELS)
            raise ModelFileError(
                f"{name}: no such model, and no such .tflite file. Known models: {known}."
            )
        self.name = name if weights_file is None else Path(weights_file).name
        self._network, self._variant = name, variant
        self._weights = weights_file or weights.packaged_weights(name, variant)
        if self._weights is None:
            raise ModelFileError(
                f"{name}: no trained weights come with this package. Name a .tflite file instead."
            )
        self._built = {}
        # TensorFlow greets at length when it is first imported.
        with native_messages_muted():
            self._build(_LYING_CANVAS)

    def canvas_size(self, photo_height, photo_width):
        """The lying or the standing canvas, as the photo."""
        return _LYING_CANVAS if photo_width >= photo_height else _STANDING_CANVAS

    def run(self, canvas):
        model, outputs = self._build(canvas.shape[:2])
        return outputs.pick(_predicted(model, canvas))

    def _build(self, size):
        from bokeh_tf import models

        if size not in self._built:
            try:
                model = models.build(self._network, variant=self._variant, image_shape=size)
            except ModuleNotFoundError as error:
                raise DependencyError(
                    f"{self.name}: {error.name} is missing. Run: {_INSTALL_TENSORFLOW}"
                ) from error
            except ValueError as error:
                # No such variant, or a size that its levels cannot be halved to.
                raise ModelFileError(f"{self.name}: {error}") from error
            load_weights(model, self._weights)
            shapes = [tuple(output.shape) for output in model.outputs]
            self._built[size] = model, _Outputs.find(self.name, shapes, *size)
        return self._built[size]


class KerasFile:
    """A whole Keras model in a `.keras` file, with an image input `[1 or None, H, W, 3]`;
    needs Keras and TensorFlow.

    Code in the file is never run: a Lambda layer is refused.
    """

    has_one_size = True

    def __init__(self, path):
        path = Path(path)
        self.name = path.name
        reason = paths.why_no_file(path)
        if reason:
            raise ModelFileError(f"{paths.printable(path)}: {reason}. Name a model saved by Keras.")
        require_readable(path)
        self._model = _loaded(path)
        shapes = [tuple(tensor.shape) for tensor in self._model.inputs]
        if len(shapes) != 1 or len(shapes[0]) != 4 or None in shapes[0][1:3] or shapes[0][3] != 3:
            raise ModelFileError(
                f"{path}: no bokeh model; its input must be one [1, H, W, 3]. It takes {shapes}."
            )
        self._size = shapes[0][1:3]
        self._outputs = _Outputs.find(
            str(path), [tuple(tensor.shape) for tensor in self._model.outputs], *self._size
        )

    def canvas_size(self, photo_height, photo_width):
        """The size the model was built for, whatever the photo's."""
        return self._size

    def run(self, canvas):
        return self._outputs.pick(_predicted(self._model, canvas))


def _loaded(path):
    # What Keras and the reader of its archive raise for content that is damaged or no model.
    damage = (*zips.DAMAGE, TypeError)
    try:
        with native_messages_muted():
            import keras

            from bokeh_tf import models

            # They register the layers that a file may name.
            for name in models.MODELS:
                importlib.import_module(f"bokeh_tf.models.{name}")
            return keras.models.load_model(path, compile=False, safe_mode=True)
    except ModuleNotFoundError as error:
        raise DependencyError(
            f"{path}: {error.name} is missing. Run: {_INSTALL_TENSORFLOW}"
        ) from error
    except damage as error:
        reason = paths.printable(" ".join(str(error).split()), most_characters=200)
        raise ModelFileError(
            f"{paths.printable(path)}: not a model that Keras can load ({reason})."
        ) from error


def _predicted(model, canvas):
    """The model's outputs for one canvas, a list of arrays."""
    values = model.predict_on_batch(canvas[None])
    if isinstance(values, dict):
        values = [values[name] for name in model.output_names]
    return values if isinstance(values, (list, tuple)) else [values]


@dataclasses.dataclass(frozen=True)
class _Outputs:
    """Which of a model's outputs is what."""

    label: str
    rendered: int
    in_focus_weight: int | None
    subject_confidence: int | None

    @classmethod
    def find(cls, label, shapes, height, width):
        """Tells outputs of `shapes` `(batch, h, w, channels)` apart by their channels."""
        sized = [tuple(shape[1:]) for shape in shapes]
        if (height, width, 3) not in sized:
            raise ModelFileError(
                f"{label}: no bokeh model; no output is a {height}x{width} picture. It has {sized}."
            )
        weight, confidence = (
            sized.index(shape) if shape in sized else None
            for shape in ((height, width, 1), (1, 1, 1))
        )
        return cls(label, sized.index((height, width, 3)), weight, confidence)

    def pick(self, values):
        """The `ModelOutput` among the output arrays `values`."""
        rendered = np.asarray(values[self.rendered], np.float32)[0]
        weight = None
        if self.in_focus_weight is not None:
            weight = np.clip(np.asarray(values[self.in_focus_weight], np.float32)[0, ..., 0], 0, 1)
        confidence = None
        if self.subject_confidence is not None:
            confidence = float(np.asarray(values[self.subject_confidence]).item())
        told = [value for value in (rendered, weight, confidence) if value is not None]
        if not all(np.isfinite(value).all() for value in told):
            raise ModelFileError(f"{self.label}: computes NaN or infinity for this photo.")
        return ModelOutput(rendered, weight, confidence)


def _stated(path, image_input, rendered):
    """The (lowest, highest) that a file states for one of its inputs and one of its
    outputs; None for neither.
    """
    from bokeh_tf.tflite.inspection import inspect
    from bokeh_tf.tflite.value_ranges import stated_ranges

    file = inspect(path)
    inputs = stated_ranges(file.metadata, "inputs", len(file.inputs))
    return inputs[image_input], stated_ranges(file.metadata, "outputs", len(file.outputs))[rendered]


def _known(pair, path, holder, option):
    """`pair`, a range; raises where nobody said it."""
    if pair is None:
        raise ModelFileError(
            f"{path}: does not say which values its {holder}. Add {option} 0 1, or as its maker"
            " says: 0 255, or -1 1."
        )
    return pair


def _input_roles(path, inputs):
    """What each input is: the "image", "focus", where to focus, or, beside that, the "guide"."""
    shapes = [tuple(spec.shape) for spec in inputs]
    images = [shape for shape in shapes if len(shape) == 4 and shape[3] == 3]
    shape = images[0] if len(images) == 1 else (0, 0, 0, 3)
    by_shape = {shape: "image", FOCUS_SHAPE: "focus", (*shape[:3], 1): "guide"}
    roles = [by_shape.get(shape) for shape in shapes]
    is_float = all(spec.dtype == np.float32 for spec in inputs)
    known = [["image"], ["focus", "image"], ["focus", "guide", "image"]]
    if shape[0] != 1 or None in roles or sorted(roles) not in known or not is_float:
        found = ", ".join(f"{spec.dtype} {list(spec.shape)}" for spec in inputs)
        raise ModelFileError(
            f"{path}: no bokeh model; its input must be one float32 [1, H, W, 3]. It takes {found}."
        )
    if min(shape[1:3]) < MIN_CANVAS_SIDE_PX:
        raise ModelFileError(
            f"{path}: its input is {shape[1]}x{shape[2]} pixels. Convert it with a fixed size."
        )
    return roles
