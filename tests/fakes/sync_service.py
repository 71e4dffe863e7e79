"""adb's `sync:` service, with which files go to a phone and come from it; first and second version.

Every request is four letters, a length and a path. Modes, sizes and times are those of the real
file in the phone's folder on this computer.
"""

import contextlib
import os
import stat
import struct
from pathlib import Path

from tests.fakes.adb_protocol import Gone

_CHUNK_BYTES = 64 * 1024


def serve(phone, stream):
    while True:
        name, length = struct.unpack("<4sI", stream.read(8))
        if name == b"QUIT":
            return
        argument = stream.read(length).decode()
        if name == b"SEND":
            _receive_file(phone, stream, argument)
        elif name == b"RECV":
            _send_file(phone, stream, argument)
        elif name in (b"STAT", b"STA2", b"LST2"):
            stream.write(_status(name, phone.local(argument)))
        elif name in (b"LIST", b"LIS2"):
            _list(phone, stream, name, phone.local(argument))
        else:
            _fail(stream, f"unknown request {name!r}")


def _fail(stream, reason):
    stream.write(struct.pack("<4sI", b"FAIL", len(reason.encode())) + reason.encode())


def _receive_file(phone, stream, argument):
    path, _, mode = argument.rpartition(",")
    local, refusal = phone.local(path), phone.faults.push_refusal
    content = bytearray()
    with contextlib.ExitStack() as opened:
        if not refusal:
            try:
                # At once, as a phone does: who removes the folder before all has
                # come removes this file too.
                local.parent.mkdir(parents=True, exist_ok=True)
                file = opened.enter_context(local.open("wb"))
                local.chmod(0o600)
                opened.callback(_remove_unfinished, local, file)
            except OSError as error:
                refusal = f"couldn't create file: {error.strerror}"
        while True:
            name, length = struct.unpack("<4sI", stream.read(8))
            if name == b"DONE":
                break
            content += stream.read(length)
            drop_after = phone.faults.drop_push_after_bytes
            if drop_after is not None and len(content) >= drop_after:
                file.write(content)
                file.close()
                phone.faults.drop_push_after_bytes = None
                phone.drop()
                raise Gone
        if refusal:
            return _fail(stream, refusal)
        file.write(phone.damaged(bytes(content)))
        os.fchmod(file.fileno(), stat.S_IMODE(int(mode)) | 0o600)
        file.close()
    stream.write(struct.pack("<4sI", b"OKAY", 0))


def _remove_unfinished(path, file):
    if not file.closed:
        path.unlink(missing_ok=True)


def _send_file(phone, stream, argument):
    try:
        content = phone.damaged(phone.local(argument).read_bytes(), pulled=True)
    except OSError as error:
        return _fail(stream, f"open failed: {error.strerror}")
    for start in range(0, len(content), _CHUNK_BYTES):
        part = content[start : start + _CHUNK_BYTES]
        stream.write(struct.pack("<4sI", b"DATA", len(part)) + part)
    stream.write(struct.pack("<4sI", b"DONE", 0))


def _status(name, path):
    try:
        found, problem = (os.stat if name == b"STA2" else os.lstat)(path), 0
    except OSError as error:
        found, problem = None, error.errno
    if name == b"STAT":
        return struct.pack(
            "<4sIII",
            name,
            *((found.st_mode, found.st_size, int(found.st_mtime)) if found else (0, 0, 0)),
        )
    return name + struct.pack("<I", problem) + _long_status(found)


def _long_status(found):
    if found is None:
        return bytes(64)
    owner = (found.st_mode, found.st_nlink, found.st_uid, found.st_gid)
    times = (int(found.st_atime), int(found.st_mtime), int(found.st_ctime))
    return struct.pack("<QQIIIIQqqq", found.st_dev, found.st_ino, *owner, found.st_size, *times)


def _list(phone, stream, name, folder):
    second = name == b"LIS2"
    for path in sorted(Path(folder).iterdir()) if folder.is_dir() else ():
        found, label = path.lstat(), path.name.encode()
        if second:
            stream.write(
                b"DNT2"
                + struct.pack("<I", 0)
                + _long_status(found)
                + struct.pack("<I", len(label))
                + label
            )
        else:
            fields = (found.st_mode, found.st_size, int(found.st_mtime), len(label))
            stream.write(struct.pack("<4sIIII", b"DENT", *fields) + label)
    stream.write(b"DONE" + bytes(72 if second else 16))
