"""Serving to the local network: this machine's address in it, and a certificate made for that.

WebGPU needs https, and no authority certifies an address at home: the certificate is made by the
program `openssl` when the server starts, is gone when it ends, and the browser asks about it. Whoever
compares its fingerprint knows that nobody stands in between.
"""

import hashlib
import shutil
import socket
import ssl
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bokeh_tf.errors import DependencyError, OutputError
from bokeh_tf.paths import is_file, printable

_TIMEOUT_S = 60
_DAYS = 7
# No packet is sent there: an address of the documentation, by which the system chooses its own.
_ELSEWHERE = ("192.0.2.1", 9)


@dataclass(frozen=True)
class Lan:
    """An address of this machine, and what proves it.

    Attributes:
        fingerprint: SHA-256 of the certificate as browsers show it.
    """

    address: str
    context: ssl.SSLContext
    fingerprint: str

    @property
    def advice(self) -> str:
        """What the browser will ask, and what to answer."""
        return (
            "its browser will say that the connection is not private, for the certificate was made"
            " here just now: go on (Advanced) if the certificate that it shows has the SHA-256"
            f" {self.fingerprint}"
        )


def open_lan(*, address: str | None = None) -> Lan:
    """A certificate for `address`, by default the one of this machine in its network.

    Raises:
        DependencyError: there is no `openssl`, or it cannot do it.
        OutputError: this machine is in no network.
    """
    openssl = shutil.which("openssl")
    if openssl is None:
        raise DependencyError(
            "--lan: the program openssl makes the certificate, and is not installed here. Install"
            " it (Debian, Ubuntu: apt-get install openssl)."
        )
    address = address or _own_address()
    with tempfile.TemporaryDirectory(prefix="bokeh_tf_lan_") as folder:
        key, certificate = Path(folder) / "key.pem", Path(folder) / "certificate.pem"
        _make(openssl, address, key, certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        encoded = ssl.PEM_cert_to_DER_cert(certificate.read_text(encoding="ascii"))
    digest = hashlib.sha256(encoded).hexdigest().upper()
    pairs = (digest[start : start + 2] for start in range(0, len(digest), 2))
    return Lan(address, context, ":".join(pairs))


def _make(openssl, address, key, certificate):
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-nodes", "-days", str(_DAYS), "-subj", "/CN=bokeh-tf"]
    command += ["-addext", f"subjectAltName=IP:{address}"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DependencyError(f"--lan: openssl cannot be run ({type(error).__name__}).") from error
    if done.returncode or not is_file(certificate):
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = printable(said[-1] if said else f"status {done.returncode}", most_characters=200)
        raise DependencyError(f"--lan: openssl could not make a certificate ({reason}).")


def _own_address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
            return probe.getsockname()[0]
        except OSError as error:
            raise OutputError(
                f"--lan: this machine is in no network ({error.strerror}). Connect it, or leave"
                " --lan out and use adb reverse."
            ) from error
