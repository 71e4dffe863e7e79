"""A published PyTorch checkpoint in, a Keras weights file out."""

from dataclasses import dataclass
from importlib import import_module
from math import prod
from pathlib import Path

from bokeh_tf import models
from bokeh_tf.models.weights import SUFFIX, save_weights
from bokeh_tf.porting import PORTABLE
from bokeh_tf.porting.assignment import assign_weights
from bokeh_tf.porting.checkpoint import read_checkpoint
from bokeh_tf.porting.modules import TABLES

# Weights do not depend on the image's size; every portable model takes this one.
_IMAGE_SHAPE = (64, 64)


@dataclass(frozen=True)
class Ported:
    """The written file, how many tensors of the checkpoint are in it, and how
    many trainable parameters.

    `choices` are what was chosen in the checkpoint, `ignored` the names of tensors that
    were left out on request.
    """

    path: Path
    tensors: int
    parameters: int
    choices: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


def port(name, checkpoint, output, *, variant="base", key=None, ignore=()) -> Ported:
    """Writes the tensors of the PyTorch checkpoint as weights of the model `name`
    to `output`, in one step.

    Args:
        name: one of `PORTABLE`.
        output: path of a `….weights.h5`.
        variant: one of `models.variants(name)`; the checkpoint must be of the same.
        key: the entry of the checkpoint to take, where there are several.
        ignore: last parts of the names of tensors that may be left over.

    Raises:
        ModelFileError: the checkpoint cannot be read or is not of this model and variant.
        DependencyError: PyTorch or Keras is missing.
        OutputError: the weights cannot be written.
    """
    output = Path(output)
    if name not in PORTABLE:
        raise ValueError(
            f"name must be a portable model. Received: {name!r}. Known: {', '.join(PORTABLE)}."
        )
    if not output.name.endswith(SUFFIX):
        raise ValueError(f"output must end in {SUFFIX}. Received: {output}")
    model = models.build(name, variant=variant, image_shape=_IMAGE_SHAPE)
    modules = TABLES[name](import_module(f"bokeh_tf.models.{name}").VARIANTS[variant])
    read = read_checkpoint(checkpoint, key=key)
    ignored = assign_weights(model, read.tensors, modules=modules, label=checkpoint, ignore=ignore)
    save_weights(model, output)
    parameters = sum(prod(weight.shape) for weight in model.trainable_weights)
    return Ported(output, len(model.weights), parameters, read.choices, tuple(ignored))
