"""The list of files that are begun first: complete paths, and what pytest and `make test` do by it."""

import subprocess
import sys
from pathlib import Path

from tests.longest import LONGEST_FIRST

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent


def test_the_listed_files_exist():
    assert all((TESTS / place).is_file() for place in LONGEST_FIRST)


def test_they_are_collected_first():
    listed = ["benchmarks/test_data_benchmark.py", "training/test_interruptions.py"]
    assert LONGEST_FIRST.index(listed[0]) > LONGEST_FIRST.index(listed[1])
    given = ["tests/test_longest.py", *(f"tests/{place}" for place in listed)]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--collect-only", "-q"]
    done = subprocess.run(
        [*command, *given], cwd=ROOT, capture_output=True, text=True, check=True, timeout=600
    )
    files = dict.fromkeys(line.partition("::")[0] for line in done.stdout.splitlines())
    wanted = [*(f"tests/{place}" for place in reversed(listed)), "tests/test_longest.py"]
    assert list(files)[:3] == wanted


def test_workers_take_files_in_that_order():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    [side_by_side] = [line for line in makefile.splitlines() if line.startswith("SIDE_BY_SIDE :=")]
    assert "--no-loadscope-reorder" in side_by_side
