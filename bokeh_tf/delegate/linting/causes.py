"""What several refused nodes have in common: one pattern in the source, and
what to write for that one.

A rule knows a node; the person who wrote the model knows a layer. `find_sites` finds the patterns
that account for most of what delegates refuse: chains of tensors of five dimensions by what goes in
and comes out, chains that compute sizes, and single operators whose remedy depends on more than
their name. It looks at any graph, however odd, and takes time in proportion to its size.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import prod

from bokeh_tf.delegate.findings import Finding, Kind
from bokeh_tf.tflite.model_file import ModelFile

_MOST_DIMENSIONS = 4
# A chain longer than this is no pattern of one layer.
_MOST_NODES = 64
_VIEWS = frozenset({"RESHAPE", "TRANSPOSE", "EXPAND_DIMS", "SQUEEZE"})
_REPEATS = frozenset({"TILE", "BROADCAST_TO"})
_PARTS = frozenset({"STRIDED_SLICE", "SLICE", "UNPACK", "SPLIT", "SPLIT_V", "GATHER"})
_AVERAGES = frozenset({"MEAN", "SUM", "SQUARED_DIFFERENCE", "RSQRT"})
_PRODUCTS = frozenset({"CONV_3D", "CONV_3D_TRANSPOSE", "FULLY_CONNECTED", "BATCH_MATMUL"})
_SUPPRESSIONS = frozenset(
    {"TFLite_Detection_PostProcess", "NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5"}
)
_RECURRENT = frozenset(
    {
        *("WHILE", "RNN", "UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM"),
        *("UNIDIRECTIONAL_SEQUENCE_RNN", "BIDIRECTIONAL_SEQUENCE_RNN"),
    }
)
_SIZE_TYPES = ("int32", "int64")

_REPEATED = "rows and columns repeated (UpSampling2D, ops.repeat)"
_NORMALISE = (
    "rows and columns as one dimension: ops.reshape(x, (-1, rows * columns, groups, channels //"
    " groups)),"
    " then mean and squared difference over axes (1, 3)"
)
_ATTEND = (
    "a Dense layer each for query, key and value, and ops.reshape(x, (-1, tokens, heads, depth))"
    " of each,"
    " instead of one layer that is reshaped to five dimensions and split"
)
_WINDOW = (
    "no windows as a batch: slices of the picture that keep four dimensions, one attention each;"
    " or attention over rows and over columns"
)
_SUPPRESS = (
    "end the model before it: return its boxes and scores, and choose among them in the app"
    " (bokeh-tf repair --allow-interface cut-postprocessing)"
)
_UNROLL = (
    "a recurrent layer with unroll=True and a fixed number of steps, of which bokeh-tf repair"
    " mends what v2 refuses;"
    " or convolutions over time; or the recurrence in a model of its own, on the CPU"
)
_PICK = (
    "constant indices: ops.take(x, indices, axis) along one axis, or slices that"
    " ops.concatenate joins"
)
_WARP = (
    "no warp by coordinates: shift with slices and weigh the shifted copies (a dynamic filter), or"
    " resize;"
    " or warp outside of the model"
)
_BATCH = (
    "a batch of 1 when the model is built: keras.Input(shape, batch_size=1), then convert again;"
    " without the source bokeh-tf repair fixes it"
)
_SIZES = (
    "fixed sizes when the model is built: keras.Input((height, width, channels), batch_size=1);"
    " without the source bokeh-tf repair --input-shape fixes them"
)


@dataclass(frozen=True)
class Site:
    """One place where a pattern occurs: its name for people, the nodes,
    and what to write instead.
    """

    cause: str
    nodes: frozenset[int]
    instead: str


def explained(model_file: ModelFile, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings, those that a pattern accounts for with its name and its remedy."""
    findings = tuple(findings)
    if not any(finding.kind is Kind.REFUSED for finding in findings):
        return findings
    site_of = {node: site for site in find_sites(model_file) for node in site.nodes}

    def one(finding):
        site = site_of.get(finding.node) if finding.kind is Kind.REFUSED else None
        if site is None:
            return finding
        return replace(finding, cause=site.cause, instead=site.instead, site=min(site.nodes))

    return tuple(map(one, findings))


def find_sites(model_file: ModelFile) -> tuple[Site, ...]:
    """The patterns of a graph; where two claim a node, the later one has it."""
    sizes = tuple(_size_chains(model_file))
    operators = tuple(_single_operators(model_file))
    return (*sizes, *operators, *_chains_of_many_dimensions(model_file))


def _single_operators(model_file) -> Iterator[Site]:
    for operator in model_file.operators:
        nodes = frozenset({operator.index})
        if operator.name in _SUPPRESSIONS:
            yield Site("detection post-processing", nodes, _SUPPRESS)
        elif operator.name in _RECURRENT and not operator.is_custom:
            yield Site("a recurrent layer or a loop", nodes, _UNROLL)
        elif operator.name == "GATHER_ND" and len(operator.inputs) > 1:
            is_fixed = _is_constant(model_file, operator.inputs[1])
            yield Site("values picked by index", nodes, _PICK if is_fixed else _WARP)


def _is_constant(model_file, tensor):
    return 0 <= tensor < len(model_file.tensors) and model_file.tensors[tensor].is_constant


# --- sizes that are computed -------------------------------------------------------------------


def _size_chains(model_file) -> Iterator[Site]:
    """Each SHAPE with all that is computed from it alone, and the nodes that
    take the outcome as a size.
    """
    for operator in model_file.operators:
        if operator.name == "SHAPE" and not operator.is_custom:
            nodes = _computed_from(model_file, operator)
            is_batch = _asked_sizes(model_file, operator) == {0}
            cause = (
                "a batch of unknown size" if is_batch else "sizes that are known only while it runs"
            )
            yield Site(cause, nodes, _BATCH if is_batch else _SIZES)


def _computed_from(model_file, start):
    """The nodes that compute with sizes from `start` on, and those that are given the outcome."""
    found, waiting = {start.index}, [start.index]
    while waiting and len(found) < _MOST_NODES:
        operator = model_file.operators[waiting.pop()]
        for tensor in operator.outputs:
            for index in model_file.consumers(tensor):
                if index not in found:
                    found.add(index)
                    if _is_size_arithmetic(model_file, index):
                        waiting.append(index)
    return frozenset(found)


def _is_size_arithmetic(model_file, index):
    """Whether a node computes sizes: few whole numbers in, few whole numbers out."""
    operator = model_file.operators[index]
    tensors = [
        model_file.tensors[tensor]
        for tensor in (*operator.inputs, *operator.outputs)
        if tensor >= 0
    ]
    return all(tensor.dtype in _SIZE_TYPES and len(tensor.shape) <= 1 for tensor in tensors)


def _asked_sizes(model_file, shape_node):
    """Which of the dimensions are read from a shape; None among them where that cannot be told."""
    asked = set()
    for tensor in shape_node.outputs:
        for index in model_file.consumers(tensor):
            reader = model_file.operators[index]
            values = None
            if reader.name in ("STRIDED_SLICE", "SLICE", "GATHER") and len(reader.inputs) > 1:
                values = _values(model_file, reader.inputs[1])
            asked.add(values[0] if values is not None and len(values) == 1 else None)
    return asked


def _values(model_file, tensor):
    if (
        not _is_constant(model_file, tensor)
        or prod(model_file.tensors[tensor].shape) > _MOST_DIMENSIONS
    ):
        return None
    return model_file.flat_values(tensor)


# --- tensors of five dimensions and more ---------------------------------------------------------


@dataclass(frozen=True)
class _Chain:
    """Nodes joined by tensors of many dimensions; shapes of what goes in and comes out."""

    nodes: frozenset[int]
    ops: frozenset[str]
    source: tuple[int, ...]
    target: tuple[int, ...]
    middle: tuple[tuple[int, ...], ...]


def _chains_of_many_dimensions(model_file) -> Iterator[Site]:
    for nodes in _joined_by_many_dimensions(model_file):
        chain = _chain(model_file, nodes) if len(nodes) <= _MOST_NODES else None
        found = None if chain is None else _pattern(chain)
        if found is not None:
            yield Site(found[0], frozenset(nodes), found[1])


def _joined_by_many_dimensions(model_file) -> Iterator[list[int]]:
    """Groups of nodes that share tensors of more than four dimensions."""
    joined: dict[int, set[int]] = {}
    for tensor in model_file.tensors:
        if len(tensor.shape) <= _MOST_DIMENSIONS or tensor.is_constant:
            continue
        producer = model_file.producer(tensor.index)
        nodes = [*([] if producer is None else [producer]), *model_file.consumers(tensor.index)]
        _join(joined, nodes)
    # A pattern of two halves, such as rows and then columns, comes back to four
    # dimensions between them.
    for tensor in model_file.tensors:
        producer = model_file.producer(tensor.index)
        if producer in joined:
            _join(
                joined,
                [
                    producer,
                    *(node for node in model_file.consumers(tensor.index) if node in joined),
                ],
            )
    waiting = set(joined)
    while waiting:
        group, ahead = [], [waiting.pop()]
        while ahead:
            group.append(ahead.pop())
            fresh = joined[group[-1]] & waiting
            waiting -= fresh
            ahead += fresh
        yield sorted(group)


def _join(joined, nodes):
    for node in nodes:
        joined.setdefault(node, set()).add(nodes[0])
        joined.setdefault(nodes[0], set()).add(node)


def _chain(model_file, nodes) -> _Chain | None:
    operators = [model_file.operators[node] for node in nodes]
    made = {tensor for operator in operators for tensor in operator.outputs}
    entering = {tensor for operator in operators for tensor in operator.inputs} - made
    sources = [model_file.tensors[tensor] for tensor in sorted(entering) if tensor >= 0]
    # Vectors of whole numbers are sizes and axes.
    sources = [tensor for tensor in sources if not tensor.is_constant and len(tensor.shape) > 2]
    inner = [model_file.tensors[tensor] for tensor in sorted(made) if tensor >= 0]
    targets = [tensor for tensor in inner if len(tensor.shape) <= _MOST_DIMENSIONS]
    if not sources or not targets:
        return None
    return _Chain(
        nodes=frozenset(nodes),
        ops=frozenset(operator.name for operator in operators),
        source=tuple(sources[0].shape),
        target=tuple(targets[-1].shape),
        middle=tuple(
            tuple(tensor.shape) for tensor in inner if len(tensor.shape) > _MOST_DIMENSIONS
        ),
    )


def _pattern(chain: _Chain) -> tuple[str, str] | None:
    """(name, what to write instead) of a chain, None where it is of no known form."""
    if chain.ops <= _VIEWS | _REPEATS and chain.ops & _REPEATS:
        return _repeated(chain)
    if chain.ops <= _VIEWS and len(chain.source) == len(chain.target) == _MOST_DIMENSIONS:
        return _shuffled(chain)
    if chain.ops & _AVERAGES and not chain.ops & _PRODUCTS:
        return "normalisation over groups or windows", _NORMALISE
    if (
        "TRANSPOSE" in chain.ops
        and chain.ops & _PARTS
        and any(3 in shape for shape in chain.middle)
    ):
        return "query, key and value of one layer", _ATTEND
    if chain.ops <= _VIEWS | {"FULLY_CONNECTED", "BATCH_MATMUL"} and "TRANSPOSE" in chain.ops:
        return _windowed(chain)
    return None


def _repeated(chain):
    if len(chain.source) != _MOST_DIMENSIONS or len(chain.target) != _MOST_DIMENSIONS:
        return None
    (_, rows, columns, depth), (_, high, wide, channels) = chain.source, chain.target
    if depth != channels:
        return None
    is_known = 0 < rows <= high and 0 < columns <= wide and high % rows == 0 and wide % columns == 0
    # A file whose sizes are made while running may state others.
    size = f"{high}, {wide}" if is_known else "height, width"
    return _REPEATED, f'layers.Resizing({size}, interpolation="nearest")'


def _shuffled(chain):
    (batch, rows, columns, depth), (new_batch, high, wide, channels) = chain.source, chain.target
    if batch != new_batch:
        return _windowed(chain)
    if (rows, columns, depth) == (high, wide, channels):
        order = "with the channels' new order as a list"
        return "channels shuffled", f"ops.take(x, order, axis=-1), {order}"
    if not all(chain.source[1:] + chain.target[1:]):
        return None
    larger = _ratio(high, rows)
    if larger and _ratio(wide, columns) == larger and depth == channels * larger**2:
        return (
            "pixel shuffle",
            f"ops.depth_to_space(x, {larger}), where the order of channels is its order",
        )
    smaller = _ratio(rows, high)
    if smaller and _ratio(columns, wide) == smaller and channels == depth * smaller**2:
        kernel = f"layers.Conv2D of {smaller}x{smaller} with strides of {smaller}"
        return "pixels moved into channels", f"ops.space_to_depth(x, {smaller}), or a {kernel}"
    return None


def _ratio(large, small):
    """How many times `small` goes into `large`, None where not at least twice and evenly."""
    return large // small if small > 0 and large % small == 0 and large >= 2 * small else None


def _windowed(chain):
    is_smaller = prod(chain.target[1:]) < prod(chain.source[1:])
    return ("windows of a picture as a batch", _WINDOW) if is_smaller else None
