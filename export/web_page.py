"""The page of `bokeh-tf web` for any static host, beside the files that phones receive.

LiteRT.js is no part of it, for it is 38 MB of which a browser loads 9: `npm ci` in the folder puts it
where the page looks for it, the same release as here by the same SHA-512.
"""

import json
from pathlib import Path

from bokeh_tf.files import make_folder, write_bytes
from bokeh_tf.paths import read_bytes
from bokeh_tf.web.runtime import PACKAGES, VERSION
from bokeh_tf.web.site import site

FOLDER = "web"
_NAME = "bokeh-page"
_LIMIT_BYTES = 256_000_000
_README = """# A page with a bokeh model

`python -m export` made this folder. It becomes a page on any static host with https:

1. `npm ci` (once) puts LiteRT.js into `node_modules/`, known by its SHA-512.
2. Try it: `python3 -m http.server --bind 127.0.0.1`, then open the address that it prints.
3. Copy the folder to the host. No server code, no build step; photos stay in the visitor's browser.

A visitor's browser loads 12 MB once, 5.1 MB where the host compresses: the page, the model, and one of LiteRT.js's
WebAssembly files; the others beside it are for browsers of other abilities.
"""


def page_files(model: Path) -> dict[str, bytes]:
    """Content by name below the folder."""
    content = {
        name: body if isinstance(body, bytes) else read_bytes(body, limit_bytes=_LIMIT_BYTES)
        for name, body in site(model, runtime={}).items()
    }
    core = PACKAGES[0].name
    wanted = {core: VERSION}
    package = {"name": _NAME, "private": True, "dependencies": wanted}
    lock = {
        "name": _NAME,
        "lockfileVersion": 3,
        "requires": True,
        "packages": {
            "": {"name": _NAME, "dependencies": wanted},
            **{f"node_modules/{one.name}": _locked(one) for one in PACKAGES},
        },
    }
    texts = {
        "package.json": _json(package),
        "package-lock.json": _json(lock),
        "README.md": _README,
    }
    return content | {name: text.encode() for name, text in texts.items()}


def _locked(package):
    needed = [one.name for one in PACKAGES[1:]] if package is PACKAGES[0] else []
    needs = {"dependencies": dict.fromkeys(needed, VERSION)} if needed else {}
    return {"version": VERSION, "integrity": f"sha512-{package.integrity}", **needs}


def _json(document):
    return json.dumps(document, indent=2) + "\n"


def write(folder: Path, model: Path) -> Path:
    """Writes the page of `model` into the folder `web` of `folder`, which is returned."""
    page = make_folder(folder / FOLDER)
    for name, body in page_files(model).items():
        write_bytes(page / name, body)
    return page
