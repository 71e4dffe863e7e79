"""The files of an evaluation, side by side in one folder."""

from pathlib import Path

from bokeh_tf.evaluation import page, writers
from bokeh_tf.files import write_text

NAMES = ("evaluation.json", "scores.csv", "report.html")


def write_reports(folder: Path, evaluation, predictors, document, *, by_set: bool = False) -> None:
    """Writes `NAMES` into `folder`.

    Args:
        evaluation: an `Evaluation` of `predictors`.
        document: what `writers.as_document` made of it.
        by_set: whether the page has a table for each set of pairs.
    """
    texts = (
        writers.json_page(document),
        writers.csv_table(evaluation),
        page.write(evaluation, predictors, by_set=by_set),
    )
    for name, text in zip(NAMES, texts, strict=True):
        write_text(folder / name, text)
