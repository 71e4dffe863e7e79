"""What Debian's real adbd does with our adb: `python -m tests.bench.phone.real_daemon DAEMON
FOLDER`, as root in a network namespace of its own. Writes what it saw into FOLDER/seen.json.
"""

import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

from bokeh_tf.bench.phone.adb import Adb, find_adb
from bokeh_tf.bench.phone.device import Device
from bokeh_tf.errors import DeviceError

ADDRESS = "127.0.0.1:5555"
SERVER_PORT = "5999"
START_S = 20.0
# Of a network interface: read from <linux/sockios.h> and <net/if.h>.
_SIOCSIFFLAGS, _UP, _RUNNING = 0x8914, 0x1, 0x40
AWKWARD = ("a b", "$HOME", "'", '"', "`id`", "a\nb", "\\", "größe", "*", "; exit 3")


def raise_loopback():
    """Gives a fresh network namespace its 127.0.0.1."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _UP | _RUNNING))


def wait_until_listening(daemon):
    """Returns once the daemon takes connections."""
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s and daemon.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", 5555)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("the daemon does not listen")


def look(device, folder, daemon):
    """What the device answers, the last answer being that of a daemon that is killed."""
    local, back = folder / "sent", folder / "back"
    local.write_bytes(os.urandom(300_000))
    remote = f"{folder}/remote"
    device.push(local, remote)
    device.pull(remote, back)
    ended = device.shell("sh", "-c", "echo out; echo err >&2; exit 7")
    seen = {
        "status": ended.return_code,
        "streams": [ended.stdout.strip(), ended.stderr.strip()],
        "arguments": [device.shell("printf", "%s", text).stdout for text in AWKWARD],
        "is_whole": back.read_bytes() == local.read_bytes(),
        "sha256": device.sha256(remote),
    }
    threading.Timer(1.0, daemon.kill).start()
    try:
        seen["killed"] = f"status {device.shell('sleep', '30', timeout_s=20).return_code}"
    except DeviceError as error:
        seen["killed"] = str(error)
    return seen


def main():
    """Starts the daemon, looks, and ends all that it started."""
    program, folder = sys.argv[1], Path(sys.argv[2])
    raise_loopback()
    daemon = subprocess.Popen([program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    adb = Adb(find_adb(), environment={"ANDROID_ADB_SERVER_PORT": SERVER_PORT, "HOME": str(folder)})
    try:
        wait_until_listening(daemon)
        adb.connect(ADDRESS)
        seen = look(Device(adb.on(ADDRESS)), folder, daemon)
    finally:
        adb.run("kill-server")
        daemon.kill()
        daemon.wait()
    (folder / "seen.json").write_text(json.dumps(seen), encoding="utf-8")


if __name__ == "__main__":
    main()
