"""One phone: commands in its shell, files to and from it, and what it says about itself.

Names from this computer reach the phone's shell only as quoted arguments. A command's exit code is
printed by the phone itself, behind a random word: phones before Android 7 do not forward it, and an
answer without that word was cut off, whatever adb's own exit code says.
"""

import hashlib
import re
import secrets
import shlex
import tempfile
from pathlib import Path, PurePosixPath

from bokeh_tf.bench.digits import whole
from bokeh_tf.bench.phone import device_facts as facts
from bokeh_tf.bench.phone.adb import Adb, Completed, last_line
from bokeh_tf.bench.phone.device_state import DeviceState
from bokeh_tf.errors import DeviceError
from bokeh_tf.files import replacing
from bokeh_tf.paths import open_file

TEMPORARY_FOLDER = "/data/local/tmp"
# A slow USB 2 hub or Wi-Fi still moves this much.
SLOWEST_LINK_BYTES_PER_S = 200_000
_NOT_FOUND = 127
_NO_PROGRAM = re.compile(
    r"sha256sum: (inaccessible or )?not found|applet not found|[Uu]nknown command"
)
# GNU programs put a backslash in front where the file's name holds one.
_DIGEST = re.compile(r"^\\?([0-9a-f]{64})(?=\s)", re.MULTILINE)
_SHOWN = 200


class Device:
    """A phone behind an `Adb` that has a serial."""

    def __init__(self, adb: Adb):
        if adb.serial is None:
            raise ValueError(
                "a Device needs an adb with a serial. Received: none. Known: Adb.choose gives one."
            )
        self.adb = adb
        self.serial = adb.serial

    def shell(self, *arguments, timeout_s=None, name=None) -> Completed:
        """Runs one program on the phone; each argument arrives there as it is.

        Old phones return both streams in `stdout`.

        Args:
            name: what to call it in messages, for example where a script runs it.

        Raises:
            DeviceError: the phone is not ready, went away, or the command did not end in time.
        """
        command = " ".join(shlex.quote(_argument(argument)) for argument in arguments)
        word = f"exit-{secrets.token_hex(6)}:"
        told = self.adb.run(
            "shell", f"{command}; R=$?; echo; echo {word}$R", timeout_s=timeout_s, name=name
        )
        output, found, code = told.stdout.rpartition(f"\n{word}")
        return_code = whole(code)
        if not found or return_code is None:
            raise DeviceError(self._reason("the connection broke before the command ended", told))
        return Completed(return_code, output, told.stderr, told.wall_s)

    def script(self, text, *arguments, timeout_s=None, name=None) -> Completed:
        """Runs the shell script `text` (a constant of this program); its `$1`… are `arguments`."""
        return self.shell("sh", "-c", text, "sh", *arguments, timeout_s=timeout_s, name=name)

    def push(self, local, remote, *, timeout_s=None):
        """Copies a file to the phone and proves by its sha256 there that it arrived whole.

        Raises:
            DeviceError: it cannot be read here or written there, or arrives damaged;
                then it is removed again.
        """
        local, remote = Path(local).absolute(), _remote_path(remote)
        wanted, size_bytes = _sha256_of(local)
        told = self.adb.run(
            "push", local, remote, timeout_s=timeout_s or self._transfer_s(size_bytes)
        )
        if told.return_code:
            raise DeviceError(
                self._reason(f"{local.name} could not be copied to the phone", told, hide=local)
            )
        found = self.sha256(remote)
        if found != wanted:
            self.shell("rm", "-f", remote)
            raise DeviceError(
                f"{self.serial}: {local.name} arrived damaged (sha256 {found[:12]}…, not"
                f" {wanted[:12]}…) and was "
                "removed. Try another cable or port."
            )

    def pull(self, remote, local, *, timeout_s=None):
        """Copies a file from the phone, proved by its sha256; a half-written
        file is never left behind.
        """
        remote = _remote_path(remote)
        wanted = self.sha256(remote)
        with replacing(local) as temporary:
            limit_s = timeout_s or self._transfer_s(self._size_bytes(remote))
            told = self.adb.run("pull", remote, temporary.absolute(), timeout_s=limit_s)
            if told.return_code:
                raise DeviceError(
                    self._reason(
                        f"{remote} could not be copied from the phone", told, hide=temporary
                    )
                )
            if _sha256_of(temporary)[0] != wanted:
                raise DeviceError(
                    f"{self.serial}: {remote} arrived damaged. Try another cable or port."
                )

    def sha256(self, remote) -> str:
        """The sha256 of a file on the phone, computed there; phones without the
        program send it back instead.
        """
        told = self.shell("sha256sum", remote, timeout_s=self._transfer_s(0))
        if told.return_code == 0:
            return self._digest_in(told, remote)
        # Some shells end with 1 where there is no such program.
        if told.return_code == _NOT_FOUND or _NO_PROGRAM.search(told.stderr + told.stdout):
            return self._sha256_of_copy(remote)
        raise DeviceError(
            f"{self.serial}: {remote} cannot be read on the phone:"
            f" {last_line(told.stderr + told.stdout)}"
        )

    def _digest_in(self, told, remote):
        # Some builds of adb say something of their own before it or behind it.
        digests = _DIGEST.findall(told.stdout)
        if digests:
            return digests[-1]
        said = last_line(told.stderr + told.stdout) or "nothing"
        raise DeviceError(
            f"{self.serial}: `sha256sum` on the phone gave no digest of {remote}, it said"
            f" {said[:_SHOWN]!r}. Try again."
        )

    def _sha256_of_copy(self, remote):
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "copy"
            told = self.adb.run(
                "pull", remote, copy, timeout_s=self._transfer_s(self._size_bytes(remote))
            )
            if told.return_code:
                raise DeviceError(self._reason(f"{remote} could not be read back", told, hide=copy))
            return _sha256_of(copy)[0]

    def _size_bytes(self, remote):
        told = self.script('wc -c < "$1"', remote)
        # Some builds of adb say something of their own first.
        return whole(last_line(told.stdout)) or 0

    def _transfer_s(self, size_bytes):
        return self.adb.timeout_s + size_bytes / SLOWEST_LINK_BYTES_PER_S

    def properties(self) -> dict[str, str]:
        """All of `getprop`."""
        found = facts.parse_properties(self.shell("getprop").stdout)
        if not found:
            raise DeviceError(
                f"{self.serial}: this phone's `getprop` prints nothing that can be read. Reboot it."
            )
        return found

    def thermal(self) -> facts.Thermal:
        """Thermal status and temperatures, from the thermal service or, before
        Android 10, from the kernel.
        """
        thermal = facts.parse_thermal_service(self.shell("dumpsys", "thermalservice").stdout)
        if thermal.temperatures:
            return thermal
        zones = facts.parse_thermal_zones(self.script(facts.THERMAL_ZONES_SCRIPT).stdout)
        return facts.Thermal(thermal.status, zones)

    def battery(self) -> facts.Battery:
        """Charge, temperature and power supply."""
        return facts.parse_battery(self.shell("dumpsys", "battery").stdout)

    def clocks(self) -> tuple[facts.Core, ...]:
        """The processor cores with their clocks now."""
        return facts.parse_cores(self.script(facts.CORES_SCRIPT).stdout)

    def fingerprint(self) -> facts.Fingerprint:
        """Everything about the phone and its condition that a result must keep."""
        gpu = facts.parse_gpu(self.script("dumpsys SurfaceFlinger | grep GLES").stdout)
        return facts.fingerprint(
            self.properties(),
            gpu=gpu,
            thermal=self.thermal(),
            battery=self.battery(),
            cores=self.clocks(),
        )

    def _reason(self, what, told, *, hide=None):
        """One line: the phone's state if that explains it, else adb's own reason
        without paths of this computer.
        """
        phone = self.adb.listed()
        if phone.state is not DeviceState.READY:
            return f"{self.serial}: {what}. Now {phone.matter}"
        # adb up to version 29 prints its reason to stdout, and a count of files that
        # means nothing behind it.
        lines = f"{told.stdout}\n{told.stderr}".splitlines()
        complaints = "\n".join(line for line in lines if line.startswith(("adb: ", "error: ")))
        reason = last_line(complaints) or last_line(told.stderr) or "no reason given"
        if hide is not None:
            reason = reason.replace(str(hide), Path(hide).name)
        advice = next(
            (advice for sign, advice in _ADVICE.items() if sign.lower() in reason.lower()),
            "Try again.",
        )
        return f"{self.serial}: {what}: {reason.rstrip('.')}. {advice}"


_ADVICE = {
    "No space left": "Free some storage on the phone.",
    "Read-only": "Its storage cannot be written to; reboot the phone.",
    "Permission denied": f"Use a folder that the shell may write to, such as {TEMPORARY_FOLDER}.",
}


def _argument(argument):
    text = str(argument)
    if "\0" in text:
        raise ValueError(f"an argument for the phone holds no NUL character. Received: {text!r}.")
    return text


def _remote_path(remote):
    if not PurePosixPath(remote).is_absolute():
        raise ValueError(f"a path on the phone starts with '/'. Received: {str(remote)!r}.")
    return str(remote)


def _sha256_of(path):
    """Digest and size in bytes of a file here."""
    try:
        with open_file(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
    except OSError as error:
        raise DeviceError(
            f"{path}: cannot be read ({error.strerror}). Name an existing file."
        ) from error
