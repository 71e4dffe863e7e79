"""The render job: many photos, one line each, none stopping the others."""

import dataclasses
import json
import time
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bokeh_tf import paths, photos
from bokeh_tf.errors import BokehError
from bokeh_tf.rendering.backends import load_model
from bokeh_tf.rendering.destinations import Destinations
from bokeh_tf.rendering.focus import Wishes
from bokeh_tf.rendering.geometry import resize
from bokeh_tf.rendering.maps import Brought, notes_on
from bokeh_tf.rendering.render import Rendering, render
from bokeh_tf.rendering.selection import find_photos

# A comparison is for looking at, not for keeping: three full-size panels of a large
# photo would open nowhere.
_PANEL_SIDE_PX = 1600
_GAP_PX = 16
# What people are told where the model was not sure of a subject.
_UNSURE_WORDS = {
    "graded": "no clear subject: blurred along the ground. See --focus and --if-unsure",
    "kept": "no clear subject: left as it was. See --focus and --if-unsure",
}


def render_files(
    given,
    *,
    output,
    model=None,
    input_range=None,
    output_range=None,
    compare=False,
    recursive=False,
    overwrite=False,
    wishes=None,
    brought=None,
    naming=None,
    with_map=False,
    as_json=False,
):
    """Renders the photos and folders `given` and writes the results; prints a line for each photo.

    Args:
        given: paths of photos, or of folders whose photos are meant.
        output: a folder, or for a single photo a file name.
        model: the name or path `load_model` takes, or a `BokehModel`; None for
            the flagship.
        input_range: which values the `.tflite` at `model` takes, see `load_model`.
        output_range: which values its picture has, see `load_model`.
        compare: also write before | after | weight of the photo in one picture.
        recursive: also take the folders in folders; the results lie in folders of the same names.
        overwrite: replace files that have a result's name and are no photos of this run.
        wishes: `focus.Wishes`, or None to leave everything to the model.
        brought: `maps.Brought`, a mask or depth for every photo, or None.
        naming: the results' names without suffix, "{stem}" standing for the photo's;
            None for the photo's own.
        with_map: also write the weight of the photo, which is sharp, as a
            grey PNG of the photo's size.
        as_json: print one JSON object a line for each photo, what was decided
            and how sure the model is.

    Returns:
        How many of `given` and photos failed; each has its line on stderr.

    Raises:
        BokehError: the model or the output is unusable, so no photo can be rendered.
    """
    wishes, brought = wishes or Wishes(), brought or Brought()
    selection = find_photos(given, recursive=recursive, output=output)
    is_single = len(given) == 1 and not paths.is_dir(given[0])
    found = [photo.path for photo in selection.photos]
    console, error_console = Console(), Console(stderr=True)
    failures = len(selection.errors)
    kept = [*found, *brought.files]
    with Destinations(
        output, kept, is_single=is_single, overwrite=overwrite, naming=naming
    ) as destinations:
        if model is None or isinstance(model, (str, Path)):
            model = load_model(model, input_range=input_range, output_range=output_range)
        _print(error_console, *selection.errors)
        _print(error_console if as_json else console, *selection.left_out)
        with _progress(error_console, hidden=len(found) < 2) as progress:
            for photo in progress.track(selection.photos, description="Rendering"):
                try:
                    rendered = _render_file(
                        photo,
                        destinations,
                        model,
                        wishes,
                        brought,
                        compare=compare,
                        with_map=with_map,
                    )
                    _print(console, *(rendered.json() if as_json else rendered.text()))
                except BokehError as error:
                    failures += 1
                    _print(error_console, error)
    return failures


@dataclasses.dataclass(frozen=True)
class _Rendered:
    """What to tell of one photo."""

    photo: Path
    outputs: tuple[Path, ...]
    width_px: int
    height_px: int
    seconds: float
    notes: tuple[str, ...]
    rendering: Rendering

    def text(self):
        """Lines for people."""
        outputs = ", ".join(map(str, self.outputs))
        told = _UNSURE_WORDS.get(self.rendering.decision)
        notes = [*self.notes, *([told] if told else [])]
        line = f"{self.photo} -> {outputs} ({self.width_px}x{self.height_px}, {self.seconds:.1f} s)"
        return [line, *(f"  {self.photo.name}: {note}" for note in notes)]

    def json(self):
        """A line for programs."""
        confidence = self.rendering.subject_confidence
        content = {
            "schema_version": 1,
            "photo": str(self.photo),
            "outputs": [str(path) for path in self.outputs],
            "width_px": self.width_px,
            "height_px": self.height_px,
            "seconds": round(self.seconds, 3),
            "decision": self.rendering.decision,
            "subject_confidence": None if confidence is None else round(confidence, 4),
            "notes": list(self.notes),
        }
        return [json.dumps(content)]


def _render_file(found, destinations, model, wishes, brought, *, compare, with_map):
    """Renders one photo; returns what to tell the user."""
    start_ns = time.perf_counter_ns()
    path = found.path
    photo = photos.read(path)
    maps = brought.maps_of(path)
    rendering = render(
        photo.pixels,
        model,
        **dataclasses.asdict(wishes),
        **maps,
        full_size_map=with_map,
    )
    picture = comparison(photo.pixels, rendering) if compare else None
    # From here on the original is not needed; a large one would be in the way of the encoder.
    photo = dataclasses.replace(photo, pixels=rendering.image)
    target, notes = destinations.write(photo, source=path, subfolder=found.subfolder)
    outputs = [target]
    if compare:
        shown = photos.Photo(picture, photo.format, icc=photo.icc)
        outputs.append(destinations.write_beside(shown, target, "_compare"))
    if with_map:
        grey = np.rint(rendering.in_focus_weight * 255).astype(np.uint8)
        shown = photos.Photo(np.repeat(grey[..., None], 3, axis=2), "PNG", grey=True)
        outputs.append(destinations.write_beside(shown, target, "_map", suffix=".png"))
    height, width, _ = photo.pixels.shape
    seconds = (time.perf_counter_ns() - start_ns) / 1e9
    return _Rendered(
        path,
        tuple(outputs),
        width,
        height,
        seconds,
        (*photo.notes, *notes_on(maps, height, width), *notes),
        rendering,
    )


def comparison(before, rendering):
    """One picture, uint8 `[h, w, 3]`: the photo `before`, the `Rendering`, and its
    in-focus weight, white for 1.
    """
    height, width, _ = before.shape
    scale = min(1, _PANEL_SIDE_PX / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    weight = np.rint(rendering.in_focus_weight * 255).astype(np.uint8)
    panels = [before, rendering.image, np.repeat(weight[..., None], 3, axis=2)]
    panels = [photos.reduced_to_8_bits(resize(panel, *size)) for panel in panels]
    gap = np.full((size[0], _GAP_PX, 3), 255, np.uint8)
    return cv2.hconcat([panels[0], gap, panels[1], gap, panels[2]])


def _progress(console, *, hidden):
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    return Progress(
        *columns, console=console, transient=True, disable=hidden or not console.is_terminal
    )


def _print(console, *lines):
    for line in lines:
        console.print(paths.printable(line), markup=False, highlight=False, soft_wrap=True)
