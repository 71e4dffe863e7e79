"""A private folder on a phone for one run, and programs that run in it: both are gone at the end.

One run at a time on each phone: a lock on this computer guards the phone, and the system frees it
even where a run is killed. So every folder of this computer that a new run finds on the phone was
left by one that could not clean up, and the new run removes it and ends what still runs in it.
"""

import contextlib
import getpass
import hashlib
import os
import secrets
import socket
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

from absl import logging

from bokeh_tf.bench.phone.adb import Completed, last_line
from bokeh_tf.bench.phone.device import TEMPORARY_FOLDER, Device
from bokeh_tf.errors import DeviceError

_PREFIX = "bokeh-tf-"
RETURN_TIMEOUT_S = 20.0
_CLEANUP_TIMEOUT_S = 15.0
# Where the scripts below keep the id of the program that runs.
_PID_NAME = "pid"

# `exec` keeps the process id, so the file names the program itself, under taskset too.
_RUN_SCRIPT = 'cd "$1" && echo $$ > pid && export LD_LIBRARY_PATH="$1" && shift && exec "$@"'
# The id may have passed on to another process since: only one whose command line
# names the folder is ended.
_REMOVE_SCRIPT = (
    'for folder in "$@"; do if [ -f "$folder/pid" ]; then p=$(cat "$folder/pid"); '
    'if grep -qF "$folder" "/proc/$p/cmdline" 2>/dev/null; then kill -9 "$p"; fi; fi; '
    'rm -rf "$folder"; done; for folder in "$@"; do [ ! -e "$folder" ] || exit 1; done'
)
_LIST_SCRIPT = 'for folder in "$1"*; do [ -d "$folder" ] && echo "$folder"; done; true'
_MAKE_SCRIPT = 'mkdir "$1" && chmod 700 "$1"'

_SIGNALS = {
    129: "SIGHUP",
    130: "SIGINT",
    132: "SIGILL",
    134: "SIGABRT",
    135: "SIGBUS",
    137: "SIGKILL",
}
_SIGNALS |= {139: "SIGSEGV", 143: "SIGTERM"}
# What a shell adds about a program that a signal ended.
_SHELL_NOTICES = (
    "Segmentation fault",
    "Aborted",
    "Bus error",
    "Illegal instruction",
    "Killed",
    "Terminated",
)


class RunFolder:
    """`with RunFolder(device) as folder:` push, run, pull; at the end, or on
    Ctrl-C, nothing of it is left.

    Args:
        return_timeout_s: how long the end waits for a phone that went away to come back.
    """

    def __init__(self, device: Device, *, return_timeout_s=RETURN_TIMEOUT_S):
        self.device = device
        self._return_timeout_s = return_timeout_s
        self._family = f"{TEMPORARY_FOLDER}/{_PREFIX}{_owner()}-"
        self.path = f"{self._family}{secrets.token_hex(4)}"
        self._lock = contextlib.ExitStack()

    def __enter__(self):
        identity = self.device.properties().get("ro.serialno") or self.device.serial
        with contextlib.ExitStack() as undo:
            undo.enter_context(_phone_lock(self.device.serial, identity))
            self._remove(*self._leftovers())
            with contextlib.ExitStack() as on_failure:
                # A phone that freezes meanwhile, or Ctrl-C, may come after the folder was made.
                on_failure.callback(self._remove_if_possible)
                self._make()
                on_failure.pop_all()
            self._lock = undo.pop_all()
        return self

    def _remove_if_possible(self):
        # Whatever hinders this too, the first reason is the one to tell.
        with contextlib.suppress(DeviceError):
            self._remove(self.path)

    def _make(self):
        made = self.device.script(_MAKE_SCRIPT, self.path, name="`mkdir` on the phone")
        if made.return_code:
            reason = last_line(made.stderr + made.stdout)
            raise DeviceError(
                f"{self.device.serial}: no folder can be made in {TEMPORARY_FOLDER}: {reason}"
            )

    def __exit__(self, kind, error, trace):
        with self._lock:
            try:
                self._clean_up()
            except DeviceError as failure:
                if error is None:
                    raise
                if isinstance(error, DeviceError):
                    raise DeviceError(f"{error} {self._left_behind(failure)}") from error
                logging.warning("%s", self._left_behind(failure))

    def _clean_up(self):
        """Removes the folder; where the phone is away, waits for it and tries once more."""
        try:
            self._remove(self.path)
        except DeviceError:
            try:
                self.device.adb.wait_until_ready(timeout_s=self._return_timeout_s)
                self._remove(self.path)
            except DeviceError as failure:
                raise DeviceError(self._left_behind(failure)) from failure

    def _left_behind(self, failure):
        if self.path in str(failure):
            return str(failure)
        return (
            f"{self.path} is still on the phone {self.device.serial}; the next run there"
            " removes it."
        )

    def _leftovers(self):
        return self.device.script(_LIST_SCRIPT, self._family).stdout.split("\n")

    def _remove(self, *folders):
        own = [folder for folder in folders if folder.startswith(self._family)]
        if not own:
            return
        limit_s = min(_CLEANUP_TIMEOUT_S, self.device.adb.timeout_s)
        removed = self.device.script(_REMOVE_SCRIPT, *own, timeout_s=limit_s)
        if removed.return_code:
            reason = last_line(removed.stderr + removed.stdout) or "no reason given"
            raise DeviceError(
                f"{self.device.serial}: {', '.join(own)} cannot be removed: {reason}."
            )

    def push(self, local, *, name=None, executable=False) -> str:
        """Copies a file into the folder, proved by its sha256, and
        returns its path on the phone.
        """
        remote = f"{self.path}/{_plain(name or _free_name(Path(local).name))}"
        self.device.push(local, remote)
        if executable:
            self.device.shell("chmod", "755", remote)
        return remote

    def pull(self, name, local):
        """Copies a file of the folder to `local`."""
        self.device.pull(f"{self.path}/{_plain(name)}", local)

    def run(self, program, *arguments, timeout_s, core_mask=None) -> Completed:
        """Runs a program of the folder, in the folder, to its end, whatever its own exit code.

        Args:
            program: the path that `push` returned.
            core_mask: hexadecimal mask of the cores to run on, as in `Fingerprint.core_masks`.

        Raises:
            DeviceError: it cannot be started, was ended by a signal, or did not end
                in time; then it is ended.
        """
        pinned = [] if core_mask is None else ["taskset", core_mask]
        command, name = (self.path, *pinned, program, *arguments), PurePosixPath(program).name
        try:
            told = self.device.script(_RUN_SCRIPT, *command, timeout_s=timeout_s, name=name)
        except DeviceError:
            # Ending it at once leaves the phone cool and free; the end of the folder
            # does it again if need be.
            with contextlib.suppress(DeviceError):
                self._end_program()
            raise
        problem = start_problem(told)
        if problem:
            raise DeviceError(f"{self.device.serial}: {name} {problem}")
        return told

    def _end_program(self):
        script = _REMOVE_SCRIPT.partition('rm -rf "$folder"')[0] + "done"
        self.device.script(
            script, self.path, timeout_s=min(_CLEANUP_TIMEOUT_S, self.device.adb.timeout_s)
        )


def start_problem(told) -> str | None:
    """Why a program did not run or was ended from outside, or None where it came to its own end."""
    text = told.stderr + told.stdout
    if "CANNOT LINK EXECUTABLE" in text:
        reason = next(
            line.strip() for line in text.splitlines() if "CANNOT LINK EXECUTABLE" in line
        )
        return (
            f"lacks a library on this phone: {reason}. Use the build for this phone's ABI and"
            " push its libraries."
        )
    if told.return_code == 126:
        return (
            f"may not be run there ({last_line(text)}). Check that it is a program for this"
            " phone's processor."
        )
    if told.return_code == 127:
        return (
            f"was not found on the phone ({last_line(text)}). It was removed during the run "
            "or is built for another ABI."
        )
    if told.return_code in _SIGNALS:
        name = _SIGNALS[told.return_code]
        said = "\n".join(
            line for line in text.splitlines() if not line.strip().startswith(_SHELL_NOTICES)
        )
        advice = (
            "The phone may have run out of memory."
            if name == "SIGKILL"
            else f"It said last: {last_line(said)!r}."
        )
        return f"was ended by {name}. {advice}"
    return None


def _free_name(name):
    """The name of a user's file in the folder, which is its own but for one that is taken there."""
    return f"{name}_" if name == _PID_NAME else name


def _plain(name):
    """`name` as a file name inside the folder; it may hold any character but a slash."""
    if "/" in name or name in ("", ".", "..", _PID_NAME):
        raise ValueError(f"a plain file name, other than {_PID_NAME!r}. Received: {name!r}.")
    return name


def _lock_folder():
    return Path(tempfile.gettempdir())


def _user():
    # A container may run under a number that has no name.
    return str(os.getuid()) if hasattr(os, "getuid") else getpass.getuser()


def _owner():
    """Eight characters for this computer, user and lock folder: who shares the
    locks shares the leftovers.
    """
    text = f"{socket.gethostname()}\n{_user()}\n{_lock_folder().resolve()}"
    return hashlib.sha256(text.encode()).hexdigest()[:8]


@contextlib.contextmanager
def _phone_lock(serial, identity):
    """Holds this computer's lock on one phone, however it is connected; refuses at
    once where another holds it.
    """
    digest = hashlib.sha256(f"{_user()}\n{identity}".encode()).hexdigest()[:16]
    path = _lock_folder() / f"{_PREFIX}{digest}.lock"
    try:
        file = path.open("ab")
    except OSError as error:
        raise DeviceError(
            f"{path}: cannot be locked ({error.strerror}). Set TMPDIR to a folder of yours."
        ) from error
    with file:
        if not _try_lock(file):
            raise DeviceError(f"{serial}: another run uses this phone. Wait until it has ended.")
        yield


def _try_lock(file):
    try:
        import fcntl
    except ModuleNotFoundError:
        # Windows: one byte of the file stands for the phone.
        import msvcrt

        windows: Any = msvcrt
        with contextlib.suppress(OSError):
            file.seek(0)
            windows.locking(file.fileno(), windows.LK_NBLCK, 1)
            return True
        return False
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
