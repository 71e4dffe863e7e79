"""What a checkpoint may hold around its tensors: wrappers, and the prefix of a
model trained on several GPUs.

A state dict maps names such as `encoder.layer1.weight` to tensors. Nothing here needs PyTorch: a
tensor is whatever has a shape.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bokeh_tf.errors import ModelFileError

# Keys under which training programs save a model's tensors beside the epoch or the optimiser; where
# there are several, the first counts: averaged weights are what their authors test.
WRAPPERS = (
    *("params_ema", "state_dict_ema", "model_ema"),
    *("state_dict", "model_state_dict", "params", "model", "net", "netG", "generator"),
)
# What wrappers of the model put before every name: several GPUs, `torch.compile`,
# Lightning and other trainers.
PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "netG.", "generator.")
# What profilers (thop) leave in every module.
COUNTERS = ("total_ops", "total_params")
_MOST_WRAPPERS = 4
_MOST_NAME_CHARACTERS = 80


@dataclass(frozen=True)
class Unwrapped:
    """The tensors of a checkpoint by name, and what was chosen on the
    way to them, a phrase each.
    """

    tensors: dict
    choices: tuple[str, ...]


def unwrapped(content, *, label, key=None) -> Unwrapped:
    """What `content`, an unpickled checkpoint, holds inside its wrappers.

    Args:
        label: what error messages call the checkpoint.
        key: the entry to take, where there are several.

    Raises:
        ModelFileError: it holds something else.
    """
    choices: list[str] = []
    for _ in range(_MOST_WRAPPERS):
        if not isinstance(content, Mapping):
            break
        found = _entries(content, key)
        if not found:
            break
        others = f" (not {', '.join(map(quoted, found[1:]))})" if found[1:] else ""
        choices.append(f"the entry {quoted(found[0])}{others}")
        content = content[found[0]]
    if not isinstance(content, Mapping) or not content:
        raise ModelFileError(
            f"{label}: holds no state dict but {type(content).__name__!r}. Save model.state_dict()."
        )
    if key is not None and not any(
        choice.startswith(f"the entry {quoted(key)}") for choice in choices
    ):
        raise ModelFileError(
            f"{label}: has no entry {quoted(key)} with tensors. Leave out --key to see what it has."
        )
    strangers = [
        name
        for name, value in content.items()
        if not isinstance(name, str) or not hasattr(value, "shape")
    ]
    if strangers:
        raise ModelFileError(
            f"{label}: {quoted(strangers[0])} is no tensor. Save model.state_dict() alone."
        )
    tensors = dict(content)
    while prefix := _common_prefix(tensors):
        choices.append(f"names without {quoted(prefix)}")
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return Unwrapped(tensors, tuple(choices))


def _entries(content, key):
    """Keys of the wrapped tensors in `content`, the one to take first."""
    found = [name for name in WRAPPERS if isinstance(content.get(name), Mapping)]
    if key is not None and isinstance(content.get(key), Mapping):
        return [key, *(name for name in found if name != key)]
    return found


def _common_prefix(tensors):
    """The prefix that all names have, but for the counters that a profiler has put
    beside them; None where none.
    """
    names = [name for name in tensors if not is_counter(name)]
    return next(
        (prefix for prefix in PREFIXES if names and all(name.startswith(prefix) for name in names)),
        None,
    )


def is_counter(name) -> bool:
    """Whether a name is one that a profiler leaves in a module."""
    return name.rpartition(".")[2] in COUNTERS


def quoted(name):
    """A name from a file, fit for one line of a message."""
    text = repr(name)
    return text if len(text) <= _MOST_NAME_CHARACTERS else f"{text[:_MOST_NAME_CHARACTERS]}…"
