"""`bokeh-tf train --export`: a run's result in one folder: weights, `.tflite`, check, evaluation,
model card.
"""

import json
import sys
from pathlib import Path

from bokeh_tf.commands.working import working
from bokeh_tf.paths import printable, resolved
from bokeh_tf.stages import stage

FOLDER_NAME = "exported"
_CHECK_NAME, _CARD_NAME = "check.json", "card.md"
_PRECISION = "float16"
_PROTOCOL = "plain"


def file_names(options, plan) -> list[str]:
    """What the folder will hold."""
    from bokeh_tf.evaluation.reports import NAMES

    weights = plan.weights_file(options.phase)
    return [weights, _file_name(plan, options), _CHECK_NAME, _CARD_NAME, *NAMES]


def export_run(options, plan, weights: Path) -> int:
    """Writes the folder of a run that has left `weights`; returns the exit status of the check."""
    from bokeh_tf import exporting
    from bokeh_tf.delegate.judging.policy import Policy
    from bokeh_tf.delegate.writers import document
    from bokeh_tf.files import make_folder, write_bytes, write_text
    from bokeh_tf.models.weights import load_weights

    folder = make_folder(options.out / FOLDER_NAME)
    best = _best(options, plan)
    chosen = weights if best is None else best
    write_bytes(folder / weights.name, chosen.read_bytes())
    model = exporting.build_model(
        plan.model, variant=plan.variant, image_shape=_size(plan, options)
    )
    load_weights(model, chosen)
    content = exporting.convert_model(model, precision=_PRECISION)
    name = _file_name(plan, options)
    with working(), stage(name):
        judged = exporting.check_and_judge(content, label=name)
    write_text(folder / _CHECK_NAME, document.write([judged], Policy()))
    # What did not pass stays to be looked at; the card and the exit status say so.
    write_bytes(folder / name, content)
    summaries, reason = _evaluated(options, folder / name, folder)
    which = "last of the run" if best is None else "best of the run on the held-out pairs"
    card = _card(options, plan, which, judged, summaries, reason)
    write_text(folder / _CARD_NAME, card)
    print(f"written: {printable(folder / _CARD_NAME)}, with weights, {name} and reports beside it")
    return judged.code


def _size(plan, options):
    """(height, width) in pixels: what was asked for, the trial's, or the network's own."""
    from bokeh_tf.models import catalogue

    if options.export:
        return options.export
    if options.scale == "small":
        return plan.phases[-1].image_shape
    return catalogue.entry(plan.model).reference_size_px


def _file_name(plan, options):
    from bokeh_tf import exporting

    size = _size(plan, options)
    return f"{exporting.artifact_name(plan.model, plan.variant, _PRECISION, size)}.tflite"


def _best(options, plan):
    """The weights that were best on held-out pairs in the last phase; None without such pairs."""
    phase = plan.phases[(options.phase or len(plan.phases)) - 1]
    folder = options.out / "best" / phase.name
    found = sorted(folder.glob("*.weights.h5")) if options.val else []
    return found[0] if found else None


def _evaluated(options, file, folder):
    """(summaries, None), or (none, why there are none): the file on the pairs held out."""
    from bokeh_tf.errors import DataError, ModelFileError, PhotoError
    from bokeh_tf.evaluation import writers
    from bokeh_tf.evaluation.baselines import BASELINES
    from bokeh_tf.evaluation.predictors import predictors_of
    from bokeh_tf.evaluation.protocols import PROTOCOLS
    from bokeh_tf.evaluation.reports import write_reports
    from bokeh_tf.evaluation.run import evaluate
    from bokeh_tf.evaluation.summary import summarise
    from bokeh_tf.training.validation import held_out_pairs

    if options.val is None:
        return (), "no pairs were held out (--val)"
    try:
        # That none of them is trained on, the run has seen to.
        pairs = held_out_pairs(options.val, data=options.data, training_pairs=())
        predictors = predictors_of([str(file), *BASELINES])
        evaluation = evaluate(pairs, predictors, PROTOCOLS[_PROTOCOL])
        document = writers.as_document(evaluation, folder=options.val)
    except (DataError, ModelFileError, PhotoError) as error:
        print(f"bokeh-tf: not evaluated: {error}", file=sys.stderr)
        return (), str(error)
    if not evaluation.common_pairs():
        return (), f"no pair has a score ({evaluation.problems[0].reason})"
    write_reports(folder, evaluation, predictors, document)
    return summarise(evaluation), None


def _card(options, plan, which, judged, summaries, reason):
    """The model card: what it is, what it learnt from, what it reaches, what the check says."""
    from bokeh_tf.delegate.writers.summary import WORDS, lines_of

    manifest = json.loads((options.out / "manifest.json").read_text(encoding="utf-8"))
    data = manifest["conditions"]["data"]
    height_px, width_px = _size(plan, options)
    versions = ", ".join(f"{name} {version}" for name, version in manifest["versions"].items())
    phases = plan.phases if options.phase is None else [plan.phases[options.phase - 1]]
    lines = [
        f"# Model card: {plan.model}, {plan.variant}",
        "",
        f"`{_file_name(plan, options)}`: {height_px}x{width_px} pixels, {_PRECISION} weights, the"
        f" {which}.",
        "",
        "## Training",
        "",
        f"`bokeh-tf train {options.plan}`, the schedule of {plan.source}:"
        f" {', '.join(phase.name for phase in phases)}.",
        f"{data['examples']} examples of `{resolved(options.data).name}` (SHA-256 of their list"
        f" {data['sha256'][:16]}), seed {options.seed}, {versions}.",
        *(["A trial run (`--scale small`): not the schedule."] if options.scale == "small" else ()),
        "",
        "Whose photographs these are, and under which licence: to be said by whoever publishes it.",
        "",
        "## Numbers",
        "",
        *(_numbers(summaries) if summaries else [f"None: {reason}."]),
        "",
        "## On a phone's GPU",
        "",
        f"{WORDS[judged.code]}, by `bokeh-tf check`:",
        "",
        *(f"* {line}" for line in lines_of(judged)),
    ]
    return "\n".join(map(printable, lines)) + "\n"


def _numbers(summaries):
    """A Markdown table of what the file reaches beside what needs no network."""
    [summary] = summaries
    yield (
        f"`bokeh-tf evaluate`, protocol {_PROTOCOL}, means of {summary.counted} of {summary.pairs}"
        " pairs that were held out:"
    )
    yield ""
    yield "| | PSNR, dB | SSIM (7x7) |"
    yield "|---|---|---|"
    for row in summary.rows:
        yield f"| {row.model} | {row.means['psnr_db'].value:.2f} | {row.means['ssim'].value:.4f} |"
