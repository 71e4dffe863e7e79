"""Hands out a site's files, by default on this machine's own address alone, to whoever knows the
token in it, and nothing else; and takes what a page sends, where somebody waits for it.
"""

import hmac
import ipaddress
import mimetypes
import secrets
import ssl
import sys
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Protocol

from bokeh_tf.errors import OutputError
from bokeh_tf.paths import read_bytes
from bokeh_tf.web.lan import Lan
from bokeh_tf.web.site import INDEX, content_policy

HOST = "127.0.0.1"
# Names under which a browser reaches this address; any other in a request is a page
# elsewhere that was led here.
_NAMES = (HOST, "localhost")
# Of what is served from a file: a `.tflite`'s offsets have 31 bits.
_LIMIT_BYTES = 2**31 - 1
_MOST_DISCARDED_BYTES = 16_000_000
_CHUNK_BYTES = 1 << 16
_IDLE_S = 60.0
_MOST_DIGITS = 18
_TYPES = {
    ".js": "text/javascript",
    ".wasm": "application/wasm",
    ".html": "text/html; charset=utf-8",
}


def _number(text):
    """A length in a header, None where it is none; Python reads no number of 5,000 digits."""
    is_number = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    return int(text) if is_number else None


def is_own_address(address: str, served_at: str) -> bool:
    """Whether a visitor's address is this machine's: who calls an own address has it too."""
    return address == served_at or ipaddress.ip_address(address).is_loopback


class Receiver(Protocol):
    """Who waits for what a page sends."""

    def limit_bytes(self, name: str) -> int | None:
        """How much may be sent under that name, None where nothing is waited for."""

    def receive(self, name: str, body: bytes, *, is_here: bool) -> bytes:
        """The answer, JSON; `ValueError` where `body` is nothing that a page of ours sends.

        `is_here` says whether it was sent from an address of this machine.
        """


class SiteServer(ThreadingHTTPServer):
    """Serves `content` of `site.site`; use it in a `with`, and `serve_forever` in it.

    Attributes:
        address: where the page is, with the token.
    """

    daemon_threads = True

    def __init__(
        self,
        content: Mapping[str, bytes | Path],
        *,
        port: int = 0,
        receiver: Receiver | None = None,
        policy: str | None = None,
        lan: Lan | None = None,
    ):
        """Listens on `port`, 0 for any that is free; `OutputError` where that cannot be had.

        With `lan` it is reached from this machine's network, by https, and else from nowhere.
        """
        host, scheme = (HOST, "http") if lan is None else (lan.address, "https")
        self.names = _NAMES if lan is None else (lan.address,)
        self.content, self.receiver = content, receiver
        self.policy = content_policy() if policy is None else policy
        self.token = secrets.token_urlsafe(12)
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            raise OutputError(
                f"port {port}: cannot be listened on ({error}). Choose another --port."
            ) from error
        if lan is not None:
            # Without a handshake on arrival, a visitor who says nothing keeps nobody waiting.
            self.socket = lan.context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )
        self.address = f"{scheme}://{host}:{self.server_port}/{self.token}/"

    def handle_error(self, request, client_address):
        """Tells of errors, of which a browser that leaves early, or trusts no certificate, is none."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError | ssl.SSLError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: SiteServer
    server_version, sys_version = "bokeh-tf", ""
    timeout = _IDLE_S

    def do_GET(self):
        self._answer(with_body=True)

    def do_HEAD(self):
        self._answer(with_body=False)

    def do_POST(self):
        """Hands what a page of ours sends to whoever waits for it, and refuses anything else."""
        receiver = self.server.receiver
        if receiver is None:
            self.send_error(HTTPStatus.NOT_IMPLEMENTED)
            return
        name = self._asked_for()
        limit_bytes = None if name is None else receiver.limit_bytes(name)
        length_bytes = _number(self.headers.get("Content-Length", ""))
        if name is None or limit_bytes is None:
            self.send_error(HTTPStatus.NOT_FOUND)
        elif not self._is_from_own_page():
            self.send_error(HTTPStatus.FORBIDDEN)
        elif length_bytes is None or length_bytes > limit_bytes:
            self._discard(length_bytes or 0)
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            self._take(receiver, name, self.rfile.read(length_bytes))

    def _discard(self, length_bytes):
        """Reads what is not wanted: who is still sending when the connection ends hears no answer."""
        left_bytes = min(length_bytes, _MOST_DISCARDED_BYTES)
        while left_bytes > 0 and (read := self.rfile.read(min(left_bytes, _CHUNK_BYTES))):
            left_bytes -= len(read)

    def _take(self, receiver, name, body):
        is_here = is_own_address(self.client_address[0], self.server.server_address[0])
        try:
            answer = receiver.receive(name, body, is_here=is_here)
        except ValueError:
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        self._send(answer, "answer.json")

    def _is_from_own_page(self):
        """Whether a page of this server sends; one elsewhere is told apart by its origin."""
        origin = self.headers.get("Origin")
        own = self.headers.get("Host")
        return origin is None or origin in (f"http://{own}", f"https://{own}")

    def log_message(self, format, *arguments):
        """Says nothing: addresses hold the token."""

    def _answer(self, *, with_body):
        found = self._found()
        if found is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        name, body = found
        self._send(body, name, with_body=with_body)

    def _send(self, body, name, *, with_body=True):
        self.send_response(HTTPStatus.OK)
        suffix = Path(name).suffix
        self.send_header(
            "Content-Type",
            _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream",
        )
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", self.server.policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        # With these two the page may use threads.
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def _found(self):
        """(name, content) of what is asked for, None where it is nothing of
        ours or nobody of ours asks.
        """
        name = self._asked_for()
        body = None if name is None else self.server.content.get(name)
        if isinstance(body, Path):
            try:
                body = read_bytes(body, limit_bytes=_LIMIT_BYTES)
            except OSError:
                return None
        return None if body is None else (name, body)

    def _asked_for(self):
        """The name of what is asked for, None where nobody of ours asks."""
        host = self.headers.get("Host", "").rpartition(":")[0] or self.headers.get("Host", "")
        _, _, rest = self.path.partition("?")[0].partition("/")
        token, slash, name = rest.partition("/")
        if (
            host not in self.server.names
            or not slash
            or not hmac.compare_digest(token.encode(), self.server.token.encode())
        ):
            return None
        return name or INDEX
