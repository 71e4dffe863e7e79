"""A headless Chromium for tests, driven by Playwright; the system's browser, none of its own."""

import shutil
import time

import pytest
from playwright.sync_api import Error, sync_playwright

from bokeh_tf.errors import DependencyError
from bokeh_tf.web.runtime import WrongPackageError, runtime_files

TIMEOUT_S = 600
_POLL_S = 0.05
# SwiftShader is the only software adapter that Chromium's WebGPU takes.
_FLAGS = (
    "--no-sandbox",
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
    "--disable-dev-shm-usage",
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


class Chromium:
    """One browser with one page; it is gone once its `with` is left.

    Attributes:
        page: Playwright's.
    """

    def __init__(self, program):
        self._program = program

    def __enter__(self):
        self._playwright = sync_playwright().start()
        try:
            self._browser = self._playwright.chromium.launch(
                executable_path=self._program, args=_FLAGS
            )
            self.page = self._browser.new_page()
            self.page.set_default_timeout(1000 * TIMEOUT_S)
        except BaseException:
            self._playwright.stop()
            raise
        return self

    def __exit__(self, *_):
        self._browser.close()
        self._playwright.stop()

    def open(self, address):
        """Goes to an address, and does not wait until all of it is there."""
        self.page.goto(address, wait_until="commit")

    def run(self, script):
        """The value of a script in the page, which may be awaited."""
        return self.page.evaluate(script)

    def wait_until(self, script):
        """Waits until a script's value is true, and returns it; what throws is not true yet."""
        deadline_s = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline_s:
            try:
                if value := self.run(script):
                    return value
            except Error:
                # The page is on its way to another one, or does not have it yet.
                pass
            self.page.wait_for_timeout(1000 * _POLL_S)
        text = self.run("document.body.innerText")
        raise AssertionError(f"{script} did not come true; the page says {text!r}")

    def click(self, selector, *, x=0.5, y=0.5):
        """Clicks where a person would, at a share of an element's width and height."""
        element = self.page.locator(selector)
        box = element.bounding_box()
        element.click(position={"x": x * box["width"], "y": y * box["height"]})

    def look(self, *, width_px, height_px, is_dark=False):
        """Gives the page a size and a scheme of colours."""
        self.page.set_viewport_size({"width": width_px, "height": height_px})
        self.page.emulate_media(color_scheme="dark" if is_dark else "light")
