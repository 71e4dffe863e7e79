"""Which node is it? `bisect(model)` names the first node where the GPU's value leaves the CPU's.

The tensors between a network's nodes are made outputs of the file, many at a time, and compared
like any output. The delegate fuses nodes, and a tensor that is an output cannot be fused away,
so an error may vanish under this; then the network is cut behind one node after the other
instead, which leaves what comes before as it was. Cutting also finds the node at which a file is
refused or ends the process.

In float32 the first node beyond the tolerance is the culprit. In half precision, and in quantised
models, every node adds a little; there it is the first node whose error exceeds that of its own
inputs by much. A later one may exceed it by more, as a SOFTMAX makes much of little.
"""

import math
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bokeh_tf.delegate.bisecting.trials import Trials
from bokeh_tf.delegate.probing.jobs import Jobs
from bokeh_tf.delegate.probing.probe import DEFAULT_TIMEOUT_S, probe_request
from bokeh_tf.delegate.probing.verdicts import PRECISIONS, Verdict
from bokeh_tf.errors import CheckError
from bokeh_tf.tflite.running.agreement import Difference, OutputCheck
from bokeh_tf.tflite.subject import Model, subject_of

# Half precision: a right layer adds up to 2e-3 of the range to the root mean square error, wrong
# coordinates 3e-2. A jump below this is no culprit: the error grows node by node.
MIN_JUMP = 0.01
# An error may grow by this factor in nodes that are right.
_MOST_AMPLIFIED = 10.0
_MOST_EXPOSED = 64
_MOST_EXPOSED_BYTES = 256 * 2**20
_NODES_AROUND = 3
_COMPARABLE_TYPES = frozenset(
    {"float32", "float16", "int8", "uint8", "int16", "int32", "int64", "bool"}
)


@dataclass(frozen=True)
class NodeError:
    """The error in what one node computes, the inputs' errors in it. `reason` is why
    it is too large, else None.

    `growth` is how much the root mean square error, as a share of the range, exceeds the
    worst of the node's inputs.
    """

    node: int
    op: str
    layer: str | None
    tensor: str
    shape: tuple[int, ...]
    scale: float
    difference: Difference | None
    reason: str | None
    growth: float

    @property
    def max_share(self) -> float:
        """The largest error as a share of the values' range; not finite where a value is not."""
        return math.nan if self.difference is None else self.difference.max_abs / self.scale

    def __str__(self):
        layer = f" of layer {self.layer}" if self.layer else ""
        error = (
            "" if self.difference is None else f": largest error {self.max_share:.2g} of the range"
        )
        return f"node {self.node}, {self.op}{layer}{error}"


@dataclass(frozen=True)
class Bisection:
    """What a bisection found.

    `verdict` is that of the whole file in this precision; `first` the node, None where none
    differs or none could be named. `around` are nodes near it, in order; with the `method` "cut"
    they are what the network cut there puts out and the node's inputs, exposed one at a time, with
    "exposed" all tensors between were outputs. `is_reproduced` is False where the error vanishes
    under that, or cannot show.
    """

    path: str
    precision: str
    verdict: Verdict
    first: NodeError | None
    around: tuple[NodeError, ...]
    method: str | None
    is_reproduced: bool
    trial: str | None
    notes: tuple[str, ...]
    adapter: str | None
    wall_s: float

    def __str__(self):
        if self.verdict is Verdict.FULL:
            return f"no node differs ({self.precision})"
        what = str(self.first) if self.first else "no single node can be named"
        return "; ".join([f"{self.verdict} in {self.precision}: {what}", *self.notes])


def bisect(
    model: Model,
    *,
    precision: str = "float32",
    photo: str | os.PathLike | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
) -> Bisection:
    """Finds the node at which a file goes wrong on the delegate, is refused, or ends the process.

    Args:
        model: a path, the bytes of a `.tflite`, or a `Subject`.
        precision: "float32" or "default" (half).
        photo: a photograph for the photo trial; the packaged one if None.
        timeout_s: limit for the whole search.

    Raises:
        ModelFileError: the file cannot be read, or the CPU interpreter cannot run it.
        PhotoError: the photo cannot be read.
        CheckError: the search broke down for a reason that says nothing about the file.
    """
    if precision not in PRECISIONS:
        raise ValueError(
            f"precision of a bisection. Received: {precision!r}. Known: {', '.join(PRECISIONS)}."
        )
    if not timeout_s > 0:
        raise ValueError(f"timeout_s must be positive. Received: {timeout_s}.")
    subject = subject_of(model)
    is_coarse = precision == "default" or subject.model_file.is_quantised
    start_s = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="bokeh_tf_bisect_") as folder:
            jobs = Jobs(subject.label, Path(folder), start_s + timeout_s)
            request = probe_request(photo, subject.model_file)
            trials = Trials(
                jobs, subject.content, request=request, precision=precision, is_coarse=is_coarse
            )
            found = _Search(subject.model_file, trials, is_coarse).run()
            adapter = trials.adapter
    except OSError as error:
        reason = error.strerror or error
        raise CheckError(
            f"{subject.label}: cannot be searched ({reason} in {tempfile.gettempdir()})."
        ) from error
    wall_s = time.monotonic() - start_s
    return Bisection(subject.label, precision, adapter=adapter, wall_s=wall_s, **found)


class _Search:
    """One search; `run` returns the fields of a `Bisection` that it decides."""

    def __init__(self, model_file, trials, is_coarse):
        self._model_file = model_file
        self._trials = trials
        self._is_coarse = is_coarse
        self._notes = []
        self._producers = {
            tensor: operator.index
            for operator in model_file.operators
            for tensor in operator.outputs
            if tensor >= 0
        }

    def run(self):
        whole, checks = self._trials.whole()
        if whole.verdict is Verdict.FULL:
            return self._found(whole.verdict)
        if whole.verdict in (Verdict.REFUSED, Verdict.CRASHED):
            self._notes.append(whole.reasons[0])
            return self._cut(whole.verdict)
        if whole.verdict is not Verdict.WRONG:
            self._notes.append(whole.reasons[0])
            return self._found(whole.verdict)
        return self._find_wrong(whole, checks)

    def _find_wrong(self, whole, checks):
        failed = [check for check in checks if not check.passed]
        main = [check for check in failed if check.signature == checks[0].signature]
        if failed and not main:
            self._notes.append(
                "only the file's first signature is searched, and its outputs are right"
            )
            return self._found(Verdict.WRONG)
        trial = max(main or checks, key=_error_share).trial
        self._trials.use_trial(trial)
        if whole.logged_errors:
            self._notes.append(f"the delegate logs an error: {whole.logged_errors[0]}")
            return self._cut(Verdict.WRONG, trial)
        found_checks, is_reproduced = self._expose(self._tensors())
        errors = self._node_errors(found_checks)
        first = self._culprit(errors)
        if first is not None and (self._is_coarse or self._is_wrong_by_itself(first.node)):
            return self._found(
                Verdict.WRONG, first, _around(errors, first), "exposed", is_reproduced, trial
            )
        if first is None and is_reproduced:
            self._notes.append(
                f"the error grows node by node, nowhere by more than {MIN_JUMP:g} of the range"
            )
            return self._found(Verdict.WRONG, None, tuple(errors), "exposed", is_reproduced, trial)
        if not is_reproduced:
            self._notes.append(
                "not reproduced when all tensors between are outputs; found by cutting the network"
            )
        return self._cut(Verdict.WRONG, trial, low=-1 if first is None else first.node)

    def _is_wrong_by_itself(self, node):
        """Whether the error is not one that exposing the tensors around `node` brought about.

        What the file puts out itself was wrong before: a node after it may be why, so that a
        network cut behind `node` can be right.
        """
        own = {tensor.index for tensor in self._model_file.outputs}
        if own.intersection(self._model_file.operators[node].outputs):
            return True
        return self._trials.cut(node).verdict is Verdict.WRONG

    def _expose(self, tensors):
        """(checks by tensor, whether an output of the file itself was wrong meanwhile)."""
        checks, is_reproduced = {}, False
        outputs = {tensor.index for tensor in self._model_file.outputs}
        chunks = self._chunks(tensors)
        while chunks:
            chunk = chunks.pop(0)
            result = self._trials.exposed(chunk)
            if result.verdict in (Verdict.TIMED_OUT, Verdict.UNAVAILABLE):
                self._notes.append(f"not all tensors were compared: {result.reasons[0]}")
                break
            if not result.checks and len(chunk) > 1:
                chunks[:0] = [chunk[: len(chunk) // 2], chunk[len(chunk) // 2 :]]
                continue
            if not result.checks:
                self._notes.append(f"tensor {chunk[0]} cannot be an output: {result.reasons[0]}")
            checks.update(result.checks)
            is_reproduced |= any(
                not check.passed for tensor, check in result.checks.items() if tensor in outputs
            )
        return checks, is_reproduced

    def _tensors(self):
        """Tensors that may be exposed: computed from an input, of a type that
        can be compared, in order.
        """
        depends = {tensor.index for tensor in self._model_file.inputs}
        found = []
        for operator in self._model_file.operators:
            if depends.intersection(operator.inputs):
                made = [tensor for tensor in operator.outputs if tensor >= 0]
                depends.update(made)
                found += [t for t in made if self._model_file.tensors[t].dtype in _COMPARABLE_TYPES]
        return list(dict.fromkeys(found))

    def _chunks(self, tensors):
        """As many tensors at a time as memory takes."""
        chunks: list[list[int]] = [[]]
        size_bytes = 0
        for tensor in tensors:
            tensor_bytes = 4 * math.prod(self._model_file.tensors[tensor].shape)
            if chunks[-1] and (
                len(chunks[-1]) >= _MOST_EXPOSED or size_bytes + tensor_bytes > _MOST_EXPOSED_BYTES
            ):
                chunks.append([])
                size_bytes = 0
            chunks[-1].append(tensor)
            size_bytes += tensor_bytes
        return chunks if chunks[0] else []

    def _cut(self, verdict, trial=None, *, low=-1):
        """Halves the network until the first node whose beginning fails in the same way is left."""
        high, results = len(self._model_file.operators) - 1, {}
        while high - low > 1:
            middle = (low + high) // 2
            result = results[middle] = self._trials.cut(middle)
            if result.verdict is Verdict.TIMED_OUT:
                self._notes.append(
                    f"the search stopped between nodes {low + 1} and {high}: {result.reasons[0]}"
                )
                return self._found(verdict, None, (), "cut", False, trial)
            low, high = (low, middle) if result.verdict is verdict else (middle, high)
        last = results.get(high) or self._trials.cut(high)
        checks = dict(last.checks)
        if verdict is Verdict.WRONG and not last.logged_errors:
            checks = {**self._expose_singly(self._model_file.operators[high].inputs), **checks}
        errors = self._node_errors(checks)
        first = next(
            (error for error in errors if error.node == high), None
        ) or self._without_numbers(high)
        return self._found(
            verdict, first, tuple(errors), "cut", verdict is not Verdict.WRONG, trial
        )

    def _expose_singly(self, tensors):
        """The checks of tensors that are the only additional output each, so that
        little changes around them.
        """
        checks = {}
        for tensor in set(tensors) & set(self._tensors()):
            result = self._trials.exposed([tensor])
            if tensor in result.checks:
                checks[tensor] = result.checks[tensor]
                self._notes += self._said_of_single(tensor, result)
        return checks

    def _said_of_single(self, tensor, result):
        node = self._producers[tensor]
        is_right = result.checks[tensor].passed
        outputs = [
            output.index for output in self._model_file.outputs if output.index in result.checks
        ]
        stays = any(not result.checks[index].passed for index in outputs)
        name = f"node {node} ({self._model_file.operators[node].name})"
        state = "right" if is_right else "already wrong"
        return [
            f"alone as an output {name} is {state}, and the file's outputs are"
            f" {'wrong' if stays else 'right'}"
        ]

    def _node_errors(self, checks):
        """One entry per node, in the order in which nodes run; of several outputs the worst."""
        entries: dict[int, NodeError] = {}
        for tensor, check in checks.items():
            node = self._producers.get(tensor)
            if node is None or check.difference is None:
                continue
            entry = self._node_error(node, tensor, check, checks)
            if node not in entries or _is_worse(entry, entries[node]):
                entries[node] = entry
        return [entries[node] for node in sorted(entries)]

    def _node_error(self, node, tensor, check: OutputCheck, checks):
        operator = self._model_file.operators[node]
        before = [_relative_rms(checks[index]) for index in operator.inputs if index in checks]
        info = self._model_file.tensors[tensor]
        return NodeError(
            node=node,
            op=operator.name,
            layer=self._model_file.layer(node),
            tensor=info.name,
            shape=info.shape,
            scale=check.scale,
            difference=check.difference,
            reason=check.reason,
            growth=_relative_rms(check) - max(before, default=0.0),
        )

    def _without_numbers(self, node):
        operator = self._model_file.operators[node]
        info = self._model_file.tensors[operator.outputs[0]]
        layer = self._model_file.layer(node)
        return NodeError(
            node, operator.name, layer, info.name, info.shape, 1.0, None, None, math.nan
        )

    def _culprit(self, errors):
        if not self._is_coarse:
            return next((error for error in errors if error.reason is not None), None)
        return first_jump(errors)

    def _found(self, verdict, first=None, around=(), method=None, is_reproduced=True, trial=None):
        return {
            "verdict": verdict,
            "first": first,
            "around": around,
            "method": method,
            "is_reproduced": is_reproduced,
            "trial": trial,
            "notes": tuple(self._notes),
        }


def first_jump(errors: Sequence[NodeError]) -> NodeError | None:
    """The first node, in order, that adds much of the error; None where none
    adds more than `MIN_JUMP`.
    """
    most = max((error.growth for error in errors), default=0.0)
    least = most / _MOST_AMPLIFIED if math.isfinite(most) else MIN_JUMP
    return next((error for error in errors if error.growth > max(MIN_JUMP, least)), None)


def _relative_rms(check):
    """The root mean square error as a share of the range; infinite where values are not finite."""
    if check.difference is None:
        return 0.0
    if check.difference.non_finite_count:
        return math.inf
    return 10 ** (-check.difference.psnr_db / 20)


def _error_share(check):
    return (
        math.inf
        if check.difference is None or check.difference.non_finite_count
        else _max_share(check)
    )


def _max_share(check):
    return check.difference.max_abs / check.scale


def _is_worse(entry, other):
    return (entry.reason is not None, entry.growth) > (other.reason is not None, other.growth)


def _around(errors, first):
    place = errors.index(first)
    return tuple(errors[max(0, place - _NODES_AROUND) : place + _NODES_AROUND + 1])
