"""A private adb server for tests: its own port and home folder, so that a
developer's server is never touched.
"""

import os
import socket
import subprocess

from bokeh_tf.bench.phone.adb import Adb

_STOP_TIMEOUT_S = 20


class AdbServer:
    """`with AdbServer(adb_path, folder) as server:`;
    `server.adb(timeout_s=…)` are clients of it.
    """

    def __init__(self, path, folder):
        self.path = path
        # These would lead past the port below, to a developer's own server.
        for name in ("ADB_SERVER_SOCKET", "ANDROID_ADB_SERVER_ADDRESS"):
            os.environ.pop(name, None)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self.environment = {
            "ANDROID_ADB_SERVER_PORT": str(port),
            "HOME": str(folder),
            "TMPDIR": str(folder),
            # No search for emulators and for phones in the network.
            "ADB_LOCAL_TRANSPORT_MAX_PORT": "5554",
            "ADB_MDNS_AUTO_CONNECT": "0",
            "ADB_MDNS": "0",
        }

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends this server; the next call to adb starts it again."""
        kill(self.path, self.environment["ANDROID_ADB_SERVER_PORT"])

    def adb(self, *, timeout_s=15.0):
        return Adb(self.path, timeout_s=timeout_s, environment=self.environment)


def kill(path, port):
    environment = {**os.environ, "ANDROID_ADB_SERVER_PORT": port}
    subprocess.run(
        [path, "kill-server"], env=environment, capture_output=True, timeout=_STOP_TIMEOUT_S
    )
