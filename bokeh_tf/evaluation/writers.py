"""The results as files for programs: JSON with everything, CSV with a line for each picture."""

import csv
import io
from dataclasses import asdict

from bokeh_tf.bench.results.environment import read_environment
from bokeh_tf.escaping import json_text
from bokeh_tf.evaluation.published import published_beside
from bokeh_tf.evaluation.summary import WORST_COUNT, summarise

SCHEMA_VERSION = 1


def as_document(evaluation, *, folder, by_set=False) -> dict:
    """Everything, as JSON holds it.

    Args:
        folder: the data folder, as it was named.
        by_set: whether sets are averaged apart.
    """
    protocol = evaluation.protocol
    rows, reason = published_beside(protocol, evaluation.common_pairs())
    return {
        "schema_version": SCHEMA_VERSION,
        "evaluated": str(folder),
        "protocol": {
            "name": protocol.name,
            "title": protocol.title,
            "source": protocol.source,
            "doubts": protocol.doubts,
            "network_px": protocol.network_px,
            "quantised": protocol.quantised,
            "border_px": protocol.border_px,
        },
        "environment": asdict(read_environment()),
        "notes": dict(evaluation.notes),
        "sets": [asdict(summary) for summary in summarise(evaluation, by_set=by_set)],
        "published": [asdict(row) for row in rows],
        "no_published_rows": reason,
        "problems": [asdict(problem) for problem in evaluation.problems],
        "worst": {
            model: [pair.id for pair in evaluation.worst(model, WORST_COUNT)]
            for model in evaluation.models
        },
        "scores": {model: dict(scores) for model, scores in evaluation.scores.items()},
    }


def json_page(document) -> str:
    """The document as text for a file."""
    return json_text(document)


def csv_table(evaluation) -> str:
    """A line for each picture: pair, split, model, and the metrics; empty where there is none."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    metrics = evaluation.metric_names
    writer.writerow(["pair", "split", "model", *metrics])
    for pair in evaluation.pairs:
        for model, scores in evaluation.scores.items():
            record = scores.get(pair.id, {})
            values = ["" if record.get(name) is None else repr(record[name]) for name in metrics]
            writer.writerow([pair.id, pair.split, model, *values])
    return text.getvalue()
