"""LiteRT.js, fetched once into the user's cache: two npm packages, each known by its hash.

Nothing of it is asked for when it is there, so the page works offline afterwards.
"""

import base64
import hashlib
import io
import os
import tarfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bokeh_tf import paths
from bokeh_tf.errors import DependencyError
from bokeh_tf.files import make_folder, write_bytes

VERSION = "2.5.3"
# Where npm itself looks, unless it was told otherwise by the same variable.
_REGISTRY_VARIABLE, _REGISTRY = "npm_config_registry", "https://registry.npmjs.org"
_TIMEOUT_S = 60.0
_LIMIT_BYTES = 64_000_000


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
        DependencyError: they are not there and cannot be fetched, or are not what they should be.
    """
    folder = cache_folder() if folder is None else folder
    found: dict[str, Path] = {}
    for package in packages:
        places = {name: folder / package.name / name for name in package.wanted}
        if not all(map(paths.is_file, places.values())):
            _unpack(package, _fetch(package), places)
        found |= {f"node_modules/{package.name}/{name}": path for name, path in places.items()}
    return found


def _fetch(package):
    registry = os.environ.get(_REGISTRY_VARIABLE, _REGISTRY).rstrip("/")
    address = f"{registry}/{package.name}/-/{package.name.partition('/')[2]}-{VERSION}.tgz"
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT_S) as answer:
            content = answer.read(_LIMIT_BYTES + 1)
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise DependencyError(
            f"{package.name} {VERSION}: cannot be fetched from {registry} ({reason})."
            f" The page needs it once; {_REGISTRY_VARIABLE} names another npm registry."
        ) from error
    if base64.b64encode(hashlib.sha512(content).digest()).decode() != package.integrity:
        raise DependencyError(
            f"{package.name} {VERSION}: what {registry} sent is not that package. Nothing was kept."
        )
    return content


def _unpack(package, content, places):
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for name, path in places.items():
            member = archive.extractfile(f"package/{name}")
            if member is None:
                raise DependencyError(f"{package.name} {VERSION}: holds no {name}.")
            make_folder(path.parent)
            write_bytes(path, member.read())
