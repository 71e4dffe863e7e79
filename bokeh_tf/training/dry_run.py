"""Prints a plan's schedule and what it will cost, without training."""

from rich.console import Console
from rich.table import Table

from bokeh_tf.training.durations import duration_text
from bokeh_tf.training.estimates import estimate
from bokeh_tf.training.session import training_pairs

_WIDTH_WITHOUT_TERMINAL = 200
# What the columns need for their words.
_LEAST_TABLE_WIDTH = 140
# What a plan says about a phase, by field.
_SHOWN = {
    "image_shape": lambda phase: "x".join(map(str, phase.image_shape)) + f" {phase.framing}",
    "batch_size": lambda phase: str(phase.batch_size),
    "losses": lambda phase: " + ".join(f"{term.weight:g} {term.loss}" for term in phase.losses),
    "learning_rate": lambda phase: rate_text(phase.learning_rate),
    "starts_from": lambda phase: phase.starts_from or "fresh weights",
}
_TITLES = {
    "image_shape": "size",
    "batch_size": "batch",
    "learning_rate": "learning rate",
    "starts_from": "starts from",
}


def print_schedule(plan, *, data, only=None):
    """Prints one row per phase for the pairs in the folder `data`; values that are not
    the authors' carry a star.
    """
    is_of_pairs = plan.phases[0].data == "pairs"
    pairs = len(training_pairs(data, only=only)) if is_of_pairs else 1
    titles = (
        "phase",
        *(_TITLES.get(field, field) for field in _SHOWN),
        "steps",
        "memory",
        "time here",
    )
    rows = []
    total_s = 0.0
    for phase, cost in zip(plan.phases, estimate(plan, pairs=pairs), strict=True):
        facts = [
            show(phase) + ("*" if field in phase.ours else "") for field, show in _SHOWN.items()
        ]
        star = "*" if {"epochs", "steps"} & set(phase.ours) else ""
        memory = f"{cost.memory_bytes / 1e9:.1f} GB"
        rows.append(
            (phase.name, *facts, f"{cost.steps:,}{star}", memory, duration_text(cost.duration_s))
        )
        total_s += cost.duration_s
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(console.width, _WIDTH_WITHOUT_TERMINAL))
    console.print(f"{plan.name}: {plan.source}", soft_wrap=True)
    console.print(
        _table(titles, rows) if console.width >= _LEAST_TABLE_WIDTH else _lines(titles, rows)
    )
    console.print("* not published: our value")
    what = f"{pairs} training pairs" if is_of_pairs else "Scenes, made on the fly"
    console.print(
        f"{what}; about {duration_text(total_s)} on this machine. Memory counts every layer's"
        " output "
        "once, time the convolutions alone: both are rough.",
        soft_wrap=True,
    )


def _table(titles, rows):
    table = Table(*titles)
    for row in rows:
        table.add_row(*row)
    return table


def _lines(titles, rows):
    """For a terminal in which the columns would break words: a line for each value."""
    table = Table(box=None, show_header=False)
    for row in rows:
        for title, value in zip(titles, row, strict=True):
            table.add_row(f"  {title}" if title != titles[0] else title, value)
    return table


def rate_text(rate):
    """A learning rate in a few characters: `0.001 to 1e-05, cosine`."""
    if rate.decay == "constant":
        return f"{rate.start:g}"
    if rate.decay == "steps":
        return f"{rate.start:g}, times {rate.factor:g} every {rate.every_epochs} epochs"
    return f"{rate.start:g} to {rate.end:g}, {rate.decay}"
