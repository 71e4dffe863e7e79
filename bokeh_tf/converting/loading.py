"""The child's half of `source`: the Keras model behind it, with its weights.

Files are loaded in Keras's safe mode, which runs no code that lies in them. Modules that the user
names run, from the folder that the command was given in.
"""

import importlib
import importlib.util
import inspect
import sys
from pathlib import Path

import keras

from bokeh_tf import exporting, models, zips
from bokeh_tf.converting.source import Kind
from bokeh_tf.errors import ModelFileError
from bokeh_tf.models import catalogue
from bokeh_tf.models.weights import load_weights, packaged_weights
from bokeh_tf.paths import printable, why_no_file
from bokeh_tf.tflite import saved_models

_SUFFIXES = {Kind.KERAS: ".keras", Kind.HDF5: ".h5"}
# What Keras, TensorFlow, h5py and zipfile raise for files that are damaged, of another kind, of
# classes that nobody defines, or of layers larger than the memory.
_DAMAGE = (
    *(*saved_models.DAMAGE, *zips.DAMAGE),
    *(ImportError, MemoryError),
)
_SHOWN_REASON_CHARACTERS = 300
_CODE = "`Lambda` layer"
_UNKNOWN_CLASS = (
    "Could not locate",
    "Unknown layer",
    "Unable to restore custom object",
    "Could not deserialize class",
)


def load(request: dict, folder: Path) -> keras.Model:
    """The model that a request names.

    Args:
        request: `kind`, `label`, `path`, `module`, `name` of a `Source`, and `custom_objects`,
            `search_folder`, `shapes`, `image_size`.
        folder: for what is needed on the way.

    Raises:
        ModelFileError: there is no such model, or it cannot be loaded; one line says what to do.
    """
    # Where the user stands is where she expects her modules to be found.
    if request["search_folder"] not in sys.path:
        sys.path.insert(0, request["search_folder"])
    custom = _custom_objects(request["custom_objects"])
    kind = Kind(request["kind"])
    if kind is Kind.CATALOGUE:
        return _of_catalogue(request)
    if kind is Kind.FUNCTION:
        return _built_by(request)
    if kind is Kind.SAVED_MODEL:
        size = request["image_size"]
        return saved_models.load_saved_model(
            Path(request["path"]), shapes=request["shapes"], image_size=size and tuple(size)
        )
    for name in models.MODELS:
        # Registers its layers.
        importlib.import_module(f"bokeh_tf.models.{name}")
    link = folder / f"model{_SUFFIXES[kind]}"
    link.unlink(missing_ok=True)
    link.symlink_to(request["path"])
    try:
        return keras.models.load_model(link, custom_objects=custom, compile=False, safe_mode=True)
    except _DAMAGE as error:
        raise _refused(request["label"], error) from error


def _of_catalogue(request):
    name, variant = request["module"], request["name"]
    size = request["image_size"] or catalogue.entry(name).reference_size_px
    try:
        model = exporting.build_model(name, variant=variant, image_shape=tuple(size))
    except ValueError as error:
        raise ModelFileError(f"{request['label']}: {error}") from error
    weights = packaged_weights(name, variant)
    if weights:
        load_weights(model, weights)
    return model


def _built_by(request):
    label = request["label"]
    module = _imported(request["module"])
    function = getattr(module, request["name"], None)
    if not callable(function):
        raise ModelFileError(
            f"{label}: the module {request['module']} has no function {request['name']}."
        )
    model = function()
    if not isinstance(model, keras.Model):
        raise ModelFileError(f"{label}: returns {type(model).__name__}. Return a keras.Model.")
    return model


def _custom_objects(name):
    """The public classes and functions of a module, by their names."""
    if not name:
        return None
    members = inspect.getmembers(
        _imported(name), lambda one: inspect.isclass(one) or inspect.isfunction(one)
    )
    return {name: member for name, member in members if not name.startswith("_")}


def _imported(name):
    """A module by its dotted name, or by the path of its file."""
    if name.endswith(".py"):
        path = Path(name)
        reason = why_no_file(path)
        spec = None if reason else importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None:
            raise ModelFileError(f"{printable(name)}: {reason or 'no Python file'}. Name another.")
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
        return module
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ModelFileError(
            f"{printable(name)}: no such module here ({error}). Give its name or its file."
        ) from error


def _refused(label, error):
    text = " ".join(str(error).split())
    if _CODE in text:
        return ModelFileError(
            f"{label}: holds a Lambda layer, which is code, and code in a file is not run."
            " Write it as a registered layer (--custom-objects), or give module:function that"
            " builds the model."
        )
    if any(sign in text for sign in _UNKNOWN_CLASS):
        reason = printable(text, most_characters=_SHOWN_REASON_CHARACTERS)
        return ModelFileError(
            f"{label}: needs classes that nobody defines here ({reason}). Name their module:"
            " --custom-objects MODULE."
        )
    reason = printable(text, most_characters=_SHOWN_REASON_CHARACTERS)
    return ModelFileError(f"{label}: Keras cannot load it ({type(error).__name__}: {reason}).")
