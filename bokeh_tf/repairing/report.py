"""A repair as text for people and as JSON for programs."""

import json
from collections import Counter

from bokeh_tf.delegate.engines import NPU, named
from bokeh_tf.delegate.unchecked import Unchecked
from bokeh_tf.escaping import line_by_line
from bokeh_tf.repairing.outcome import Repair
from bokeh_tf.repairing.recipes import ALL_RECIPES, ON_THE_NPU, SECOND_FORMS
from bokeh_tf.repairing.sizes import DOES as SIZES_DO
from bokeh_tf.repairing.sizes import NAME as SIZES

SCHEMA_VERSION = 1
_DOES = {SIZES: SIZES_DO, **{recipe.name: recipe.does for recipe in ALL_RECIPES}}
_BY_NO_RULE = {
    recipe.name: what
    for recipes, what in (
        (SECOND_FORMS, "wrong numbers on the real delegate"),
        (ON_THE_NPU, f"--also {NPU}"),
    )
    for recipe in recipes
}
_MOST_LAYERS = 6


def recipe_list() -> str:
    """Every recipe: its name, what it does and which rules it answers."""
    lines = [f"{SIZES}\n    {SIZES_DO}"]
    for recipe in ALL_RECIPES:
        bound = "same bits" if not recipe.bound else f"within {recipe.bound:g} of an output's range"
        answers = ", ".join(recipe.rules) or _BY_NO_RULE[recipe.name]
        lines.append(
            f"{recipe.name}\n    {recipe.does}\n    on the CPU: {bound}; answers {answers}"
        )
    return "\n".join(lines) + "\n"


def to_text(repair: Repair, *, written=None, dry_run=False) -> str:
    """The repair for a terminal; `written` is where the file lies, None where there is none."""
    lines = [f"{repair.path}"]
    names = [named(report.target, repair) for report in repair.before]
    width = max(8, *map(len, names))
    for name, before, after in zip(names, repair.before, repair.after, strict=True):
        counts = f"{len(before.findings)} -> {len(after.findings)} objections"
        lines.append(f"  {name:{width}} {before.verdict} -> {after.verdict} ({counts})")
    lines += _applied_lines(repair)
    for change in repair.interface:
        port = f"{'input' if change.is_input else 'output'} {change.port}"
        lines.append(f"  {change.kind}: {port} is now {change.now}, was {change.was}: {change.app}")
    lines += [f"  rolled back: {one.recipe}: {one.why}" for one in repair.rolled_back]
    left = Counter((one.rule, one.op, one.layer, one.why) for one in repair.left)
    lines += ["not repaired:"] if left else []
    for (rule, op, layer, why), count in left.items():
        times = f"{count} x " if count > 1 else ""
        lines.append(f"  {times}{op}{f' ({layer})' if layer else ''}: {why} [{rule}]")
    lines += _proof_lines(repair)
    lines += [f"note: {note}" for note in repair.notes]
    if written is not None:
        lines.append(
            f"written: {written} ({repair.size_bytes:,} bytes, was {repair.size_before_bytes:,})"
        )
    elif repair.content is None:
        lines.append("nothing written")
    elif dry_run:
        lines.append(
            f"nothing written (--dry-run); the repaired file has {repair.size_bytes:,} bytes"
        )
    return line_by_line(lines)


def _applied_lines(repair):
    names = dict.fromkeys(one.recipe for one in repair.applied)
    lines = ["repaired:"] if names else []
    for name in names:
        of_recipe = [one for one in repair.applied if one.recipe == name]
        layers = list(dict.fromkeys(one.layer for one in of_recipe if one.layer))
        shown = ", ".join(layers[:_MOST_LAYERS]) + (", …" if len(layers) > _MOST_LAYERS else "")
        nodes = (
            ""
            if name == SIZES
            else f" {len(of_recipe)} x {'/'.join(sorted({one.op for one in of_recipe}))}"
        )
        lines.append(f"  {name}:{nodes}{f' in {shown}' if shown else ''}; {_DOES[name]}")
    if repair.shapes is not None:
        shapes = ["x".join(map(str, shape)) or "scalar" for shape in repair.shapes]
        lines.append(f"  sizes are now {'; '.join(shapes)}")
    return lines


def _proof_lines(repair):
    lines = []
    if repair.content is not None and repair.proof is not None:
        largest = (
            "the same bits"
            if not repair.proof.largest
            else f"within {repair.proof.largest:.1g} of the range"
        )
        ways = f"{', '.join(repair.proof.modes)}; {repair.proof.tensors} inner tensors"
        lines = [f"proved on the CPU: {largest} ({ways})"]
    if isinstance(repair.probe, Unchecked):
        lines.append(f"real delegate: not asked ({repair.probe.reason})")
    elif repair.probe is not None:
        reasons = next((part.reasons for part in repair.probe.precisions if part.reasons), ())
        lines.append(
            f"real delegate: {repair.probe.verdict}{f' ({reasons[0]})' if reasons else ''}"
        )
    return lines


def to_json(repair: Repair, *, written=None) -> str:
    """The repair as JSON, schema version 1."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "path": repair.path,
        "runtime": repair.runtime,
        "written": None if written is None else str(written),
        "is_whole": repair.is_whole,
        "is_better": repair.content is not None,
        "size_bytes": repair.size_bytes,
        "size_before_bytes": repair.size_before_bytes,
        "targets": [_target_entry(*pair) for pair in zip(repair.before, repair.after, strict=True)],
        "repaired": _entries(repair.applied, "recipe", "op", "layer", "rules"),
        "not_repaired": _entries(repair.left, "target", "rule", "op", "layer", "why"),
        "rolled_back": _entries(repair.rolled_back, "recipe", "why"),
        "interface": _entries(repair.interface, "kind", "port", "is_input", "was", "now", "app"),
        "input_shapes": repair.shapes,
        "proof": _proof_entry(repair.proof),
        "probe": _probe_entry(repair.probe),
        "also": repair.also,
        "notes": repair.notes,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _entries(records, *names):
    return [{name: getattr(record, name) for name in names} for record in records]


def _target_entry(before, after):
    states = {"before": before, "after": after}
    return {"target": before.target, "release": before.release} | {
        name: {"verdict": state.verdict, "objections": len(state.findings)}
        for name, state in states.items()
    }


def _proof_entry(proof):
    if proof is None:
        return None
    return {
        "failure": proof.failure,
        "modes": proof.modes,
        "largest_relative_difference": proof.largest,
        "inner_tensors": proof.tensors,
    }


def _probe_entry(probe):
    if probe is None:
        return None
    if isinstance(probe, Unchecked):
        return {"verdict": None, "reason": probe.reason}
    reasons = [reason for part in probe.precisions for reason in part.reasons]
    return {
        "verdict": str(probe.verdict),
        "reason": reasons[0] if reasons else None,
        "adapter": probe.adapter,
    }
