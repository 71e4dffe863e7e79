"""What a check on the real delegate can find, from best to worst."""

import enum

PRECISIONS = ("float32", "default")


class Verdict(enum.StrEnum):
    """The outcome of a check, from best to worst; a report's verdict is the worst of its parts."""

    FULL = "full"
    TAKEN = "taken, not run"
    UNAVAILABLE = "unavailable"
    TIMED_OUT = "timed out"
    WRONG = "wrong"
    REFUSED = "refused"
    CRASHED = "crashed"

    @property
    def severity(self) -> int:
        """0 for FULL, rising with how bad it is."""
        return list(Verdict).index(self)

    @property
    def exit_code(self) -> int:
        """0 passed, 1 could not be checked, 3 checked and failed."""
        if self in (Verdict.FULL, Verdict.TAKEN):
            return 0
        return 1 if self in (Verdict.UNAVAILABLE, Verdict.TIMED_OUT) else 3


def worst(verdicts) -> Verdict:
    """The worst of some verdicts; a failure that was found outweighs a
    check that could not be done.
    """
    return max(verdicts, key=lambda verdict: verdict.severity)
