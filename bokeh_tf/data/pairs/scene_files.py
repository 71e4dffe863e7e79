"""RealBokeh's scenes: JSON files that name one sharp photo and the same scene at several apertures.

Beside `metadata/` lie the folders that the names begin with, as in
`{"source_image": "in/7.JPG", "target_images": ["gt/7_f2.0.JPG"], "target_avs": [2.0]}`.
"""

import dataclasses
from pathlib import Path

from bokeh_tf import documents
from bokeh_tf.errors import DataError

FOLDER = "metadata"


@dataclasses.dataclass(frozen=True)
class SceneFile:
    """One scene: names of its photos below the folder that holds `metadata/`,
    and the targets' f-numbers.
    """

    source_image: str
    target_images: list[str]
    target_avs: list[float]

    def __post_init__(self):
        if len(self.target_images) != len(self.target_avs):
            raise ValueError(
                f"{len(self.target_images)} target_images, but {len(self.target_avs)} target_avs"
            )


def read_scene(path: Path) -> SceneFile:
    """The scene in the file `path`; `DataError` where it is none."""
    return documents.read_typed(
        path, SceneFile, error=DataError, what="not a scene of RealBokeh", advice="It is left out."
    )
