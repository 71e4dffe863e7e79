"""One photo through one model."""

import dataclasses

import numpy as np

from bokeh_tf.errors import ModelFileError
from bokeh_tf.rendering.composite import composite
from bokeh_tf.rendering.focus import SURE_FROM, Wishes
from bokeh_tf.rendering.geometry import place, to_canvas
from bokeh_tf.rendering.weight_maps import estimate_in_focus_weight


@dataclasses.dataclass(frozen=True)
class Rendering:
    """A rendered photo.

    Attributes:
        image: `[H, W, 3]`, size and type of the photo.
        in_focus_weight: float32 `[h, w]` in [0, 1] at the model's resolution, covering the whole photo: the
            share of the photo itself, which is sharp, in each pixel.
        subject_confidence: how sure the model is of a clear subject, from 0 to 1, or None where it does not say.
        decision: what was made of that: "subject" or "tap" is in focus, "graded" along the ground, "kept" as it was,
            or None where the model decides alone.
    """

    image: np.ndarray
    in_focus_weight: np.ndarray
    subject_confidence: float | None = None
    decision: str | None = None


def render(photo, model, *, focus=None, aperture=None, if_unsure="grade"):
    """Renders bokeh into a photo of any size.

    Args:
        photo: `[H, W, 3]` RGB, uint8 or uint16, sRGB-encoded.
        model: a `BokehModel`, see `load_model`.
        focus: (x, y) in [0, 1] of the photo, from its upper left corner: what is there stays sharp.
        aperture: from 0, everything sharp, to 1; None for the model's own.
        if_unsure: "grade", "keep" or "force", see `bokeh_tf.rendering.focus.Wishes`; for models that say how sure
            they are of a subject.

    Returns:
        A `Rendering`.

    Raises:
        ModelFileError: a focus or an aperture is asked for and the model cannot be told.
    """
    if photo.ndim != 3 or photo.shape[2] != 3 or photo.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"photo must be [H, W, 3] uint8 or uint16. Received: {photo.dtype} {list(photo.shape)}.")
    wishes = Wishes(focus, aperture, if_unsure)
    height, width, _ = photo.shape
    placement = place(height, width, *model.canvas_size(height, width))
    canvas = to_canvas(photo, placement)
    output, decision = _run(model, canvas, placement, wishes)
    image, rendered = placement.crop(canvas), placement.crop(output.rendered)
    if decision == "kept":
        weight = np.ones(image.shape[:2], np.float32)
        return Rendering(photo.copy(), weight, output.subject_confidence, decision)
    if output.in_focus_weight is None:
        weight = estimate_in_focus_weight(image, rendered)
    else:
        weight = np.ascontiguousarray(placement.crop(output.in_focus_weight))
    picture = composite(photo, image, rendered, weight)
    return Rendering(picture, weight, output.subject_confidence, decision)


def _run(model, canvas, placement, wishes):
    """What the model makes of the canvas, and what was decided."""
    if not getattr(model, "takes_focus", False):
        if wishes.are_any:
            raise ModelFileError(
                f"{model.name}: cannot be told where to focus or how wide to open. Name another model."
            )
        output = model.run(canvas)
        return output, None if output.subject_confidence is None else "subject"
    output = model.run(canvas, wishes.numbers(placement))
    if wishes.focus is not None:
        return output, "tap"
    is_sure = output.subject_confidence is None or output.subject_confidence >= SURE_FROM
    if is_sure or wishes.if_unsure == "force":
        return output, "subject"
    if wishes.if_unsure == "keep":
        return output, "kept"
    graded = model.run(canvas, wishes.numbers(placement, grade=1.0))
    return dataclasses.replace(graded, subject_confidence=output.subject_confidence), "graded"
