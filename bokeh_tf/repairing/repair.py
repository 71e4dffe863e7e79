"""The repair of a file: rewrite, prove, compare with what was; what does not prove itself is left
out again.

`repair(model)` takes a path or the bytes of a `.tflite` and returns a `Repair`. Inputs and outputs
keep index, name, type and shape. All that trusts the file's bytes runs in child processes; this one
only reads them by `inspect`.
"""

import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bokeh_tf.delegate.check import is_other_release, other_release_note
from bokeh_tf.delegate.engines import NPU
from bokeh_tf.delegate.findings import TARGETS, Kind, TargetReport, TargetVerdict
from bokeh_tf.delegate.linting.lint import lint
from bokeh_tf.delegate.probing.probe import ProbeReport
from bokeh_tf.delegate.probing.probe import probe as ask_delegate
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.delegate.unchecked import Unchecked
from bokeh_tf.errors import CheckError, ModelFileError
from bokeh_tf.paths import resolved
from bokeh_tf.repairing.children import Children
from bokeh_tf.repairing.interface import KINDS, PortChange
from bokeh_tf.repairing.outcome import RANKS, Left, Repair, RolledBack, rank
from bokeh_tf.repairing.passes import Applied, lint_all
from bokeh_tf.repairing.proof import Proof
from bokeh_tf.repairing.recipes import ALL_RECIPES, ALSO, ON_THE_NPU, RECIPES, SECOND_FORMS
from bokeh_tf.repairing.sizes import NAME as SIZES
from bokeh_tf.tflite.associated_files import why_lost
from bokeh_tf.tflite.subject import Model, subject_of

DEFAULT_TIMEOUT_S = 600.0
NAMES = (SIZES, *(recipe.name for recipe in ALL_RECIPES))
_BOUNDS = {recipe.name: recipe.bound for recipe in ALL_RECIPES}
_SECOND_NAMES = frozenset(recipe.name for recipe in SECOND_FORMS)
_ALSO_NOTE = "--also"
_NPU_NAMES = frozenset(recipe.name for recipe in ON_THE_NPU)
# Rounding adds up from one rewriting to the next, but beyond this it is no rounding.
_LARGEST_BOUND = 1e-4


@dataclass(frozen=True)
class _Candidate:
    content: bytes
    journal: dict
    after: tuple[TargetReport, ...]
    proof: Proof | None = None
    probe: ProbeReport | Unchecked | None = None
    fault: str | None = None


def repair(
    model: Model,
    *,
    recipes: Iterable[str] = NAMES,
    input_shapes: Sequence[Sequence[int]] | None = None,
    batch: int = 1,
    probe: bool = True,
    photo=None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    allow: Iterable[str] = (),
    runtime: str | None = None,
    also: Iterable[str] = (),
) -> Repair:
    """Rewrites what delegates refuse into what they take, where that can be proved equal.

    Args:
        model: a path, the bytes of a `.tflite`, or a `Subject`.
        recipes: names of `NAMES` that may be used.
        input_shapes: sizes of all inputs, for files with free ones other than the batch.
        batch: what a free first dimension is fixed to.
        probe: also ask the real delegate, where there is an adapter.
        photo: a photograph for proof and probe; the packaged one if None.
        timeout_s: limit for all of it.
        allow: changes of inputs and outputs that may be made, of `interface.KINDS`;
            `Repair.interface` then says which were, and what the app must do.
        runtime: the release by whose rules to repair, None for the newest that they know. A real
            delegate of another one then decides nothing.
        also: of `recipes.ALSO`, what else is to take the file whole: "opengl", phones without
            OpenCL; "npu", LiteRT's NPU path. The delegates come first: where one of them would take
            less, or the proof fails, the file stays as it is without, and a note says so.

    Raises:
        ModelFileError: the file cannot be read as a model.
        CheckError: a child process died or ran out of time while rewriting.
    """
    for what, given, known in (
        ("recipes by name", recipes, NAMES),
        ("changes to allow", allow, KINDS),
        ("what else to repair for", also, ALSO),
    ):
        if unknown := sorted(set(given) - set(known)):
            raise ValueError(f"{what}. Received: {unknown}. Known: {', '.join(known)}.")
    also = tuple(name for name in ALSO if name in set(also))
    subject = subject_of(model)
    label, content = subject.label, subject.content
    before = tuple(lint(subject.model_file, target, runtime=runtime) for target in TARGETS)
    if not (probe or also) and all(report.verdict is TargetVerdict.COMPATIBLE for report in before):
        return _untouched(label, content, before, None, runtime)
    with tempfile.TemporaryDirectory(prefix="bokeh_tf_repair_") as folder:
        children = Children(label, Path(folder), content, time.monotonic() + timeout_s)
        request = {
            "recipes": sorted(set(recipes)),
            "shapes": None if input_shapes is None else [list(shape) for shape in input_shapes],
            "batch": batch,
            "allow": sorted(set(allow)),
            "second_forms": False,
            "also": [],
            "photo": None if photo is None else str(resolved(photo)),
            "runtime": runtime,
        }
        search = _Search(label, content, before, children, request, probe)
        repaired = search.run()
        reached: tuple[str, ...] = ()
        for wanted in also:
            wider = search.widened(repaired, (*reached, wanted))
            reached = (*reached, wanted) if wider.content != repaired.content else reached
            repaired = wider
        return replace(repaired, also=also)


class _Search:
    """The best set of recipes for one file: all of them, or those that are left when faulty ones
    are out.
    """

    def __init__(self, label, content, before, children, request, probe):
        self._label = label
        self._content = content
        self._before = before
        self._children = children
        self._request = request
        self._probes = probe
        self._runtime = request["runtime"]
        self._probe_before: ProbeReport | Unchecked | None = None
        self._sizes_declined: str | None = None
        self._changes: tuple[PortChange, ...] = ()
        self._shapes = None
        self._notes: tuple[str, ...] = ()
        self._left_out = ""

    def run(self) -> Repair:
        """Tries all recipes, a second form where the real delegate asks for one, and else fewer."""
        if all(report.verdict is TargetVerdict.COMPATIBLE for report in self._before):
            return self._of_sound_file()
        if self._request["allow"]:
            self._change_interface()
        whole = self._candidate(self._request["recipes"])
        self._sizes_declined = whole.journal["sizes_declined"]
        second = self._second_form() if self._rank(whole.probe) else None
        if second is not None:
            return self._repair(second, ())
        if whole.fault is None or not _used(whole.journal):
            return self._repair(whole, ())
        kept, rolled_back = self._without_faulty(whole)
        return self._repair(kept, rolled_back)

    def _of_sound_file(self):
        """What the lint finds nothing in may still be computed wrongly by the real delegate."""
        self._probe_before = self._probe(self._content) if self._probes else None
        second = None
        if (self._rank(self._probe_before) or 0) >= RANKS.index(Verdict.WRONG):
            second = self._second_form()
        if second is not None:
            return self._repair(second, ())
        return _untouched(
            self._label, self._content, self._before, self._probe_before, self._runtime
        )

    def _change_interface(self):
        """Further work starts from a file with other ports, if there are any to change."""
        _, answer = self._children.change_interface(self._request)
        self._changes = tuple(PortChange(**entry) for entry in answer["changes"])
        self._shapes = answer["shapes"]
        if answer["failure"]:
            self._notes = (f"inputs and outputs are as they were: {answer['failure']}",)
        if answer["left_out"]:
            names = " and ".join(answer["left_out"])
            self._left_out = f"{names}, which described the ports as they were, left out"

    def _second_form(self):
        """The candidate with forms that no rule asks for, where the real delegate computes that one
        right.
        """
        candidate = self._candidate(self._request["recipes"], second_forms=True)
        return candidate if candidate.fault is None and self._rank(candidate.probe) == 0 else None

    def _without_faulty(self, whole):
        """(the best candidate without a fault, or the original; which recipes are not in it and
        why).
        """
        used = _used(whole.journal)
        for name in used:
            candidate = self._candidate(
                [other for other in self._request["recipes"] if other != name]
            )
            if candidate.fault is None and len(used) > 1:
                return candidate, (RolledBack(name, whole.fault),)
        best, good, rolled_back = None, [], []
        for name in used if len(used) > 1 else ():
            candidate = self._candidate([*good, name])
            if candidate.fault is None:
                best, good = candidate, [*good, name]
            else:
                rolled_back.append(RolledBack(name, candidate.fault))
        if best is None:
            rolled_back = [RolledBack(name, whole.fault) for name in used]
        return best, tuple(rolled_back)

    def widened(self, repaired: Repair, also: Sequence[str]) -> Repair:
        """The repair with what else is asked for, where nothing speaks against it; else the same
        with a note that says what does.
        """
        wanted = also[-1]
        if not _lacks(wanted, repaired):
            return repaired
        rolled_back = {one.recipe for one in repaired.rolled_back}
        names = [name for name in self._request["recipes"] if name not in rolled_back]
        second_forms = not _SECOND_NAMES.isdisjoint(one.recipe for one in repaired.applied)
        candidate = self._candidate(names, second_forms=second_forms, also=also)
        if wanted == NPU and _NPU_NAMES.isdisjoint(_used(candidate.journal)):
            return repaired
        fault = candidate.fault or self._why_not_wider(candidate, repaired, wanted)
        if fault:
            return replace(repaired, notes=(*repaired.notes, f"{_ALSO_NOTE} {wanted}: {fault}"))
        wider = self._repair(candidate, repaired.rolled_back)
        kept = [note for note in repaired.notes if note.startswith(_ALSO_NOTE)]
        return replace(wider, notes=(*wider.notes, *kept))

    def _why_not_wider(self, candidate, repaired, wanted):
        """What speaks against a candidate beside a repair that asks for less, None for nothing."""
        now_rank, then_rank = self._rank(candidate.probe), self._rank(repaired.probe)
        if now_rank and then_rank is not None and then_rank < now_rank:
            return (
                f"on the real delegate {candidate.probe.verdict}, {repaired.probe.verdict} without"
            )
        return _why_not_better(repaired.after, candidate.after, is_equal_enough=True)

    def _candidate(self, names, *, second_forms=False, also=()) -> _Candidate:
        """The file rewritten by these recipes, with the fault that speaks against it."""
        request = {
            **self._request,
            "recipes": list(names),
            "second_forms": second_forms,
            "also": list(also),
        }
        content, journal = self._children.rewrite(request)
        candidate = _Candidate(content, journal, lint_all(content, runtime=self._runtime))
        equal_enough = second_forms or bool(also)
        fault = _why_not_better(self._before, candidate.after, is_equal_enough=equal_enough)
        if not _used(journal) and not self._changes:
            fault = "no recipe fits"
        fault = (also and _what_is_lacking(also[-1], candidate)) or fault
        if fault:
            return replace(candidate, fault=fault)
        bound = min(sum(_BOUNDS[one["recipe"]] for one in journal["applied"]), _LARGEST_BOUND)
        request = {**self._request, "proof_shapes": journal["shapes"], "bound": bound}
        proof = self._children.prove(content, request)
        candidate = replace(candidate, proof=proof)
        if proof.failure:
            return replace(candidate, fault=f"not proved equal: {proof.failure}")
        return self._probed(candidate) if self._probes else candidate

    def _probed(self, candidate):
        """The candidate with the real delegate's word, a fault where that is worse than on the
        original.
        """
        probed = self._probe(candidate.content)
        candidate = replace(candidate, probe=probed)
        now_rank = self._rank(probed)
        if not now_rank:
            return candidate
        self._probe_before = self._probe_before or self._probe(self._content)
        then_rank = self._rank(self._probe_before)
        if then_rank is not None and then_rank < now_rank:
            reasons = next((part.reasons for part in probed.precisions if part.reasons), ("",))
            now, then = f"{probed.verdict} ({reasons[0]})", self._probe_before.verdict
            return replace(candidate, fault=f"on the real delegate {now}, {then} before")
        return candidate

    def _probe(self, content):
        if self._children.remaining_s <= 0:
            return Unchecked(self._label, "time was up")
        try:
            subject = subject_of(content, label=self._label)
            return ask_delegate(
                subject, photo=self._request["photo"], timeout_s=self._children.remaining_s
            )
        except (ModelFileError, CheckError) as error:
            return Unchecked(self._label, str(error))

    def _repair(self, candidate, rolled_back) -> Repair:
        if candidate is None:
            _, journal = self._children.rewrite({**self._request, "recipes": []})
            candidate = _Candidate(self._content, journal, self._before, fault="nothing")
        journal = candidate.journal
        is_better = candidate.fault is None
        faults = {one.recipe: one.why for one in rolled_back}
        declined = self._sizes_declined or journal["sizes_declined"]
        return Repair(
            path=self._label,
            content=candidate.content if is_better else None,
            before=self._before,
            after=candidate.after if is_better else self._before,
            applied=_applied(journal) if is_better else (),
            left=tuple(_left(one, faults) for one in journal["left"]),
            rolled_back=tuple(rolled_back),
            proof=candidate.proof,
            probe=candidate.probe,
            shapes=_shapes(self._shapes or journal["shapes"]) if is_better else None,
            notes=tuple(self._notes_on(candidate, declined)),
            size_bytes=len(candidate.content if is_better else self._content),
            size_before_bytes=len(self._content),
            interface=self._changes if is_better else (),
            runtime=self._runtime,
        )

    def _rank(self, probed):
        return rank(probed, self._runtime)

    def _notes_on(self, candidate, declined):
        yield from self._notes
        if candidate.fault is None and self._left_out:
            yield self._left_out
        lost = candidate.fault is None and why_lost(self._content)
        if lost:
            yield f"what is packed behind the model is left out: {lost}"
        if declined:
            yield f"sizes are as they were: {declined}"
        if is_other_release(candidate.probe, self._runtime):
            yield other_release_note(candidate.probe, self._runtime)
        now_rank = self._rank(candidate.probe)
        if now_rank and now_rank == self._rank(self._probe_before):
            yield f"the real delegate says {candidate.probe.verdict} of the original, too"


def _lacks(wanted, repaired):
    """Whether a repair has not yet what else is asked for; of the NPU no rule tells."""
    return wanted == NPU or any(report.without_opencl for report in repaired.after)


def _what_is_lacking(wanted, candidate):
    """What a candidate lacks of what else is asked for, None for nothing."""
    if wanted == NPU:
        return None
    left = [one for report in candidate.after for one in report.without_opencl]
    return f"{len(left)} objections would stay, as {left[0].op}: {left[0].reason}" if left else None


def _used(journal):
    """The names of the recipes that were used, in order."""
    names = [SIZES] if journal["shapes"] is not None else []
    return list(dict.fromkeys([*names, *(one["recipe"] for one in journal["applied"])]))


def _applied(journal):
    sizes = (Applied(SIZES, "SHAPE", None, ()),) if journal["shapes"] is not None else ()
    return sizes + tuple(
        Applied(**{**one, "rules": tuple(one["rules"])}) for one in journal["applied"]
    )


def _shapes(shapes):
    return None if shapes is None else tuple(map(tuple, shapes))


def _left(entry, faults):
    why = entry["why"] or entry["reason"]
    for recipe in RECIPES:
        if recipe.name in faults and recipe.names(entry["op"], [entry["rule"]]):
            why = f"{recipe.name}: {faults[recipe.name]}"
    return Left(entry["target"], entry["rule"], entry["op"], entry["layer"], why)


def _untouched(label, content, before, probed, runtime):
    """The repair of a file that needs none."""
    notes = ["nothing to repair: no rule of either target objects"]
    if is_other_release(probed, runtime):
        notes.append(other_release_note(probed, runtime))
    return Repair(
        path=label,
        content=None,
        before=before,
        after=before,
        applied=(),
        left=(),
        rolled_back=(),
        proof=None,
        probe=probed,
        shapes=None,
        notes=tuple(notes),
        size_bytes=len(content),
        size_before_bytes=len(content),
        runtime=runtime,
    )


def _why_not_better(before, after, *, is_equal_enough=False) -> str | None:
    """What got worse, or that nothing got better; None for a file that is better, or equal where
    that is enough.
    """
    counts = [[_counts(report) for report in reports] for reports in (before, after)]
    for report, old, new in zip(before, *counts, strict=True):
        if new[0] > old[0] or new[1] > old[1]:
            return f"{report.target} then objects to {sum(new)} nodes instead of {sum(old)}"
    return "no target objects to less" if counts[0] == counts[1] and not is_equal_enough else None


def _counts(report):
    """(how many objections leave nodes to the CPU, how many say that they are computed wrongly)."""
    wrong = sum(finding.kind is Kind.WRONG for finding in report.findings)
    return len(report.findings) - wrong, wrong
