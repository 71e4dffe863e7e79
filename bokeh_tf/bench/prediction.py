"""The static check's reasons beside the device's own: where they agree, and where one knows more.

Both are texts "OP: reason". The wordings differ, so two reasons for one operator agree where they
are about the same thing (its version, the types and shapes of its tensors, …) or where the wording
of one does not tell what it is about.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bokeh_tf.bench.results.measurement import Prediction
from bokeh_tf.delegate.findings import ML_DRIFT, Kind, TargetReport
from bokeh_tf.delegate.linting.lint import lint
from bokeh_tf.tflite.inspection import ModelFile

_TOPICS = {
    "version": re.compile(r"version", re.IGNORECASE),
    "operator": re.compile(
        r"operation is not supported|not one of the delegate's operators|the custom"
        r" operator|unsupported (?:op|custom)",
        re.IGNORECASE,
    ),
    "tensors": re.compile(
        r"\btypes?\b|type/shape|\bu?int\d+\b|\bfloat|\bbool|\bshapes?\b|\brank|dimension|\bbatch|channels|scalar"
        r"|broadcast|tensor made while running",
        re.IGNORECASE,
    ),
    "readers": re.compile(r"logical op case|must be read by|consumer", re.IGNORECASE),
    "inputs": re.compile(r"\binputs?\b|constant|runtime", re.IGNORECASE),
    "options": re.compile(
        r"stride|dilation|padding|mode|mask|align_corners|half_pixel|axis|axes|activation|beta|multiplier|slice"
        r"|permutation|window|block size|keep_num_dims|format",
        re.IGNORECASE,
    ),
}
# The parts of a comparison, as people read them.
HEADINGS = {
    "agreed": "predicted and said by the device",
    "differing": "predicted, but the device gives another reason",
    "only_predicted": "predicted, not said by the device",
    "only_logged": "said by the device, not predicted",
}


@dataclass(frozen=True)
class ReasonComparison:
    """Pairs are (predicted, logged).

    `differing` are reasons for one operator that are about different things, so at least
    one of them is incomplete.
    """

    agreed: tuple[tuple[str, str], ...]
    differing: tuple[tuple[str, str], ...]
    only_predicted: tuple[str, ...]
    only_logged: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Whether device and prediction object to the same things."""
        return not (self.differing or self.only_predicted or self.only_logged)

    def as_details(self) -> dict:
        """What a result keeps of it, as JSON holds it."""
        pairs = {
            name: [list(pair) for pair in getattr(self, name)] for name in ("agreed", "differing")
        }
        alone = {name: list(getattr(self, name)) for name in ("only_predicted", "only_logged")}
        return {**pairs, **alone, "is_same": self.is_same}


def predicted_reasons(report: TargetReport) -> tuple[str, ...]:
    """What the static check says that the device will object to, as "OP: reason", each once."""
    objections = (
        finding for finding in report.findings if finding.kind in (Kind.REFUSED, Kind.FAILS)
    )
    return tuple(
        dict.fromkeys(f"{finding.op or 'FILE'}: {finding.reason}" for finding in objections)
    )


def compare_reasons(predicted: Iterable[str], logged: Iterable[str]) -> ReasonComparison:
    """Compares two sets of reasons; those without a text, which a device prints for
    collateral, do not count.
    """
    predictions = [text for text in dict.fromkeys(predicted) if _parts(text)[1]]
    reports = [text for text in dict.fromkeys(logged) if _parts(text)[1]]
    agreed = [(ours, theirs) for theirs in reports for ours in predictions if _agree(ours, theirs)]
    matched = {text for pair in agreed for text in pair}
    differing = [
        (ours, theirs)
        for theirs in reports
        for ours in predictions
        if theirs not in matched and ours not in matched and _parts(ours)[0] == _parts(theirs)[0]
    ]
    seen = matched | {text for pair in differing for text in pair}
    return ReasonComparison(
        agreed=tuple(agreed),
        differing=tuple(differing),
        only_predicted=tuple(text for text in predictions if text not in seen),
        only_logged=tuple(text for text in reports if text not in seen),
    )


def _agree(ours, theirs):
    (our_op, our_reason), (their_op, their_reason) = _parts(ours), _parts(theirs)
    if our_op != their_op:
        return False
    our_topics, their_topics = _topics(our_reason), _topics(their_reason)
    return not our_topics or not their_topics or bool(our_topics & their_topics)


def _parts(text):
    op, _, reason = text.partition(":")
    return op.strip().removeprefix("CUSTOM ").removeprefix("CUSTOM:"), reason.strip()


def _topics(reason):
    return {topic for topic, pattern in _TOPICS.items() if pattern.search(reason)}


_MOST_REASONS = 5


def predict(model_file: ModelFile, *, target: str = ML_DRIFT) -> Prediction:
    """The static check of a model for one delegate, in short."""
    report = lint(model_file, target)
    reasons = [
        f"{finding.op}: {finding.reason}"
        for finding in report.findings
        if finding.kind is not Kind.WRONG
    ]
    reasons += [
        f"{finding.op}: {finding.reason}"
        for finding in report.findings
        if finding.kind is Kind.WRONG
    ]
    return Prediction(
        target=report.target,
        release=report.release,
        verdict=report.verdict.value,
        nodes=report.coverage.nodes,
        nodes_delegated=report.coverage.nodes_delegated,
        reasons=tuple(dict.fromkeys(reasons))[:_MOST_REASONS],
    )
