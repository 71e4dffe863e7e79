"""One rule for people: what it says, what to write instead, how it is known, and the least code that meets it."""

import textwrap

from bokeh_tf.delegate.audit.findings import TARGET as AUDIT
from bokeh_tf.delegate.audit.findings import explanations
from bokeh_tf.delegate.findings import TARGETS
from bokeh_tf.delegate.rules import explain, load_rules

_WIDTH = 100


def explanation_of(rule_id) -> str:
    """The rule `rule_id` as text; a `ValueError` names the known ones."""
    ids = [rule.id for target in TARGETS for rule in load_rules(target).rules] + list(explanations())
    if rule_id not in ids:
        raise ValueError(f"--explain takes the id of a rule. Received: {rule_id!r}. Known: {', '.join(sorted(ids))}.")
    known = explanations()[rule_id] if rule_id.startswith(f"{AUDIT}.") else explain(rule_id)
    paragraphs = (
        (f"{known.rule}  ({known.target}, {known.release}; {known.kind})", ""),
        ("Operations", "any" if known.ops == ("*",) else ", ".join(known.ops)),
        ("Reason", known.reason),
        ("Instead", known.instead),
        ("Source", known.source),
    )
    lines = []
    for heading, text in paragraphs:
        lines += [heading if not text else f"{heading}:", *_indented(text)]
    if known.evidence:
        lines += ["Evidence:", *(line for text in known.evidence for line in _indented(text, bullet="- "))]
    example = known.example or "none in Keras yet; the evidence says which files have it"
    lines += ["Example:", textwrap.indent(example, "    ")]
    return "\n".join(lines) + "\n"


def _indented(text, *, bullet=""):
    first, rest = f"    {bullet}", " " * (4 + len(bullet))
    return textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=rest)
