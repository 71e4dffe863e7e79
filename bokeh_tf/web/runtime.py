"""LiteRT.js, fetched once into the user's cache by npm: two packages, each known by its hash.

Nothing of it is asked for when it is there, so the page works offline afterwards.
"""

import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bokeh_tf import paths
from bokeh_tf.errors import DependencyError
from bokeh_tf.files import make_folder, require_folder, write_bytes
from bokeh_tf.paths import printable

VERSION = "2.5.3"
_TIMEOUT_S = 300.0
_LIMIT_BYTES = 64_000_000
_OTHER_CACHE = "LiteRT.js is kept there: name another folder for caches in XDG_CACHE_HOME."


class WrongPackageError(DependencyError):
    """What npm fetched is not the package that is known, or not with what is wanted of it: no
    machine that lacks something, but a changed package or a wrong table here.
    """


@dataclass(frozen=True)
class Package:
    """An npm package: `integrity` is its SHA-512 as npm writes it,
    `wanted` what of it is served.
    """

    name: str
    integrity: str
    wanted: tuple[str, ...]


PACKAGES = (
    Package(
        "@litertjs/core",
        "PlGmbMOq9WitX7FO0jhbdJw9GthatsyuCQXjTt/wJZo0FLaw48q4tz8IwqgqCIkviYGr9OFDL1kCnN4nzWoyJQ==",
        (
            "dist/index.js",
            *(
                f"wasm/litert_wasm_{kind}internal.{suffix}"
                for kind in ("", "compat_", "jspi_", "threaded_")
                for suffix in ("js", "wasm")
            ),
        ),
    ),
    Package(
        "@litertjs/wasm-utils",
        "4fJiw6tBQnIs+0jH/OQ16nYOiSl8/+zZnn5h2ul8aTKHi05sVqZW580Tmk78pC2kT39A9OYBVdFawteZ/sI1kQ==",
        ("dist/index.js",),
    ),
)

# What is kept in the cache, and what of it a browser loads at most: the scripts, and one of the
# WebAssembly files with its own script. The packages are known by their hashes, so these are too;
# `tests/web/test_in_chromium.py` weighs the files, the last as `gzip -9` makes them.
KEPT_BYTES = 38_978_270
LOADED_BYTES = 9_966_565
LOADED_GZIPPED_BYTES = 2_991_609

# Where a page finds LiteRT.js, and LiteRT.js its own part.
IMPORT_MAP = json.dumps(
    {
        "imports": {
            package.name: f"./node_modules/{package.name}/dist/index.js" for package in PACKAGES
        }
    }
)


def cache_folder() -> Path:
    """Where the packages are kept: `$XDG_CACHE_HOME/bokeh-tf`, or `~/.cache/bokeh-tf`."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "bokeh-tf" / f"litertjs-{VERSION}"


def runtime_files(
    *, folder: Path | None = None, packages: tuple[Package, ...] = PACKAGES
) -> Mapping[str, Path]:
    """The files of LiteRT.js by their place in a site, such as
    `node_modules/@litertjs/core/dist/index.js`.

    Args:
        folder: where they are kept; the user's cache if None.

    Raises:
        DependencyError: they are not there and cannot be fetched.
        OutputError: they cannot be kept there; nothing was fetched.
        WrongPackageError: what was fetched is not what it should be; nothing of it was kept.
    """
    folder = cache_folder() if folder is None else folder
    found: dict[str, Path] = {}
    for package in packages:
        places = {name: folder / package.name / name for name in package.wanted}
        if not all(map(paths.is_file, places.values())):
            for path in places.values():
                # Before tens of megabytes are fetched for a place that takes none.
                require_folder(path.parent, remedy=_OTHER_CACHE)
            _unpack(package, _fetch(package), places)
        found |= {f"node_modules/{package.name}/{name}": path for name, path in places.items()}
    return found


def _fetch(package):
    npm = shutil.which("npm")
    if npm is None:
        raise DependencyError(
            f"{package.name} {VERSION}: fetched by npm once, which is not installed here."
            " Install it (Debian, Ubuntu: apt-get install npm)."
        )
    with tempfile.TemporaryDirectory(prefix="bokeh_tf_web_") as folder:
        wanted = f"{package.name}@{VERSION}"
        # With --silent it would not say why it fails.
        command = [npm, "pack", wanted, "--loglevel", "error", "--pack-destination", folder]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_S
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _not_fetched(package, type(error).__name__) from error
        fetched = list(Path(folder).glob("*.tgz"))
        if done.returncode or len(fetched) != 1:
            raise _not_fetched(package, _reason(done))
        try:
            content = paths.read_bytes(fetched[0], limit_bytes=_LIMIT_BYTES)
        except OSError as error:
            raise _not_fetched(package, error.strerror or type(error).__name__) from error
    if base64.b64encode(hashlib.sha512(content).digest()).decode() != package.integrity:
        raise WrongPackageError(
            f"{package.name} {VERSION}: what npm fetched is not that package. Nothing was kept."
        )
    return content


def _reason(done):
    """Of all that npm says, the line that names what failed; the first is only a code."""
    lines = [line for line in done.stderr.decode("utf-8", "replace").split("\n") if line.strip()]
    telling = [line for line in lines if "failed" in line] or lines or [f"status {done.returncode}"]
    return printable(telling[0], most_characters=200)


def _not_fetched(package, reason):
    return DependencyError(
        f"{package.name} {VERSION}: npm could not fetch it ({reason}). The page needs it once."
    )


def _unpack(package, content, places):
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        found = {path: _member(archive, package, name) for name, path in places.items()}
    for path, body in found.items():
        make_folder(path.parent)
        write_bytes(path, body)


def _member(archive, package, name):
    try:
        member = archive.extractfile(f"package/{name}")
    except KeyError:
        member = None
    if member is None:
        raise WrongPackageError(f"{package.name} {VERSION}: holds no {name}. Nothing was kept.")
    return member.read()
