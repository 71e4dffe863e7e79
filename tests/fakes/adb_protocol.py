"""The device's side of the adb wire protocol over TCP: connections, their
streams, and flow control.

A message is a header of six little-endian words (command, two arguments, length, sum of the bytes,
command inverted) and its payload. One stream carries one service; each WRTE waits for its OKAY.
"""

import contextlib
import os
import queue
import socket
import struct
import threading
import time

VERSION, LARGEST_PAYLOAD = 0x01000001, 256 * 1024
_TOKEN, _SIGNATURE, _PUBLIC_KEY = 1, 2, 3
_ACKNOWLEDGE_TIMEOUT_S = 60


def _word(name):
    return int.from_bytes(name, "little")


CNXN, AUTH, OPEN, OKAY, WRTE, CLSE = map(
    _word, (b"CNXN", b"AUTH", b"OPEN", b"OKAY", b"WRTE", b"CLSE")
)


class Gone(Exception):
    """The other side closed the stream or the whole connection."""


class Stream:
    """One service's bytes both ways; `read` and `write` raise `Gone` when it is over."""

    def __init__(self, connection, own_id, host_id):
        self.connection, self.own_id, self.host_id = connection, own_id, host_id
        self._incoming, self._rest = queue.Queue(), b""
        self.acknowledged = threading.Semaphore(0)
        self.closed = threading.Event()

    def feed(self, data):
        self._incoming.put(data)

    def read(self, count):
        while len(self._rest) < count:
            data = self._incoming.get()
            if data is None:
                raise Gone
            self._rest += data
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken

    def write(self, data):
        for start in range(0, len(data), LARGEST_PAYLOAD):
            if self.closed.is_set():
                raise Gone
            self.connection.send(
                WRTE, self.own_id, self.host_id, data[start : start + LARGEST_PAYLOAD]
            )
            if (
                not self.acknowledged.acquire(timeout=_ACKNOWLEDGE_TIMEOUT_S)
                or self.closed.is_set()
            ):
                raise Gone

    def end(self):
        """Wakes whoever waits in `read` or `write`."""
        self.closed.set()
        self._incoming.put(None)
        self.acknowledged.release()


class Connection:
    """One connected adb server. `serve` runs in a thread of its own, and so does every service."""

    def __init__(self, phone, client):
        self._phone, self._client = phone, client
        self._streams, self._next_id = {}, 1
        self._sending = threading.Lock()

    def send(self, command, first, second, payload=b""):
        header = struct.pack(
            "<6I",
            command,
            first,
            second,
            len(payload),
            sum(payload) & 0xFFFFFFFF,
            command ^ 0xFFFFFFFF,
        )
        self._phone.slow_down(len(payload))
        with self._sending:
            try:
                self._client.sendall(header + payload)
            except OSError as error:
                raise Gone from error

    def close(self):
        with contextlib.suppress(OSError):
            self._client.shutdown(socket.SHUT_RDWR)
        self._client.close()

    def serve(self):
        try:
            while True:
                command, first, second, length, _, _ = struct.unpack("<6I", self._receive(24))
                payload = self._receive(length)
                while self._phone.faults.frozen:
                    time.sleep(0.02)
                self._handle(command, first, second, payload)
        except (Gone, OSError):
            pass
        finally:
            for stream in list(self._streams.values()):
                stream.end()
            self.close()

    def _receive(self, count):
        data = bytearray()
        while len(data) < count:
            try:
                part = self._client.recv(count - len(data))
            except OSError as error:
                raise Gone from error
            if not part:
                raise Gone
            data += part
        return bytes(data)

    def _handle(self, command, first, second, payload):
        if command == CNXN:
            self._greet()
        elif command == AUTH:
            self._check_key(first)
        elif command == OPEN:
            self._open(first, payload.rstrip(b"\0").decode())
        elif command in (OKAY, WRTE, CLSE) and (stream := self._streams.get(second)):
            if command == OKAY:
                stream.acknowledged.release()
            elif command == WRTE:
                self._phone.slow_down(len(payload))
                stream.feed(payload)
                self.send(OKAY, stream.own_id, stream.host_id)
            else:
                self._streams.pop(second).end()

    def _greet(self):
        if self._phone.trust == "accept":
            self.send(CNXN, VERSION, LARGEST_PAYLOAD, self._phone.banner())
        else:
            self.send(AUTH, _TOKEN, 0, os.urandom(20))

    def _check_key(self, kind):
        """Refuses every signature, and asks nobody about a new key; a phone that is
        `authorizing` says nothing.
        """
        if self._phone.trust == "unauthorized" and kind == _SIGNATURE:
            self.send(AUTH, _TOKEN, 0, os.urandom(20))

    def _open(self, host_id, service):
        stream = Stream(self, self._next_id, host_id)
        self._next_id += 1
        self._streams[stream.own_id] = stream
        self.send(OKAY, stream.own_id, host_id)
        threading.Thread(target=self._run, args=(stream, service), daemon=True).start()

    def _run(self, stream, service):
        with contextlib.suppress(Gone):
            self._phone.serve(stream, service)
        with contextlib.suppress(Gone):
            self.send(CLSE, stream.own_id, stream.host_id)
        self._streams.pop(stream.own_id, None)
