"""How much of a graph a delegate takes: nodes, arithmetic, bytes, and what
crosses between CPU and GPU.

By default a delegate runs one partition, the one with most nodes; the rest is the CPU's although it
is supported. The nodes of `ModelFile.set_aside_weights` are not looked at as operations. The
delegate reads float16 weights directly, whether those nodes disappear into it or stay on the CPU,
so weights are never copied.
"""

from collections.abc import Set as AbstractSet
from math import prod

from bokeh_tf.delegate.findings import Coverage
from bokeh_tf.delegate.linting.partitioning import find_partitions
from bokeh_tf.tflite.model_file import ModelFile

_BITS = {
    "bool": 8,
    "complex64": 64,
    "complex128": 128,
    "bfloat16": 16,
    "float8_e4m3fn": 8,
    "float8_e5m2": 8,
}
_BITS |= {f"float{bits}": bits for bits in (16, 32, 64)}
_BITS |= {f"{sign}int{bits}": bits for sign in ("", "u") for bits in (2, 4, 8, 16, 32, 64)}


def find_coverage(
    model_file: ModelFile, refused_nodes: AbstractSet[int], *, fails: bool
) -> Coverage:
    """What one delegate takes of `model_file`.

    Args:
        refused_nodes: indices of the nodes it does not support. Of float16 weights' DEQUANTIZE
            nodes only those that it could not even fold.
        fails: whether it cannot build its graph, so that nothing is delegated whatever it supports.
    """
    weights = model_file.set_aside_weights.nodes - refused_nodes
    folds = not refused_nodes
    counted = [node for node in model_file.operators if not (folds and node.index in weights)]
    supported = {node.index for node in model_file.operators} - refused_nodes - weights
    # What is folded is there from the start, and holds up no partition.
    partitions = find_partitions(model_file, supported | weights if folds else supported)
    # Of equally large ones the first.
    largest = max(partitions, key=len) if partitions and not fails else ()
    delegated = set(largest) - weights
    copied = _copied_tensors(model_file, delegated, weights)
    return Coverage(
        nodes=len(counted),
        nodes_supported=len(supported),
        nodes_delegated=len(delegated),
        macs=model_file.macs,
        macs_delegated=sum(model_file.node_macs[node] for node in delegated),
        output_bytes=_output_bytes(model_file, (node.index for node in counted)),
        output_bytes_delegated=_output_bytes(model_file, delegated),
        partitions=len(partitions),
        folds_float16=folds,
        copies=len(copied),
        copied_bytes=sum(_tensor_bytes(model_file, tensor) for tensor in copied),
    )


def _copied_tensors(model_file, delegated, weights):
    """Tensors that one side computes and the other reads, the file's outputs not counted."""
    own_outputs = {tensor.index for tensor in model_file.outputs}
    is_made_by_delegate = {
        tensor: node.index in delegated
        for node in model_file.operators
        if node.index not in weights
        for tensor in node.outputs
        if tensor >= 0 and tensor not in own_outputs
    }
    return [
        tensor
        for tensor, on_delegate in is_made_by_delegate.items()
        if any((reader in delegated) != on_delegate for reader in model_file.consumers(tensor))
    ]


def _output_bytes(model_file, nodes):
    return sum(
        _tensor_bytes(model_file, tensor)
        for node in nodes
        for tensor in model_file.operators[node].outputs
        if tensor >= 0
    )


def _tensor_bytes(model_file, index):
    """Bytes of a tensor's values; types without a size, such as text, count nothing."""
    tensor = model_file.tensors[index]
    return (prod(tensor.shape) * _BITS.get(tensor.dtype, 0) + 7) // 8
