"""Outputs that a command may replace: what it does not read, and what is known to be
an earlier output of ours.

Known as ours is what carries a mark that our writers have always left: a JSON document with a
schema version and the keys of one of our reports, SARIF of the tool bokeh-tf, the first lines of
our pages, tables and texts, a `.tflite` with our description in it. An empty file holds nothing to
lose. Whatever has no such mark is somebody's until --overwrite says otherwise; so are weights
(`.weights.h5`), which carry none, and measurements, which no command can make again.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from bokeh_tf import paths
from bokeh_tf.errors import ModelFileError, OutputError
from bokeh_tf.files import refuse_inputs, require_folder, require_writable

_LIMIT_BYTES = 256_000_000
_DRIVER_NAME = "bokeh-tf"
# The documents that a command writes under a name of the user's, by the keys that each has.
_DOCUMENTS = (
    frozenset({"schema_version", "fail_on", "files"}),
    frozenset({"schema_version", "problems"}),
    frozenset({"schema_version", "limits", "pairs"}),
    frozenset({"schema_version", "height_px", "pairs"}),
    frozenset({"schema_version", "evaluated", "protocol", "scores"}),
    frozenset({"schema_version", "study", "seed", "items", "repeats"}),
)
_TEXTS = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        rb"<!DOCTYPE html>\n<html lang=\"en\"><head>.{0,1000}?<title>bokeh-tf ",
        rb"# bokeh-tf (check|benchmark)\n",
        rb"result_file,created_utc,name,model,model_sha256,",
        rb"pair,split,model,psnr_db,",
        rb"<\?xml [^>]*\?>\n<testsuites name=\"bokeh-tf check\"",
        # The text and the annotations of a check begin with the word for its first file.
        rb"(PASSED|NOT CHECKED|FAILED)(  |: )",
        # A report for GitLab; one without entries holds nothing to lose.
        rb"\[(\]\n?$|\s*\{\s*\"description\": [^\n]*\n\s*\"check_name\": \"bokeh-tf/)",
        # The text of a check of many files that passed is their table alone.
        rb"\n(in [^\n]*\n)?file +result .*\n\d+ files: [^\n]*\(fails on [^\n]*\)\n(\d+ (passed|would be) [^\n]*\n)*$",
    )
)
_IS_TFLITE = re.compile(rb"(?s).{4}TFL3")


def add(parser) -> None:
    """Adds `--overwrite` to the options of a command."""
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace an output file even if it is not known as an earlier output of bokeh-tf",
    )


def claim(
    path: Path | str | None,
    *,
    inputs: Iterable[Path | str | None] = (),
    overwrite: bool = False,
    makes_folders: bool = False,
) -> None:
    """Refuses an output that would replace what the run reads, or a file that is not known as ours,
    or that cannot be written.

    Asked before the work begins, so that nobody waits for a refusal.

    Args:
        path: the file that the run will write; None is no file.
        inputs: the files that it reads, None among them is no file; these are kept whatever
            `overwrite` says.
        overwrite: whether other files may be replaced.
        makes_folders: whether the run makes the folders that are missing on the way.

    Raises:
        OutputError: it may not be written, in one line.
    """
    if path is None:
        return
    refuse_inputs([path], inputs)
    require_writable(path, makes_folders=makes_folders)
    if not overwrite and paths.is_file(path) and not _is_ours(path):
        shown = paths.printable(path)
        raise OutputError(
            f"{shown}: exists already, and is not known as an earlier output of bokeh-tf."
            " Choose another output path, or give --overwrite."
        )


def claim_in_folder(folder: Path | str | None, *, files: Iterable[str] = (), **how) -> None:
    """Refuses a folder for results that cannot be made or written to, and `claim`s files in it.

    Args:
        folder: None is no folder.
        files: names of what the run will write there.
        how: as `claim` takes it.

    Raises:
        OutputError: it may not be written, in one line.
    """
    if folder is None:
        return
    require_folder(folder)
    for name in files:
        claim(Path(folder) / name, makes_folders=True, **how)


def _is_ours(path):
    try:
        if Path(path).stat().st_size == 0:
            return True
        content = paths.read_bytes(path, limit_bytes=_LIMIT_BYTES)
    except OSError:
        return False
    if content.lstrip()[:1] == b"{":
        return _is_our_document(content)
    if _IS_TFLITE.match(content):
        return _is_our_model(content)
    return any(text.match(content) for text in _TEXTS)


def _is_our_document(content):
    # Not at the top: `--help` of every command goes through this module.
    from bokeh_tf.documents import DocumentError, parse

    try:
        document = parse(content)
    except DocumentError:
        return False
    if isinstance(document.get("runs"), list):
        return any(map(_is_our_log, document["runs"]))
    is_versioned = isinstance(document.get("schema_version"), int)
    return is_versioned and any(keys <= document.keys() for keys in _DOCUMENTS)


def _is_our_log(run):
    """Whether a run of a SARIF log is of our tool."""
    for key in ("tool", "driver", "name"):
        run = run.get(key) if isinstance(run, dict) else None
    return run == _DRIVER_NAME


def _is_our_model(content):
    from bokeh_tf.tflite.inspection import inspect

    try:
        return inspect(content).metadata is not None
    except ModelFileError:
        return False
