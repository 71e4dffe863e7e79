"""What makes a check fail: `--fail-on`, the baseline, and the exit status that follows.

`Policy.parse("refused,wrong,partitions:2,macs:99")` reads the option, `judge(report,
policy, baseline=…)` applies it.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from bokeh_tf.delegate.check import FAILED, NOT_CHECKED, PASSED, Report
from bokeh_tf.delegate.engines import BESIDE_PROBE
from bokeh_tf.delegate.judging.baseline import Baseline
from bokeh_tf.delegate.judging.problems import (
    FLOAT16,
    REFUSED,
    WRONG,
    Problem,
    Standing,
    problems_of,
)
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.delegate.unchecked import Unchecked

CRITERIA = (REFUSED, WRONG, FLOAT16, *(engine.criterion for engine in BESIDE_PROBE))
PARTITIONS, MACS = "partitions", "macs"
DEFAULT = f"{REFUSED},{WRONG}"
_KNOWN = f"{', '.join(CRITERIA)}, partitions:N, macs:PERCENT"


@dataclass(frozen=True)
class Policy:
    """What fails.

    `criteria` are those of `CRITERIA` that do. `partitions` fails a file that a target takes in
    that many parts or more, `macs_percent` one of whose multiply-accumulates a target takes less.
    With `require_probe` a missing adapter counts as not checked; `required` are the names of
    other engines of which no answer counts so. Partitions, MACs and unread files are never in a
    baseline.
    """

    criteria: frozenset[str] = frozenset({REFUSED, WRONG})
    partitions: int | None = None
    macs_percent: float | None = None
    require_probe: bool = False
    required: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, text, *, require_probe=False, required=frozenset()) -> "Policy":
        """Reads the text of `--fail-on`; a `ValueError` says what is wrong with it."""
        criteria, limits = set(), {}
        for word in filter(None, (part.strip() for part in text.split(","))):
            name, _, value = word.partition(":")
            if name in CRITERIA and not value:
                criteria.add(name)
            elif name in (PARTITIONS, MACS):
                limits[name] = _limit(name, value, word)
            else:
                raise ValueError(
                    f"--fail-on takes a list of conditions. Received: {word!r}. Known: {_KNOWN}."
                )
        partitions = limits.get(PARTITIONS)
        return cls(
            frozenset(criteria),
            partitions and int(partitions),
            limits.get(MACS),
            require_probe,
            frozenset(required),
        )

    def to_text(self) -> str:
        """The policy as `--fail-on` takes it."""
        words = [name for name in CRITERIA if name in self.criteria]
        words += [] if self.partitions is None else [f"{PARTITIONS}:{self.partitions}"]
        words += [] if self.macs_percent is None else [f"{MACS}:{self.macs_percent:g}"]
        return ",".join(words)


@dataclass(frozen=True)
class Judged:
    """A report under a policy. `broken_limits` says in words which of
    partitions and MACs are not kept.

    `unchecked` are the steps that were asked for and could not be carried out, in words.
    """

    report: Report
    problems: tuple[Problem, ...]
    broken_limits: tuple[str, ...]
    unchecked: tuple[str, ...]

    @property
    def failing(self) -> tuple[Problem, ...]:
        """The problems that make the file fail."""
        return tuple(problem for problem in self.problems if problem.standing is Standing.FAILS)

    @property
    def code(self) -> int:
        """0 passed, 1 not checked, 3 checked and failed."""
        if self.failing or self.broken_limits:
            return FAILED
        return NOT_CHECKED if self.report.error or self.unchecked else PASSED


def judge(report, policy, *, baseline=None) -> Judged:
    """Applies a policy to one report; `baseline` tells which problems are known."""
    problems = tuple(_with_standing(problem, policy) for problem in problems_of(report))
    return Judged(
        report=report,
        problems=(baseline or Baseline()).mark(report.path, problems),
        broken_limits=tuple(_broken_limits(report.targets, policy)),
        unchecked=tuple(_unchecked(report, policy)),
    )


def exit_code(judged: Iterable[Judged]) -> int:
    """3 if any file failed, else 1 if any could not be checked, else 0."""
    return max((one.code for one in judged), default=PASSED)


def macs_percent(coverage) -> float:
    """Share of multiply-accumulates on the GPU; by nodes where a file has none."""
    if coverage.macs:
        return 100 * coverage.macs_delegated / coverage.macs
    return nodes_percent(coverage)


def nodes_percent(coverage) -> float:
    """Share of nodes on the GPU; all of none is all."""
    return 100 * coverage.nodes_delegated / coverage.nodes if coverage.nodes else 100.0


def _with_standing(problem, policy):
    if (
        problem.standing is not Standing.TOLERATED
        or problem.is_warning
        or problem.criterion not in policy.criteria
    ):
        return problem
    return replace(problem, standing=Standing.FAILS)


def _broken_limits(targets, policy):
    for target in targets:
        coverage = target.coverage
        if policy.partitions is not None and coverage.partitions >= policy.partitions:
            yield (
                f"{target.target}: {coverage.partitions} partitions (fails from"
                f" {policy.partitions})"
            )
        if policy.macs_percent is not None and macs_percent(coverage) < policy.macs_percent:
            share = f"{macs_percent(coverage):.1f} % of the MACs on the GPU"
            yield f"{target.target}: {share} (fails below {policy.macs_percent:g} %)"


def _unchecked(report, policy):
    for step, result in (
        ("probe", report.probe),
        ("audit", report.audit),
        ("bisection", report.bisection),
    ):
        if isinstance(result, Unchecked):
            yield f"{step}: {result.reason}"
    if not report.error:
        yield from _without_answer(report, policy)
    probe = report.probe
    if probe is None or isinstance(probe, Unchecked):
        if policy.require_probe and probe is None and not report.error:
            yield "probe: required, but not run"
        return
    if policy.require_probe and report.is_probed_by_another_release:
        yield f"probe: required of {report.runtime}, but {probe.runtime_version} is installed"
    # Each precision for itself: a failure of one that the policy tolerates
    # hides nothing of the other.
    texts = (
        ": ".join(("probe", part.verdict, *part.reasons[:1]))
        for part in probe.unanswered
        if part.verdict is not Verdict.UNAVAILABLE or policy.require_probe
    )
    yield from dict.fromkeys(texts)


def _without_answer(report, policy):
    """The engines beside the probe that had to answer and did not."""
    for engine in BESIDE_PROBE:
        is_only_judge = engine.target is None and engine.criterion in policy.criteria
        if engine.name not in policy.required and not is_only_judge:
            continue
        answer = engine.answer(report)
        if answer is None:
            yield f"{engine.name}: not run"
        elif isinstance(answer, Unchecked):
            yield f"{engine.name}: {answer.reason}"
        elif answer.verdict.exit_code == NOT_CHECKED:
            yield ": ".join((engine.name, answer.verdict, *answer.reasons[:1]))


def _limit(name, value, word):
    try:
        limit = float(value)
    except ValueError:
        limit = math.nan
    if name == PARTITIONS and limit.is_integer() and limit >= 1:
        return limit
    if name == MACS and 0 <= limit <= 100:
        return limit
    rule = (
        "partitions:N takes a whole number from 1"
        if name == PARTITIONS
        else "macs:PERCENT takes 0 to 100"
    )
    raise ValueError(f"--fail-on {rule}. Received: {word!r}.")
