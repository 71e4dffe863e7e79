"""`bokeh-tf evaluate study`: a page on which people grade pictures, and
what their grades come to.
"""

from pathlib import Path

from bokeh_tf.commands.console import Refusals, open_console, say
from bokeh_tf.paths import printable

_DONE, _NOT_DONE = 0, 1
NAMES = ("study.html", "study_key.json")


def write_study(options, pairs, predictors, protocol) -> int:
    """Writes the page and its key into the folder of `options`; returns the exit status."""
    import dataclasses

    from bokeh_tf.errors import DataError
    from bokeh_tf.escaping import json_text
    from bokeh_tf.evaluation import study, study_page
    from bokeh_tf.files import make_folder, write_text

    pictures, problems = study.pictures_of(pairs, predictors, protocol)
    for problem in problems:
        say(f"left out: {problem.pair}, {problem.model or 'any model'}: {problem.reason}")
    if not pictures:
        raise DataError(f"{printable(options.words[1])}: no pair has a picture of every model.")
    asked = [pair for pair in pairs if pair.id in pictures]
    models = [predictor.label for predictor in predictors]
    key = study.make_key(asked, models, seed=options.seed, repeats=options.repeats)
    out = make_folder(options.out)
    write_text(out / NAMES[0], study_page.write(key, pictures))
    write_text(out / NAMES[1], json_text(dataclasses.asdict(key)))
    say(
        f"{len(key.items)} pictures, {len(key.repeats)} of them twice; the key names the models:"
        " keep it from raters"
    )
    say(f"written: {out / NAMES[0]} and {out / NAMES[1]}")
    return _NOT_DONE if problems and not options.allow_missing else _DONE


def print_results(options) -> int:
    """Prints what the answers in the files of `options` come to; returns the exit status."""
    import dataclasses

    from rich.table import Table
    from rich.text import Text

    from bokeh_tf.escaping import json_text
    from bokeh_tf.evaluation import study

    key_path, *answers = map(Path, options.words[2:])
    key = study.read_key(key_path)
    refusals = Refusals()
    ratings = study.read_ratings(answers, key, refuse=refusals.say)
    if not ratings:
        return refusals.status
    results = study.summarise_ratings(key, ratings)
    if options.json:
        print(
            json_text({"schema_version": study.SCHEMA_VERSION, **dataclasses.asdict(results)}),
            end="",
        )
        return refusals.status
    table = Table("model", "mean opinion score", "95 % interval", title_justify="left")
    for row in results.rows:
        bounds = "-" if row.score.low is None else f"{row.score.low:.2f} to {row.score.high:.2f}"
        table.add_row(Text(printable(row.model)), f"{row.score.value:.2f}", bounds)
    open_console().print(table)
    raters = "1 rater" if len(results.raters) == 1 else f"{len(results.raters)} raters"
    say(f"{raters}, {results.grades} grades; 5 is best")
    if results.agreement is not None:
        say(
            f"agreement of the raters: {results.agreement:.2f} (Krippendorff's alpha; 1 agree, 0"
            " guess)"
        )
    for rater, difference in results.inconsistency.items():
        if difference is not None:
            say(f"{rater}: grades of one picture shown twice differ by {difference:.2f}")
    return refusals.status
