"""Reading what the GPU delegate writes to stderr: the only place where it gives reasons.

Grammar (ai-edge-litert 2.1 to 2.3, ML Drift on WebGPU):

    ERROR: Following operations are not supported by GPU delegate:
    <OP>: <reason>            one line per distinct pair, also with an empty reason
    <N> operations will run on the GPU, and the remaining <M> operations will run on the CPU.
    I0000 <time> <thread> environment.cc:532] Selected adapter: <name>, arch=<…>, vendor=<…>, …
    E0000 <time> <thread> <file>:<line>] <message>      an error that it survived; its results are not to be trusted
"""

import re
from dataclasses import dataclass

_HEADER = re.compile(r"ERROR: Following operations are not supported by GPU delegate:")
_FOOTER = re.compile(r"(?:\d+|No) operations will run on the GPU, and ")
_REASON = re.compile(r"[A-Z0-9_]+: ?(?P<reason>.*)")
_ADAPTER = re.compile(r"Selected adapter: (?P<name>.*?)(?:, arch=|$)")
_ERROR = re.compile(r"E\d{4} [\d:.]+\s+\d+ (?P<message>.*)")
_NO_ENVIRONMENT = ("No adapters found", "Failed to initialize WebGPU environment", "Failed to load GPU accelerator")
_OUT_OF_MEMORY = ("std::bad_alloc", "MemoryError", "OUT_OF_MEMORY", "OUT_OF_DEVICE_MEMORY", "Out of memory")


@dataclass(frozen=True)
class DelegateLog:
    """The parts of a delegate's stderr that decide something."""

    adapter: str | None
    reasons: tuple[str, ...]
    errors: tuple[str, ...]
    has_no_adapter: bool
    is_out_of_memory: bool


def parse(text) -> DelegateLog:
    """Parses the stderr of one process; knows nothing of its exit status."""
    lines = text.splitlines()
    adapters = [match["name"] for match in map(_ADAPTER.search, lines) if match]
    errors = [match["message"] for match in map(_ERROR.match, lines) if match]
    return DelegateLog(
        adapter=adapters[0] if adapters else None,
        reasons=_refusal_reasons(lines),
        errors=tuple(dict.fromkeys(errors)),
        has_no_adapter=not adapters and any(sign in text for sign in _NO_ENVIRONMENT),
        is_out_of_memory=any(sign in text for sign in _OUT_OF_MEMORY),
    )


def _refusal_reasons(lines):
    """The distinct `OP: reason` lines. An empty reason is collateral (a DEQUANTIZE beside a refused operation)."""
    with_reason, without_reason = [], []
    is_listing = False
    for line in lines:
        if _HEADER.match(line):
            is_listing = True
        elif _FOOTER.match(line):
            is_listing = False
        elif is_listing and (match := _REASON.match(line)):
            (with_reason if match["reason"].strip() else without_reason).append(line.strip().rstrip(":"))
    return tuple(dict.fromkeys(with_reason or without_reason))
