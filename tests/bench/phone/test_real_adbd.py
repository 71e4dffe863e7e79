"""Debian's real adbd (package adbd of bookworm-backports), where it is installed or
BOKEH_ADBD names it; as root.

It runs in a network namespace, so that nothing outside can reach it, and no adb server
of the user's is touched.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.phone.real_daemon import AWKWARD

ROOT = Path(__file__).resolve().parents[3]
DAEMON = os.environ.get("BOKEH_ADBD") or shutil.which(
    "adbd", path="/usr/sbin:/usr/lib/android-sdk/platform-tools"
)
CAN_RUN = DAEMON is not None and os.geteuid() == 0 and shutil.which("unshare") is not None
TIMEOUT_S = 600


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adbd")
    script = [sys.executable, "-m", "tests.bench.phone.real_daemon", DAEMON, str(folder)]
    command = ["unshare", "--net", "--pid", "--fork", "--kill-child", *script]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert ended.returncode == 0, ended.stderr
    sha256 = hashlib.sha256((folder / "sent").read_bytes()).hexdigest()
    return {**json.loads((folder / "seen.json").read_text(encoding="utf-8")), "sent_sha256": sha256}


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CAN_RUN, reason="no adbd, no unshare, or not root"),
]


def test_a_command_keeps_its_status_streams_and_arguments(seen):
    assert (seen["status"], seen["streams"]) == (7, ["out", "err"])
    assert seen["arguments"] == list(AWKWARD)


def test_a_file_arrives_and_comes_back_whole(seen):
    assert seen["is_whole"] and seen["sha256"] == seen["sent_sha256"]


def test_a_daemon_that_dies_is_no_end_of_the_command(seen):
    assert (
        "connection broke" in seen["killed"]
        or "offline" in seen["killed"]
        or "not connected" in seen["killed"]
    )
