"""What a person sets in the app and copies from it: the facts of the settings card,
and the card as Markdown.
"""

import hashlib
import re
from dataclasses import dataclass

from bokeh_tf.ai_benchmark.releases import Needs
from bokeh_tf.paths import printable

MODEL_NAME = "model.tflite"
REMOTE_FOLDER = "/sdcard/Download"
REMOTE_PATH = f"{REMOTE_FOLDER}/{MODEL_NAME}"
PUSH_LINE = f"adb push {MODEL_NAME} {REMOTE_PATH}"
VERIFY_LINE = f"adb shell sha256sum {REMOTE_PATH}"

INFERENCE_MODE = "FP16"
DEFAULT_ITERATIONS = 100
DELAY_MS = 0
CPU_THREADS = 4
# What to choose in the app, one after the other, by the name of the backend in the result sheet.
ACCELERATIONS = (
    ("gpu", "TFLite GPU delegate"),
    ("cpu", f"CPU, {CPU_THREADS} threads"),
    ("nnapi", "NNAPI"),
)
_MOST_OPERATORS_NAMED = 4
_TITLE = "# AI Benchmark settings: "


@dataclass(frozen=True)
class Card:
    """All that a card says.

    Attributes:
        source: file name of the model that `model.tflite` is a copy of.
        inputs, outputs: name and shape of each, such as `"image" 1 x 512 x 768 x 3`.
        warnings: what makes the number doubtful or the app refuse the file, as sentences.
    """

    source: str
    sha256: str
    size_bytes: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    input_range: tuple[float, float]
    iterations: int
    needs: Needs
    warnings: tuple[str, ...]

    @property
    def settings(self) -> tuple[tuple[str, str], ...]:
        """(label, value) of what to set in the app."""
        low, high = self.input_range
        return (
            ("Inference mode", INFERENCE_MODE),
            ("Acceleration", ACCELERATIONS[0][1]),
            ("Input range, min", f"{low:.9g}"),
            ("Input range, max", f"{high:.9g}"),
            ("Iterations", str(self.iterations)),
            ("Delay", f"{DELAY_MS} ms"),
        )

    @property
    def release(self) -> str:
        """The runtime that the app must carry, and why."""
        if self.needs.release is None:
            return "unknown"
        names = [operator.label for operator in self.needs.deciding]
        shown = ", ".join(names[:_MOST_OPERATORS_NAMED]) + (
            " …" if len(names) > _MOST_OPERATORS_NAMED else ""
        )
        return f"{self.needs.release} or newer" + (f" ({shown})" if shown else "")

    @property
    def size(self) -> str:
        """Bytes as a number that a person compares, and in megabytes."""
        return f"{self.size_bytes:,} bytes ({self.size_bytes / 1e6:.2f} MB)"


def make_card(accepted, *, iterations=DEFAULT_ITERATIONS) -> Card:
    """The card of an accepted file."""
    if iterations < 1:
        raise ValueError(f"iterations must be at least 1. Received: {iterations}")
    return Card(
        source=printable(accepted.path.name),
        sha256=hashlib.sha256(accepted.content).hexdigest(),
        size_bytes=len(accepted.content),
        inputs=tuple(map(_tensor, accepted.file.inputs)),
        outputs=tuple(map(_tensor, accepted.file.outputs)),
        input_range=accepted.input_range,
        iterations=iterations,
        needs=accepted.needs,
        warnings=accepted.warnings,
    )


def _tensor(tensor):
    return f'"{printable(tensor.name)}" {" x ".join(map(str, tensor.shape))}'


def steps(card) -> tuple[str, ...]:
    """What to do, in order, from the file to the number."""
    others = " and ".join(label for _, label in ACCELERATIONS[1:])
    return (
        f"Copy {MODEL_NAME} into the phone's Download folder (push line below).",
        "Open AI Benchmark, run its standard tests once, then open PRO Mode, Custom Model.",
        f"Choose Download/{MODEL_NAME}; if a file manager opens, switch on Show Internal Storage.",
        "Set what is listed above and start. Let the phone lie still, unplugged and cool.",
        "Write the average time into results.csv and keep a screenshot.",
        f"Again with {others}: each is a row of the sheet.",
    )


def to_markdown(card) -> str:
    """The card for people who read files: settings as a table, the steps, and what to mind."""
    lines = [f"{_TITLE}{_code(card.source)}", ""]
    lines += ["| setting | value |", "|---|---|"]
    lines += [f"| {label} | **{value}** |" for label, value in card.settings]
    lines += ["", "## Steps", ""]
    lines += [f"{number}. {step}" for number, step in enumerate(steps(card), start=1)]
    lines += ["", "```", PUSH_LINE, VERIFY_LINE, "```", ""]
    lines += [
        "The second line must print the sha256 below.",
        "",
        "## The file",
        "",
        "| | |",
        "|---|---|",
    ]
    lines += [f"| {label} | {value} |" for label, value in _file_rows(card)]
    lines += _warning_lines(card) + _operator_lines(card.needs)
    return "\n".join(lines) + "\n"


def is_card(content: bytes) -> bool:
    """Whether the bytes of a file are those of a card, as `to_markdown` has always begun it."""
    return content.startswith(_TITLE.encode())


def _file_rows(card):
    yield "copied from", _code(card.source)
    yield "sha256", _code(card.sha256)
    yield "size", card.size
    yield from (("input", f"{_code(tensor)}, float32") for tensor in card.inputs)
    yield from (("output", f"{_code(tensor)}, float32") for tensor in card.outputs)
    yield "needs TensorFlow Lite", card.release


def _warning_lines(card):
    return (
        ["", "## Mind", "", *(f"- {_escaped(warning)}" for warning in card.warnings)]
        if card.warnings
        else []
    )


def _operator_lines(needs):
    lines = ["", "## Operators, and the first TensorFlow Lite release that has each", ""]
    lines += ["| operator | nodes | release |", "|---|---:|---|"]
    lines += [
        f"| {_escaped(operator.label)} | {operator.node_count} |"
        f" {operator.release or 'not in the table'} |"
        for operator in needs.operators
    ]
    if needs.declared:
        lines += [
            "",
            f"The file itself says: {needs.declared} (`min_runtime_version`, written by its"
            " converter).",
        ]
    return lines


def _code(text):
    """A code span that also holds backticks, in a table too."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    if "`" in text:
        text = f" {text} "
    return f"{fence}{text}{fence}".replace("|", "\\|")


def _escaped(text):
    return "".join(
        f"\\{character}" if character in "\\`*_{}[]<>|#" else character for character in text
    )
