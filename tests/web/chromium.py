"""A headless Chromium for tests, driven over a pipe by the protocol of its own tools (CDP).

Debian's `chromium` needs nothing beside it; Selenium and Playwright would bring a driver, a server and
tens of megabytes for the dozen commands that are wanted here. Messages are JSON, each ended by a zero
byte, to file descriptor 3 of the browser and from its 4.
"""

import contextlib
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

import pytest

from bokeh_tf import processes
from bokeh_tf.errors import DependencyError
from bokeh_tf.web.runtime import WrongPackageError, runtime_files

TIMEOUT_S = 600
_POLL_S = 0.05
_READ_BYTES = 1 << 16
# SwiftShader is the only software adapter that Chromium's WebGPU takes.
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--remote-debugging-pipe",
)


def required_program() -> str:
    """Chromium's path; skips where there is none, or no LiteRT.js to give it.

    Another LiteRT.js than the one that is known is a failure.
    """
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no Chromium here (Debian: sh .ci/browser.sh)")
    try:
        runtime_files()
    except WrongPackageError:
        raise
    except DependencyError as error:
        pytest.skip(str(error))
    return program


class ScriptError(AssertionError):
    """A script threw in the page."""


class Chromium:
    """One browser with one page; it is gone once its `with` is left."""

    def __init__(self, program, *, downloads=None):
        self._program, self._downloads = program, downloads
        self._number = 0
        self._pending = b""
        self._arrived = {}

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="chromium_", ignore_cleanup_errors=True)
        to_browser, self._requests = os.pipe()
        self._answers, from_browser = os.pipe()
        # The browser reads 3 and writes 4; a shell puts them there, whatever numbers they have.
        command = f'exec "$@" 3<&{to_browser} 4>&{from_browser}'
        flags = [*_FLAGS, f"--user-data-dir={self._folder.name}", "about:blank"]
        self._child = subprocess.Popen(
            ["bash", "-c", command, "bash", self._program, *flags],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(to_browser, from_browser),
            start_new_session=True,
        )
        os.close(to_browser)
        os.close(from_browser)
        try:
            self._attach()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _attach(self):
        self._session = None
        [page] = [
            one for one in self.ask("Target.getTargets")["targetInfos"] if one["type"] == "page"
        ]
        attached = self.ask("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "DOM"):
            self.ask(f"{domain}.enable")
        if self._downloads:
            self.ask(
                "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self._downloads)
            )

    def __exit__(self, *_):
        processes.kill_group(self._child)
        os.close(self._requests)
        os.close(self._answers)
        self._folder.cleanup()

    def ask(self, method, **parameters):
        """One command of the protocol, and its result."""
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        content = json.dumps(message).encode() + b"\0"
        while content:
            content = content[os.write(self._requests, content) :]
        deadline_s = time.monotonic() + TIMEOUT_S
        while number not in self._arrived:
            self._receive(deadline_s)
        answer = self._arrived.pop(number)
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def _receive(self, deadline_s):
        ready, _, _ = select.select([self._answers], [], [], max(0, deadline_s - time.monotonic()))
        read = os.read(self._answers, _READ_BYTES) if ready else b""
        if not read:
            raise AssertionError("Chromium ended" if ready else "Chromium does not answer")
        *whole, self._pending = (self._pending + read).split(b"\0")
        for message in map(json.loads, whole):
            if "id" in message:
                self._arrived[message["id"]] = message

    def open(self, address):
        """Goes to an address."""
        self.ask("Page.navigate", url=address)

    def reload(self):
        """Loads the page anew."""
        self.ask("Page.reload")

    def run(self, script):
        """The value of a script in the page, which may be awaited."""
        done = self.ask(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in done:
            details = done["exceptionDetails"]
            raise ScriptError(details.get("exception", details).get("description", str(details)))
        return done["result"].get("value")

    def wait_until(self, script):
        """Waits until a script's value is true, and returns it; what throws is not true yet."""

        def value():
            with contextlib.suppress(ScriptError):
                return self.run(script)

        return self.wait_for(value, what=script)

    def wait_for(self, condition, *, what="it"):
        """Waits until what a function returns is true, and returns that."""
        deadline_s = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline_s:
            if value := condition():
                return value
            time.sleep(_POLL_S)
        raise AssertionError(f"{what} did not come true; the page says {self.text()!r}")

    def text(self):
        """All that a person can read in the page."""
        return self.run("document.body.innerText")

    def choose(self, selector, *files):
        """Chooses files in an input."""
        root = self.ask("DOM.getDocument")["root"]["nodeId"]
        node = self.ask("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.ask("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    def click(self, selector, *, x=0.5, y=0.5):
        """Clicks where a person would, at a share of an element's width and height."""
        box = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center'});"
            " const b = e.getBoundingClientRect();"
            " return [b.x, b.y, b.width, b.height]; })()"
        )
        place = {"x": box[0] + x * box[2], "y": box[1] + y * box[3], "button": "left"}
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, clickCount=1, **place)

    def press(self, key, *, code=0, text=""):
        """Presses a key."""
        named = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.ask("Input.dispatchKeyEvent", type="keyDown", text=text, **named)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **named)

    def look(self, *, width_px, height_px, is_dark=False):
        """Gives the page a size and a scheme of colours."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width_px,
            height=height_px,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
