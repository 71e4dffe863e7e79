"""`--lan`: who is reached by what address, and a certificate that is the one that was told."""

import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from bokeh_tf.errors import DependencyError
from bokeh_tf.models.weights import FLAGSHIP_FILE
from bokeh_tf.web.lan import open_lan
from bokeh_tf.web.server import SiteServer
from bokeh_tf.web.site import site
from tests.web.asking import TIMEOUT_S, ask

# All of 127.0.0.0/8 is this machine, so that no network is needed and none can listen.
ADDRESS = "127.0.0.2"


@pytest.fixture(scope="module")
def served():
    """(server, lan) at an address that is not the usual one."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here")
    lan = open_lan(address=ADDRESS)
    with SiteServer(site(FLAGSHIP_FILE, runtime={}), lan=lan) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server, lan
        server.shutdown()


def test_it_is_reached_by_its_address_with_the_token_alone(served):
    server, _ = served
    assert server.address.startswith(f"https://{ADDRESS}:{server.server_port}/")
    assert ask(server, f"/{server.token}/")[0] == 200
    assert ask(server, "/wrong-token/")[0] == 404
    for host in ("localhost", "127.0.0.1", "evil.example"):
        assert ask(server, f"/{server.token}/", host=f"{host}:{server.server_port}")[0] == 404
    # The same port of this machine's other addresses is anybody's: whoever called there could be answered.
    assert server.socket.getsockname() == (ADDRESS, server.server_port)


def test_the_certificate_is_for_the_address_and_has_the_fingerprint_that_is_told(served, tmp_path):
    server, lan = served
    encoded = ssl.get_server_certificate((ADDRESS, server.server_port))
    shown = tmp_path / "shown.pem"
    shown.write_text(encoded, encoding="ascii")
    trusting = ssl.create_default_context(cafile=str(shown))
    # Raises where the certificate is for another address.
    with (
        socket.create_connection((ADDRESS, server.server_port), timeout=TIMEOUT_S) as plain,
        trusting.wrap_socket(plain, server_hostname=ADDRESS),
    ):
        pass
    assert lan.fingerprint in lan.advice and len(lan.fingerprint.split(":")) == 32
    assert fingerprint_by_openssl(shown) == lan.fingerprint


def fingerprint_by_openssl(path):
    command = ["openssl", "x509", "-in", str(path), "-noout", "-fingerprint", "-sha256"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    return done.stdout.strip().partition("=")[2]


def test_strangers_and_silent_visitors_disturb_nobody(served, capfd):
    server, _ = served
    with socket.create_connection((ADDRESS, server.server_port), timeout=TIMEOUT_S):
        # Somebody is connected and says nothing.
        assert ask(server, f"/{server.token}/")[0] == 200
    with socket.create_connection((ADDRESS, server.server_port), timeout=TIMEOUT_S) as plain:
        plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while plain.recv(100):
            pass
    assert ask(server, f"/{server.token}/")[0] == 200
    assert capfd.readouterr().err == ""


def test_no_openssl_and_a_wrong_address_are_one_line(tmp_path, monkeypatch):
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here")
    with pytest.raises(DependencyError, match="could not make a certificate") as error:
        open_lan(address="nowhere")
    assert "\n" not in str(error.value)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DependencyError, match="openssl makes the certificate"):
        open_lan(address=ADDRESS)
    assert not list(Path(tmp_path).iterdir())
