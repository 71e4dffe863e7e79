"""What somebody wants in focus, how wide the lens opens, and what happens
where no subject is found.

A model that can be told takes four numbers beside the photo, float32 `[1, 1, 1, 4]`: row and column
of a tap in [0, 1], negative for none; the aperture from 0, everything sharp, to 1, negative for the
model's own; and the grade: 0 keeps the subject, 1 none, and blurs along the ground instead.
"""

import dataclasses

import numpy as np

from bokeh_tf.models.asking import UNSURE
from bokeh_tf.rendering.apertures import SHAPES

# Below this a model does not know what the photo is of.
SURE_FROM = 0.5


@dataclasses.dataclass(frozen=True)
class Wishes:
    """What a rendering is asked for.

    Attributes:
        focus: (x, y) of a tap in [0, 1] of the photo, from its upper left corner;
            None lets the model choose.
        aperture: from 0, everything sharp, to 1; None for the model's own.
        if_unsure: what to do with a photo without a clear subject that nobody tapped: "keep"
            leaves the photo as it is, "grade" blurs by distance along the ground, "force"
            renders what the model guesses.
        shape: the opening of the lens, one of `bokeh_tf.rendering.apertures.SHAPES`;
            None leaves the blur to the model, otherwise it is computed here and the
            model only says what stays sharp.
        grain: put the photo's grain back on what is blurred.
    """

    focus: tuple[float, float] | None = None
    aperture: float | None = None
    if_unsure: str = UNSURE[0]
    shape: str | None = None
    grain: bool = False

    def __post_init__(self):
        if self.focus is not None and not (
            len(self.focus) == 2 and all(0 <= part <= 1 for part in self.focus)
        ):
            raise ValueError(f"focus must be x and y within [0, 1]. Received: {self.focus}")
        if self.aperture is not None and not 0 <= self.aperture <= 1:
            raise ValueError(f"aperture must be within [0, 1]. Received: {self.aperture}")
        if self.if_unsure not in UNSURE:
            raise ValueError(
                f"if_unsure must be a known one. Received: {self.if_unsure!r}. Known:"
                f" {', '.join(UNSURE)}."
            )

        if self.shape is not None and self.shape not in SHAPES:
            raise ValueError(
                f"shape must be a known one. Received: {self.shape!r}. Known: {', '.join(SHAPES)}."
            )

    @property
    def are_any(self) -> bool:
        """Whether a model must be told anything."""
        return self.focus is not None or self.aperture is not None

    def numbers(self, placement, *, grade=0.0):
        """What a model is told, float32 `[1, 1, 1, 4]`, for a photo that lies in
        its canvas at a `Placement`.
        """
        row = column = aperture = -1.0
        if self.focus is not None:
            x, y = self.focus
            row = (placement.top + y * placement.height) / placement.canvas_height
            column = (placement.left + x * placement.width) / placement.canvas_width
        if self.aperture is not None:
            aperture = self.aperture
        return np.float32([row, column, aperture, grade]).reshape(1, 1, 1, 4)
