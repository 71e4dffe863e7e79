"""Reading what the runtime and a vendor's compiler plugin write to stderr: the only place that
says how a graph was parted.

Grammar (ai-edge-litert 2.3; what names an operator, a device or an exception is Intel's plugin's):

    INFO: [openvino_compiler_plugin.cc:497] op type <code> is not supported
    INFO: [compiler_plugin.cc:693] Inlined <n> composite ops into subgraph<0>
    INFO: [compiler_plugin.cc:742] Partitioned subgraph<0>, selected <n> ops, from a total of <n>
        ops. resulted in <n> partitions.
    … Model not supported: <reason>, skipping partitioning.
    INFO: [openvino_compile_context.cc:77] Using Intel OpenVINO device: <CPU or NPU>
    ERROR: [<file>:<line>] Exception in <step>: <lines>
    ERROR: [<file>:<line>] <message>
"""

import re
from dataclasses import asdict, dataclass
from typing import Any

from bokeh_tf.tflite.schema import names_of

_PARTITIONED = re.compile(
    r"Partitioned subgraph<\d+>, selected (\d+) ops, from a total of (\d+) ops\."
    r" resulted in (\d+) partitions"
)
_UNSUPPORTED = re.compile(r"op type (\d+) is not supported")
_INLINED = re.compile(r"Inlined \d+ composite ops")
_WHOLE = re.compile(r"Model not supported: (.+?)(?:, skipping partitioning)?\.?$", re.MULTILINE)
_DEVICE = re.compile(r"Using Intel OpenVINO device: (\w+)")
_EXCEPTION = re.compile(
    r"\] Exception in [^:\n]+: (.*?)(?=^(?:INFO|WARNING|ERROR): |\Z)", re.DOTALL | re.MULTILINE
)
_ERROR = re.compile(r"^ERROR: \[[^\]]*\] (.+)$", re.MULTILINE)
# What follows from the errors before it.
_CONSEQUENCES = ("Plugin errs:", "ERROR: [")
_THROWN_AT = re.compile(r"Exception from \S+:\d+:\s*|Check '.*?' failed at \S+:\d+:\s*")
_COMPOSITE = "STABLEHLO_COMPOSITE"


@dataclass(frozen=True)
class Parting:
    """How all graphs of a file were parted.

    Attributes:
        operators: how many there are, composites taken apart.
        taken: how many of them the plugin takes.
        partitions: the parts that they form.
    """

    operators: int
    taken: int
    partitions: int

    def __str__(self):
        noun = "partition" if self.partitions == 1 else "partitions"
        return f"{self.taken} of {self.operators} operators in {self.partitions} {noun}"


@dataclass(frozen=True)
class PluginLog:
    """The parts of a child's stderr that decide something.

    Attributes:
        parting: None where the plugin says nothing of it.
        refused: the operators that it does not take.
        against_whole: its reasons against the whole graph.
        asks_for_npu: whether a part was compiled for an NPU and not for this machine.
        errors: what it or the runtime complain of, in their words.
    """

    parting: Parting | None
    refused: tuple[str, ...]
    against_whole: tuple[str, ...]
    asks_for_npu: bool
    errors: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether there is an operator, and all of them are taken."""
        parting = self.parting
        return parting is not None and 0 < parting.operators <= parting.taken

    @property
    def counts(self) -> dict[str, Any]:
        """The parting's numbers by name, for a report; empty where nothing was parted."""
        return {} if self.parting is None else asdict(self.parting)

    @property
    def left(self) -> str:
        """What is not taken, in words; there must be a parting."""
        assert self.parting is not None
        count = self.parting.operators - self.parting.taken
        noun = "operator stays" if count == 1 else "operators stay"
        words = ", ".join((*self.refused, *self.against_whole))
        return f"{count} {noun} on the CPU{f': {words}' if words else ''}"


def parse(text: str) -> PluginLog:
    """Parses the stderr of one process; knows nothing of its exit status."""
    counts = [tuple(map(int, match.groups())) for match in _PARTITIONED.finditer(text)]
    parting = None
    if counts:
        taken, operators, partitions = map(sum, zip(*counts, strict=True))
        parting = Parting(operators, taken, partitions)
    return PluginLog(
        parting,
        tuple(_refused_operators(text)),
        tuple(_WHOLE.findall(text)),
        "NPU" in _DEVICE.findall(text),
        _errors(text),
    )


def _refused_operators(text):
    names = names_of("BuiltinOperator")
    codes = dict.fromkeys(map(int, _UNSUPPORTED.findall(text)))
    found = [names.get(code, f"operator {code}") for code in codes]
    # A composite is taken apart, and its parts are judged.
    return [name for name in found if name != _COMPOSITE or not _INLINED.search(text)]


def _errors(text):
    """What was thrown, as that says more than the lines that follow from it; else what was
    logged.
    """
    thrown = [" ".join(_THROWN_AT.sub("", match).split()) for match in _EXCEPTION.findall(text)]
    lines = map(str.strip, _ERROR.findall(text))
    logged = [line for line in lines if not line.startswith(_CONSEQUENCES)]
    return tuple(dict.fromkeys(filter(None, thrown or logged)))
