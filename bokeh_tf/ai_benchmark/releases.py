"""Which TensorFlow Lite release a file needs: operator by operator, and what
its converter wrote into it.

An app carries a TensorFlow Lite of its own and refuses operator versions that are newer ("Didn't
find op for builtin opcode ..."). The table `operator_releases.json` names its source. Releases
are texts such as "2.3.0".
"""

import functools
import json
import re
from collections import Counter
from dataclasses import dataclass
from importlib import resources

# PRO mode loads models since version 4 of the app, of 31 May 2020; TensorFlow 2.2.0 was
# the newest release then.
OLDEST_APP_RELEASE = "2.2.0"
OLDEST_APP = "AI Benchmark 4 (May 2020)"
_RELEASE = re.compile(r"\d{1,4}(\.\d{1,4}){1,2}")


@dataclass(frozen=True)
class OperatorNeed:
    """An operator of the file. `release` is the first that has this version, None
    where the table has no entry.
    """

    name: str
    version: int
    node_count: int
    release: str | None

    @property
    def label(self) -> str:
        """Such as "BATCH_MATMUL v1"."""
        return f"{self.name} v{self.version}"


@dataclass(frozen=True)
class Needs:
    """What a file asks of a runtime.

    Attributes:
        operators: the newest need first, and before those what the table does not know.
        declared: the release that the file's converter wrote into it, None where it
            wrote none that can be read.
    """

    operators: tuple[OperatorNeed, ...]
    declared: str | None

    @property
    def release(self) -> str | None:
        """The oldest release that can load the file; None where neither
        the table nor the file says.
        """
        known = [operator.release for operator in self.operators] + [self.declared]
        return max(filter(None, known), key=release_key, default=None)

    @property
    def unknown(self) -> tuple[OperatorNeed, ...]:
        """Operators that the table lacks: newer than it, or custom ones."""
        return tuple(operator for operator in self.operators if operator.release is None)

    @property
    def deciding(self) -> tuple[OperatorNeed, ...]:
        """The operators because of which nothing older than `release` will do."""
        return tuple(operator for operator in self.operators if operator.release == self.release)


def read_needs(file) -> Needs:
    """The `Needs` of a `ModelFile`; operators of its main graph, which
    is all that is read of it.
    """
    counts = Counter((node.name, node.version, node.is_custom) for node in file.operators)
    operators = [
        OperatorNeed(name, version, count, None if is_custom else _first_release(name, version))
        for (name, version, is_custom), count in counts.items()
    ]
    operators.sort(
        key=lambda operator: (
            operator.release is not None,
            _descending(operator.release),
            operator.label,
        )
    )
    return Needs(tuple(operators), parse_release(file.min_runtime_version or ""))


def parse_release(text) -> str | None:
    """`text` as a release with three numbers, or None where it is none."""
    text = text.strip()
    if not _RELEASE.fullmatch(text):
        return None
    return ".".join(str(number) for number in release_key(text))


def release_key(release) -> tuple[int, int, int]:
    """By which releases are compared; "2.10.0" is newer than "2.9.0"."""
    major, minor, patch = [*(int(number) for number in release.split(".")), 0][:3]
    return major, minor, patch


def _descending(release):
    return tuple(-number for number in release_key(release)) if release else ()


def _first_release(name, version):
    return _table().get(name, {}).get(str(version))


@functools.cache
def _table():
    text = (
        resources.files("bokeh_tf.ai_benchmark")
        .joinpath("operator_releases.json")
        .read_text(encoding="utf-8")
    )
    return json.loads(text)["operators"]
