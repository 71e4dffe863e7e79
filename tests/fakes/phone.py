"""A phone for tests: a daemon on loopback TCP to which the real adb connects, over
a folder of this computer.

`with Phone(folder) as phone:` then `adb connect {phone.serial}`. What it says about itself lies in
files under `phone.root` (see phone_files); what goes wrong is set in `phone.faults`.
"""

import contextlib
import os
import signal
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tests.fakes import phone_files, shell_service, sync_service
from tests.fakes.adb_protocol import Connection

_MODERN_FEATURES = "shell_v2,cmd,stat_v2,ls_v2,fixed_push_mkdir,fixed_push_symlink_timestamp"
_MAPPED = ("/data/local/tmp", "/sdcard/", "/sys/")


@dataclass
class Faults:
    """What goes wrong. Those of the shell strike commands that contain `on_command`."""

    frozen: bool = False
    bytes_per_s: float | None = None
    away_s: float = 0.0
    drop_push_after_bytes: int | None = None
    push_refusal: str = ""
    flip_pushed_bit: bool = False
    cut_pushed_bytes: int = 0
    flip_pulled_bit: bool = False
    on_command: str = ""
    drop_after_s: float | None = None
    cut_output_bytes: int | None = None
    lose_exit_code: bool = False


class Phone:
    """The daemon.

    Args:
        old: an Android 6 phone: no exit codes, one stream, carriage returns, no `sha256sum`.
        mode: how it introduces itself: device, recovery, sideload, rescue, bootloader, host.
        trust: accept, unauthorized or authorizing.
    """

    def __init__(
        self, folder, *, name="Pixel 0", old=False, mode="device", trust="accept", host="127.0.0.1"
    ):
        self.root = Path(folder)
        self.name, self.old, self.mode, self.trust, self.host = name, old, mode, trust, host
        self.faults = Faults()
        self.processes = []
        self._connections = []
        self._back_at_s = 0.0
        phone_files.write(self.root, name, old=old)

    def __enter__(self):
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._listener = socket.create_server((self.host, 0), family=family)
        self.port = self._listener.getsockname()[1]
        self.serial = (
            f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        )
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.faults.frozen = False
        for connection in self._connections:
            connection.close()
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if time.monotonic() < self._back_at_s:
                client.close()
                continue
            connection = Connection(self, client)
            self._connections.append(connection)
            threading.Thread(target=connection.serve, daemon=True).start()

    def drop(self):
        """Pulls the cable; it is in again after `faults.away_s`."""
        self._back_at_s = time.monotonic() + self.faults.away_s
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    def banner(self):
        features = "" if self.old else f"features={_MODERN_FEATURES}"
        product = self.name.replace(" ", "_")
        properties = f"ro.product.name={product};ro.product.model={product};ro.product.device={product};{features}"
        return f"{self.mode}::{properties}".encode()

    def serve(self, stream, service):
        """Runs one service to its end."""
        kind, _, argument = service.partition(":")
        if kind == "sync":
            sync_service.serve(self, stream)
        elif kind.split(",")[0] == "shell":
            shell_service.serve(self, stream, argument, framed="v2" in kind.split(","))

    def slow_down(self, count):
        if self.faults.bytes_per_s:
            time.sleep(count / self.faults.bytes_per_s)

    def damaged(self, content, *, pulled=False):
        if content and (self.faults.flip_pulled_bit if pulled else self.faults.flip_pushed_bit):
            content = bytes([content[0] ^ 1]) + content[1:]
        return content if pulled else content[: len(content) - self.faults.cut_pushed_bytes]

    def local(self, path):
        """Where a path of the phone lies on this computer."""
        return self.root / path.lstrip("/")

    def to_local(self, command):
        for path in _MAPPED:
            command = command.replace(path, f"{self.root}{path}")
        return command

    def from_local(self, data):
        return data.replace(str(self.root).encode(), b"")

    def shell_environment(self):
        return {
            "PATH": f"{self.root}/system/bin:/usr/bin:/bin",
            "FAKE_PHONE": str(self.root),
            "TMPDIR": str(self.local("/data/local/tmp")),
            "LC_ALL": "C.UTF-8",
        }

    def command(self, name, script):
        """Puts a program of the phone's own in front of the real one."""
        phone_files.write_program(self.root / "system" / "bin" / name, script)

    def temporary_files(self):
        """What lies in /data/local/tmp."""
        return sorted(path.name for path in self.local("/data/local/tmp").iterdir())

    def process_files(self):
        """The files in which running programs left their process ids."""
        return list(self.local("/data/local/tmp").glob("*/pid"))

    def running(self):
        """Command lines of programs that still run in this phone's temporary folder."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                line = (
                    (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
                if (
                    f"{self.root}/data/local/tmp/" in line
                    and "(zombie)" not in (process / "status").read_text()
                ):
                    found.append(line)
        return found
