"""The user's `adb` program: where it is, how it is called, and which phones it sees.

Every call has a time limit and an argument list, never a shell string on the host.
Output goes to files, not pipes: an adb server that a call starts inherits them and would
hold a pipe open for ever.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bokeh_tf.bench.phone.device_state import DeviceState, ListedDevice, absent, parse_devices
from bokeh_tf.errors import DeviceError
from bokeh_tf.paths import printable, why_no_file

DEFAULT_TIMEOUT_S = 30.0
# More than any log; a program that prints for ever must not fill the disk of this computer.
MOST_OUTPUT_BYTES = 64_000_000
_POLL_S = 0.1
# Of what is quoted in a message.
_LONGEST_LINE = 400
_KILL_GRACE_S = 5.0
_SERVER_ADVICE = (
    "Run `adb kill-server` and try again; another program may hold the port of the adb server."
)
_NETWORK_SERIAL = re.compile(r"^(\[[0-9a-fA-F:.%\w]+\]|[\w.-]+):\d+$")
_NO_SERVER = re.compile(
    r"cannot connect to daemon|failed to (start|check) (daemon|server)|could not (read|install)",
    re.I,
)


@dataclass(frozen=True)
class Completed:
    """A command that came to its end. Text is UTF-8 with newlines as `\\n`;
    damaged bytes are replaced.
    """

    return_code: int
    stdout: str
    stderr: str
    wall_s: float


def find_adb(*, explicit=None) -> Path:
    """The adb to use: `explicit`, else `BOKEH_ADB`, else the one on PATH, else
    that of the `adbutils` wheel.

    Raises:
        DeviceError: none is there, or the chosen one is no program.
    """
    chosen = explicit or os.environ.get("BOKEH_ADB")
    if chosen:
        source = "--adb" if explicit else "BOKEH_ADB"
        found = shutil.which(Path(chosen).expanduser())
        if found is None:
            reason = why_no_file(chosen) or "not executable"
            raise DeviceError(
                f"{printable(chosen)}: {source} names no program ({reason}). Give the path of adb"
                " itself."
            )
        return Path(found)
    found = shutil.which("adb") or _bundled_adb()
    if found is None:
        raise DeviceError(
            "adb was not found. Install the Android platform tools (or `pip install adbutils`), "
            "or name it with --adb or BOKEH_ADB."
        )
    return Path(found)


def _bundled_adb():
    """The adb inside the `adbutils` wheel, found without importing that package."""
    specification = importlib.util.find_spec("adbutils")
    if specification is None or not specification.origin:
        return None
    name = "adb.exe" if sys.platform == "win32" else "adb"
    return shutil.which(Path(specification.origin).parent / "binaries" / name)


class Adb:
    """One adb program, for one phone (`serial`) or for the adb server as such (no serial)."""

    def __init__(self, path, *, serial=None, timeout_s=DEFAULT_TIMEOUT_S, environment=None):
        self.path = Path(path)
        self.serial = serial
        self.timeout_s = timeout_s
        self.environment = dict(environment or {})

    def on(self, serial) -> "Adb":
        """The same adb, for the phone `serial`."""
        return Adb(self.path, serial=serial, timeout_s=self.timeout_s, environment=self.environment)

    def run(self, *arguments, timeout_s=None, name=None) -> Completed:
        """Runs `adb arguments…` to its end, whatever its exit code.

        Args:
            name: what to call it in messages, else `adb` and its first argument.

        Raises:
            DeviceError: adb cannot be started, does not end in time, prints
                without end, or has no server.
        """
        limit_s = self.timeout_s if timeout_s is None else timeout_s
        selection = [] if self.serial is None else ["-s", self.serial]
        command = [str(self.path), *selection, *map(str, arguments)]
        with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
            start_ns = time.perf_counter_ns()
            return_code = self._wait(
                command, stdout, stderr, limit_s, name or f"`adb {arguments[0]}`"
            )
            wall_s = (time.perf_counter_ns() - start_ns) / 1e9
            completed = Completed(return_code, _text(stdout), _text(stderr), wall_s)
        if return_code and _NO_SERVER.search(completed.stderr):
            raise DeviceError(
                "the adb server does not start or does not answer. Run `adb kill-server`, "
                "then `adb start-server`, and see what it says. adb said:"
                f" {last_line(completed.stderr)}"
            )
        return completed

    def _wait(self, command, stdout, stderr, limit_s, name):
        """Starts `command`, waits for it and ends it if it is too slow, too
        talkative, or we are interrupted.
        """
        try:
            # A session of its own: Ctrl-C in the terminal reaches us, and we still
            # have adb for cleaning up.
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        except OSError as error:
            raise DeviceError(
                f"{self.path}: cannot be started ({error.strerror}). Name a working adb with --adb."
            ) from error
        deadline = time.monotonic() + limit_s
        try:
            while True:
                try:
                    return child.wait(timeout=max(0.0, min(_POLL_S, deadline - time.monotonic())))
                except subprocess.TimeoutExpired:
                    self._refuse_excess(name, (stdout, stderr), deadline, limit_s)
        finally:
            # The client alone: the adb server, which it may have started, belongs to the user.
            if child.poll() is None:
                child.kill()
                child.wait(timeout=_KILL_GRACE_S)

    def _refuse_excess(self, name, files, deadline, limit_s):
        subject = name if self.serial is None else f"{self.serial}: {name}"
        if max(os.fstat(file.fileno()).st_size for file in files) > MOST_OUTPUT_BYTES:
            raise DeviceError(
                f"{subject} printed over {MOST_OUTPUT_BYTES // 1_000_000} MB and was stopped."
            )
        if time.monotonic() >= deadline:
            advice = (
                _SERVER_ADVICE
                if self.serial is None
                else "Check the cable and the phone, or allow more time."
            )
            raise DeviceError(
                f"{subject} did not end within {limit_s:.3g} s and was stopped. {advice}"
            )

    def devices(self) -> tuple[ListedDevice, ...]:
        """The phones that adb sees, in every state."""
        listing = Adb(self.path, timeout_s=self.timeout_s, environment=self.environment).run(
            "devices", "-l"
        )
        if listing.return_code:
            raise DeviceError(f"`adb devices` failed: {last_line(listing.stderr) or 'no message'}")
        return parse_devices(listing.stdout)

    def listed(self) -> ListedDevice:
        """This adb's phone as the adb server sees it now, absent if it does not."""
        return next(
            (device for device in self.devices() if device.serial == self.serial),
            absent(self.serial),
        )

    def connect(self, address, *, timeout_s=None):
        """Connects a phone over the network. adb ends with 0 even where it
        fails, so the list decides.
        """
        try:
            told = self.run("connect", address, timeout_s=timeout_s)
            reason = last_line(told.stdout + told.stderr)
        except DeviceError as error:
            # A phone that asks its owner first is in the list already, and its state says more.
            reason = str(error)
        phone = self.on(address).listed()
        if phone.state is DeviceState.ABSENT:
            raise DeviceError(f"{address}: cannot connect. adb said: {reason or 'nothing'}")
        if phone.state is not DeviceState.READY:
            raise DeviceError(phone.sentence)

    def choose(self, serial=None) -> "Adb":
        """This adb for the phone `serial`, or for the only one there is.

        Raises:
            DeviceError: none or several are there, or it is in a state in which nothing can run.
        """
        devices = self.devices()
        if serial is not None:
            phone = next((device for device in devices if device.serial == serial), absent(serial))
        elif not devices:
            raise DeviceError(
                "no phone is connected. Plug one in with USB debugging switched on, or use `adb"
                " connect`."
            )
        else:
            # One that does not answer is no choice.
            ready = [device for device in devices if device.state is DeviceState.READY]
            if len(ready) > 1:
                serials = ", ".join(device.serial for device in ready)
                raise DeviceError(
                    f"several phones are connected; name one by its serial. Known: {serials}."
                )
            phone = (ready or devices)[0]
        if phone.state is not DeviceState.READY:
            raise DeviceError(phone.sentence)
        return self.on(phone.serial)

    def wait_until_ready(self, *, timeout_s):
        """Waits until this adb's phone is ready; `adb wait-for-device` itself would wait for ever.

        A phone on the network is connected again, because a restarted adb server has forgotten it.

        Raises:
            DeviceError: it is not ready in time; the message names its last state.
        """
        deadline = time.monotonic() + timeout_s
        while (phone := self.listed()).state is not DeviceState.READY:
            if time.monotonic() >= deadline:
                raise DeviceError(phone.sentence)
            if phone.state in (DeviceState.ABSENT, DeviceState.OFFLINE) and _NETWORK_SERIAL.match(
                self.serial
            ):
                self._reconnect(phone, max(1.0, deadline - time.monotonic()))
            time.sleep(_POLL_S)

    def _reconnect(self, phone, timeout_s):
        server = Adb(self.path, timeout_s=timeout_s, environment=self.environment)
        if phone.state is DeviceState.OFFLINE:
            server.run("disconnect", self.serial)
        server.run("connect", self.serial)


def last_line(text) -> str:
    """The last line of `text` that says something; adb puts the reason there."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:_LONGEST_LINE] if lines else ""


def _text(file):
    file.seek(0)
    return file.read().decode("utf-8", errors="replace").replace("\r\n", "\n")
