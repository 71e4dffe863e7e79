"""What a checkpoint may hold around its tensors: wrappers, and the prefix of a model trained on several GPUs.

A state dict maps names such as `encoder.layer1.weight` to tensors. Nothing here needs PyTorch: a tensor is whatever
has a shape.
"""

from collections.abc import Mapping

from bokeh_tf.errors import ModelFileError

# Keys under which training programs save a model's tensors beside the epoch or the optimiser.
WRAPPERS = ("state_dict", "model_state_dict", "model")
# What `torch.nn.DataParallel` puts before every name.
PARALLEL_PREFIX = "module."
_MOST_WRAPPERS = 4
_MOST_NAME_CHARACTERS = 80


def unwrapped(content, *, label):
    """The tensors by name that `content`, an unpickled checkpoint, holds.

    Args:
        label: what error messages call the checkpoint.

    Raises:
        ModelFileError: it holds something else.
    """
    for _ in range(_MOST_WRAPPERS):
        if not isinstance(content, Mapping):
            break
        content = next((content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)), content)
    if not isinstance(content, Mapping) or not content:
        raise ModelFileError(f"{label}: holds no state dict but {type(content).__name__!r}. Save model.state_dict().")
    strangers = [name for name, value in content.items() if not isinstance(name, str) or not hasattr(value, "shape")]
    if strangers:
        raise ModelFileError(f"{label}: {quoted(strangers[0])} is no tensor. Save model.state_dict() alone.")
    tensors = dict(content)
    while all(name.startswith(PARALLEL_PREFIX) for name in tensors):
        tensors = {name.removeprefix(PARALLEL_PREFIX): tensor for name, tensor in tensors.items()}
    return tensors


def quoted(name):
    """A name from a file, fit for one line of a message."""
    text = repr(name)
    return text if len(text) <= _MOST_NAME_CHARACTERS else f"{text[:_MOST_NAME_CHARACTERS]}…"
