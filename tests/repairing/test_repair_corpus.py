"""The repair of public and self-made networks that the project does not hold: skipped where they
are not there.
"""

import csv
from pathlib import Path

import pytest

from bokeh_tf.repairing.repair import repair

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "repair"
# What a prototype of the recipes reached; of 116.
LEAST_WHOLE = 68

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="no corpus beside this checkout"),
]


def shapes_of(row):
    text = row["static_input"]
    return [tuple(map(int, shape.split("x"))) for shape in text.split("; ")] if text else None


def test_corpus():
    with (FOLDER / "INDEX.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    whole, missed = 0, []
    for row in rows:
        result = repair(FOLDER / row["file"], input_shapes=shapes_of(row), probe=False)
        whole += result.is_whole
        if not result.is_whole and row["prototype_v2"] == row["prototype_mldrift"] == "compatible":
            missed.append(row["file"])
        for before, after in zip(result.before, result.after, strict=True):
            assert len(after.findings) <= len(before.findings), row["file"]
        assert result.is_whole or all(one.why for one in result.left)
    assert whole >= LEAST_WHOLE and missed == []
