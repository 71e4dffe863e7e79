"""The results that the suites left in the repository."""

from tests.house.sources import ROOT

# Suites whose files hold judgements, or times in a form of their own.
_OTHER_SUITES = (
    "blind_",
    "overhead_",
    "quality_",
    "repairs_",
    "repeatability_",
    "strength_",
    "subject_",
)
KEPT = sorted((ROOT / "benchmarks" / "results").glob("*.json"))
TIMED = [path for path in KEPT if not path.name.startswith(_OTHER_SUITES)]
