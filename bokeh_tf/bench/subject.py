"""The models of a timing run: their bytes, digests, distinct names, and what the CPU
computes on the run's inputs.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bokeh_tf.tflite.inspection import ModelFile

SEED = 0


@dataclass(frozen=True)
class Subject:
    """A model to be timed.

    Attributes:
        name: distinct in the run: the file's stem, numbered where another file has the same.
        file_name: without its folder.
        path: a private copy, whose bytes are those of `sha256` whatever
            happens to the file meanwhile.
        expected: what the CPU computes, by tensor index.
        output_names: by tensor index.
    """

    name: str
    file_name: str
    path: Path
    sha256: str
    model_file: ModelFile
    expected: dict[int, np.ndarray]
    output_names: dict[int, str]

    @property
    def is_quantised(self) -> bool:
        """Whether right computations of it may differ by whole steps."""
        return self.model_file.is_quantised

    @property
    def quantised_outputs(self) -> frozenset[int]:
        """The indices of the outputs whose integers stand for real values."""
        return frozenset(port.index for port in self.model_file.outputs if port.is_quantised)


def distinct_names(paths: Sequence[str | Path]) -> list[str]:
    """A distinct name per path: its stem, numbered where another file has the same."""
    stems = [Path(path).stem for path in paths]
    total = Counter(stems)
    seen: Counter[str] = Counter()
    names = []
    for stem in stems:
        seen[stem] += 1
        names.append(stem if total[stem] == 1 else f"{stem} #{seen[stem]}")
    return names
