"""Folders of bokeh pairs as they are found in the wild, recognised by their names.

Pictures are not opened here: a folder of thousands is listed in a moment. Folder names are matched
without regard to case, down to three levels below the folder given. `KNOWN` lists the layouts.
"""

import dataclasses
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from bokeh_tf.data.pairs.pair import (
    TRAIN_IDS,
    VAL294_IDS,
    Pair,
    chosen,
    official_split,
    read_list,
    relative_name,
)
from bokeh_tf.data.pairs.partners import by_partner
from bokeh_tf.data.pairs.scene_files import FOLDER, read_scene
from bokeh_tf.data.pairs.tables import read_table
from bokeh_tf.errors import DataError
from bokeh_tf.paths import is_dir, is_file, printable, resolved, why_no_folder
from bokeh_tf.photos import format_of_suffix
from bokeh_tf.stages import stage

_DEEPEST = 3
# Two folders beside each other, source and target, with one name for both pictures.
_FOLDER_PAIRS = {
    "{original,bokeh}/N.jpg (EBB!, PyNET, MPFNet)": ("original", "bokeh"),
    "{in,gt}/N.jpg (Val294 of Bokehlicious)": ("in", "gt"),
    "{input,target}/N.jpg (VABM)": ("input", "target"),
    "{input,gt}/N.jpg": ("input", "gt"),
    "{lq,gt}/N.jpg": ("lq", "gt"),
    "{LR,HR}/N.jpg": ("lr", "hr"),
    "{low,high}/N.jpg": ("low", "high"),
    "{sharp,blur}/N.jpg": ("sharp", "blur"),
    "{src,tgt}/N.jpg": ("src", "tgt"),
    "{source,target}/N.jpg": ("source", "target"),
}
# A folder of one of these names alone is half of a data set.
_DISTINCT_SOURCES = ("original", "input")
# One folder; the endings of the source's and the target's stems.
_ENDING_PAIRS = {
    "N.src.jpg with N.tgt.jpg (EBokehNet, NTIRE 2023)": (".src", ".tgt"),
    "N_Input.jpg with N_GT.jpg": ("_input", "_gt"),
}
_SCENE_LAYOUT = "metadata/N.json that name a photo and its targets at several apertures (RealBokeh)"
_TABLE_LAYOUT = "a CSV table with columns original,bokeh or source,target that name the files"
KNOWN = (*_FOLDER_PAIRS, *_ENDING_PAIRS, _SCENE_LAYOUT, _TABLE_LAYOUT)

_MAP_FOLDERS = {
    "depth": ("depth", "original_depth"),
    "disparity": ("disparity", "original_disparity"),
    "saliency": ("saliency", "original_saliency"),
    "focus": ("focal", "focus", "original_focus"),
    "mask": ("mask", "alpha"),
}
_MAP_ENDINGS = {
    "depth": (".depth",),
    "saliency": (".saliency",),
    "focus": (".focal",),
    "mask": (".alpha", ".mask"),
}
_SPLIT_FOLDERS = {"test": ("test", "testing"), "validation": ("val", "valid", "validation")}
# 4694 published training pairs and the 200 of the former validation set that some copies add.
_MOST_EBB_NUMBERS = 4894
# Of a split's pairs; with fewer, numbers are somebody's own.
_LEAST_SHARE_OF_EBB = 0.1
_NAMES_SHOWN = 6


@dataclasses.dataclass(frozen=True)
class FoundLayout:
    """One folder that holds pairs: its name below the data folder, the entry
    of `KNOWN`, how many pairs.
    """

    folder: str
    layout: str
    pairs: int


@dataclasses.dataclass(frozen=True)
class LayoutReport:
    """What a data folder holds.

    Attributes:
        folder: the data folder.
        layouts: where pairs were found, and in which layout.
        splits: number of pairs by split.
        maps: number of pairs that have a map, by kind.
        conditions: number of pairs for which a condition is known, by name.
        missing: what should be there and is not, a line each.
        notes: what else is worth knowing, a line each.
        alone: (name, "target" or "source") of pictures that lack the other one; `missing` has them too.
    """

    folder: str
    layouts: tuple[FoundLayout, ...]
    splits: Mapping[str, int]
    maps: Mapping[str, int]
    conditions: Mapping[str, int]
    missing: tuple[str, ...]
    notes: tuple[str, ...]
    alone: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True)
class PairFolder:
    """The pairs of a data folder, and the report on it."""

    pairs: tuple[Pair, ...]
    report: LayoutReport


def find_pairs(folder, *, only=None):
    """Finds the pairs below `folder`.

    Args:
        only: a list (see `pairs.read_list`); other pairs are left out.

    Returns:
        A `PairFolder`, its pairs sorted by split and number.

    Raises:
        DataError: there is no such folder, nothing in it is a pair, or `only` names none of them.
    """
    folder = Path(folder)
    search = _Search(folder)
    deeper = 0
    for place, left_out in _folders(folder):
        known = len(search.pairs)
        with stage(f"looking for pairs in {place}"):
            search.look_at(place)
        # The folders of a pair's pictures lie one level deeper than their layout.
        deeper += left_out if len(search.pairs) == known else 0
    if deeper:
        search.notes.append(
            f"{_count(deeper, 'folder')} more than {_DEEPEST} levels down left out; name one nearer"
            " to take what lies there"
        )
    search.read_tables()
    if not search.pairs:
        hints = "".join(f" {line}." for line in (search.missing[:2] or search.notes[-1:]))
        raise DataError(
            f"{folder}: no pairs of pictures found.{hints} Known layouts: {'; '.join(KNOWN)}."
        )
    search.compare_with_ebb()
    pairs = sorted(search.pairs.values(), key=_order)
    if only is not None:
        pairs, unknown = chosen(pairs, read_list(only), folder=folder)
        if not pairs:
            raise DataError(f"{only}: names no pair of {folder}. First name in it: {unknown[0]}.")
        search.notes.append(f"{len(pairs)} of {len(search.pairs)} pairs are listed in {only}")
        if unknown:
            search.missing.append(f"{only}: {_some(unknown)} not found")
    return PairFolder(tuple(pairs), search.report(pairs))


def _folders(folder):
    """Yields `folder` and those below it, sorted, hidden ones left out, each with how many in it
    are left out for their depth.
    """
    if not is_dir(folder):
        raise DataError(f"{printable(folder)}: {why_no_folder(folder)}. Check the path.")
    try:
        next(folder.iterdir(), None)
    except OSError as error:
        raise DataError(
            f"{folder}: cannot list this folder ({error.strerror}). Check its rights."
        ) from error
    for place, names, _ in os.walk(folder, followlinks=False):
        is_deepest = len(Path(place).relative_to(folder).parts) == _DEEPEST
        names[:] = sorted(filter(_is_usable, names))
        left_out = len(names) if is_deepest else 0
        if is_deepest:
            names.clear()
        yield Path(place), left_out


def _is_usable(name):
    """Whether a name is neither hidden nor, having bytes that are no UTF-8,
    impossible to write into a list.
    """
    return not name.startswith(".") and name.encode("utf-8", "replace").decode() == name


def _order(pair):
    stem = pair.id.rpartition("/")[2]
    return pair.split, pair.id.rpartition("/")[0], int(stem) if stem.isdecimal() else -1, pair.id


def _some(names):
    shown = ", ".join(sorted(map(str, names), key=lambda name: (len(name), name))[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and {len(names) - _NAMES_SHOWN} more"


def _count(number, noun):
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class _Search:
    """Gathers pairs folder by folder, and what is to be said about them."""

    def __init__(self, folder):
        self.folder = folder
        self.pairs: dict[str, Pair] = {}
        self.missing: list[str] = []
        self.alone: list[tuple[str, str]] = []
        self.notes: list[str] = []
        self._layouts: list[FoundLayout] = []
        self._tables: list[Path] = []

    def look_at(self, place):
        """Takes the pairs of every layout that begins in the folder `place`."""
        entries = self._listed(place)
        inside = {entry.name.lower(): entry for entry in entries if is_dir(entry)}
        pictures = [entry for entry in entries if self._is_picture(entry)]
        self._tables += [
            entry for entry in entries if entry.suffix.lower() == ".csv" or entry.name == "meta.txt"
        ]
        scene_files = self._scene_files(inside)
        # Another data set's metadata says nothing of pairs.
        if scene_files and self._add_scenes(place, scene_files):
            return
        for layout, (source, target) in _FOLDER_PAIRS.items():
            if source in inside and target in inside:
                sources, targets = (self._by_stem(inside[name]) for name in (source, target))
                self._add(
                    place, layout, sources, by_partner(sources, targets), self._maps_in(inside)
                )
        for source in _DISTINCT_SOURCES:
            targets = [target for name, target in _FOLDER_PAIRS.values() if name == source]
            if source in inside and not any(target in inside for target in targets):
                self._lone(inside[source], " or ".join(targets))
        for layout, endings in _ENDING_PAIRS.items():
            files = [_with_ending(pictures, ending) for ending in endings]
            if all(files):
                known = (
                    (kind, ending) for kind, endings in _MAP_ENDINGS.items() for ending in endings
                )
                maps = {
                    kind: found
                    for kind, ending in known
                    if (found := _with_ending(pictures, ending))
                }
                self._add(place, layout, *files, maps)
        if place.name.lower().endswith("bokehfree") and pictures:
            self.notes.append(
                f"{self._name(place)}: {len(pictures)} inputs, whose targets were never published"
            )

    def _scene_files(self, inside):
        entries = self._listed(inside[FOLDER]) if FOLDER in inside else ()
        return [entry for entry in entries if entry.suffix.lower() == ".json"]

    def _add_scenes(self, place, scene_files):
        """Takes a pair for every target of the scenes that RealBokeh's files
        describe; whether any file did.
        """
        sources, targets, f_numbers = {}, {}, {}
        for path in scene_files:
            try:
                scene = read_scene(path)
            except DataError as error:
                self.notes.append(str(error))
                continue
            for name, f_number in zip(scene.target_images, scene.target_avs, strict=True):
                target = place / name
                source = place / scene.source_image
                if is_file(target) and targets.setdefault(target.stem, target) != target:
                    self.notes.append(
                        f"{self._name(target)}: left out, {self._name(targets[target.stem])} has"
                        " the same name"
                    )
                    continue
                if is_file(target):
                    f_numbers[target.stem] = f_number
                if is_file(source):
                    sources[target.stem] = source
        if not targets and not sources:
            return False
        self._add(place, _SCENE_LAYOUT, sources, targets, {})
        prefix = "" if place == self.folder else f"{self._name(place)}/"
        for stem, f_number in f_numbers.items():
            pair = self.pairs.get(f"{prefix}{stem}")
            if pair is not None and pair.target == targets[stem]:
                conditions = {**pair.conditions, "target_f_number": float(f_number)}
                self.pairs[pair.id] = dataclasses.replace(pair, conditions=conditions)
        return True

    def _listed(self, place):
        try:
            return sorted(place.iterdir())
        except OSError as error:
            self.missing.append(f"{place}: cannot be listed ({error.strerror})")
            return []

    def _lone(self, source, target):
        if any(self._is_picture(entry) for entry in self._listed(source)):
            self.missing.append(f"{self._name(source)} has no folder {target} beside it")

    def _name(self, path):
        return relative_name(path, self.folder)

    def _is_picture(self, entry):
        return (
            _is_usable(entry.name) and format_of_suffix(entry.suffix) is not None and is_file(entry)
        )

    def _by_stem(self, place):
        found: dict[str, Path] = {}
        for entry in self._listed(place):
            if self._is_picture(entry) and found.setdefault(entry.stem, entry) != entry:
                self.notes.append(
                    f"{self._name(entry)}: left out, {found[entry.stem].name} has the same name"
                )
        return found

    def _maps_in(self, inside):
        return {
            kind: self._by_stem(inside[name])
            for kind, names in _MAP_FOLDERS.items()
            for name in names
            if name in inside
        }

    def _add(self, place, layout, sources, targets, maps):
        """Takes the pairs among `sources` and `targets`, files by stem; `maps`
        are files by stem, by kind.
        """
        name = "" if place == self.folder else self._name(place)
        stems = sorted(sources.keys() & targets.keys())
        for files, kind in (
            (sources.keys() - targets.keys(), "target"),
            (targets.keys() - sources.keys(), "source"),
        ):
            self.alone += [(f"{name}/{stem}" if name else stem, kind) for stem in sorted(files)]
            if files:
                self.missing.append(
                    f"{name or self.folder}: {_count(len(files), kind)} missing, of {_some(files)}"
                )
        for kind, files in maps.items():
            if lacking := [stem for stem in stems if stem not in files]:
                self.missing.append(f"{name or self.folder}: {kind} of {_some(lacking)}")
        kept, twice = 0, []
        for stem, (split, is_official) in _splits(place, stems).items():
            identity = stem if is_official or not name else f"{name}/{stem}"
            own_maps = {kind: files[stem] for kind, files in maps.items() if stem in files}
            pair = Pair(identity, split, sources[stem], targets[stem], own_maps)
            if self.pairs.setdefault(identity, pair) is pair:
                kept += 1
            else:
                twice.append(identity)
        if twice:
            self.notes.append(f"{name or self.folder}: left out, found before: {_some(twice)}")
        if kept:
            self._layouts.append(FoundLayout(name or ".", layout, kept))

    def read_tables(self):
        """Adds what the folder's tables say: conditions, and pairs that only they name."""
        for path in self._tables:
            try:
                rows = read_table(path)
            except DataError as error:
                self.notes.append(f"{error}")
                continue
            self._apply(path, rows)

    def _apply(self, path, rows):
        by_source = {resolved(pair.source): identity for identity, pair in self.pairs.items()}
        absent, twice, added = [], [], 0
        for row in rows:
            source, target = (self._resolved(path, name) for name in (row.source, row.target))
            identity = by_source.get(source) if row.source else self._identity_of(path, row.id)
            if identity is None and source and target:
                identity = self._name(source.parent / source.stem)
                pair = Pair(identity, "train", source, target)
                kept = self.pairs.setdefault(identity, pair)
                if (kept.source, kept.target) != (source, target):
                    twice.append(f"{row.source} with {row.target}")
                    continue
                added += kept is pair
            elif identity is None:
                absent.append(row.source or row.id)
            if identity is not None:
                pair = self.pairs[identity]
                self.pairs[identity] = dataclasses.replace(
                    pair, conditions={**pair.conditions, **row.conditions}
                )
        if twice:
            self.notes.append(
                f"{self._name(path)}: left out, another pair has the name: {_some(twice)}"
            )
        if added:
            self._layouts.append(FoundLayout(self._name(path), _TABLE_LAYOUT, added))
        # A table that names nothing here is about something else.
        if absent and len(absent) < len(rows):
            self.missing.append(f"{self._name(path)}: names {_some(absent)}, which is not here")

    def _resolved(self, table, name):
        """The file that a table calls `name`: below the table's folder, the data
        folder, or the one above it.
        """
        if name is None:
            return None
        # Tables written on Windows part folders by backslashes.
        spellings = dict.fromkeys((name, name.replace("\\", "/")))
        bases = (table.parent, self.folder, self.folder.parent)
        places = [base / spelling for spelling in spellings for base in bases]
        return next((resolved(path) for path in places if is_file(path)), None)

    def _identity_of(self, table, name):
        near = "" if table.parent == self.folder else f"{self._name(table.parent)}/"
        return next((known for known in (name, f"{near}{name}") if known in self.pairs), None)

    def compare_with_ebb(self):
        """Says which official pairs are missing, where the folder holds EBB!.

        Anybody numbers pairs from 0; a few of them are no copy of EBB! that lacks thousands.
        """
        for split, ids in (("train", TRAIN_IDS), ("val294", VAL294_IDS)):
            present = {number for number in ids if str(number) in self.pairs}
            if _LEAST_SHARE_OF_EBB * len(ids) <= len(present) < len(ids):
                self.missing.append(
                    f"EBB! {split}: {len(ids) - len(present)} of its {len(ids)} pairs"
                )

    def report(self, pairs):
        """The `LayoutReport` on `pairs`."""
        return LayoutReport(
            str(self.folder),
            tuple(self._layouts),
            dict(Counter(pair.split for pair in pairs)),
            dict(Counter(kind for pair in pairs for kind in pair.maps)),
            dict(Counter(name for pair in pairs for name in pair.conditions)),
            tuple(self.missing),
            tuple(self.notes),
            tuple(self.alone),
        )


def _with_ending(pictures, ending):
    return {
        path.stem[: -len(ending)]: path for path in pictures if path.stem.lower().endswith(ending)
    }


def _splits(place, stems):
    """Split of each stem in the folder `place`, and whether the stem is an official EBB! number."""
    is_numbered = all(stem.isdecimal() and str(int(stem)) == stem for stem in stems)
    numbers = [int(stem) for stem in stems] if is_numbered else []
    is_val294 = bool(numbers) and all(number in VAL294_IDS for number in numbers)
    named = next(
        (split for split, words in _SPLIT_FOLDERS.items() if place.name.lower() in words), None
    )
    if named and not is_val294:
        return dict.fromkeys(stems, (named, False))
    if not numbers or max(numbers) >= _MOST_EBB_NUMBERS:
        return dict.fromkeys(stems, ("train", False))
    return {stem: (official_split(int(stem)), True) for stem in stems}
