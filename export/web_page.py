"""The page of `bokeh-tf web` for any static host, beside the files that phones receive.

LiteRT.js is no part of it, for a browser loads a quarter of its files: `npm ci` in the folder puts
them where the page looks for them, the same release as here by the same SHA-512.
"""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path

from bokeh_tf.folders import write_files
from bokeh_tf.paths import read_bytes
from bokeh_tf.web.runtime import LOADED_BYTES, LOADED_GZIPPED_BYTES, PACKAGES, VERSION
from bokeh_tf.web.site import site

FOLDER = "web"
_NAME = "bokeh-page"
_LIMIT_BYTES = 256_000_000
_README = """# A page with a bokeh model

`python -m export` made this folder. It becomes a page on any static host with https:

1. `npm ci` (once) puts LiteRT.js into `node_modules/`, known by its SHA-512.
2. Try it: `python3 -m http.server --bind 127.0.0.1`, then open the address that it prints.
3. Copy the folder to the host. No server code, no build step; photos stay in the visitor's browser.

A visitor's browser loads {loads}: the page, the model, and one of
LiteRT.js's WebAssembly files; the others beside it are for browsers of other abilities.
"""


def page_files(model: Path) -> dict[str, bytes]:
    """Content by name below the folder."""
    content = {
        name: body if isinstance(body, bytes) else read_bytes(body, limit_bytes=_LIMIT_BYTES)
        for name, body in site(model, runtime={}).items()
    }
    read_me = _README.format(loads=loads(content))
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
        "README.md": read_me,
    }
    return content | {name: text.encode() for name, text in texts.items()}


def loads(page: Mapping[str, bytes]) -> str:
    """How much a visitor's browser loads at most of a page and LiteRT.js, as people are told."""
    bare_bytes = LOADED_BYTES + sum(map(len, page.values()))
    gzipped_bytes = LOADED_GZIPPED_BYTES + sum(len(gzip.compress(one)) for one in page.values())
    # Libraries of compression differ by some percent.
    return f"{bare_bytes / 1e6:.1f} MB once, about {gzipped_bytes / 1e6:.0f} MB where the host compresses"


def _locked(package):
    needed = [one.name for one in PACKAGES[1:]] if package is PACKAGES[0] else []
    needs = {"dependencies": dict.fromkeys(needed, VERSION)} if needed else {}
    return {"version": VERSION, "integrity": f"sha512-{package.integrity}", **needs}


def _json(document):
    return json.dumps(document, indent=2) + "\n"


def write(folder: Path, model: Path, *, overwrite: bool = False) -> Path:
    """Writes the page of `model` into the folder `web` of `folder`, which is returned.

    `OutputError` where a file of the page was changed by somebody else, unless `overwrite`.
    """
    page = folder / FOLDER
    write_files(page, page_files(model), overwrite=overwrite, removes_older=True)
    return page
