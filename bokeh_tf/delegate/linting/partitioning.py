"""How the runtime cuts a graph between a delegate and the CPU.

The runtime walks the graph in epochs. An epoch belongs to one side, that of the first node in the
file's order whose inputs are all there, and takes every node of that side that can run once the
epoch's own nodes have; then it is the other side's turn. So two nodes that stand apart in the file
share a partition where no node between them needs the other side's values, and neighbours may be
cut apart. Nodes with side effects keep their order among themselves.
"""

import heapq
from collections.abc import Set as AbstractSet
from itertools import pairwise

from bokeh_tf.tflite.model_file import ModelFile

_STATEFUL_TYPES = frozenset({"resource", "variant"})
_STATEFUL_OPERATORS = frozenset({"CALL", "CALL_ONCE"})


def find_partitions(model_file: ModelFile, on_delegate: AbstractSet[int]) -> list[tuple[int, ...]]:
    """The delegate's partitions in the order they would run, each the indices of its
    nodes in the file's order.

    Nodes that can never run, because they wait for each other, are in none.
    """
    waits = _Waits(model_file)
    # Nodes that can run, by side: False the CPU's, True the delegate's.
    ready: dict[bool, list[int]] = {False: [], True: []}
    for node in waits.free():
        heapq.heappush(ready[node in on_delegate], node)
    side = (
        min((nodes[0], side) for side, nodes in ready.items() if nodes)[1]
        if any(ready.values())
        else True
    )
    partitions = []
    while any(ready.values()):
        epoch = []
        while ready[side]:
            node = heapq.heappop(ready[side])
            epoch.append(node)
            for freed in waits.done(node):
                heapq.heappush(ready[freed in on_delegate], freed)
        if side:
            partitions.append(tuple(sorted(epoch)))
        side = not side
    return partitions


class _Waits:
    """Which nodes still wait for which tensors or nodes."""

    def __init__(self, model_file):
        self._operators = model_file.operators
        made = {tensor for node in self._operators for tensor in node.outputs if tensor >= 0}
        self._needs = [len(set(node.inputs) & made) for node in self._operators]
        self._missing = made
        self._consumers = model_file.consumers
        self._next_stateful = {}
        stateful = [
            node.index for node in self._operators if _is_stateful(node, model_file.tensors)
        ]
        for earlier, later in pairwise(stateful):
            self._next_stateful[earlier] = later
            self._needs[later] += 1

    def free(self):
        """Nodes that wait for nothing."""
        return [node for node, needs in enumerate(self._needs) if not needs]

    def done(self, node):
        """Nodes that wait for nothing any more once `node` has run."""
        waiting = [self._next_stateful[node]] if node in self._next_stateful else []
        for tensor in set(self._operators[node].outputs) & self._missing:
            self._missing.discard(tensor)
            waiting += self._consumers(tensor)
        for other in waiting:
            self._needs[other] -= 1
        return [other for other in dict.fromkeys(waiting) if not self._needs[other]]


def _is_stateful(node, tensors):
    if node.name in _STATEFUL_OPERATORS:
        return True
    return any(
        index >= 0 and tensors[index].dtype in _STATEFUL_TYPES
        for index in (*node.inputs, *node.outputs)
    )
