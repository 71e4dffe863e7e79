"""Folders of photographs made ready for training: small copies, focus measured, subjects cut out.

Preparing is slow (about half a second a photo), so each result is kept in a cache folder and
reused; an interrupted preparation goes on where it stopped.
"""

import contextlib
import dataclasses
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
from absl import logging

from bokeh_tf.data.archives import read_archive, write_archive
from bokeh_tf.data.progress import progress_bar
from bokeh_tf.data.scenes.focus import centred_subject_matte, sharpness_map, subject_matte
from bokeh_tf.errors import DataError, PhotoError
from bokeh_tf.files import NewFolders
from bokeh_tf.paths import exists, files_below, is_file, printable, read_bytes, why_no_folder
from bokeh_tf.photos import SUFFIXES, read, reduced_to_8_bits

# `dbsi_mobile` is trained on at most 256 rows; a little more leaves room for crops.
_LONG_SIDE_PX = 480
_MAX_LIST_BYTES = 50_000_000
# A neighbourhood this sharp counts as in focus.
_SHARP = 0.3
# A photo with this share in focus has no shallow depth of field of its own.
_MOSTLY_SHARP = 0.5


@dataclasses.dataclass(frozen=True)
class Source:
    """One prepared photograph.

    Attributes:
        name: file name in its folder.
        photo: uint8 `[H, W, 3]` RGB, a small copy.
        matte: float32 `[H, W]` of the subject, or None.
        sharp_fraction: share of the frame in focus.
        matte_from_focus: whether the matte was cut where the photographer focused,
            not merely in the centre.
    """

    name: str
    photo: np.ndarray
    matte: np.ndarray | None
    sharp_fraction: float
    matte_from_focus: bool

    @property
    def is_backdrop(self):
        """Whether the whole photo is sharp enough to stand behind a subject and
        is not known to hold one.
        """
        return self.sharp_fraction >= _MOSTLY_SHARP and self.matte is None


def load_sources(folder, *, cache, long_side_px=_LONG_SIDE_PX):
    """Prepares every photo below `folder`, or takes it from the `cache` folder.

    Where `folder` holds a `subjects.txt`, the photos it names, a path from there or a file name on
    each line, and no others keep their mattes: the automatic cut is wrong in places that only a
    person sees. Without that list only mattes cut where the photographer focused are trusted.

    Args:
        long_side_px: of the copies, at most.

    Raises:
        DataError: no readable photo, none with a subject, or a list that cannot be read or names
            several photos at once.
    """
    folder, cache = Path(folder), Path(cache)
    reason = why_no_folder(folder)
    if reason:
        raise DataError(f"{printable(folder)}: {reason}. Name a folder of photographs.")
    paths = sorted(path for path in files_below(folder) if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise DataError(
            f"{folder}: no photographs here. Name a folder with JPEG, PNG, WebP or TIFF files."
        )
    accepted = _accepted_subjects(folder, paths)
    ending = "" if long_side_px == _LONG_SIDE_PX else f".{long_side_px}px"
    sources = []
    with NewFolders() as folders, progress_bar() as progress:
        for path in progress.track(paths, description="Preparing photographs"):
            try:
                # In folders as the photos are: joined to one name, two of them could be one.
                kept_in = folders.make(cache / path.relative_to(folder).parent)
                source = _cached(path, kept_in / f"{path.name}{ending}.npz", long_side_px)
            except PhotoError as error:
                logging.warning("%s Left out.", error)
                continue
            trusted = source.matte_from_focus if accepted is None else path in accepted
            sources.append(source if trusted else dataclasses.replace(source, matte=None))
    if not any(source.matte is not None for source in sources):
        raise DataError(
            f"{folder}: no photo shows a clear subject. Add photographs with shallow depth of"
            " field."
        )
    return sources


def _accepted_subjects(folder, photos):
    """Those of the photos that the folder's list names; None where there is no list."""
    path = folder / "subjects.txt"
    if not exists(path):
        return None
    try:
        lines = read_bytes(path, limit_bytes=_MAX_LIST_BYTES).decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: cannot be read as UTF-8 text. Write one file name a line."
        ) from error
    by_name = defaultdict(list)
    for photo in photos:
        by_name[photo.name].append(photo)
    by_path = {photo.relative_to(folder).as_posix(): [photo] for photo in photos}
    accepted = set()
    for line in filter(None, map(str.strip, lines)):
        meant = by_path.get(line) or by_name.get(line, [])
        if len(meant) > 1:
            first, second = (photo.relative_to(folder).as_posix() for photo in meant[:2])
            raise DataError(
                f"{path}: {printable(line)} stands for several photos ({printable(first)},"
                f" {printable(second)}). Write their paths from this folder."
            )
        accepted.update(meant)
    return accepted


def _cached(path, cache_path, long_side_px):
    # A cache that cannot be read is made anew.
    if is_file(cache_path):
        with contextlib.suppress(DataError, LookupError, TypeError):
            return _kept(path, cache_path)
    source = prepare(path, long_side_px=long_side_px)
    matte = (
        np.zeros((0, 0), np.uint8)
        if source.matte is None
        else np.round(source.matte * 255).astype(np.uint8)
    )
    flags = {"sharp_fraction": source.sharp_fraction, "from_focus": source.matte_from_focus}
    write_archive(
        cache_path, {"photo": source.photo, "matte": matte, "made_from": _version_of(path), **flags}
    )
    # Mattes are kept in 8 bits: a resumed run must see what the first one saw.
    return _kept(path, cache_path)


def _kept(path, cache_path):
    kept = read_archive(cache_path)
    if not np.array_equal(kept["made_from"], _version_of(path)):
        raise DataError(f"{cache_path}: made from another photo than {path} is now.")
    matte = kept["matte"].astype(np.float32) / 255 if kept["matte"].size else None
    return Source(
        path.name, kept["photo"], matte, float(kept["sharp_fraction"]), bool(kept["from_focus"])
    )


def _version_of(path):
    """Size and time of change: another folder's photo of the same name, or an
    edited one, differs in them.
    """
    status = path.stat()
    return np.array([status.st_size, status.st_mtime_ns])


def prepare(path, *, long_side_px=_LONG_SIDE_PX):
    """Reads one photo, measures its focus, cuts out its subject, and reduces it to `long_side_px`.

    Raises:
        PhotoError: unreadable.
    """
    photo = reduced_to_8_bits(read(path).pixels)
    matte = subject_matte(photo)
    from_focus = matte is not None
    if matte is None:
        matte = centred_subject_matte(photo)
    sharp_fraction = float((sharpness_map(photo) > _SHARP).mean())
    scale = min(1.0, long_side_px / max(photo.shape[:2]))
    size = (max(1, round(photo.shape[1] * scale)), max(1, round(photo.shape[0] * scale)))
    small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    if matte is not None:
        matte = cv2.resize(matte, size, interpolation=cv2.INTER_AREA)
    return Source(path.name, small, matte, sharp_fraction, from_focus)
