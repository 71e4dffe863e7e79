"""The child that asks one release of the runtime about many files, one after the other:
`PYTHON -P -m tests.op_matrix.answering FOLDER`, started by `asking.py` only.

PYTHON has the release; FOLDER holds `request.json` ({"jobs", "limit_s", "files": [{"name",
"sha256", "path", "probe"}]}, "probe" as `probing.worker` wants it). A line of `journal.jsonl`
tells of every job twice: before it ({"name", "sha256", "job"}), so that the parent knows what
the process died of, and after it, with "content" (the worker's answer) and "log" (the end of
what native code wrote). Starting a process costs more than asking it about a small file.
"""

import contextlib
import faulthandler
import json
import os
import shutil
import sys
from pathlib import Path

from bokeh_tf.delegate.probing import worker
from bokeh_tf.errors import ModelFileError
from bokeh_tf.processes import DONE, REQUEST_NAME, Job, confine, failed

JOURNAL_NAME, LOG_NAME = "journal.jsonl", "log"
_LOG_BYTES = 8_000


def main():
    """Answers the request in the folder that the command line names."""
    confine()
    folder = Path(sys.argv[1])
    request = json.loads((folder / REQUEST_NAME).read_text(encoding="utf-8"))
    parents = os.fdopen(os.dup(sys.stderr.fileno()), "w")
    with (folder / JOURNAL_NAME).open("a", encoding="utf-8") as journal:
        for file in request["files"]:
            for content in _answers(folder / "file", file, request["jobs"]):
                # A native call that hangs sees no signal; this thread ends the process.
                faulthandler.dump_traceback_later(request["limit_s"], exit=True, file=parents)
                journal.write(json.dumps(content) + "\n")
                journal.flush()
            faulthandler.cancel_dump_traceback_later()


def _answers(folder, file, jobs):
    """The lines about one file: before and after each of its jobs."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copyfile(file["path"], folder / worker.MODEL_NAME)
    (folder / REQUEST_NAME).write_text(json.dumps(file["probe"]), encoding="utf-8")
    for name in jobs:
        line = {"name": file["name"], "sha256": file["sha256"], "job": name}
        yield line
        log = folder.parent / LOG_NAME
        with _native_messages_in(log):
            content = _do(Job(folder, name))
        yield {**line, "content": content, "log": log.read_text("utf-8", "replace")[-_LOG_BYTES:]}


def _do(job):
    """A job's answer, laid down as well: later jobs read the reference's."""
    try:
        content = {"stage": DONE, **worker.do(job)}
    except ModelFileError as error:
        content = failed("model", error)
    except ValueError as error:
        # Before 2.2 the interface for Python has no truth values, which says nothing of the GPU.
        if "Unsupported dtype" not in str(error):
            raise
        content = failed("release", error)
    job.write(content)
    return content


@contextlib.contextmanager
def _native_messages_in(path):
    """Sends what anything writes to stderr to a file."""
    sys.stderr.flush()
    kept = os.dup(2)
    with path.open("wb") as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)


if __name__ == "__main__":
    main()
