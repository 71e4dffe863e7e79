"""One rule for people: what it says, what to write instead, how it is known,
and the least that meets it.
"""

import difflib
import textwrap

from bokeh_tf.delegate.audit.findings import TARGET as AUDIT
from bokeh_tf.delegate.audit.findings import explanations
from bokeh_tf.delegate.rules import explain, rule_ids
from bokeh_tf.tflite.running import RUNTIME

_WIDTH = 100
# As many as a line holds.
_SUGGESTIONS = 6


def explanation_of(rule_id) -> str:
    """The rule `rule_id` as text; a `ValueError` names the ids nearest to one that is unknown."""
    ids = [*rule_ids(), *explanations()]
    if rule_id not in ids:
        nearest = _nearest(rule_id, ids)
        raise ValueError(
            f"--explain takes the id of a rule, as findings name it. Received: {rule_id!r}."
            f" Known: {', '.join(nearest)} and {len(ids) - len(nearest)} others."
        )
    known = explanations()[rule_id] if rule_id.startswith(f"{AUDIT}.") else explain(rule_id)
    # Which releases it holds in stands below, where that was measured; the newest need not be one.
    whose = ", ".join([known.target] if _releases(known) else [known.target, known.release])
    paragraphs = (
        (f"{known.rule}  ({whose}; {known.kind})", ""),
        ("Operations", "any" if known.ops == ("*",) else ", ".join(known.ops)),
        ("Reason", known.reason),
        ("Instead", known.instead),
        ("Source", known.source),
        *([("Since", known.since)] if getattr(known, "since", "") else []),
        *_releases(known),
    )
    lines = []
    for heading, text in paragraphs:
        lines += [heading if not text else f"{heading}:", *_indented(text)]
    if known.evidence:
        lines += [
            "Evidence:",
            *(line for text in known.evidence for line in _indented(text, bullet="- ")),
        ]
    heading = "Example" if known.example else "The smallest graph that meets it"
    lines += [f"{heading}:", textwrap.indent(known.example or known.example_graph, "    ")]
    return "\n".join(lines) + "\n"


def _releases(known):
    """In which releases of the runtime the rule holds, where that was measured."""
    releases = getattr(known, "releases", ())
    return [(f"Holds in {RUNTIME}", ", ".join(releases))] if releases else []


def _nearest(rule_id, ids):
    """Some ids with the last word of what was received, those that begin with it first;
    else some spelled like it.
    """
    word = rule_id.rpartition(".")[2].lower()
    holding = sorted(
        (name for name in ids if word in name), key=lambda name: not name.startswith(rule_id)
    )
    return holding[:_SUGGESTIONS] or difflib.get_close_matches(
        rule_id, ids, n=_SUGGESTIONS, cutoff=0
    )


def _indented(text, *, bullet=""):
    first, rest = f"    {bullet}", " " * (4 + len(bullet))
    return textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=rest)
