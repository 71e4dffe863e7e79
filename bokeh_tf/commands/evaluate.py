"""`bokeh-tf evaluate`: its options, what it calls, and the tables that it prints."""

import argparse
from pathlib import Path

from bokeh_tf.commands import evaluate_study, outputs, ranges
from bokeh_tf.commands.console import open_console
from bokeh_tf.commands.working import working
from bokeh_tf.paths import printable

_DONE, _NOT_DONE = 0, 1
# Named here too: `--help` imports no array library.
_PROTOCOLS = ("plain", "dmshn", "dbsi", "pynet", "ebokehnet", "bokehlicious")
_SPLITS = ("train", "val294", "validation", "test", "extra")
_MOST_PROBLEMS = 20
_DESCRIPTION = """Scores models, or folders of finished pictures, against the ground truths of a
folder of pairs, by the protocol of a paper, and prints them beside the rows published for the same
protocol and the same pairs."""
_EPILOG = """M is a .tflite or .keras file, a <model>_<variant>.weights.h5, the name of a model with packaged weights, a
folder of finished pictures, or one of the rules: untouched, "global blur", "centre ellipse" (--baselines: all three).

protocols (never mixed; what each does is in the JSON):
  plain         photos of any size, as bokeh-tf render makes them, compared whole
  dmshn         DMSHN, MPFNet, BRViT: the network at 1024x1536, saved pictures
  dbsi          DBSI: the network at 768x1024, saved pictures
  pynet         floats, 32 pixels at each side left out, Gaussian SSIM
  ebokehnet     the middle of 1024x1440, floats, SSIM of pictures reduced to about 256 rows
  bokehlicious  the middle with sides that four divides, floats, Gaussian SSIM

with -o, the folder DIR gets:
  evaluation.json   everything, each picture's scores too
  scores.csv        a line for each picture
  report.html       tables, and the ten worst pictures of each model under a slider
  scores.jsonl      by which the next run, or one after Ctrl-C, scores only what is new

exit status:
  0  every pair has a score of every model
  1  some have none (each is named; --allow-missing: 0), or nothing could be scored
  2  wrong usage

a study asks people, as the AIM 2020 challenge did: five grades beside the reference, order and sides by chance.
study.html works offline and saves a JSON for each rater; study_key.json says which picture is whose.

examples:
  bokeh-tf evaluate study pairs --model mine.tflite theirs/ -o study
  bokeh-tf evaluate study results study/study_key.json ratings_*.json
  bokeh-tf evaluate EBB --split val294 --protocol dmshn --model runs/mine/dmshn_base.weights.h5 -o evaluated
  bokeh-tf evaluate pairs --model mine.tflite theirs/ --baselines --by-set"""


def add(commands):
    """Adds the command's parser to the subparsers `commands`."""
    parser = commands.add_parser(
        "evaluate",
        help="score models or finished pictures against ground truths, as papers do",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "words",
        nargs="+",
        metavar="PAIRS",
        help="folder of pairs (see: bokeh-tf data inspect); or study PAIRS; or study results KEY"
        " ANSWERS…",
    )
    parser.add_argument(
        "--model",
        nargs="+",
        action="extend",
        metavar="M",
        help="what to score (default: dbsi_mobile_focus)",
    )
    _add_measuring(parser)
    _add_results(parser)
    study = parser.add_argument_group("for evaluate study")
    study.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="of each rater's order and sides (default: 0)",
    )
    study.add_argument(
        "--repeats", type=int, default=5, metavar="N", help="pictures that come twice (default: 5)"
    )
    outputs.add(parser)
    parser.set_defaults(run=run, usage_error=parser.error)


def _add_measuring(parser):
    parser.add_argument("--baselines", action="store_true", help="score also what needs no network")
    parser.add_argument(
        "--protocol",
        choices=_PROTOCOLS,
        default=_PROTOCOLS[0],
        help="as whom to measure (default: %(default)s)",
    )
    parser.add_argument(
        "--perceptual",
        action="store_true",
        help="score by FLIP too, seconds a picture (needs the perceptual extra)",
    )
    parser.add_argument(
        "--lpips",
        type=Path,
        metavar="FILE",
        help="score by LPIPS (alex, v0.1) too, with torchvision's alexnet-owt-7be5be79.pth as its"
        " weights, about 20 s a photo of 1024x1536 (needs the pytorch extra)",
    )
    parser.add_argument("--split", choices=_SPLITS, help="score the pairs of this split alone")
    parser.add_argument(
        "--only", type=Path, metavar="LIST", help="score the pairs in this list alone"
    )
    parser.add_argument(
        "--by-set",
        action="store_true",
        help="average sets apart: folders, or names up to the first _",
    )


def _add_results(parser):
    parser.add_argument("-o", "--out", type=Path, metavar="DIR", help="folder for the results")
    parser.add_argument(
        "--allow-missing", action="store_true", help="exit with 0 although pairs have no score"
    )
    parser.add_argument(
        "--json", action="store_true", help="print everything as JSON instead of tables"
    )
    ranges.add(parser, sides=("input",))


def run(options) -> int:
    """Runs the command with parsed `options`; returns the exit status."""
    is_study = options.words[0] == "study" and len(options.words) > 1
    if is_study and options.words[1] == "results":
        if len(options.words) < 4:
            options.usage_error(
                "study results needs the study's key, and a file of answers for each rater"
            )
        return evaluate_study.print_results(options)
    if len(options.words) != (2 if is_study else 1):
        options.usage_error("one folder of pairs at a time")
    if is_study and (options.out is None or options.seed < 0 or options.repeats < 0):
        options.usage_error("a study needs -o DIR, and a seed and repeats that are not negative")
    if is_study and (options.perceptual or options.lpips):
        options.usage_error("raters see pictures: --perceptual and --lpips are of no use there")
    options.pairs = Path(options.words[-1])
    return _evaluate(options, is_study=is_study)


def _evaluate(options, *, is_study):
    from bokeh_tf.data.pairs.layouts import find_pairs
    from bokeh_tf.errors import DataError
    from bokeh_tf.evaluation import writers
    from bokeh_tf.evaluation.baselines import BASELINES
    from bokeh_tf.evaluation.lpips import read_lpips
    from bokeh_tf.evaluation.predictors import predictors_of
    from bokeh_tf.evaluation.protocols import PROTOCOLS
    from bokeh_tf.evaluation.reports import NAMES, write_reports
    from bokeh_tf.evaluation.run import evaluate, with_lonely
    from bokeh_tf.evaluation.scores import PERCEPTUAL, require_flip
    from bokeh_tf.files import make_folder

    ranges.check(options)
    _claim_outputs(options, evaluate_study.NAMES if is_study else NAMES)
    with working():
        found = find_pairs(options.pairs, only=options.only)
    pairs = [pair for pair in found.pairs if options.split in (None, pair.split)]
    if not pairs:
        splits = ", ".join(found.report.splits)
        raise DataError(
            f"{printable(options.pairs)}: no pairs of the split {options.split}. It holds {splits}."
        )
    further = PERCEPTUAL if options.perceptual else ()
    if further:
        require_flip()
    lpips = read_lpips(options.lpips) if options.lpips else None
    sources = [*(options.model or [None]), *(BASELINES if options.baselines else ())]
    predictors = predictors_of(sources, input_range=options.input_range)
    protocol = PROTOCOLS[options.protocol]
    if is_study:
        return evaluate_study.write_study(options, pairs, predictors, protocol)
    out = None if options.out is None else make_folder(options.out)
    evaluation = evaluate(pairs, predictors, protocol, further=further, lpips=lpips, out=out)
    # Of a part of the pairs, what lies in the others is no matter.
    if options.split is None and options.only is None:
        evaluation = with_lonely(evaluation, found.report.alone)
    document = writers.as_document(evaluation, folder=options.pairs, by_set=options.by_set)
    if out is not None:
        write_reports(out, evaluation, predictors, document, by_set=options.by_set)
    if options.json:
        print(writers.json_page(document), end="")
    else:
        _print(evaluation, options, found.report)
    is_whole = not evaluation.problems or options.allow_missing
    return _DONE if is_whole and evaluation.common_pairs() else _NOT_DONE


def _claim_outputs(options, names):
    outputs.claim_in_folder(
        options.out, files=names, inputs=[options.only], overwrite=options.overwrite
    )


def _print(evaluation, options, layout):
    from bokeh_tf.data.pairs.pair import places_of
    from bokeh_tf.evaluation.summary import summarise

    console = open_console()

    def say(line):
        console.print(printable(line), markup=False, highlight=False, soft_wrap=True)

    protocol = evaluation.protocol
    say(
        f"{options.pairs}: {len(evaluation.pairs)} pairs by the protocol {protocol.name}:"
        f" {protocol.title}"
    )
    if protocol.doubts:
        say(f"doubt: {protocol.doubts}")
    say(f"pairs: {places_of(evaluation.pairs, options.pairs)}")
    for line in layout.missing:
        say(f"missing: {line}")
    for line in layout.notes:
        say(f"note: {line}")
    for model, note in evaluation.notes.items():
        say(f"note: {model} {note}")
    for summary in summarise(evaluation, by_set=options.by_set):
        console.print(_means_table(summary, evaluation))
    _print_published(console, say, evaluation)
    for problem in evaluation.problems[:_MOST_PROBLEMS]:
        say(f"no score: {problem.pair}, {problem.model or 'any model'}: {problem.reason}")
    if len(evaluation.problems) > _MOST_PROBLEMS:
        say(f"and {len(evaluation.problems) - _MOST_PROBLEMS} more; -o writes them all")
    if options.out:
        say(f"written: {options.out / 'evaluation.json'}, and the reports beside it")


def _means_table(summary, evaluation):
    from rich.table import Table
    from rich.text import Text

    from bokeh_tf.evaluation.page import interval_text
    from bokeh_tf.evaluation.scores import METRICS

    name = f"{summary.name}: " if summary.name else ""
    title = f"{name}mean of {summary.counted} of {summary.pairs} pairs"
    table = Table(title=Text(printable(title)), title_justify="left")
    table.add_column("")
    for metric in evaluation.metrics:
        table.add_column(METRICS[metric].heading, justify="right")
    first = evaluation.models[0]
    for row in summary.rows:
        cells = [
            f"{row.means[metric].value:.{METRICS[metric].digits}f}" for metric in evaluation.metrics
        ]
        table.add_row(Text(printable(row.model)), *cells)
        if row.differences:
            cells = [
                interval_text(row.differences[metric], metric, signed=True).replace(" (", "\n(")
                for metric in evaluation.metrics
            ]
            table.add_row(
                Text(printable(f"  over {first}"), "dim"), *(Text(cell, "dim") for cell in cells)
            )
    return table


def _print_published(console, say, evaluation):
    from rich.table import Table
    from rich.text import Text

    from bokeh_tf.evaluation.published import published_beside

    rows, reason = published_beside(evaluation.protocol, evaluation.common_pairs())
    if not rows:
        say(f"published: {reason}")
        return
    table = Table(
        "published", "PSNR, dB", "SSIM", "LPIPS", "where, and what to doubt", title_justify="left"
    )
    for row in rows:
        numbers = ((row.psnr_db, ".2f"), (row.ssim, ".4f"), (row.lpips, ".4f"))
        cells = ["-" if value is None else format(value, form) for value, form in numbers]
        about = "; ".join(
            filter(None, (row.conditions.paper, row.conditions.table, row.note, row.doubt))
        )
        table.add_row(
            *map(Text, (row.subject, *cells, about)), style="red" if row.is_contaminated else None
        )
    console.print(table)
