"""The report of a run that goes on: on the disk at every moment, so that whatever ends the
run loses one file at most.

What is not checked yet stands in it as not checked, in each format's own way, so that nobody reads
an unfinished report as a passed one.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bokeh_tf.delegate.check import Report
from bokeh_tf.delegate.judging.policy import Judged, Policy, judge
from bokeh_tf.delegate.writers.formats import write
from bokeh_tf.errors import OutputError
from bokeh_tf.files import is_poured_into, write_text
from bokeh_tf.paths import printable

# A report of thousands of files takes a while to write; one file of a lint takes milliseconds.
_PAUSE_S = 2.0


class RunningReport:
    """Keeps the report at `path` up to date; used with `with`, which writes it
    whatever happens in between.

    Args:
        path: where to; None for nowhere. A pipe or a device is written once, by `finish`.
        labels: what the files of the run are called, in order.
        format: one of `FORMATS`.
        runtime: the release that was asked for, None for none.
    """

    def __init__(
        self,
        path: Path | None,
        labels: Sequence[str],
        policy: Policy,
        *,
        format: str,
        runtime: str | None = None,
    ):
        self._runtime = runtime
        self._path = path
        self._labels = labels
        self._policy = policy
        self._format = format
        self._judged: list[Judged] = []
        self._kept_path = None if path is None or is_poured_into(path) else path
        self._last_s = 0.0

    def __enter__(self) -> "RunningReport":
        self._save()
        return self

    def __exit__(self, kind, error, traceback) -> None:
        if kind is not None:
            # What ended the run is the error to tell.
            with suppress(OutputError):
                self._save()

    def add(self, one: Judged) -> None:
        """Takes up one more file."""
        self._judged.append(one)
        if time.monotonic() - self._last_s > _PAUSE_S:
            self._save()

    def finish(self, judged: Sequence[Judged]) -> None:
        """Writes the report of the whole run.

        Raises:
            OutputError: it cannot be written.
        """
        if self._path is not None:
            write_text(self._path, write(judged, self._policy, format=self._format))

    def _save(self):
        if self._kept_path is None:
            return
        waiting = [self._waiting(label) for label in self._labels[len(self._judged) :]]
        write_text(
            self._kept_path, write([*self._judged, *waiting], self._policy, format=self._format)
        )
        self._last_s = time.monotonic()

    def _waiting(self, label):
        error = (
            f"{printable(label)}: not checked, because the run has not come to it or was ended"
            " before."
        )
        return judge(Report(label, error=error, runtime=self._runtime), self._policy)
