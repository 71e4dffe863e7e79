"""One photo through one model."""

import dataclasses

import numpy as np

from bokeh_tf.errors import ModelFileError
from bokeh_tf.models.asking import UNSURE
from bokeh_tf.rendering import planes
from bokeh_tf.rendering.apertures import DISC
from bokeh_tf.rendering.backends import ModelOutput
from bokeh_tf.rendering.composite import composite
from bokeh_tf.rendering.focus import SURE_FROM, Wishes
from bokeh_tf.rendering.geometry import place, plane_to_canvas, to_canvas
from bokeh_tf.rendering.grain import Grain
from bokeh_tf.rendering.lens import through_lens
from bokeh_tf.rendering.weight_maps import estimate_in_focus_weight


@dataclasses.dataclass(frozen=True)
class Rendering:
    """A rendered photo.

    Attributes:
        image: `[H, W, 3]`, size and type of the photo.
        in_focus_weight: float32 `[h, w]` in [0, 1] at the model's resolution, covering the whole
            photo: the share of the photo itself, which is sharp, in each pixel. At the photo's
            size if that was asked for.
        subject_confidence: how sure the model is of a clear subject, from 0 to 1, or None where it
            does not say or was not asked.
        decision: what was made of that: "subject" or "tap" is in focus, "mask" or "depth" says what
            is, "graded" along the ground, "kept" as it was, or None where the model decides alone.
    """

    image: np.ndarray
    in_focus_weight: np.ndarray
    subject_confidence: float | None = None
    decision: str | None = None


def render(
    photo,
    model,
    *,
    focus=None,
    aperture=None,
    if_unsure=UNSURE[0],
    shape=None,
    grain=False,
    mask=None,
    depth=None,
    full_size_map=False,
):
    """Renders bokeh into a photo of any size.

    With a mask, depth or shape the blur is computed here (`bokeh_tf.rendering.lens`), and the model
    only says what stays sharp, if it is asked at all; but a model that takes such a map computes
    the blur itself, and in focus is the tapped thing, or else the nearest.

    Args:
        photo: `[H, W, 3]` RGB, uint8 or uint16, sRGB-encoded.
        model: a `BokehModel`, see `load_model`.
        focus: (x, y) in [0, 1] of the photo, from its upper left corner: what is there stays sharp.
        aperture: from 0, everything sharp, to 1; None for the model's own.
        if_unsure: "keep", "grade" or "force", see `bokeh_tf.rendering.focus.Wishes`; for models
            that say how sure they are of a subject.
        shape: the opening, one of `bokeh_tf.rendering.apertures.SHAPES`; None
            leaves the blur to the model.
        grain: put the photo's grain back on what is blurred.
        mask: float32 `[h, w]` in [0, 1] of any size, 1 for what stays
            sharp; the model is not asked.
        depth: float32 `[h, w]` in [0, 1] of any size, 1 for the nearest and 0 for the farthest,
            evenly in one over distance. In focus is what is as near as the tap, or else as the
            model's subject, or else the nearest.
        full_size_map: return the in-focus weight at the photo's size.

    Returns:
        A `Rendering`.

    Raises:
        ModelFileError: a focus or an aperture is asked for and the model cannot be told, or it must
            be told how near everything is and is not.
    """
    if photo.ndim != 3 or photo.shape[2] != 3 or photo.dtype not in (np.uint8, np.uint16):
        raise ValueError(
            f"photo must be [H, W, 3] uint8 or uint16. Received: {photo.dtype} {list(photo.shape)}."
        )
    if mask is not None and (depth is not None or focus is not None):
        raise ValueError(
            "a mask says by itself what is in focus. Received: a depth map or a focus too."
        )
    wishes = Wishes(focus, aperture, if_unsure, shape, grain)
    height, width, _ = photo.shape
    placement = place(height, width, *model.canvas_size(height, width))
    canvas = to_canvas(photo, placement)
    if getattr(model, "takes_guide", False):
        output, decision = _by_guide(model, canvas, placement, wishes, mask, depth)
        rendered, weight = placement.crop(output.rendered), _weight(output, canvas, placement)
    elif mask is None and depth is None and shape is None:
        output, decision = _run(model, canvas, placement, wishes)
        rendered, weight = placement.crop(output.rendered), _weight(output, canvas, placement)
    else:
        output, decision, rendered, weight = _by_own_lens(
            model, canvas, placement, wishes, mask, depth
        )
    confidence = output.subject_confidence
    full_weight = np.ones((height, width), np.float32) if full_size_map else None
    if decision == "kept":
        weight = np.ones_like(weight) if full_weight is None else full_weight
        return Rendering(photo.copy(), weight, confidence, decision)
    grain = Grain(photo) if grain else None
    picture = composite(
        photo, placement.crop(canvas), rendered, weight, grain=grain, full_weight=full_weight
    )
    return Rendering(picture, weight if full_weight is None else full_weight, confidence, decision)


def _weight(output, canvas, placement):
    """The in-focus weight `[h, w]` that a model told, or else the one that its picture shows."""
    if output.in_focus_weight is None:
        return estimate_in_focus_weight(placement.crop(canvas), placement.crop(output.rendered))
    return np.ascontiguousarray(placement.crop(output.in_focus_weight))


def _by_guide(model, canvas, placement, wishes, mask, depth):
    """What a model made of a mask or depth, and what was decided."""
    guide = depth if mask is None else mask
    if guide is None or wishes.shape is not None:
        raise ModelFileError(
            f"{model.name}: blurs by itself what a mask or depth says. Give one of them, and no"
            " shape; or name another model."
        )
    output = model.run(canvas, wishes.numbers(placement), plane_to_canvas(guide, placement))
    if wishes.focus is not None:
        return output, "tap"
    return output, "depth" if mask is None else "mask"


def _by_own_lens(model, canvas, placement, wishes, mask, depth):
    """What the model told, what was decided, and picture and weight as the lens
    of this package makes them.
    """
    image = np.ascontiguousarray(placement.crop(canvas))
    if mask is not None:
        output, decision = ModelOutput(canvas, None), "mask"
        in_focus, radius_px = planes.of_mask(mask, placement, wishes.aperture)
    elif depth is not None and wishes.focus is not None:
        output, decision = ModelOutput(canvas, None), "tap"
        in_focus, radius_px = planes.of_nearness(
            depth, placement, wishes.aperture, tap=wishes.focus
        )
    else:
        output, decision = _run(model, canvas, placement, _wide_open(model, wishes, depth))
        subject = _weight(output, canvas, placement)
        if depth is not None:
            is_sure = output.subject_confidence is None or output.subject_confidence >= SURE_FROM
            decision = "depth"
            in_focus, radius_px = planes.of_nearness(
                depth, placement, wishes.aperture, subject=subject if is_sure else None
            )
        else:
            in_focus, radius_px = planes.of_weight(
                subject, placement, wishes.aperture, is_graded=decision == "graded"
            )
    return output, decision, *through_lens(image, in_focus, radius_px, wishes.shape or DISC)


def _wide_open(model, wishes, depth):
    """The wishes with which a model says what is in focus: a wide opening
    leaves nothing else sharp.
    """
    takes_focus = getattr(model, "takes_focus", False)
    if_unsure = wishes.if_unsure if depth is None else "force"
    return dataclasses.replace(wishes, aperture=1.0 if takes_focus else None, if_unsure=if_unsure)


def _run(model, canvas, placement, wishes):
    """What the model makes of the canvas, and what was decided."""
    if not getattr(model, "takes_focus", False):
        if wishes.are_any:
            raise ModelFileError(
                f"{model.name}: cannot be told where to focus or how wide to open. Name another"
                " model."
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
