"""How much memory a graph's tensors take on a GPU, from the `.tflite` alone.

The estimate walks the nodes in their order and adds up the tensors that exist while each of them
runs: what it reads, what it writes, and what a later node or the caller still needs. A GPU stores a
tensor in slices of four channels, in half precision. Weights count apart: they are there all the
time, two bytes each. What a delegate saves by fusing nodes and what it adds in scratch space are
not known from the file, so this is no bound, but the right order of magnitude.
"""

from dataclasses import dataclass
from math import prod

from bokeh_tf.tflite.model_file import ModelFile

# Above this a phone's system starts to close other programs for it.
WARNING_BYTES = 1_000_000_000
_SLICE_CHANNELS = 4
_HALF_BYTES = 2


@dataclass(frozen=True)
class MemoryEstimate:
    """`peak_bytes` of tensors while node `node` runs, the first one where it is
    reached; None in an empty graph.

    `place` names the node by its operator and, as far as names tell, its layer.
    `weights_bytes` come on top.
    """

    peak_bytes: int
    node: int | None
    place: str
    weights_bytes: int

    @property
    def total_bytes(self) -> int:
        """Tensors and weights together."""
        return self.peak_bytes + self.weights_bytes


def estimate_memory(model_file: ModelFile) -> MemoryEstimate:
    """Estimates the GPU memory of the main graph."""
    weights = model_file.unpacked_weights.tensors
    sizes = {
        tensor.index: _tensor_bytes(tensor.shape)
        for tensor in model_file.tensors
        if not tensor.is_constant and tensor.index not in weights
    }
    last_read_by = _last_reads(model_file)
    live = {tensor.index for tensor in model_file.inputs if tensor.index in sizes}
    live_bytes = peak_bytes = sum(sizes[tensor] for tensor in live)
    peak_node = None
    for node in model_file.operators:
        born = {tensor for tensor in node.outputs if tensor in sizes} - live
        live |= born
        live_bytes += sum(sizes[tensor] for tensor in born)
        if peak_node is None or live_bytes > peak_bytes:
            peak_bytes, peak_node = live_bytes, node.index
        # Only what this node touched can have been needed for the last time.
        done = {
            tensor for tensor in (*node.inputs, *born) if last_read_by.get(tensor, -1) <= node.index
        } & live
        live -= done
        live_bytes -= sum(sizes[tensor] for tensor in done)
    return MemoryEstimate(
        peak_bytes, peak_node, _place(model_file, peak_node), _HALF_BYTES * model_file.parameters
    )


def memory_text(estimate: MemoryEstimate) -> str:
    """The estimate in one line for people, without quoting anything from the file."""
    where = "" if estimate.node is None else f" at node {estimate.node}"
    return (
        f"about {estimate.peak_bytes / 1e6:.1f} MB of tensors{where},"
        f" {estimate.weights_bytes / 1e6:.1f} MB of weights"
    )


def warning(estimate: MemoryEstimate) -> str | None:
    """A warning in one line where a phone may not have so much to spare, else None."""
    if estimate.total_bytes <= WARNING_BYTES:
        return None
    return (
        f"GPU memory: about {estimate.total_bytes / 1e9:.1f} GB, more than many phones give one"
        " program. "
        "Use a smaller size or variant"
    )


def _tensor_bytes(shape):
    """Half-precision bytes of a tensor whose last dimension is padded to whole
    slices; a scalar takes one.
    """
    *rest, channels = shape or (1,)
    slices = -(-channels // _SLICE_CHANNELS)
    return prod(rest) * slices * _SLICE_CHANNELS * _HALF_BYTES


def _last_reads(model_file):
    """The last node that reads each tensor; outputs of the file are needed beyond all of them."""
    last = {tensor: node.index for node in model_file.operators for tensor in node.inputs}
    return last | {tensor.index: len(model_file.operators) for tensor in model_file.outputs}


def _place(model_file, node):
    if node is None:
        return "no node"
    layer = model_file.layer(node)
    return f"node {node}, {model_file.operators[node].name}" + (f" ({layer})" if layer else "")
