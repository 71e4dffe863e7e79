"""Which picture belongs to which where the names of a pair differ in what says nothing of the scene."""

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

_SCALE_ENDING = re.compile(r"_?[xX]\d{1,2}$")
_PADDING = re.compile(r"(?<!\d)0+(?=\d)")


def by_partner(sources: Mapping[str, Path], targets: Mapping[str, Path]) -> dict[str, Path]:
    """`targets` by the stems of the sources they belong to, where names differ in what
    says nothing of the scene.

    That is padding with zeros, and the scale at a name's end (`12x4`, `12_x4`); a name
    that could mean two is left.
    """
    renamed = dict(targets)
    waiting = _unmatched(sources, targets)
    for name, stems in _unmatched(targets, sources).items():
        partners = waiting.get(name, ())
        if len(stems) == len(partners) == 1:
            renamed[partners[0]] = renamed.pop(stems[0])
    return renamed


def _unmatched(files, others):
    """Stems of `files` that no file of `others` has, by what they say of the scene."""
    found = defaultdict(list)
    for stem in files:
        if stem not in others:
            found[_PADDING.sub("", _SCALE_ENDING.sub("", stem))].append(stem)
    return found
