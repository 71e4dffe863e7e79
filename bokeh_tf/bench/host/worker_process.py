"""Speaking to a timing worker (`timing_worker.py`, `gpu_worker.py`) in a child
process, one request at a time.

A worker that dies, hangs or answers nonsense is a `WorkerError` with the reason in one
line; the process and all that it started are gone once the block `with Worker(…)` is
left, however it is left.
"""

import contextlib
import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, cast

from bokeh_tf import processes
from bokeh_tf.errors import BokehError

CPU_WORKER = Path(__file__).with_name("timing_worker.py")
_GPU_WORKER_MODULE = "bokeh_tf.bench.host.gpu_worker"
_READ_BYTES = 65536


class WorkerError(BokehError):
    """A worker did not do what it was asked for; `kind` is "model",
    "runtime", "died" or "timeout".
    """

    def __init__(self, message, *, kind):
        super().__init__(message)
        self.kind = kind


class Worker:
    """One child process; it is started on entering the block."""

    def __init__(self, command, *, timeout_s):
        self._command = command
        self._timeout_s = timeout_s

    @classmethod
    def on_cpu(cls, *, timeout_s, python=sys.executable):
        """A worker of the CPU runtimes; `python` is the interpreter that has the runtime."""
        # The file is run by name: -P keeps its folder, whose modules would hide the standard
        # library's, off the path.
        isolation = "-P" if python == sys.executable else "-I"
        return cls([str(python), isolation, str(CPU_WORKER)], timeout_s=timeout_s)

    @classmethod
    def on_gpu(cls, *, timeout_s):
        """A worker of LiteRT's GPU delegate."""
        return cls([sys.executable, "-P", "-m", _GPU_WORKER_MODULE], timeout_s=timeout_s)

    def __enter__(self):
        self._log = tempfile.TemporaryFile()
        self._pending = b""
        try:
            self._child = processes.start_child(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
            )
        except OSError as error:
            self._log.close()
            raise WorkerError(
                f"{self._command[0]}: cannot be started ({error.strerror})", kind="runtime"
            ) from error
        self._requests = cast(IO[bytes], self._child.stdin)
        self._answers = cast(IO[bytes], self._child.stdout)
        return self

    def __exit__(self, *_):
        processes.kill_group(self._child)
        with contextlib.suppress(BrokenPipeError):
            self._requests.close()
        self._answers.close()
        self._log.close()

    def ask(self, request):
        """Sends a request (a dict) and returns the answer (a dict)."""
        try:
            self._requests.write(json.dumps(request).encode() + b"\n")
            self._requests.flush()
        except BrokenPipeError as error:
            raise self._death(request) from error
        line = self._read_line(request)
        try:
            answer = json.loads(line)
        except ValueError as error:
            raise WorkerError(
                f"its worker answers nonsense to {request['do']!r}", kind="died"
            ) from error
        if "error" in answer:
            raise WorkerError(answer["error"], kind=answer["kind"])
        return answer

    def log(self):
        """The last megabyte of what the worker and its native code wrote to stderr."""
        return processes.stderr_tail(self._log)

    def _read_line(self, request):
        deadline = time.monotonic() + self._timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._answers, selectors.EVENT_READ)
            while b"\n" not in self._pending:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    message = f"no answer to {request['do']!r} within {self._timeout_s:g} s"
                    raise WorkerError(message, kind="timeout")
                read = os.read(self._answers.fileno(), _READ_BYTES)
                if not read:
                    raise self._death(request)
                self._pending += read
        line, _, self._pending = self._pending.partition(b"\n")
        return line

    def _death(self, request):
        try:
            return_code = self._child.wait(timeout=processes.KILL_GRACE_S)
        except subprocess.TimeoutExpired:
            return_code = 0
        signal_name = processes.signal_name(return_code)
        if signal_name:
            return WorkerError(
                f"the runtime dies on it at {request['do']!r} ({signal_name})", kind="died"
            )
        last = self.log().strip().splitlines()[-1:] or ["no message"]
        return WorkerError(f"its worker ended at {request['do']!r}: {last[0].strip()}", kind="died")
