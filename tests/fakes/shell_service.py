"""adb's `shell:` service: commands run for real, in the phone's folder on this computer.

Paths of the phone (/data, /sys) are mapped to that folder on the way in and back on the
way out. The first version of the protocol is one stream without exit code; the second
frames both streams and it.
"""

import os
import struct
import subprocess
import threading

from tests.fakes.adb_protocol import Gone

_STDOUT, _STDERR, _EXIT = 1, 2, 3
_READ_BYTES = 64 * 1024


def serve(phone, stream, command, *, framed):
    faults = phone.faults
    struck = faults.on_command in command
    child = subprocess.Popen(
        ["/bin/sh", "-c", phone.to_local(command)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if framed else subprocess.STDOUT,
        cwd=phone.root,
        env=phone.shell_environment(),
        start_new_session=True,
    )
    phone.processes.append(child)
    if struck and faults.drop_after_s is not None:
        threading.Timer(faults.drop_after_s, phone.drop).start()
        faults.drop_after_s = None
    kinds = [(child.stdout, _STDOUT)] + ([(child.stderr, _STDERR)] if framed else [])
    pumps = [
        threading.Thread(
            target=_pump, args=(phone, stream, pipe, kind, framed, struck), daemon=True
        )
        for pipe, kind in kinds
    ]
    writing = threading.Lock()
    stream.writing = writing
    for pump in pumps:
        pump.start()
    for pump in pumps:
        pump.join()
    return_code = child.wait()
    if (
        framed
        and not (struck and faults.lose_exit_code)
        and not (struck and faults.cut_output_bytes is not None)
    ):
        with writing:
            stream.write(struct.pack("<BIB", _EXIT, 1, return_code % 256))


def _pump(phone, stream, pipe, kind, framed, struck):
    """Forwards one pipe by whole lines, so that no path is torn in two before it is mapped back."""
    rest, sent = b"", 0
    with pipe:
        while data := os.read(pipe.fileno(), _READ_BYTES):
            whole, newline, rest = (rest + data).rpartition(b"\n")
            sent += _forward(phone, stream, whole + newline, kind, framed, struck, sent)
            if len(rest) > _READ_BYTES:
                sent, rest = sent + _forward(phone, stream, rest, kind, framed, struck, sent), b""
        _forward(phone, stream, rest, kind, framed, struck, sent)


def _forward(phone, stream, data, kind, framed, struck, sent):
    data = phone.from_local(data)
    if struck and kind == _STDOUT and phone.faults.cut_output_bytes is not None:
        data = data[: max(0, phone.faults.cut_output_bytes - sent)]
    if not framed and phone.old:
        data = data.replace(b"\n", b"\r\n")
    if data:
        message = struct.pack("<BI", kind, len(data)) + data if framed else data
        try:
            with stream.writing:
                stream.write(message)
        except Gone:
            # The program runs on without a reader, as it does on a phone.
            pass
    return len(data)
