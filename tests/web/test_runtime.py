"""LiteRT.js by npm: fetched once, known by its hash, and a reason where it cannot be had."""

import base64
import dataclasses
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from bokeh_tf.errors import DependencyError, OutputError
from bokeh_tf.web.runtime import Package, WrongPackageError, runtime_files
from tests.web.chromium import required_program

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = b"export const loaded = true;\n"
TIMEOUT_S = 600


def package_of(content, name="@litertjs/core"):
    return Package(
        name, base64.b64encode(hashlib.sha512(content).digest()).decode(), ("dist/index.js",)
    )


# What npm 11 says of a registry that cannot be reached, unless it is told to be silent.
NO_REGISTRY = """case "$*" in *--silent*) exit 1 ;; esac
cat >&2 <<'END'
npm error code ECONNREFUSED
npm error syscall connect
npm error FetchError: request to http://127.0.0.1:9/@litertjs%2fcore failed, reason: connect
npm error     at ClientRequest.<anonymous> (index.js:130:14)
END
exit 1"""


def program(folder, name, script):
    """An executable file."""
    folder.mkdir(exist_ok=True)
    made = folder / name
    made.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    made.chmod(0o755)


def fake_npm(folder, monkeypatch, script):
    """Puts a program called npm first on the path; its last argument is where packages go."""
    program(folder, "npm", f"for place; do :; done\n{script}")
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def packed(path, *, script=SCRIPT):
    """An npm package whose archive also has a member outside of it; returns its bytes."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as file:
        for name in ("package/dist/index.js", "package/../../outside"):
            entry = tarfile.TarInfo(name)
            entry.size = len(script)
            file.addfile(entry, io.BytesIO(script))
    path.write_bytes(archive.getvalue())
    return archive.getvalue()


def test_the_runtime_is_fetched_once_and_kept(tmp_path, monkeypatch):
    package = package_of(packed(tmp_path / "core.tgz"))
    fake_npm(tmp_path / "bin", monkeypatch, f'cp "{tmp_path}/core.tgz" "$place"')
    kept = tmp_path / "cache"
    for _ in range(2):
        [(name, path)] = runtime_files(folder=kept, packages=(package,)).items()
        assert name == "node_modules/@litertjs/core/dist/index.js" and path.read_bytes() == SCRIPT
        # The second time nobody is asked.
        (tmp_path / "bin" / "npm").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    assert [found for found in kept.rglob("*") if found.is_file()] == [path]


def test_another_package_than_the_one_wanted_is_refused(tmp_path, monkeypatch):
    packed(tmp_path / "core.tgz", script=b"evil")
    fake_npm(tmp_path / "bin", monkeypatch, f'cp "{tmp_path}/core.tgz" "$place"')
    with pytest.raises(WrongPackageError, match=r"is not that package\. Nothing was kept"):
        runtime_files(folder=tmp_path / "cache", packages=(package_of(b"the right one"),))
    assert not (tmp_path / "cache").exists()


def test_a_package_without_a_file_that_is_wanted_is_refused(tmp_path, monkeypatch):
    package = package_of(packed(tmp_path / "core.tgz"))
    package = dataclasses.replace(package, wanted=("dist/index.js", "wasm/absent.wasm"))
    fake_npm(tmp_path / "bin", monkeypatch, f'cp "{tmp_path}/core.tgz" "$place"')
    with pytest.raises(WrongPackageError, match=r"holds no wasm/absent\.wasm\. Nothing was kept"):
        runtime_files(folder=tmp_path / "cache", packages=(package,))
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (NO_REGISTRY, "core failed, reason: connect"),
        ("echo no network >&2; exit 1", "no network"),
        ("exit 1", "status 1"),
        ("true", "status 0"),
    ],
    ids=["no registry", "a line", "failed", "nothing"],
)
def test_what_cannot_be_fetched_is_one_line(script, reason, tmp_path, monkeypatch):
    fake_npm(tmp_path / "bin", monkeypatch, script)
    with pytest.raises(DependencyError, match="npm could not fetch it") as error:
        runtime_files(folder=tmp_path / "cache", packages=(package_of(b""),))
    assert not isinstance(error.value, WrongPackageError)
    assert f"{reason})" in str(error.value) and "\n" not in str(error.value)


def test_a_cache_that_cannot_be_is_said_before_anything_is_fetched(tmp_path, monkeypatch):
    fake_npm(tmp_path / "bin", monkeypatch, f'touch "{tmp_path}/was_asked"')
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=r"file is no folder\)\. .*in XDG_CACHE_HOME\.") as error:
        runtime_files(folder=tmp_path / "file" / "cache", packages=(package_of(b""),))
    assert "\n" not in str(error.value) and not (tmp_path / "was_asked").exists()


def test_a_package_that_cannot_be_read_is_one_line(tmp_path, monkeypatch):
    fake_npm(tmp_path / "bin", monkeypatch, 'mkdir "$place/core.tgz"')
    with pytest.raises(DependencyError, match=r"npm could not fetch it \(a folder, not a file\)"):
        runtime_files(folder=tmp_path / "cache", packages=(package_of(b""),))


def test_no_npm_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DependencyError, match="fetched by npm once, which is not installed"):
        runtime_files(folder=tmp_path / "cache", packages=(package_of(b""),))


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Makes a machine of these programs and nothing else, where LiteRT.js was never fetched."""
    tools = tmp_path / "bin"
    for name in ("cat", "cp", "dirname"):
        program(tools, name, f'exec {shutil.which(name)} "$@"')
    program(tools, "python3", f'exec {sys.executable} "$@"')

    def make(**scripts):
        for name, script in scripts.items():
            program(tools, name.replace("_", "-"), f"for place; do :; done\n{script}")

    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return make


def test_only_a_litertjs_that_cannot_be_had_skips_the_tests_in_a_browser(machine, tmp_path):
    machine(chromium="exit 0", npm=NO_REGISTRY)
    with pytest.raises(pytest.skip.Exception, match="could not fetch it"):
        required_program()
    packed(tmp_path / "core.tgz", script=b"evil")
    machine(npm=f'cp "{tmp_path}/core.tgz" "$place"')
    with pytest.raises(WrongPackageError):
        required_program()


def test_what_ci_installs_for_a_browser_says_why_it_has_none(machine, tmp_path):
    script = ROOT / ".ci" / "browser.sh"

    def installed():
        command = [shutil.which("sh", path=os.defpath), str(script)]
        return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)

    machine(npm=NO_REGISTRY)
    done = installed()
    assert done.returncode == 0 and "no apt-get here to install chromium;" in done.stdout
    # As Ubuntu's snap is called.
    machine(chromium_browser="exit 0")
    done = installed()
    assert done.returncode == 0 and "will be skipped" in done.stdout
    assert "core failed, reason: connect" in done.stderr and "Traceback" not in done.stderr
    packed(tmp_path / "core.tgz", script=b"evil")
    machine(npm=f'cp "{tmp_path}/core.tgz" "$place"')
    done = installed()
    assert done.returncode == 1 and "is not that package" in done.stderr
