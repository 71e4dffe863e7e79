"""The networks by name: `build("dbsi", image_shape=(768, 1024))`.

One file per model, named as the entry in `MODELS`; each has `Config`, `VARIANTS` and `build`. A
model takes one batch of images, float32 `[B, H, W, 3]`, RGB, sRGB-encoded, [0, 1]; some also take
maps `[B, H, W, 1]` in [0, 1], "depth" or "saliency", see `maps`, or "guide", and one "focus", by which it is
told what to do. A bokeh model's first output, "rendered", has the image's shape and range; a second
one, "in_focus_weight" `[B, H, W, 1]` in [0, 1], says how much of the photo itself each pixel keeps.

The variant "base" is the published network; "tiny" is ours, in its manner but
small enough for a phone.
"""

import dataclasses
from importlib import import_module

from bokeh_tf.errors import DependencyError

MODELS = (
    *("megadepth", "scrn"),
    *("dbsi", "dbsi_mobile", "saliency_blend"),
    *(
        "bgnet",
        "defocus",
        "wavelet_cnn",
        "horizon",
        "dmshn",
        "dddf",
        "unet",
        "wide_activation",
        "pynet",
    ),
)
# What all these models' inputs and outputs of one name have in common; conversion
# writes it into the file.
_UNIT = (0, 1)
_TENSOR_FACTS = {
    "image": {"range": _UNIT, "encoding": "sRGB RGB"},
    "depth": {"range": _UNIT},
    "saliency": {"range": _UNIT},
    "guide": {"range": _UNIT},
    # -1 leaves a choice to the model.
    "focus": {"range": (-1, 1)},
    "rendered": {"range": _UNIT},
    "in_focus_weight": {"range": _UNIT},
    "subject_confidence": {"range": _UNIT},
}


def variants(name):
    """Names of the variants of the model `name`."""
    return tuple(_module(name).VARIANTS)


def build(name, *, variant="base", image_shape, changes=None):
    """Builds a model with fresh weights.

    The Keras model is called `<model>.<variant>`, which is where conversion finds both; its
    attribute `tensor_facts` says by name which values its inputs and outputs hold.

    Args:
        name: one of `MODELS`.
        variant: one of `variants(name)`.
        image_shape: (height, width) in pixels; each model says of what they must be a multiple.
        changes: fields of the variant's `Config` to replace, by name.
    """
    known = _module(name).VARIANTS
    if variant not in known:
        raise ValueError(
            f"variant must be one of {name}'s. Received: {variant!r}. Known: {', '.join(known)}."
        )
    config = dataclasses.replace(known[variant], **(changes or {}))
    model = _module(name).build(config, image_shape=image_shape)
    model.name = f"{name}.{variant}"
    model.tensor_facts = {
        tensor: _TENSOR_FACTS[tensor] for tensor in _named(model) if tensor in _TENSOR_FACTS
    }
    return model


def _named(model):
    """The names of a model's inputs and outputs."""
    return [*(tensor.name for tensor in model.inputs), *model.output_names]


def _module(name):
    if name not in MODELS:
        raise ValueError(f"name must be a model. Received: {name!r}. Known: {', '.join(MODELS)}.")
    try:
        return import_module(f"bokeh_tf.models.{name}")
    except ModuleNotFoundError as error:
        if error.name != "keras":
            raise
        raise DependencyError(
            f'{name}: Keras is missing. Run: pip install "bokeh-tf[tensorflow]"'
        ) from error
