"""Random training scenes: what the network sees, where the focus is, and what the lens makes of it.

Three kinds, drawn at random:

* composite: subjects cut out of photographs stand in front of another photograph, each at
  its own disparity; everything is sharp in the input, so nothing but the picture's content
  says where the focus goes;
* portrait of the focus: a photograph with shallow depth of field, detail of another photo laid over
  its blurred parts to hide the blur; the photographer's own focus is the truth;
* view: a photograph without a subject; a soft ellipse in the centre stands
  for "nothing in particular".

Images are float32 `[H, W, 3]` in [0, 1]. Radii and sigmas are in pixels of a 1024-row photo unless
a name says otherwise. A scene depends on its random generator alone.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from bokeh_tf.data.lens.renderer import Layer, blend_weights, render

_KINDS = ("composite", "portrait", "view")
_KIND_SHARES = (0.55, 0.35, 0.10)
# A view's centre is a guess: it counts less than a subject somebody focused on.
_VIEW_IMPORTANCE = 0.4
_REFERENCE_ROWS = 1024


@dataclass(frozen=True)
class Scene:
    """One training pair.

    Attributes:
        image: the photo to render, `[H, W, 3]`.
        bokeh: the photo as the lens shows it, `[H, W, 3]`.
        weights: DBSI weights nearest to the circles of confusion, `[H, W, 1 + n]`.
        importance: weight of this pair in the loss.
    """

    image: np.ndarray
    bokeh: np.ndarray
    weights: np.ndarray
    importance: float


class SceneMaker:
    """Draws scenes of one size from prepared photographs.

    Args:
        sources: `bokeh_tf.data.scenes.sources.Source`s; some with a matte.
        shape: (rows, columns) of the scenes.
        sigmas_px: the sigmas of the model's blurs.

    Attributes:
        shape: as given.
        sigmas_px: the sigmas at the scenes' own size.
    """

    def __init__(self, sources, *, shape, sigmas_px):
        self._subjects = [
            source for source in sources if source.matte is not None and source.matte.max() > 0.5
        ]
        if not self._subjects:
            raise ValueError(
                "sources must hold at least one with a matte that covers something. Received: none"
            )
        self._cut_outs = [
            source for source in self._subjects if _stands_free(source.matte)
        ] or self._subjects
        self._backdrops = [source for source in sources if source.is_backdrop] or sources
        self.shape = shape
        self._scale = shape[0] / _REFERENCE_ROWS
        self.sigmas_px = np.asarray(sigmas_px) * self._scale

    def draw(self, random):
        """Returns a `Scene` drawn with the NumPy generator `random`."""
        kind = random.choice(_KINDS, p=_KIND_SHARES)
        makers = {"composite": self.composite, "portrait": self._portrait, "view": self._view}
        layers, focus_disparity, aperture_px = makers[kind](random)
        rendering = render(
            layers, focus_disparity=focus_disparity, aperture_px=aperture_px * self._scale
        )
        weights = blend_weights(rendering.radius_px, self.sigmas_px)
        image, bokeh = _varied_exposure([rendering.all_in_focus, rendering.bokeh], random)
        image = np.clip(image + random.normal(0, random.uniform(0, 0.02), image.shape), 0, 1)
        if random.random() < 0.5:
            image, bokeh, weights = image[:, ::-1], bokeh[:, ::-1], weights[:, ::-1]
        importance = _VIEW_IMPORTANCE if kind == "view" else 1.0
        return Scene(
            *(np.ascontiguousarray(a, np.float32) for a in (image, bokeh, weights)), importance
        )

    def composite(self, random):
        """Draws a composite: its layers, far to near, the main subject's disparity,
        an aperture at 1024 rows.
        """
        backdrop = self._backdrop(random)
        main = self._subject(random, height=(0.35, 1.0), spread=0.16)
        near = random.uniform(0.6, 0.9)
        ground = self._ground_disparity(random, near)
        layers = [Layer(backdrop, np.ones(self.shape, np.float32), ground)]
        if random.random() < 0.35:
            layers.append(
                self._subject(random, height=(0.1, 0.5), spread=0.4)(
                    random.uniform(0.1, 0.6) * near
                )
            )
        layers.append(main(near))
        if random.random() < 0.1:
            layers.append(self._subject(random, height=(0.3, 0.8), spread=0.6)(1.0))
        return layers, near, _aperture_px(random)

    def _portrait(self, random):
        source = random.choice(self._subjects)
        colour, matte = self._framed(source, random)
        detail = self._backdrop(random)
        detail = detail - cv2.GaussianBlur(detail, (0, 0), 2.0)
        hidden = np.clip(
            colour + detail * (1 - matte[..., None]) * random.uniform(0, 1.2), 0, 1
        ).astype(np.float32)
        hidden = (
            cv2.GaussianBlur(hidden, (0, 0), random.uniform(0.3, 1.5))
            if random.random() < 0.3
            else hidden
        )
        behind = _filled_behind(hidden, matte)
        layers = [
            Layer(behind, np.ones(self.shape, np.float32), random.uniform(0, 0.5)),
            Layer(hidden, matte, 0.8),
        ]
        return layers, 0.8, _aperture_px(random)

    def _view(self, random):
        y, x = self._grid()
        centre_x, centre_y = random.normal(0, 0.05), random.normal(0.05, 0.05)
        distance = np.hypot((x - centre_x) / 0.55, (y - centre_y) / 0.65)
        disparity = np.clip(1.4 - distance, 0, 1).astype(np.float32)
        return (
            [Layer(self._backdrop(random), np.ones(self.shape, np.float32), disparity)],
            1.0,
            _aperture_px(random),
        )

    def _grid(self):
        rows, columns = (np.linspace(-1, 1, size, dtype=np.float32) for size in self.shape)
        return np.meshgrid(rows, columns, indexing="ij")

    def _ground_disparity(self, random, near):
        """Far above a horizon, rising below it to the near subject's disparity at
        the lower edge; or all far.
        """
        far = random.uniform(0, 0.5) * near
        if random.random() < 0.5:
            return far
        y, _ = self._grid()
        horizon = random.uniform(-0.5, 0.6)
        return (far + (near - far) * np.clip((y - horizon) / (1 - horizon), 0, 1)).astype(
            np.float32
        )

    def _backdrop(self, random):
        source = random.choice(self._backdrops)
        height, width = source.photo.shape[:2]
        ratio = self.shape[1] / self.shape[0]
        rows = min(height, width / ratio) * random.uniform(0.6, 1.0)
        top, left = random.uniform(0, height - rows), random.uniform(0, width - rows * ratio)
        return self._sampled(source.photo, rows / self.shape[0], (left, top))

    def _sampled(self, picture, step, origin, *, border=cv2.BORDER_REFLECT_101):
        """Samples `picture` on the scene's grid, `step` picture pixels
        apart, from `origin` (x, y).
        """
        if step > 1.5:
            picture = cv2.GaussianBlur(picture, (0, 0), 0.35 * step)
        transform = np.float32([[step, 0, origin[0]], [0, step, origin[1]]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        sampled = cv2.warpAffine(
            picture, transform, self.shape[::-1], flags=flags, borderMode=border
        )
        return sampled.astype(np.float32) / 255 if picture.dtype == np.uint8 else sampled

    def _subject(self, random, *, height, spread):
        """Places a random cut-out; returns a function from its disparity to its layer."""
        source = random.choice(self._cut_outs)
        photo, matte = source.photo, source.matte
        if random.random() < 0.5:
            photo, matte = photo[:, ::-1].copy(), matte[:, ::-1].copy()
        rows, columns = (
            np.nonzero(matte.max(axis=1) > 0.5)[0],
            np.nonzero(matte.max(axis=0) > 0.5)[0],
        )
        step = (rows[-1] - rows[0] + 1) / (random.uniform(*height) * self.shape[0])
        step = max(step, (columns[-1] - columns[0] + 1) / (0.9 * self.shape[1]))
        x = self.shape[1] * np.clip(random.normal(0.5, spread), 0.05, 0.95)
        standing = rows[-1] >= matte.shape[0] - 3
        y = self.shape[0] * (1.02 if standing else np.clip(random.normal(0.85, 0.12), 0.3, 1.1))
        origin = ((columns[0] + columns[-1]) / 2 - x * step, rows[-1] - y * step)
        colour = self._sampled(photo, step, origin)
        alpha = self._sampled(matte, step, origin, border=cv2.BORDER_CONSTANT)
        colour = np.clip(
            colour * random.uniform(0.8, 1.2) * random.uniform(0.94, 1.06, 3), 0, 1
        ).astype(np.float32)
        return lambda disparity: Layer(colour, alpha, disparity)

    def _framed(self, source, random):
        """Crops the photo around its subject, or fits all of it in and mirrors it at the
        sides, as rendering does.
        """
        height, width = source.photo.shape[:2]
        ratio = self.shape[1] / self.shape[0]
        whole = random.random() < 0.25
        rows = (
            max(height, width / ratio)
            if whole
            else min(height, width / ratio) * random.uniform(0.8, 1.0)
        )
        columns = rows * ratio
        top, left = (height - rows) / 2, (width - columns) / 2
        if not whole:
            centre_y, centre_x = (
                np.average(axis, weights=source.matte) for axis in np.indices(source.matte.shape)
            )
            top = np.clip(centre_y - rows * random.uniform(0.4, 0.65), 0, height - rows)
            left = np.clip(centre_x - columns * random.uniform(0.35, 0.65), 0, width - columns)
        step = rows / self.shape[0]
        return self._sampled(source.photo, step, (left, top)), self._sampled(
            source.matte, step, (left, top)
        )


def _stands_free(matte):
    """Whether a cut-out is not cut off at the photo's sides or top, where a
    straight edge would give it away.
    """
    return np.concatenate([matte[0], matte[:, 0], matte[:, -1]]).mean() < 0.08


def _aperture_px(random):
    """Radius at a disparity difference of 1: from a clear blur to the largest
    that a phone user asks for.
    """
    return float(np.exp(random.uniform(np.log(18), np.log(44))))


def _filled_behind(colour, matte):
    """Continues what surrounds the subject behind it: a masked mean over growing windows."""
    filled, known = colour * (1 - matte[..., None]), 1 - matte
    for side in (9, 25, 65):
        mean, share = cv2.blur(filled, (side, side)), cv2.blur(known, (side, side))[..., None]
        mixed = mean / np.maximum(share, 1e-3)
        gap = (1 - known)[..., None] * np.clip(share * 4, 0, 1)
        filled, known = filled + gap * mixed, np.clip(known + gap[..., 0], 0, 1)
    return np.clip(filled + (1 - known[..., None]) * colour, 0, 1).astype(np.float32)


def _varied_exposure(images, random):
    """One random brightness, contrast and tint for all of `images`."""
    gain = random.uniform(0.75, 1.25) * random.uniform(0.93, 1.07, 3)
    gamma = np.exp(random.normal(0, 0.15))
    return [
        np.clip(gain * np.clip(image, 0, 1) ** gamma, 0, 1).astype(np.float32) for image in images
    ]
