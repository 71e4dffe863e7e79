"""What the static check says about a file: findings node by node, and how much of the
graph each delegate takes.
"""

import enum
from dataclasses import dataclass

# The delegates by whose rules a file is judged: TFLite's classic one, and LiteRT's.
V2, ML_DRIFT = TARGETS = ("v2", "mldrift")


class Kind(enum.StrEnum):
    """What a finding means for the phone."""

    REFUSED = "refused"
    """The delegate leaves this node to the CPU."""
    FAILS = "fails"
    """The delegate accepts the node and then cannot build its graph: the whole file is left to the CPU, or dies."""
    WRONG = "wrong"
    """The delegate accepts the node and computes something else."""
    OPENGL = "refused without OpenCL"
    """The delegate takes the node by OpenCL, and nothing of the file where a phone or an app has OpenGL alone."""
    OPENGL_WRONG = "wrong without OpenCL"
    """The delegate takes the node, and computes something else where a phone or an app has OpenGL alone."""


# What is about phones and apps without OpenCL, which no verdict is about.
WITHOUT_OPENCL = frozenset({Kind.OPENGL, Kind.OPENGL_WRONG})


class TargetVerdict(enum.StrEnum):
    """The static check's word for one delegate."""

    COMPATIBLE = "compatible"
    INCOMPATIBLE = "incompatible"
    ACCEPTED_BUT_WRONG = "accepted_but_wrong"


@dataclass(frozen=True)
class Finding:
    """One thing that one delegate objects to.

    `node` is the node's index in the main graph, None where the finding is about the file.
    `layer` is the Keras layer that the node came from as far as tensor names tell, else None.
    `tensors` are the node's inputs and outputs as text, such as "float32[1,48,64,8]". `rule` is
    an id that `--explain` knows. `cause` names the pattern that the node is a part of, None
    where none is known; `instead` is then the remedy for that pattern. `site` is the first node
    of this occurrence of it.
    """

    rule: str
    kind: Kind
    node: int | None
    op: str
    version: int | None
    layer: str | None
    tensors: tuple[str, ...]
    reason: str
    instead: str
    cause: str | None = None
    site: int | None = None


@dataclass(frozen=True)
class Coverage:
    """How much of a file one delegate takes, by its own largest-partition rule.

    `supported` counts every node the delegate could take, `delegated` those of the one partition
    that it does take. Constant DEQUANTIZE nodes (float16 weights) are left out of the node counts
    where they are folded; `folds_float16` is False where one refused node makes the delegate leave
    them on the CPU. Bytes are those of the nodes' outputs. `copies` are tensors that cross between
    CPU and GPU inside the graph on every run, the file's own inputs and outputs not counted.
    """

    nodes: int
    nodes_supported: int
    nodes_delegated: int
    macs: int
    macs_delegated: int
    output_bytes: int
    output_bytes_delegated: int
    partitions: int
    folds_float16: bool
    copies: int
    copied_bytes: int


@dataclass(frozen=True)
class TargetReport:
    """The static check of one file for one delegate; `release` is the
    runtime whose rules were used.

    `without_opencl` is what speaks against the file on phones and in apps without OpenCL, which
    the verdict is not about.
    """

    target: str
    release: str
    verdict: TargetVerdict
    coverage: Coverage
    findings: tuple[Finding, ...]
    without_opencl: tuple[Finding, ...] = ()
