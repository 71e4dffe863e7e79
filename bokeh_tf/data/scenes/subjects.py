"""Photographs with a map of what should stay sharp, and random training examples made of them.

A folder of subjects holds `index.csv` with at least the columns `stem`, `group`, `label_source` and
`split`, and per row `photos/<stem>.jpg`, `labels/<stem>.png` (what stays sharp, 0..255, the photo's
aspect) and, if known, `conf/<stem>.png`, the trust in each pixel of the label. A column `file` may
name a photo that lies elsewhere, by a path from the folder or from one that holds it. Only rows of
the split "train" are learnt from.

An example is a framed photo, or cut-out subjects pasted before another photo. Images are float32
`[H, W, 3]` in [0, 1], maps half as high and wide. An example depends on its random generator alone.
"""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from bokeh_tf.data.scenes import layers
from bokeh_tf.errors import DataError
from bokeh_tf.paths import is_file, printable, read_bytes, resolved, why_no_folder
from bokeh_tf.photos import read, reduced_to_8_bits

_LIMIT_BYTES = 256_000_000
# Copies of this size leave room for crops of a network's input of 288 or 384 columns.
_LONG_SIDE_PX = 480
# A label's source that is no person's outline nor agreed upon by two networks counts less.
_SOURCE_WEIGHTS = {"selfie+grabcut2": 0.3, "focus": 0.5, "real:coco_full": 0.3, "prior": 0.4}
# How often an example's photo is of a group: people most, and the few objects
# more than their number.
_GROUP_SHARES = {
    "people": 0.39,
    "animals": 0.11,
    "objects": 0.24,
    "flowers": 0.06,
    "none": 0.08,
    "unlabelled": 0.12,
}
# How often an example is composed of cut-outs.
_COMPOSITE_SHARE = 0.25
# How often a scene with a tap stands before a photo with a subject of its own.
_OWN_SUBJECT_SHARE = 0.5
# How many of the other things in it are made up.
_MADE_UP_SHARE = 0.3
# The share of the frame below which a thing is hidden by others.
_LEAST_SEEN = 0.015
NO_TAP = np.full((1, 1, 4), -1, np.float32)
# Below this the teachers contradicted one another.
_LEAST_TRUST = 64
# The source of labels that are known because the photo was made from them.
DRAWN = "drawn"
# Sources whose outlines are good enough to cut a subject out along.
_CUT_OUT_SOURCES = ("real:oxford_trimap", "real:coco_person", "selfie+deeplab", DRAWN)
_MAX_STRETCH = 1.15


@dataclass(frozen=True)
class LabelledPhoto:
    """A photo as it is learnt from: uint8 `[h, w, 3]`, its label and trust uint8 `[h, w]`.

    `weight` is the label's in the loss. `is_subject` says whether the photo has a clear
    subject, None where nobody knows.
    """

    stem: str
    group: str
    photo: np.ndarray
    label: np.ndarray
    trust: np.ndarray
    weight: float
    is_subject: bool | None
    is_cut_out: bool


@dataclass(frozen=True)
class Example:
    """What the network sees and should answer.

    Attributes:
        image: float32 `[H, W, 3]`.
        focus: float32 `[H / 2, W / 2, 1]`, what stays sharp.
        trust: float32 `[H / 2, W / 2, 1]`, weight of each pixel in the loss.
        tap: float32 `[1, 1, 4]`: row and column of a tap on what stays sharp, in [0, 1],
            or -1; two numbers unused.
        presence: whether there is a subject, 0 or 1.
        presence_weight: how much that is worth.
    """

    image: np.ndarray
    focus: np.ndarray
    trust: np.ndarray
    tap: np.ndarray
    presence: float
    presence_weight: float


def read_index(folder, *, split):
    """Rows of the folder's `index.csv` of one split, as dictionaries;
    `DataError` where it cannot be used.
    """
    path = Path(folder) / "index.csv"
    reason = why_no_folder(folder)
    if reason:
        raise DataError(f"{printable(folder)}: {reason}. Name a folder of labelled subjects.")
    try:
        text = read_bytes(path, limit_bytes=_LIMIT_BYTES).decode("utf-8")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read. Name a folder of labelled subjects.") from error
    missing = {"stem", "group", "label_source", "split"} - set(rows[0] if rows else ())
    if missing:
        raise DataError(
            f"{path}: lacks {', '.join(sorted(missing))}. Name a folder of labelled subjects."
        )
    chosen = [row for row in rows if row["split"] == split]
    if not chosen:
        raise DataError(f"{path}: has no row of the split {split}.")
    return chosen


def load_subjects(folder, *, split="train", long_side_px=_LONG_SIDE_PX):
    """The `LabelledPhoto`s of one split, reduced to `long_side_px`;
    `DataError` where a file is missing.
    """
    folder = Path(folder)
    return [_load(folder, row, long_side_px) for row in read_index(folder, split=split)]


def _load(folder, row, long_side_px):
    stem, source = row["stem"], row["label_source"]
    photo = reduced_to_8_bits(read(photo_of(folder, row)).pixels)
    scale = min(1.0, long_side_px / max(photo.shape[:2]))
    size = tuple(max(1, round(side_px * scale)) for side_px in photo.shape[1::-1])
    label = _grey(folder / "labels" / f"{stem}.png")
    trust_path = folder / "conf" / f"{stem}.png"
    trust = _grey(trust_path) if is_file(trust_path) else np.full_like(label, 255)
    label, trust = (
        cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in (label, trust)
    )
    is_subject = {"none": False, "unlabelled": None}.get(row["group"], True)
    coverage = (label > 127).mean()
    return LabelledPhoto(
        stem=stem,
        group=row["group"],
        photo=cv2.resize(photo, size, interpolation=cv2.INTER_AREA),
        label=label,
        trust=np.where(trust < _LEAST_TRUST, 0, trust).astype(np.uint8),
        weight=_SOURCE_WEIGHTS.get(source, 1.0),
        is_subject=is_subject,
        is_cut_out=source in _CUT_OUT_SOURCES and 0.02 < coverage < 0.7 and _stands_free(label),
    )


def photo_of(folder, row):
    """The path of a row's photo, in `photos` or else where the row says it is."""
    usual = folder / "photos" / f"{row['stem']}.jpg"
    named = row.get("file")
    if is_file(usual) or not named:
        return usual
    places = (place / named for place in (folder, *resolved(folder).parents))
    return next(filter(is_file, places), usual)


def _grey(path):
    plane = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if plane is None:
        raise DataError(f"{path}: missing, or no picture. Every row of index.csv needs one.")
    return plane


def _stands_free(label):
    """Whether a subject is not cut off at the photo's sides or top, where a
    straight edge would give it away.
    """
    return np.concatenate([label[0], label[:, 0], label[:, -1]]).mean() < 0.05 * 255


class SubjectMaker:
    """Draws examples of one size from labelled photos.

    Args:
        photos: `LabelledPhoto`s.
        shape: (rows, columns) of the images, even numbers.
        tapped_share: how many of the examples are scenes of several things of which one is
            tapped and the others are not meant. Only these teach what a tap is for: in a photo
            of one subject it says nothing that is not seen.
    """

    def __init__(self, photos, *, shape, tapped_share=0.0):
        groups = {
            group: [photo for photo in photos if photo.group == group] for group in _GROUP_SHARES
        }
        self._groups = {group: members for group, members in groups.items() if members}
        if not self._groups:
            known = ", ".join(_GROUP_SHARES)
            raise ValueError(f"photos must hold at least one of a known group. Known: {known}.")
        shares = np.array([_GROUP_SHARES[group] for group in self._groups])
        self._shares = shares / shares.sum()
        self._cut_outs = [photo for photo in photos if photo.is_cut_out]
        self._backdrops = [photo for photo in photos if not photo.is_subject]
        self._subjects = [photo for photo in photos if photo.is_subject and photo.weight == 1]
        self.shape = shape
        self.tapped_share = tapped_share
        if tapped_share and not (self._cut_outs and self._backdrops):
            raise DataError(
                "Scenes need a subject that can be cut out and a photo without one. Name more"
                " photos."
            )

    def draw(self, random):
        """Returns an `Example` drawn with the NumPy generator `random`."""
        tap = NO_TAP
        if self.tapped_share and random.random() < self.tapped_share:
            image, focus, trust, tap = self.tapped_scene(random)
            presence, presence_weight = 1.0, 0.0
        elif self._cut_outs and self._backdrops and random.random() < _COMPOSITE_SHARE:
            image, focus, trust, presence, presence_weight = self._composite(random)
        else:
            image, focus, trust, presence, presence_weight = self._photo(random)
        if random.random() < 0.5:
            image, focus, trust, tap = (
                image[:, ::-1],
                focus[:, ::-1],
                trust[:, ::-1],
                _mirrored(tap),
            )
        image = _varied_colour(image, random)
        half = (self.shape[1] // 2, self.shape[0] // 2)
        focus, trust = (
            cv2.resize(np.ascontiguousarray(p), half, interpolation=cv2.INTER_AREA)
            for p in (focus, trust)
        )
        return Example(
            np.ascontiguousarray(image, np.float32),
            focus[..., None].astype(np.float32),
            trust[..., None].astype(np.float32),
            tap,
            presence,
            presence_weight,
        )

    def _photo(self, random):
        group = random.choice(list(self._groups), p=self._shares)
        members = self._groups[group]
        photo = members[random.integers(len(members))]
        if photo.is_subject and random.random() < 0.06:
            window = _window_beside(photo, self.shape, random)
            if window is not None:
                image, _, _ = self._framed(photo, window)
                empty = np.zeros(self.shape, np.float32)
                return image, empty, np.full(self.shape, 0.3, np.float32), 0.0, 0.5
        image, focus, trust = self._framed(photo, _window(photo, self.shape, random))
        if photo.weight >= 0.3 and photo.is_subject and random.random() < 0.3:
            image = _blurred_behind(image, focus, random, most_px=4.0)
        if random.random() < 0.15:
            image = cv2.GaussianBlur(image, (0, 0), random.uniform(0.3, 1.2))
        trust = trust * photo.weight
        if photo.is_subject is None:
            return image, focus, trust, 0.0, 0.0
        if not photo.is_subject:
            return image, focus, trust, 0.0, 0.5
        return image, focus, trust, 1.0, float(focus.mean() > 0.02) * max(photo.weight, 0.5)

    def _framed(self, photo, window):
        """Image, label and trust of a window (top, left, rows, columns) of the photo,
        mirrored beyond its border.
        """
        height, width = photo.photo.shape[:2]
        top, left, rows, columns = window
        first_row, first_column = max(0, top), max(0, left)
        last_row, last_column = min(height, top + rows), min(width, left + columns)
        across, along = self.shape[1] / columns, self.shape[0] / rows
        # What lies within the photo, at the example's scale, then its reflection.
        pad_top, pad_left = round((first_row - top) * along), round((first_column - left) * across)
        inner_rows = self.shape[0] - pad_top - round((top + rows - last_row) * along)
        inner_columns = self.shape[1] - pad_left - round((left + columns - last_column) * across)
        planes = []
        for plane in (photo.photo, photo.label, photo.trust):
            part = plane[first_row:last_row, first_column:last_column]
            part = cv2.resize(part, (inner_columns, inner_rows), interpolation=cv2.INTER_AREA)
            below, right = (
                self.shape[0] - pad_top - inner_rows,
                self.shape[1] - pad_left - inner_columns,
            )
            part = cv2.copyMakeBorder(part, pad_top, below, pad_left, right, cv2.BORDER_REFLECT)
            planes.append(part.astype(np.float32) / 255)
        return planes

    def scene(self, random):
        """Two or more things in one frame: the image, a list of what is seen of
        each, and the trust in these.

        Some are subjects of other photos, some made up, and some the backdrop's own subject.
        """
        has_own = self._subjects and random.random() < _OWN_SUBJECT_SHARE
        members = self._subjects if has_own else self._backdrops
        backdrop = members[random.integers(len(members))]
        image, label, trust = self._framed(backdrop, _window(backdrop, self.shape, random))
        count = random.integers(1, 3) if has_own else random.integers(2, 4)
        image, masks = _pasted(image, [label] if has_own else [], self._things(random, count))
        # What the others hide is not what anybody would tap.
        seen = [mask for mask in masks if mask.mean() > _LEAST_SEEN] or [max(masks, key=np.mean)]
        return image, seen, trust if has_own else np.ones(self.shape, np.float32)

    def tapped_scene(self, random):
        """A scene of several things of which one is tapped: image, focus,
        trust and tap, see `Example`.
        """
        image, seen, trust = self.scene(random)
        chosen = seen[random.integers(len(seen))]
        return image, chosen, trust, tap_inside(chosen, random)

    def _composite(self, random):
        """Cut-outs before another photo, all of which are meant."""
        backdrop = self._backdrops[random.integers(len(self._backdrops))]
        image, _, _ = self._framed(backdrop, _window(backdrop, self.shape, random))
        count = random.choice([1, 2, 3], p=[0.6, 0.25, 0.15])
        height = random.uniform(0.25, 1.0 if count == 1 else 0.85)
        if random.random() < 0.5:
            image = cv2.GaussianBlur(image, (0, 0), random.uniform(0.4, 3.0))
        cut_outs = [
            self._cut_out(random, height * random.uniform(0.85, 1.15)) for _ in range(count)
        ]
        image, masks = _pasted(image, [], cut_outs)
        focus = sum(masks)
        return image, focus, np.ones(self.shape, np.float32), 1.0, float(focus.mean() > 0.02)

    def _cut_out(self, random, height):
        photo = self._cut_outs[random.integers(len(self._cut_outs))]
        return layers.cut_out(photo, self.shape, random, height=height)

    def _things(self, random, count):
        """So many cut-outs and made-up objects, sometimes all a little out of focus."""
        is_soft, height = random.random() < 0.3, random.uniform(0.3, 0.8)
        for _ in range(count):
            share = height * random.uniform(0.7, 1.2)
            if random.random() < _MADE_UP_SHARE:
                texture = self._backdrops[random.integers(len(self._backdrops))].photo
                colour, alpha = layers.made_up(texture, self.shape, random, height=share)
            else:
                colour, alpha = self._cut_out(random, share)
            if is_soft:
                colour, alpha = layers.softened(
                    colour, alpha, random.uniform(0.3, 0.01 * self.shape[0])
                )
            yield colour, alpha


def _pasted(image, masks, things):
    """`image` with more things before it, and what is still seen of
    each, those of `masks` first.
    """
    for colour, alpha in things:
        image = image * (1 - alpha[..., None]) + colour * alpha[..., None]
        masks = [mask * (1 - alpha) for mask in masks] + [alpha]
    return image, masks


def tap_inside(focus, random):
    """A tap somewhere well inside what stays sharp, as the network takes it;
    `NO_TAP` where nothing does.
    """
    side = 2 * max(1, round(0.01 * len(focus))) + 1
    depth = cv2.erode(np.ascontiguousarray(focus, np.float32), np.ones((side, side), np.uint8))
    if depth.max() < 0.8:
        # Thin all over: its thickest place.
        depth = cv2.blur(np.ascontiguousarray(focus, np.float32), (side, side))
        depth = (depth >= max(depth.max(), 0.25)).astype(np.float32)
    rows, columns = np.nonzero(depth > 0.8)
    if not len(rows):
        return NO_TAP
    index = random.integers(len(rows))
    row, column = (rows[index] + 0.5) / focus.shape[0], (columns[index] + 0.5) / focus.shape[1]
    return np.float32([row, column, -1, 0])[None, None]


def _mirrored(tap):
    row, column, *rest = tap[0, 0]
    return np.float32([row, column if column < 0 else 1 - column, *rest])[None, None]


def _window(photo, shape, random):
    """A random window of the photo: the whole, as rendering places it, or a crop
    that keeps most of its label.
    """
    height, width = photo.label.shape
    ratio = shape[1] / shape[0]
    if random.random() < 0.45:
        if max(width / height / ratio, ratio * height / width) <= _MAX_STRETCH:
            return 0, 0, height, width
        rows = max(height, round(width / ratio))
        columns = max(width, round(height * ratio))
        return (height - rows) // 2, (width - columns) // 2, rows, columns
    total = photo.label.sum(dtype=np.int64)
    for _ in range(6):
        shape_ratio = ratio * np.exp(random.normal(0, 0.08))
        rows = min(height, width / shape_ratio) * random.uniform(0.55, 1.0)
        columns = min(width, round(rows * shape_ratio))
        rows = min(height, round(rows))
        top, left = random.integers(height - rows + 1), random.integers(width - columns + 1)
        kept = photo.label[top : top + rows, left : left + columns].sum(dtype=np.int64)
        if kept >= 0.5 * total:
            break
    return top, left, rows, columns


def _window_beside(photo, shape, random):
    """A random window without any of the photo's subject, or None."""
    height, width = photo.label.shape
    ratio = shape[1] / shape[0]
    for _ in range(8):
        rows = round(min(height, width / ratio) * random.uniform(0.3, 0.7))
        columns = min(width, round(rows * ratio))
        top, left = random.integers(height - rows + 1), random.integers(width - columns + 1)
        within = np.s_[top : top + rows, left : left + columns]
        if photo.label[within].mean() < 2 and photo.trust[within].mean() > 200:
            return top, left, rows, columns
    return None


def _blurred_behind(image, focus, random, *, most_px):
    share = focus[..., None]
    blurred = cv2.GaussianBlur(image, (0, 0), random.uniform(0.7, most_px))
    return image * share + blurred * (1 - share)


def _varied_colour(image, random):
    """Random exposure, tint, contrast and noise; sometimes as dark as a night, sometimes grey."""
    gain = random.uniform(0.75, 1.25) * random.uniform(0.93, 1.07, 3)
    if random.random() < 0.08:
        gain = gain * random.uniform(0.25, 0.6)
    image = np.clip(image, 0, 1) ** np.exp(random.normal(0, 0.15)) * gain
    if random.random() < 0.06:
        image = np.repeat(image.mean(axis=-1, keepdims=True), 3, axis=-1)
    noise = random.standard_normal(image.shape, np.float32) * random.uniform(0, 0.025)
    return np.clip(image + noise, 0, 1)
