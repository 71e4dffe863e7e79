"""The one list of what a run on a backend can have been worth, and which of its
entries count as asked for.

It imports nothing of ours: results, reports and the command line read it without
the reader of phones' logs.
"""

import enum


class DelegateOutcome(enum.StrEnum):
    """The verdict on one run."""

    FULL_GPU = "FULL_GPU"
    """The GPU computed the whole model, through the interface that was asked for."""
    FULL_NNAPI = "FULL_NNAPI"
    """A device of NNAPI computed the whole model, and not NNAPI's CPU reference."""
    CPU = "CPU"
    """The CPU computed it, as asked."""
    PARTIAL = "PARTIAL"
    """Some of the model ran on the CPU."""
    SILENT_CPU = "SILENT_CPU"
    """All of it ran on the CPU although an accelerator was asked for."""
    WRONG_BACKEND = "WRONG_BACKEND"
    """Another accelerator or interface computed it."""
    FAILED_INIT = "FAILED_INIT"
    """It did not start, or did not run to its end."""
    BAD_OUTPUT = "BAD_OUTPUT"
    """The accelerator computed wrong or non-finite values."""
    UNPROVEN = "UNPROVEN"
    """The log does not show enough to say; `missing` is what it lacks."""

    @property
    def passed(self) -> bool:
        """Whether the run's times are those of what was asked for."""
        return self in (DelegateOutcome.FULL_GPU, DelegateOutcome.FULL_NNAPI, DelegateOutcome.CPU)
