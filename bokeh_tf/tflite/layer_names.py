"""Which Keras layer a node comes from, as far as the name of its output tells.

TensorFlow names a tensor by scopes: the model, nested models, the layer, and then what the layer
computes, such as "net/block/conv/Relu". The converter joins the names of what it fuses with
semicolons. In files exported by Keras 3 every scope ends in "_1", which is none of the user's
naming and is taken off again.
"""

import re
from collections import Counter
from functools import cache

# Scopes inside a layer, below which the operation itself follows.
_INNER_SCOPES = re.compile(
    r"(batchnorm|moments|resize|Repeat|BiasAdd|Tensordot|Gelu|ReadVariableOp|MatMul|Softmax|conv_transpose|einsum)(_?\d+)?"
)
_EXPORT_SUFFIX = "_1"
# Some names are always the converter's own.
_NEARLY_ALL = 0.9
_MAX_SCOPES = 12
_MAX_LAYER_CHARACTERS = 200
# How the names of operations begin that become these operators.
_OWN_OPERATIONS = {
    "CONV_2D": ("convolution", "Conv2D"),
    "DEPTHWISE_CONV_2D": ("depthwise", "separable_conv2d"),
    "TRANSPOSE_CONV": ("conv_transpose", "conv2d_transpose"),
    "FULLY_CONNECTED": ("MatMul", "Tensordot"),
}
# What is left of a name where the converter has rewritten an operation and lost its scopes.
_BARE_OPERATIONS = re.compile(r"(convolution|depthwise|separable_conv2d|conv_transpose)_?\d*")


def layers(nodes) -> tuple[str | None, ...]:
    """The layer of each node, None where the name shows none.

    Args:
        nodes: (operator, name of its first output) of each node.
    """
    # Nodes of a damaged file may all share one huge name.
    scopes_of = cache(_scopes)
    scopes = [scopes_of(operator, name) for operator, name in nodes]
    prefix = _model_scopes(scopes)
    own = [path[len(prefix) :] if path[: len(prefix)] == prefix else path for path in scopes]
    inside = [scope for path in own for scope in path]
    suffixed = sum(scope.endswith(_EXPORT_SUFFIX) for scope in inside)
    if prefix and prefix[0].endswith(_EXPORT_SUFFIX) and suffixed >= _NEARLY_ALL * len(inside):
        own = [tuple(scope.removesuffix(_EXPORT_SUFFIX) for scope in path) for path in own]
    return tuple(
        _shown("/".join(path) or _bare(name)) for path, (_, name) in zip(own, nodes, strict=True)
    )


def _scopes(operator, name):
    """Model and layer scopes of a node: of the one fused operation that is its own,
    otherwise of the first named.
    """
    parts = [part.split("/", _MAX_SCOPES) for part in name.split(";")]
    begins = _OWN_OPERATIONS.get(operator, ())
    own = [part for part in parts if begins and len(part) > 1 and part[-1].startswith(begins)]
    scopes = (own[0] if len(own) == 1 else parts[0])[:-1]
    while len(scopes) > 1 and _INNER_SCOPES.fullmatch(scopes[-1]):
        scopes.pop()
    return tuple(scopes)


def _model_scopes(paths):
    """The scopes of the model itself: those that begin nearly all names and have layers in them."""
    named = [path for path in paths if path]
    prefix: tuple[str, ...] = ()
    while True:
        depth = len(prefix) + 1
        counts = Counter(path[:depth] for path in named if len(path) > depth)
        longer = counts.most_common(1)[0][0] if counts else prefix
        sharing = sum(path[:depth] == longer[: len(path)] for path in named)
        if longer == prefix or sharing < _NEARLY_ALL * len(named):
            return prefix
        prefix = longer


def _bare(name):
    """The layer of a name without scopes, as outputs have it, unless it is the
    converter's ("tfl.add", "Identity").
    """
    is_operation = name[:1].isupper() or _BARE_OPERATIONS.fullmatch(name)
    return "" if is_operation or any(mark in name for mark in "/.:") else name


def _shown(layer):
    """`layer` where it can stand in a line of a report: names are free text from the file."""
    return layer if layer and layer.isprintable() and len(layer) <= _MAX_LAYER_CHARACTERS else None
