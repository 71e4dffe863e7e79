"""Many small jobs on files that nobody vouches for, in child processes.

A job that crashes its process, fills the memory or never ends is a result that names it; the other
jobs go on. After Ctrl-C the children finish what they write and end.
"""

import dataclasses
import multiprocessing
import multiprocessing.connection
import multiprocessing.resource_tracker
import signal
import time

import cv2

from bokeh_tf.errors import BokehError
from bokeh_tf.processes import confine

# The rest of the machine stays usable, and two decoders keep a disk busy.
WORKER_COUNT = 2
# The largest photos take seconds.
_TIME_LIMIT_S = 300.0
# Time for a child to write to its end the file that it is writing.
_GRACE_S = 5.0


@dataclasses.dataclass(frozen=True)
class Failure:
    """A job without a result: why, in one line, and whether the same files will fail again."""

    reason: str
    is_lasting: bool


def run_jobs(function, jobs, *, time_limit_s=_TIME_LIMIT_S):
    """Calls `function(*arguments)` for each of `jobs`, a dict of tuples, and
    yields results as they come.

    Args:
        function: of a module; raises `BokehError` for what is wrong with its files.
            Anything else that it raises is a bug: the child prints the traceback and
            `RuntimeError` is raised here.
        time_limit_s: for one job.

    Yields:
        The key of a job, and what the function returned or a `Failure`.
    """
    waiting = list(jobs.items())[::-1]
    workers = [_Worker(function, time_limit_s) for _ in range(min(WORKER_COUNT, len(waiting)))]
    try:
        while waiting or any(worker.is_busy for worker in workers):
            for worker in workers:
                if waiting and not worker.is_busy:
                    worker.start(*waiting.pop())
            busy = [worker for worker in workers if worker.is_busy]
            remaining_s = min(worker.remaining_s for worker in busy)
            ready = multiprocessing.connection.wait(
                [worker.connection for worker in busy], max(0.0, remaining_s)
            )
            for worker in busy:
                if worker.connection in ready or worker.remaining_s <= 0:
                    yield worker.finish()
    finally:
        for worker in workers:
            worker.connection.close()
        for worker in workers:
            worker.stop()


class _Worker:
    """One child process, replaced where a job has killed it."""

    def __init__(self, function, time_limit_s):
        self._function = function
        self._time_limit_s = time_limit_s
        self._key = None
        self._deadline_s = 0.0
        self.is_busy = False
        self._launch()

    def _launch(self):
        # A forked child would share the parent's threads' locks.
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._function), daemon=True)
        # Ctrl-C reaches the whole group of processes; the parent decides what becomes of the
        # children, which inherit the mask from their first instruction on. The tracker, which the
        # first child would start, lifts the mask.
        multiprocessing.resource_tracker.ensure_running()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.close()

    def start(self, key, arguments):
        """Sends a job to the child."""
        self.connection.send(arguments)
        self._key, self.is_busy = key, True
        self._deadline_s = time.monotonic() + self._time_limit_s

    @property
    def remaining_s(self):
        """Time that the job still has."""
        return self._deadline_s - time.monotonic()

    def finish(self):
        """The key and the outcome of the job, which has ended or has had its time."""
        self.is_busy = False
        try:
            if self.connection.poll():
                return self._key, self.connection.recv()
            reason = f"took longer than {self._time_limit_s:g} s"
        except (EOFError, ConnectionResetError):
            self._process.join(_GRACE_S)
            code = self._process.exitcode
            if code is not None and code > 0:
                raise RuntimeError(
                    f"A job on {self._key!r} failed; its traceback is above."
                ) from None
            reason = (
                f"the decoder crashed ({signal.Signals(-code).name if code else 'no exit status'})"
            )
        self.connection.close()
        self._process.kill()
        self._process.join(_GRACE_S)
        self._launch()
        return self._key, Failure(reason, is_lasting=False)

    def stop(self):
        """Ends the child, whose connection is closed: at once where it is idle."""
        self._process.join(_GRACE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(_GRACE_S)


def _serve(connection, function):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    confine()
    cv2.setNumThreads(1)
    while True:
        try:
            arguments = connection.recv()
        except EOFError:
            return
        try:
            outcome = function(*arguments)
        except BokehError as error:
            outcome = Failure(str(error), is_lasting=True)
        try:
            connection.send(outcome)
        except BrokenPipeError:
            return
