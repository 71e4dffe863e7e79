"""What an engine that a check really runs made of a file: the part that is the same for all of
them.
"""

from dataclasses import dataclass

from bokeh_tf.delegate.probing.verdicts import Verdict


@dataclass(frozen=True)
class Answer:
    """A verdict, and `reasons` in the engine's own words, or why it could not be asked.

    Attributes:
        operators_left: the operators that a refusal names, each once.
        wrong_outputs: the names of the outputs that are wrong, each once.
        not_finite: those of them with values that are not finite.
    """

    verdict: Verdict
    reasons: tuple[str, ...] = ()
    operators_left: tuple[str, ...] = ()
    wrong_outputs: tuple[str, ...] = ()
    not_finite: tuple[str, ...] = ()

    @property
    def figure(self) -> str:
        """What stands beside the verdict, for people: how much was taken, how near the numbers
        come to the CPU's; empty where there is nothing to say.
        """
        return ""

    @property
    def counts_for_target(self) -> bool:
        """Whether what it has against the file holds for the target itself, and not only where
        the engine runs.
        """
        return False
