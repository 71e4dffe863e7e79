"""Prints pip constraints that pin every dependency to the lowest release that setup.py allows.

pip install -e '.[dev]' && python .ci/lowest_constraints.py > lowest.txt && pip install
-e '.[dev]' -c lowest.txt
"""

import re
import sys
from importlib.metadata import requires

_LOWER_BOUND = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?>=([0-9.]+)")


def constraints(requirements: list[str]) -> list[str]:
    """`name==bound.*` for each requirement that has a lower bound, with its marker
    but for the extra it is of.
    """
    pinned = []
    for requirement in requirements:
        specifier, _, marker = requirement.partition(";")
        bound = _LOWER_BOUND.fullmatch(specifier.strip())
        if bound is None:
            continue
        conditions = [
            part.strip() for part in marker.split(" and ") if part.strip() and "extra" not in part
        ]
        condition = f" ; {' and '.join(conditions)}" if conditions else ""
        pinned.append(f"{bound[1]}=={bound[2]}.*{condition}")
    return sorted(set(pinned))


if __name__ == "__main__":
    sys.stdout.write("\n".join(constraints(requires("bokeh-tf") or [])) + "\n")
