"""`bokeh-tf web`: what is served and what never is, and a page for any static host."""

import base64
import hashlib
import json
import shutil
import socket
import struct
import subprocess
import threading
from pathlib import Path

import pytest

from bokeh_tf.cli import main
from bokeh_tf.errors import ModelFileError, OutputError
from bokeh_tf.models.weights import BASE_FILE, FLAGSHIP_FILE, GUIDED_FILE
from bokeh_tf.web import runtime
from bokeh_tf.web.server import HOST, SiteServer
from bokeh_tf.web.site import site
from tests.web.asking import TIMEOUT_S, ask

ROOT = Path(__file__).resolve().parents[2]
PHOTO = ROOT / "bokeh_tf" / "samples" / "photo.jpg"
PAGE = ROOT / "bokeh_tf" / "web" / "page"
SCRIPT = b"export const loaded = true;\n"


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """Something in the place of LiteRT.js."""
    path = tmp_path_factory.mktemp("runtime") / "index.js"
    path.write_bytes(SCRIPT)
    names = ("core", "wasm-utils")
    return {f"node_modules/@litertjs/{name}/dist/index.js": path for name in names}


@pytest.fixture(scope="module")
def server(scripts):
    with SiteServer(site(FLAGSHIP_FILE, photos=[PHOTO], runtime=scripts)) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield served
        served.shutdown()


def test_the_page_and_all_it_asks_for_are_served(server):
    status, body, headers = ask(server, f"/{server.token}/")
    before, _, rest = body.partition(b'<script type="importmap">')
    text, _, after = rest.partition(b"</script>")
    page = (PAGE / "index.html").read_bytes()
    assert status == 200 and page.startswith(before) and page.endswith(after)
    # The browser runs the map only where the policy knows it by its digest.
    digest = base64.b64encode(hashlib.sha256(text).digest()).decode()
    assert f"'sha256-{digest}'" in headers["Content-Security-Policy"]
    for place in json.loads(text)["imports"].values():
        assert ask(server, f"/{server.token}/{place.removeprefix('./')}")[0] == 200
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    wanted = {
        "photo_1": PHOTO.read_bytes(),
        FLAGSHIP_FILE.name: FLAGSHIP_FILE.read_bytes(),
        "node_modules/@litertjs/core/dist/index.js": SCRIPT,
    }
    for name, content in wanted.items():
        status, body, headers = ask(server, f"/{server.token}/{name}")
        assert (status, body) == (200, content)
    assert headers["Content-Type"] == "text/javascript"
    status, body, headers = ask(server, f"/{server.token}/style.css", method="HEAD")
    assert (
        status == 200
        and body == b""
        and int(headers["Content-Length"]) == (PAGE / "style.css").stat().st_size
    )


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/index.html",
        "/{token}",
        "/wrong-token/",
        "/{token}/../../etc/passwd",
        "/{token}/%2e%2e/%2e%2e/etc/passwd",
        "/{token}//etc/passwd",
        "/{token}/absent.js",
        "/gr%C3%B6%C3%9Fe/",
        # What Python's own parser of addresses raises at.
        "//[{token}/index.html",
        "http://[{token}/",
    ],
)
def test_nothing_else_is(server, path, capfd):
    assert ask(server, path.format(token=server.token))[0] == 404
    assert capfd.readouterr().err == ""


def test_a_page_elsewhere_that_is_led_here_gets_nothing(server):
    for host in ("evil.example", f"evil.example:{server.server_port}", ""):
        assert ask(server, f"/{server.token}/", host=host)[0] == 404
    assert ask(server, f"/{server.token}/", host=f"localhost:{server.server_port}")[0] == 200


def test_nothing_can_be_sent(server):
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert ask(server, f"/{server.token}/", method=method)[0] == 501


def test_it_listens_to_this_machine_alone_and_says_where(server, scripts):
    assert server.server_address[0] == "127.0.0.1" and server.address.startswith(f"http://{HOST}:")
    with pytest.raises(OutputError, match=r"cannot be listened on .*--port"):
        SiteServer(server.content, port=server.server_port)


def test_a_model_whose_photo_is_not_known_is_asked_about(tiny_convolution, scripts):
    with pytest.raises(ModelFileError, match="--input-range 0 1"):
        site(tiny_convolution, runtime=scripts)


def test_a_model_that_takes_more_than_a_photo_is_not_shown(scripts):
    with pytest.raises(ModelFileError, match="takes focus and guide beside a photo"):
        site(GUIDED_FILE, runtime=scripts)


def test_help_says_how_much_is_kept(capsys):
    with pytest.raises(SystemExit):
        main(["web", "--help"])
    assert f"({runtime.KEPT_BYTES / 1e6:.0f} MB)" in " ".join(capsys.readouterr().out.split())


@pytest.fixture
def no_fetching(tmp_path, monkeypatch):
    """The user's cache with something in the place of every file of LiteRT.js."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for package in runtime.PACKAGES:
        for name in package.wanted:
            path = runtime.cache_folder() / package.name / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(SCRIPT)


def test_a_page_for_a_static_host(tmp_path, no_fetching, capsys):
    out = tmp_path / "page"
    assert main(["web", str(PHOTO), "--model", str(BASE_FILE), "--out", str(out)]) == 0
    assert (out / BASE_FILE.name).read_bytes() == BASE_FILE.read_bytes()
    assert (out / "photo_1").read_bytes() == PHOTO.read_bytes()
    assert (
        out / "node_modules" / "@litertjs" / "core" / "wasm" / "litert_wasm_internal.wasm"
    ).is_file()
    assert main(["web", "--model", str(FLAGSHIP_FILE), "--out", str(out)]) == 0
    # Nobody's photo reaches the host with a page that does not show it.
    assert not (out / "photo_1").exists() and not (out / BASE_FILE.name).exists()
    assert (out / FLAGSHIP_FILE.name).read_bytes() == FLAGSHIP_FILE.read_bytes()
    (out / "demo.js").write_text("mine", encoding="utf-8")
    assert main(["web", "--out", str(out)]) == 1
    assert (
        "exists already" in capsys.readouterr().err
        and (out / "demo.js").read_text(encoding="utf-8") == "mine"
    )


@pytest.mark.parametrize("option", [["--lan"], ["--port", "8123"]], ids=lambda option: option[0])
def test_what_only_serving_needs_is_refused_with_out_before_anything_else(
    option, tmp_path, monkeypatch, capsys
):
    # Neither LiteRT.js nor a program that could fetch it is there.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        main(["web", "--out", str(tmp_path / "page"), *option])
    assert ended.value.code == 2 and "not with --out" in capsys.readouterr().err
    assert not (tmp_path / "page").exists()


def test_the_scripts_are_sound(tmp_path, scripts):
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node here")
    for name, content in site(FLAGSHIP_FILE, runtime=scripts).items():
        if name.endswith(".js") and "/" not in name:
            path = (tmp_path / name).with_suffix(".mjs")
            path.write_bytes(content)
            done = subprocess.run(
                [node, "--check", path], capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr


def test_whoever_hands_litertjs_on_has_its_licence_at_hand(scripts):
    page = site(FLAGSHIP_FILE, runtime=scripts)
    assert page["LICENSE.txt"] == (PAGE.parents[2] / "LICENSE").read_bytes()
    assert b"Apache License, Version 2.0, whose text is in LICENSE.txt" in page["NOTICE.txt"]


def test_several_photos_are_offered_by_name(tmp_path, no_fetching):
    # Two of one name are two.
    others = [tmp_path / "Bären" / "photo.jpg", tmp_path / "Füchse.jpeg"]
    others[0].parent.mkdir()
    for path in others:
        path.write_bytes(b"\xff\xd8\xff" + path.name.encode())
    photos, out = [PHOTO, *others], tmp_path / "page"
    assert main(["web", *map(str, photos), "--out", str(out)]) == 0
    offered = json.loads((out / "facts.json").read_bytes())["photos"]
    assert [one["name"] for one in offered] == ["photo", "photo", "Füchse"]
    contents = [(out / one["address"]).read_bytes() for one in offered]
    assert contents == [path.read_bytes() for path in photos]


def test_a_photo_that_is_gone_meanwhile_is_not_found(tmp_path, scripts):
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(PHOTO.read_bytes())
    with SiteServer(site(BASE_FILE, photos=[photo], runtime=scripts)) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        assert ask(served, f"/{served.token}/photo_1")[1] == PHOTO.read_bytes()
        photo.unlink()
        assert ask(served, f"/{served.token}/photo_1")[0] == 404
        served.shutdown()


@pytest.mark.parametrize("content", [b"", b"no picture", FLAGSHIP_FILE.read_bytes()[:500]])
def test_what_is_no_picture_is_refused_and_nothing_is_written(
    content, tmp_path, no_fetching, capsys
):
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(content)
    assert main(["web", str(photo), "--out", str(tmp_path / "page")]) == 1
    error = capsys.readouterr().err
    assert "photo.jpg" in error and error.count("\n") == 1
    assert not (tmp_path / "page").exists()


def test_a_browser_that_leaves_early_is_no_news(server, capfd):
    name = FLAGSHIP_FILE.name
    for sent in (f"GET /{server.token}/{name} HTTP/1.0\r\nHost: {HOST}\r\n\r\n", "GET /"):
        with socket.create_connection(server.server_address, timeout=TIMEOUT_S) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(sent.encode())
            client.recv(100) if "HTTP" in sent else None
    assert ask(server, f"/{server.token}/")[0] == 200
    assert capfd.readouterr().err == ""
