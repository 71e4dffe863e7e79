"""What a proof says."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Proof:
    """`failure` is why it is none, None for a proof. `modes` are those that both files ran in.

    `largest` is the largest difference of an output found, relative to its range, in the modes
    without XNNPACK; `tensors` counts the inner tensors that were compared.
    """

    failure: str | None
    modes: tuple[str, ...] = ()
    largest: float = 0.0
    tensors: int = 0
