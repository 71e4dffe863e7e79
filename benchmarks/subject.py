"""Whether what should stay sharp does: weight maps and renderings against labels of
subjects.

Labels are a folder as `bokeh_tf.data.scenes.subjects` reads it; only its split "dev" is measured,
and of that only pixels whose label is trusted. Overlap (IoU) is that of W0 >= 1/2 with the label,
by group and over all. "at the edge" is the mean W0 of what is not labelled in the lowest 3 % of the
rows: the half-sharp band. "sharpness" is the gradient energy of the rendering inside the label,
shrunk by a hundredth of the height, over the photo's own.

Taps are measured on scenes of several cut-outs and made-up objects of the same photographs: the
overlap of W0 with the tapped one, with the tap and without it.
"""

import json
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from benchmarks.contenders import load_contenders
from bokeh_tf.bench.results.environment import read_environment
from bokeh_tf.bench.results.result import utc_now, write_document
from bokeh_tf.data.scenes.subjects import SubjectMaker, load_subjects
from bokeh_tf.errors import DataError
from bokeh_tf.rendering import render

SCHEMA_VERSION = 1
_LONG_SIDE_PX = 1024
_LEAST_TRUST = 64
_EDGE_SHARE = 0.03
_SCENE_SHAPE, _SCENE_SEED = (512, 768), 77
_HEADINGS = {
    "iou": "IoU",
    "inside": "W0 inside",
    "outside": "W0 outside",
    "edge": "at the edge",
    "sharpness": "sharpness",
    "confidence": "confidence",
}


def add_options(parser):
    """Adds this suite's options to an argparse parser."""
    parser.add_argument(
        "--subjects",
        type=Path,
        required=True,
        help="folder with index.csv, photos/, labels/, conf/",
    )
    parser.add_argument(
        "--model",
        nargs="+",
        default=[None],
        help=".tflite files or model names (default: the shipped flagship)",
    )
    parser.add_argument(
        "--taps",
        type=int,
        default=0,
        metavar="N",
        help="also measure taps on N scenes (default: none)",
    )
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="measure every Nth photo (default: all)"
    )


def run(options):
    """Runs the suite, prints its tables, writes the JSON and returns its path."""
    models = {name: one.model for name, one in load_contenders(options.model).items()}
    labelled = load_subjects(options.subjects, split="dev", long_side_px=_LONG_SIDE_PX)[
        :: options.every
    ]
    created_utc = utc_now()
    scores = {
        name: [score(photo, model) for photo in _tracked(labelled)]
        for name, model in models.items()
    }
    groups = {name: by_group(labelled, rows) for name, rows in scores.items()}
    Console().print(*(_table(name, rows) for name, rows in groups.items()))
    content = {
        "schema_version": SCHEMA_VERSION,
        "suite": "subject",
        "created_utc": created_utc,
        "environment": asdict(read_environment()),
        "groups": groups,
        "photos": {
            name: dict(zip([p.stem for p in labelled], rows, strict=True))
            for name, rows in scores.items()
        },
    }
    if options.taps:
        everything = load_subjects(options.subjects, split="dev", long_side_px=_LONG_SIDE_PX)
        content["taps"] = {
            name: tap_scores(everything, model, options.taps) for name, model in models.items()
        }
        Console().print(content["taps"])
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    return write_document(text, options.out, "subject", created_utc)


def _tracked(items):
    return track(items, description="subject", console=Console(stderr=True), transient=True)


def score(photo, model):
    """The measures of one `LabelledPhoto`, by name; those that mean nothing for it are None."""
    rendering = render(photo.photo, model, if_unsure="force")
    shape = photo.label.shape[::-1]
    weight = cv2.resize(rendering.in_focus_weight, shape, interpolation=cv2.INTER_LINEAR)
    label, trusted = photo.label > 127, photo.trust > _LEAST_TRUST
    measures = dict.fromkeys(_HEADINGS)
    measures["confidence"] = rendering.subject_confidence
    rows = max(1, round(_EDGE_SHARE * len(label)))
    free = ~label[-rows:] & trusted[-rows:]
    if free.any():
        measures["edge"] = float(weight[-rows:][free].mean())
    if photo.is_subject and label.any():
        measures["iou"] = iou(weight >= 0.5, label, trusted)
        measures["inside"] = (
            float(weight[label & trusted].mean()) if (label & trusted).any() else None
        )
        measures["outside"] = (
            float(weight[~label & trusted].mean()) if (~label & trusted).any() else None
        )
        measures["sharpness"] = sharpness_kept(photo.photo, rendering.image, label)
    return measures


def tap_scores(labelled, model, count):
    """Mean overlap with the tapped one of several things, with the tap and
    without, over so many scenes.

    None for a model that cannot be told. The scenes depend on the labelled
    photos and their number alone.
    """
    if not getattr(model, "takes_focus", False):
        return None
    maker = SubjectMaker(labelled, shape=_SCENE_SHAPE, tapped_share=1.0)
    told, untold = [], []
    for number in _tracked(range(count)):
        image, label, trust, tap = maker.tapped_scene(np.random.default_rng([_SCENE_SEED, number]))
        photo = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
        row, column = tap.reshape(4)[:2].tolist()
        for overlaps, focus in ((told, (column, row)), (untold, None)):
            weight = render(
                photo, model, focus=focus, aperture=1.0, if_unsure="force", full_size_map=True
            )
            overlaps.append(
                iou(weight.in_focus_weight >= 0.5, label > 0.5, trust > _LEAST_TRUST / 255)
            )
    return {"n": count, "iou_tapped": float(np.mean(told)), "iou_untapped": float(np.mean(untold))}


def iou(one, other, where):
    """Overlap of two masks where a third is true: shared over joint
    pixels; 1 where both are empty.
    """
    joint = ((one | other) & where).sum()
    return float((one & other & where).sum() / joint) if joint else 1.0


def sharpness_kept(photo, rendered, label):
    """Gradient energy of `rendered` over that of `photo`, inside the shrunken label;
    None where nothing is left.
    """
    side = 2 * max(1, round(0.01 * len(label))) + 1
    inside = cv2.erode(label.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
    before, after = (_gradient_energy(image)[inside].sum() for image in (photo, rendered))
    return float(after / before) if inside.any() and before > 0 else None


def _gradient_energy(image):
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return cv2.Sobel(grey, cv2.CV_32F, 1, 0) ** 2 + cv2.Sobel(grey, cv2.CV_32F, 0, 1) ** 2


def by_group(labelled, rows):
    """Means of the measures by group, and over all photos with a subject; None
    where no photo has a measure.
    """
    if not labelled:
        raise DataError("There is no labelled photo to measure.")
    members = {
        group: [p.group == group for p in labelled]
        for group in dict.fromkeys(p.group for p in labelled)
    }
    members["all with a subject"] = [bool(photo.is_subject) for photo in labelled]
    means = {}
    for group, chosen in members.items():
        own = [row for row, is_member in zip(rows, chosen, strict=True) if is_member]
        means[group] = {measure: _mean([row[measure] for row in own]) for measure in _HEADINGS}
        means[group]["n"] = len(own)
    return means


def _mean(values):
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _table(name, groups):
    table = Table(title=Text(name))
    table.add_column("group")
    table.add_column("n", justify="right")
    for heading in _HEADINGS.values():
        table.add_column(heading, justify="right")
    for group, means in groups.items():
        cells = [
            "-" if means[measure] is None else f"{means[measure]:.3f}" for measure in _HEADINGS
        ]
        table.add_row(group, str(means["n"]), *cells)
    return table
