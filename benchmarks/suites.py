"""The table of suites. A new suite is one line here and one module with `add_options` and `run`."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import (
    blind,
    blur_bank,
    data,
    flagship,
    overhead,
    quality,
    repairs,
    repeatability,
    strength,
    subject,
    zoo,
)


@dataclass(frozen=True)
class Suite:
    """One entry of the table.

    Attributes:
        summary: one line for `--help`.
        add_options: adds the suite's own options to an argparse parser.
        run: takes the parsed options, writes into `options.out`, prints,
            returns the path of the JSON.
    """

    summary: str
    add_options: Callable
    run: Callable


SUITES = {
    "blind": Suite(
        "grade renderings by eye without knowing whose they are", blind.add_options, blind.run
    ),
    "blur_bank": Suite(
        "time our blur bank against the direct one and OpenCV", blur_bank.add_options, blur_bank.run
    ),
    "data": Suite(
        "time training batches from JPEGs against bare decoding", data.add_options, data.run
    ),
    "flagship": Suite(
        "time the shipped files on this machine's CPU", flagship.add_options, flagship.run
    ),
    "overhead": Suite(
        "time our timing loop against a bare loop", overhead.add_options, overhead.run
    ),
    "quality": Suite(
        "score rendered photos against real shallow-focus pairs", quality.add_options, quality.run
    ),
    "repairs": Suite(
        "repair a folder of files and run what comes out on every engine",
        repairs.add_options,
        repairs.run,
    ),
    "repeatability": Suite(
        "run the flagship suite several times and show the spread",
        repeatability.add_options,
        repeatability.run,
    ),
    "strength": Suite(
        "say what a blur's strength is worth on real pairs",
        strength.add_options,
        strength.run,
    ),
    "subject": Suite(
        "score weight maps against labelled subjects", subject.add_options, subject.run
    ),
    "zoo": Suite(
        "time every model of the catalogue at 256x384 and compare with DMSHN",
        zoo.add_options,
        zoo.run,
    ),
}
