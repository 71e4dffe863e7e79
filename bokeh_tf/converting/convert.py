"""From a model wherever it is to a file that is proved and checked: build,
compare, check, repair, judge.

`convert(source_of("model.keras"), Wishes())` returns a `Conversion`; nothing is written. Keras and
the file run in child processes only.
"""

import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from bokeh_tf import exporting
from bokeh_tf.converting.children import Children
from bokeh_tf.converting.parity import TOLERANCES, LayerCost, OutputParity
from bokeh_tf.converting.rounding import RoundedWeight, rounded_weights
from bokeh_tf.converting.source import Kind, Source
from bokeh_tf.delegate.check import FAILED, PASSED
from bokeh_tf.delegate.judging.policy import Judged
from bokeh_tf.errors import ConversionError
from bokeh_tf.hdf5 import require_readable
from bokeh_tf.paths import resolved
from bokeh_tf.repairing.outcome import Repair
from bokeh_tf.repairing.repair import repair
from bokeh_tf.tflite import QUANTISED
from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.subject import subject_of

DEFAULT_TIMEOUT_S = 1200.0
_BEFORE_QUANTISING = "--also was asked of the floats, before quantising; `bokeh-tf repair --also` answers for this file"


@dataclass(frozen=True)
class Wishes:
    """What a conversion is to be.

    `image_size` is (height, width) in pixels of inputs whose own is free, `shapes` those of all
    inputs with the batch; `batch` is what a free one becomes. `custom_objects` and `search_folder`
    are where classes and functions come from. `ranges` holds (low, high) of inputs and outputs by
    name, `images` names the inputs that are RGB pictures; `labels` holds (output, names of its classes),
    None for the only output. The model and the file run on `inputs`
    (photographs or arrays), or on `photo` and random numbers. `tolerance` is the largest error as a
    share of an output's range, None for that of the precision; with `bisect` the first layer beyond
    it is looked for. Quantised precisions are calibrated on `calibration`, leave the layers
    `keep_float` as they are, and with `layer_costs` say what each layer costs. `allow` names
    changes of inputs and outputs that a repair may make, `also` what else than the two delegates it
    is for (`repairing.repair.repair`). `timeout_s` limits all of it. `runtime` is the release by
    whose rules to judge and repair, None for the newest that they know.
    """

    precision: str = "float16"
    image_size: tuple[int, int] | None = None
    shapes: tuple[tuple[int, ...], ...] | None = None
    batch: int | None = None
    custom_objects: str | None = None
    search_folder: Path = Path()
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    images: tuple[str, ...] = ()
    labels: tuple[tuple[str | None, tuple[str, ...]], ...] = ()
    inputs: tuple[Path, ...] = ()
    photo: Path | None = None
    tolerance: float | None = None
    bisect: bool = False
    calibration: tuple[Path, ...] = ()
    keep_float: tuple[str, ...] = ()
    layer_costs: bool = False
    repair: bool = True
    allow: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    probe: bool = True
    timeout_s: float = DEFAULT_TIMEOUT_S
    runtime: str | None = None

    @property
    def largest_error(self) -> float:
        """The tolerance that counts."""
        return TOLERANCES[self.precision] if self.tolerance is None else self.tolerance


@dataclass(frozen=True)
class Conversion:
    """What became of a model.

    `content` is the file, whether it passed or not. `parity` is the file against the model,
    empty where there is none to compare with (a `.tflite`). `repaired` is None where
    nothing was tried. `failures` are the reasons of this module, in words; those of the
    check are in `judged`. `first_layer` is the first layer beyond the tolerance, in words,
    where it was looked for and found.
    """

    label: str
    precision: str
    content: bytes = field(repr=False)
    rounded: tuple[RoundedWeight, ...]
    parity: tuple[OutputParity, ...]
    tolerance: float
    repaired: Repair | None
    judged: Judged
    failures: tuple[str, ...]
    notes: tuple[str, ...]
    first_layer: str | None
    costs: tuple[LayerCost, ...]
    built_s: float
    wall_s: float

    @property
    def code(self) -> int:
        """0 passed, 1 could not be checked, 3 checked and failed."""
        return FAILED if self.failures else self.judged.code


@dataclass(frozen=True)
class _Built:
    content: bytes
    rounded: tuple[RoundedWeight, ...] = ()
    facts: dict = field(default_factory=dict)
    request: dict = field(default_factory=dict)


def convert(source: Source, wishes: Wishes) -> Conversion:
    """Builds the file and finds out whether it may be shipped.

    Raises:
        ModelFileError: the model cannot be loaded.
        ConversionError: it cannot become a `.tflite`.
        DependencyError: TensorFlow or Keras is missing.
        PhotoError, CheckError: the inputs cannot be read, or do not fit.
    """
    start_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bokeh_tf_convert_") as folder:
        children = Children(source.label, Path(folder), start_s + wishes.timeout_s)
        built = _build(source, wishes, children)
        built_s = time.monotonic() - start_s
        costs: tuple[LayerCost, ...] = ()
        if wishes.precision in QUANTISED:
            content, costs, judged, repaired = _quantised(
                source.label, built.content, wishes, children
            )
        else:
            content, judged, repaired = _checked(source.label, built.content, wishes, children)
        # With other inputs or outputs the file cannot be fed as the model is; the
        # repair's proof stands in.
        is_same_interface = repaired is None or not repaired.interface
        measured = content if is_same_interface else built.content
        parity = children.measure(measured, built.facts) if built.facts else ()
        failures = tuple(_failures(built.rounded, parity, wishes.largest_error))
        first_layer, layer_notes = None, ()
        if wishes.bisect and failures and built.request:
            first_layer, layer_notes = _first_layer(children, built.request, wishes.largest_error)
    return Conversion(
        label=source.label,
        precision=wishes.precision,
        content=content,
        rounded=built.rounded,
        parity=parity,
        tolerance=wishes.largest_error,
        repaired=repaired,
        judged=judged,
        failures=failures,
        notes=(*built.facts.get("notes", ()), *_notes(parity), *layer_notes),
        first_layer=first_layer,
        costs=costs,
        built_s=built_s,
        wall_s=time.monotonic() - start_s,
    )


def _build(source, wishes, children):
    request = {
        "kind": str(source.kind),
        "label": source.label,
        "path": None if source.path is None else str(resolved(source.path)),
        "module": source.module,
        "name": source.name,
        "precision": "float32" if wishes.precision in QUANTISED else wishes.precision,
        "image_size": wishes.image_size,
        "shapes": wishes.shapes,
        "batch": wishes.batch,
        "custom_objects": wishes.custom_objects,
        "search_folder": str(resolved(wishes.search_folder)),
        "ranges": wishes.ranges,
        "images": wishes.images,
        "labels": wishes.labels,
        "inputs": [str(resolved(path)) for path in wishes.inputs],
        "photo": None if wishes.photo is None else str(resolved(wishes.photo)),
    }
    if source.kind is Kind.TFLITE:
        if wishes.images or wishes.labels:
            raise ConversionError(
                f"{source.label}: --image and --labels go into the metadata of a file that is made"
                " of a Keras model; a .tflite keeps its own. Convert the model."
            )
        content = subject_of(source.path).content
        # What a repair writes, it proves itself.
        facts = children.refer_to(content, request) if wishes.precision in QUANTISED else {}
        return _Built(content, facts=facts)
    if source.kind in (Kind.KERAS, Kind.HDF5):
        require_readable(source.path, label=source.label, timeout_s=children.remaining_s)
    content, twin, facts = children.build(request)
    rounded = rounded_weights(inspect(twin)) if wishes.precision == "float16" else ()
    return _Built(content, rounded, facts, request)


def _first_layer(children, request, tolerance):
    """(the first layer beyond the tolerance in words, notes on why there is none)."""
    found = children.find_layer(request, tolerance)
    first = found["first"]
    if first is None:
        return None, (f"bisection: {found['note']}",)
    error = f"{first['share']:.2g} of its range on {first['sample']}"
    return f"{first['layer']} ({first['kind']}), largest error {error}", ()


def _checked(label, content, wishes, children):
    """(the file, the check's word on it, the repair): repaired where the check finds something, or
    more than it looks at is asked for.
    """
    judged = _judge(label, content, wishes, children)
    if not wishes.repair or (judged.code == PASSED and not wishes.also):
        return content, judged, None
    repaired = repair(
        subject_of(content, label=label),
        probe=wishes.probe,
        photo=wishes.photo,
        timeout_s=max(children.remaining_s, 1),
        allow=wishes.allow,
        also=wishes.also,
        runtime=wishes.runtime,
    )
    if repaired.content is None:
        return content, judged, repaired
    return repaired.content, _judge(label, repaired.content, wishes, children), repaired


def _quantised(label, content, wishes, children):
    """As `_checked`, with what layers cost: repaired first, because recipes
    know no quantised tensors.
    """
    repaired = None
    if wishes.repair:
        repaired = repair(
            subject_of(content, label=label),
            probe=False,
            photo=wishes.photo,
            allow=wishes.allow,
            also=wishes.also,
            runtime=wishes.runtime,
        )
        content = content if repaired.content is None else repaired.content
    request = {
        "precision": wishes.precision,
        "ranges": wishes.ranges,
        "calibration": [str(resolved(path)) for path in wishes.calibration],
        "keep_float": wishes.keep_float,
        "layer_costs": wishes.layer_costs,
    }
    content, costs = children.quantise(content, request)
    if repaired is not None and wishes.also:
        repaired = replace(repaired, notes=(*repaired.notes, _BEFORE_QUANTISING))
    is_needed = repaired is not None and (repaired.content is not None or bool(wishes.also))
    return content, costs, _judge(label, content, wishes, children), repaired if is_needed else None


def _judge(label, content, wishes, children):
    return exporting.check_and_judge(
        content,
        label=label,
        probe=wishes.probe,
        photo=wishes.photo,
        timeout_s=max(children.remaining_s, 1),
        runtime=wishes.runtime,
    )


def _failures(rounded, parity, tolerance):
    for weight in rounded:
        if weight.is_severe:
            yield f"{weight}; float16 holds up to 65504"
    for one in parity:
        failure = one.failure(tolerance)
        if failure:
            yield failure


def _notes(parity):
    for one in parity:
        if one.reference_non_finite:
            count = one.reference_non_finite
            yield (
                f"output {one.output} on {one.sample}: {count} values of the model itself are"
                " not finite"
            )
