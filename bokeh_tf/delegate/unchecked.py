"""A check that could not be carried out, which is not the same as a failed one."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Unchecked:
    """A file whose check could not be carried out, and why in one line."""

    path: str
    reason: str
