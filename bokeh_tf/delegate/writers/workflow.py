"""What a step of GitHub Actions leaves besides its log: the job's summary and the step's outputs.

GitHub names the files in `$GITHUB_STEP_SUMMARY` and `$GITHUB_OUTPUT`; what is written is appended,
because other commands of the same step write there too.
"""

from collections.abc import Mapping
from pathlib import Path

from bokeh_tf.delegate.judging.policy import FAILED, NOT_CHECKED, PASSED, exit_code
from bokeh_tf.delegate.writers import formats
from bokeh_tf.errors import OutputError

SUMMARY, OUTPUTS = "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"
# GitHub refuses a summary of more than a mebibyte, all of it.
_MOST_BYTES = 900_000
_CUT = "\n\nThe summary was cut here; the other reports have all.\n"
_COUNTS = {"passed": PASSED, "failed": FAILED, "not-checked": NOT_CHECKED}


def leave(judged, policy, environment: Mapping[str, str]) -> None:
    """Appends the summary and the outputs to the files that `environment` names, if it names any.

    Raises:
        OutputError: one of them cannot be written.
    """
    if environment.get(SUMMARY):
        _append(environment[SUMMARY], _cut(formats.write(judged, policy, format="markdown")))
    if environment.get(OUTPUTS):
        _append(environment[OUTPUTS], _outputs(judged))


def _outputs(judged):
    counts = {name: sum(one.code == code for one in judged) for name, code in _COUNTS.items()}
    values = {"exit-code": exit_code(judged), "files": len(judged), **counts}
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _cut(text):
    content = text.encode("utf-8")
    if len(content) <= _MOST_BYTES:
        return text
    # At an end of line, so that no table row and no character is cut in two.
    kept = content[:_MOST_BYTES].rpartition(b"\n")[0]
    return kept.decode("utf-8", "ignore") + _CUT


def _append(path, text):
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot write here ({error.strerror}). Check the variables of the step."
        ) from error
