"""Gives a Keras model the tensors of a PyTorch state dict: each one by name, none
left over, all shapes right.
"""

import numpy as np

from bokeh_tf.errors import ModelFileError
from bokeh_tf.porting.state_dict import COUNTERS, is_counter, quoted

# What PyTorch calls the weights of a convolution or a batch normalisation.
_COUNTERPARTS = {
    "kernel": "weight",
    "gamma": "weight",
    "bias": "bias",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
# Counts training steps beside the running statistics; nothing is computed from it.
_STEP_COUNT = "num_batches_tracked"
# Kernels [out, in, kh, kw] of a convolution and [in, out, kh, kw] of a transposed
# one, to Keras's, and back.
_TO_KERAS, _TO_PYTORCH = (2, 3, 1, 0), (3, 2, 0, 1)
_MOST_NAMES = 3


def variables_by_name(model, modules):
    """The model's variables by the names of their PyTorch counterparts.

    Args:
        modules: the PyTorch module of each Keras layer that has weights, see `modules`.
    """
    return {
        f"{modules[layer.name]}.{_COUNTERPARTS[variable.name]}": variable
        for layer in model.layers
        for variable in layer.weights
    }


def pytorch_shape(variable):
    """The shape that PyTorch gives the counterpart of a Keras variable."""
    shape = tuple(variable.shape)
    return tuple(shape[axis] for axis in _TO_PYTORCH) if len(shape) == len(_TO_PYTORCH) else shape


def assign_weights(model, tensors, *, modules, label, ignore=()) -> list[str]:
    """Assigns every weight of `model`; returns the names of the tensors
    that were ignored on request.

    Args:
        tensors: float32 arrays by PyTorch's names.
        modules: as for `variables_by_name`.
        label: what error messages call the checkpoint.
        ignore: last parts of names that may be left over.

    Raises:
        ModelFileError: a tensor is missing, left over, of a wrong shape or not
            finite; no weight was changed.
    """
    variables = variables_by_name(model, modules)
    ignored = {
        f"{name.rpartition('.')[0]}.{_STEP_COUNT}"
        for name in variables
        if name.endswith(".running_mean")
    }
    left_over = [name for name in tensors if name not in variables and name not in ignored]
    passed_over = [name for name in left_over if name.rpartition(".")[2] in ignore]
    left_over = [name for name in left_over if name not in passed_over]
    faults = [
        _listed("missing", [name for name in variables if name not in tensors]),
        _listed("left over", left_over),
        _listed(
            "not finite",
            [n for n in variables if n in tensors and not np.isfinite(tensors[n]).all()],
        ),
        _wrong_shapes(variables, tensors),
    ]
    if any(faults):
        advice = ""
        if left_over and all(map(is_counter, left_over)):
            advice = (
                f" They are a profiler's counters: --ignore {' '.join(COUNTERS)} leaves them out."
            )
        told = "; ".join(filter(None, faults))
        raise ModelFileError(f"{label}: these are not the weights of {model.name}: {told}.{advice}")
    for name, variable in variables.items():
        tensor = tensors[name]
        variable.assign(
            np.transpose(tensor, _TO_KERAS) if tensor.ndim == len(_TO_KERAS) else tensor
        )
    return passed_over


def _listed(fault, names):
    if not names:
        return None
    shown = ", ".join(quoted(name) for name in names[:_MOST_NAMES])
    return f"{len(names)} tensors {fault} ({shown}{', …' if len(names) > _MOST_NAMES else ''})"


def _wrong_shapes(variables, tensors):
    wrong = []
    for name, variable in variables.items():
        expected = pytorch_shape(variable)
        if name in tensors and tensors[name].shape != expected:
            wrong.append(f"{quoted(name)} is {tensors[name].shape}, not {expected}")
    if not wrong:
        return None
    return f"{len(wrong)} tensors of a wrong shape ({wrong[0]}{', …' if len(wrong) > 1 else ''})"
