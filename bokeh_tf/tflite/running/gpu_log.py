"""Reading what the GPU delegate writes to stderr: the only place where it gives reasons.

Grammar (ai-edge-litert 2.1 to 2.3, ML Drift on WebGPU):

    ERROR: Following operations are not supported by GPU delegate:
    <OP>: <reason>            one line per distinct pair, also with an empty reason
    <N> operations will run on the GPU, and the remaining <M> operations will run on the CPU.
    No operations will run on the GPU, and all <M> operations will run on the CPU.
    I0000 <time> <thread> environment.cc:532] Selected adapter: <name>, arch=<…>, vendor=<…>, …
    E0000 <time> <thread> <file>:<line>] <message>      an error that it survived; its results are not to be trusted
    ERROR: <message>          the runtime's own: it cannot load the file, or
        a node "failed to prepare"
    WARNING: Attempting to use a delegate that only supports static-sized
        tensors with a graph that has …
"""

import re
from dataclasses import dataclass

_HEADER = re.compile(r"ERROR: Following operations are not supported by GPU delegate:")
_FOOTER = re.compile(
    r"(?:(?P<gpu>\d+)|No) operations will run on the GPU, and (?:the remaining|all) (?P<cpu>\d+)"
    r" operations will run"
)
_REASON = re.compile(r"[A-Z0-9_]+: ?(?P<reason>.*)")
_ADAPTER = re.compile(r"Selected adapter: (?P<name>.*?)(?:, arch=|$)")
_ERROR = re.compile(r"E\d{4} [\d:.]+\s+\d+ (?P<message>.*)")
_STAMP = re.compile(r"^[DIWEF]\d{4} [\d:.]+\s+\d+ (?=\S+:\d+\] )")
_RUNTIME_ERROR = re.compile(r"ERROR: (?P<message>.+)")
# What no delegate of this runtime takes, said in the runtime's words rather than the delegate's.
_RUNTIME_REFUSALS = (
    (re.compile(r"ERROR: \[model_load\.cc:\d+\] (?P<what>.+)"), "the runtime does not load it: {}"),
    (
        re.compile(r"ERROR: Encountered unresolved custom op: (?P<what>[^.]+)"),
        "{}: custom operation, unknown to it",
    ),
    (
        re.compile(
            r"WARNING: Attempting to use a delegate .*\((?P<what>tensor#\d+) is a dynamic-sized"
            r" tensor"
        ),
        "{} has no fixed size, and the delegate takes fixed sizes only",
    ),
)
_NO_ENVIRONMENT = (
    "No adapters found",
    "Failed to initialize WebGPU environment",
    "Failed to load GPU accelerator",
)


@dataclass(frozen=True)
class DelegateLog:
    """The parts of a delegate's stderr that decide something.

    `reasons` are why it, or the runtime before it, does not take the file. `on_gpu` and `on_cpu`
    count operations where it says how it splits them, all signatures together, else they are None.
    `runtime_errors` are the runtime's other complaints.
    """

    adapter: str | None
    reasons: tuple[str, ...]
    errors: tuple[str, ...]
    runtime_errors: tuple[str, ...]
    on_gpu: int | None
    on_cpu: int | None
    has_no_adapter: bool


def parse(text) -> DelegateLog:
    """Parses the stderr of one process; knows nothing of its exit status."""
    lines = text.splitlines()
    adapters = [match["name"] for match in map(_ADAPTER.search, lines) if match]
    splits = [match for match in map(_FOOTER.match, lines) if match]
    return DelegateLog(
        adapter=adapters[0] if adapters else None,
        reasons=_refusal_reasons(lines) or _runtime_refusals(lines),
        errors=_messages(_ERROR, lines),
        runtime_errors=_messages(
            _RUNTIME_ERROR, [line for line in lines if not _HEADER.match(line)]
        ),
        on_gpu=sum(int(match["gpu"] or 0) for match in splits) if splits else None,
        on_cpu=sum(int(match["cpu"]) for match in splits) if splits else None,
        has_no_adapter=not adapters and any(sign in text for sign in _NO_ENVIRONMENT),
    )


def without_stamp(line: str) -> str:
    """A line of a log without the time and the thread that lead it, which no two runs share."""
    return _STAMP.sub("", line)


def _messages(grammar, lines):
    """The distinct messages, in order."""
    return tuple(
        dict.fromkeys(match["message"].strip() for match in map(grammar.match, lines) if match)
    )


def _refusal_reasons(lines):
    """The distinct `OP: reason` lines. An empty reason is collateral (a DEQUANTIZE
    beside a refused operation).
    """
    with_reason: list[str] = []
    without_reason: list[str] = []
    is_listing = False
    for line in lines:
        if _HEADER.match(line):
            is_listing = True
        elif _FOOTER.match(line):
            is_listing = False
        elif is_listing and (match := _REASON.match(line)):
            (with_reason if match["reason"].strip() else without_reason).append(
                line.strip().rstrip(":")
            )
    return tuple(dict.fromkeys(with_reason or without_reason))


def _runtime_refusals(lines):
    found = []
    for line in lines:
        for grammar, sentence in _RUNTIME_REFUSALS:
            if match := grammar.match(line):
                found.append(sentence.format(match["what"].strip()))
    return tuple(dict.fromkeys(found))
