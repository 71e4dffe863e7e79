"""The pages in a real browser: a photo rendered, compared, tapped and downloaded; models timed on WASM
and on WebGPU, with a page that is loaded anew in the middle.

One Chromium for all; its WebGPU is SwiftShader, on the CPU. `slow` are the shipped models at full size.
"""

import gzip
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from bokeh_tf.bench.browser.contestant import BrowserSetting
from bokeh_tf.bench.browser.tab import Tab
from bokeh_tf.bench.host.run import HostRun, bench
from bokeh_tf.bench.results.outcome import DelegateOutcome
from bokeh_tf.metrics import psnr
from bokeh_tf.models.weights import BASE_FILE, FLAGSHIP_FILE
from bokeh_tf.photos import reading
from bokeh_tf.rendering.backends import load_model
from bokeh_tf.rendering.render import render
from bokeh_tf.web import runtime
from bokeh_tf.web.server import SiteServer
from bokeh_tf.web.site import site
from tests.bench.tiny_models import tiny_model
from tests.delegate.rules.mldrift_graphs import OP, Graph, options
from tests.web.chromium import Chromium, required_program
from tests.web.segmentation import HEIGHT, WIDTH, segmentation

ROOT = Path(__file__).resolve().parents[2]
PHOTO = ROOT / "bokeh_tf" / "samples" / "photo.jpg"
SMALL_FLAGSHIP = ROOT / "android_assets" / "dbsi_mobile_base_float16_512x768.tflite"
STATUS = "document.getElementById('status').textContent"
RENDERED = f"/ ms on |^Not /.test({STATUS}) && {STATUS}"
SAVED = f"/pixels, computed|^Not /.test({STATUS}) && {STATUS}"
# Pixels of a canvas, as the sum of their values.
SUM = (
    "(() => { const c = document.getElementById('after');"
    " const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
    " let sum = 0; for (const value of d) sum += value; return sum; })()"
)


@pytest.fixture(scope="module")
def browser():
    with Chromium(required_program()) as started:
        yield started


@pytest.fixture
def shown(browser):
    """Shows a model in the browser, once it can render."""
    servers = []

    def show(model, *photos, **ranges):
        server = SiteServer(site(model, photos=photos, **ranges))
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser.open(server.address)
        if not photos:
            browser.wait_until(f"/^Choose/.test({STATUS})")
        else:
            assert "ms on WebGPU" in browser.wait_until(RENDERED)

    yield show
    browser.open("about:blank")
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def large_photo(tmp_path_factory):
    """The sample photo, larger than the small flagship's canvas, in a file that every reader reads alike."""
    photo = cv2.resize(cv2.imread(str(PHOTO)), (900, 900), interpolation=cv2.INTER_CUBIC)
    path = tmp_path_factory.mktemp("photos") / "large.png"
    cv2.imwrite(str(path), photo)
    return path


def downloaded(browser, name):
    """The picture that the button gives, `[H, W, 3]` uint8."""
    with browser.page.expect_download() as download:
        browser.click("#save")
    assert download.value.suggested_filename == name
    assert name in browser.wait_until(SAVED)
    return cv2.cvtColor(cv2.imread(str(download.value.path())), cv2.COLOR_BGR2RGB)


def light(browser):
    """The sum of a picture's colours, 0 for black."""
    size = "document.getElementById('after').width * document.getElementById('after').height"
    return browser.run(SUM) - 255 * browser.run(size)


def dimmed_by_the_tap():
    """A file that multiplies its photo by the row of a tap, told as the flagship is told."""
    graph = Graph()
    photo, focus = graph.input((1, 64, 96, 3)), graph.input((1, 1, 1, 4))
    ends = [np.asarray(values, np.int32) for values in ((0, 0, 0, 0), (1, 1, 1, 1))]
    row = graph.node(OP.SLICE, [focus, *ends], (1, 1, 1, 1))
    return graph.file(graph.node(OP.MUL, [photo, row], (1, 64, 96, 3), kept=options("Mul")))


def test_a_photo_is_rendered_compared_and_downloaded(shown, browser, large_photo):
    shown(SMALL_FLAGSHIP, large_photo)
    browser.run("document.getElementById('split').focus()")
    browser.page.keyboard.press("ArrowRight")
    assert (
        browser.run("document.getElementById('stage').style.getPropertyValue('--split')") == "51%"
    )
    rendered = browser.run(SUM)
    browser.run("document.getElementById('map').focus()")
    browser.page.keyboard.press("Enter")
    assert browser.run("document.getElementById('map').getAttribute('aria-pressed')") == "true"
    assert browser.run(SUM) != rendered
    browser.click("#map")
    assert browser.run(SUM) == rendered
    picture = downloaded(browser, "large_bokeh.png")
    expected = render(reading.read(large_photo).pixels, load_model(SMALL_FLAGSHIP)).image
    assert picture.shape == expected.shape
    # Half a step of a byte in a tenth of the pixels is 64 dB; measured 88.
    assert psnr(picture / 255, expected / 255) > 64
    assert np.abs(picture.astype(int) - expected).max() <= 2


def test_the_sizes_that_are_told_are_those_of_the_files(shown, browser, tmp_path):
    files = {path: path.read_bytes() for path in runtime.runtime_files().values()}
    assert sum(map(len, files.values())) == runtime.KEPT_BYTES
    kinds = sorted(path for path in files if path.suffix == ".wasm")
    scripts = [path for path in files if path.name == "index.js"]
    loads = [[files[path] for path in (*scripts, kind, kind.with_suffix(".js"))] for kind in kinds]
    assert max(sum(map(len, load)) for load in loads) == runtime.LOADED_BYTES
    gzipped_bytes = max(sum(len(gzip.compress(body)) for body in load) for load in loads)
    # Libraries of compression differ by some percent.
    assert gzipped_bytes == pytest.approx(runtime.LOADED_GZIPPED_BYTES, rel=0.05)
    model = tmp_path / "tap.tflite"
    model.write_bytes(dimmed_by_the_tap())
    shown(model, PHOTO, input_range=(0, 1), output_range=(0, 1))
    sizes = (
        "performance.getEntriesByType('resource').filter(e => e.name.includes('/node_modules/'))"
        ".map(e => e.decodedBodySize)"
    )
    assert sum(browser.run(sizes)) in [sum(map(len, load)) for load in loads]


def test_a_tap_is_told_to_the_model(shown, browser, tmp_path):
    model = tmp_path / "tap.tflite"
    model.write_bytes(dimmed_by_the_tap())
    shown(model, input_range=(0, 1), output_range=(0, 1))
    browser.page.set_input_files("#photo", PHOTO)
    browser.wait_until(RENDERED)
    lights = []
    for share in (0.25, 0.75):
        browser.run("document.getElementById('status').textContent = ''")
        browser.click("#stage", x=0.5, y=share)
        browser.wait_until(RENDERED)
        lights.append(light(browser))
    # By keys, 25 % upwards from there.
    browser.run("document.getElementById('stage').focus()")
    for _ in range(5):
        browser.page.keyboard.press("ArrowUp")
    assert "50 % from the left, 50 % from the top" in browser.run(STATUS)
    browser.page.keyboard.press("Enter")
    browser.wait_until(RENDERED)
    lights.append(light(browser))
    assert lights[1] / lights[0] == pytest.approx(3, rel=0.02)
    assert lights[2] / lights[0] == pytest.approx(2, rel=0.02)


def test_the_photo_is_seen_while_a_button_is_held_and_another_one_is_dropped(
    shown, browser, tmp_path
):
    model = tmp_path / "tap.tflite"
    model.write_bytes(dimmed_by_the_tap())
    shown(model, PHOTO, input_range=(0, 1), output_range=(0, 1))
    picture = browser.page.locator("#after")
    browser.page.hover("#hold")
    browser.page.mouse.down()
    assert picture.is_hidden()
    browser.page.mouse.up()
    assert picture.is_visible()
    browser.page.focus("#hold")
    browser.page.keyboard.down("Space")
    assert picture.is_hidden()
    browser.page.keyboard.up("Space")
    assert picture.is_visible()
    size = "(() => { const c = document.getElementById('after'); return [c.width, c.height]; })()"
    assert browser.run(size) != [96, 64]
    carried = browser.page.evaluate_handle(
        "async () => { const c = new OffscreenCanvas(96, 64); c.getContext('2d');"
        " const carried = new DataTransfer();"
        " carried.items.add(new File([await c.convertToBlob()], 'dropped.png')); return carried; }"
    )
    browser.run("document.getElementById('status').textContent = ''")
    for kind in ("dragover", "drop"):
        browser.page.dispatch_event("#stage", kind, {"dataTransfer": carried})
    browser.wait_until(RENDERED)
    assert browser.run(size) == [96, 64]


def test_one_of_several_photos_is_chosen(shown, browser, tmp_path):
    model = tmp_path / "tap.tflite"
    model.write_bytes(dimmed_by_the_tap())
    widths_px = {"narrow": 60, "wide": 120, "later": 90}
    for name, width_px in widths_px.items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.zeros((64, width_px, 3), np.uint8))
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"\x89PNG")
    given = [tmp_path / "narrow.png", damaged, tmp_path / "wide.png"]
    shown(model, *given, input_range=(0, 1), output_range=(0, 1))
    ratio = "(c => c.width / c.height)(document.getElementById('after'))"
    pressed = "[...document.querySelectorAll('#photos [aria-pressed=true]')].map(e => e.title)"

    def choose(name):
        browser.run("document.getElementById('status').textContent = ''")
        browser.page.get_by_role("button", name=name, exact=True).click()

    assert browser.run(pressed) == ["narrow"]
    assert browser.run(ratio) == pytest.approx(60 / 64, abs=0.02)
    choose("wide")
    browser.wait_until(RENDERED)
    assert browser.run(pressed) == ["wide"]
    assert browser.run(ratio) == pytest.approx(120 / 64, abs=0.02)
    choose("damaged")
    assert browser.wait_until(STATUS).startswith("damaged: this browser cannot read it")
    # It is offered no longer, and what was shown stays.
    titles = "[...document.querySelectorAll('#photos button')].map(e => e.title)"
    assert browser.run(titles) == ["narrow", "wide"]
    assert browser.run(pressed) == ["wide"]
    # Several are chosen at once: the first of them is shown.
    browser.run("document.getElementById('status').textContent = ''")
    browser.page.set_input_files("#photo", [tmp_path / "later.png", tmp_path / "narrow.png"])
    browser.wait_until(RENDERED)
    assert browser.run(titles) == ["narrow", "wide", "later", "narrow"]
    assert browser.run(pressed) == ["later"]
    assert downloaded(browser, "later_bokeh.png").shape[:2] == (64, 96)


@pytest.mark.parametrize("is_dark", [False, True])
def test_all_is_in_reach_on_phones_and_screens(is_dark, shown, browser, tmp_path):
    model = tmp_path / "tap.tflite"
    model.write_bytes(dimmed_by_the_tap())
    shown(model, PHOTO, input_range=(0, 1), output_range=(0, 1))
    colours = set()
    for width_px in (390, 1280):
        browser.look(width_px=width_px, height_px=844, is_dark=is_dark)
        assert browser.run("document.documentElement.scrollWidth <= innerWidth")
        heights = "[...document.querySelectorAll('button, .button')].map(e => e.offsetHeight)"
        # The least that a finger hits, by WCAG 2.5.5.
        assert min(height for height in browser.run(heights) if height) >= 44
        colours.add(browser.run("getComputedStyle(document.body).backgroundColor"))
    assert colours == {"rgb(20, 19, 17)" if is_dark else "rgb(244, 242, 238)"}
    names = (
        "[...document.querySelectorAll('button, input, [role]')].filter(e => e.checkVisibility())"
    )
    told = f"{names}.map(e => e.ariaLabel || e.labels?.[0]?.innerText || e.innerText)"
    assert all(browser.run(told))


def test_maps_and_numbers_are_shown_of_a_model_without_a_picture(shown, browser, tmp_path):
    photo = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    photo[:, : WIDTH // 4] = (0, 0, 204)  # red, as OpenCV writes it
    photo[:, WIDTH // 4 :] = (255, 51, 0)
    cv2.imwrite(str(tmp_path / "photo.png"), photo)
    model = tmp_path / "segments.tflite"
    model.write_bytes(segmentation())
    shown(model, tmp_path / "photo.png", input_range=(0, 1))
    legend = "[...document.querySelectorAll('#legend li')].map(e => e.innerText)"
    caption = "document.getElementById('caption').textContent"
    assert browser.run(legend) == ["bluish, 75 %", "reddish, 25 %"]
    assert "likeliest of 4 classes" in browser.run(caption)
    swatches = "[...document.querySelectorAll('.swatch')].map(e => e.style.backgroundColor)"
    bluish, reddish = browser.run(swatches)
    picture = downloaded(browser, "photo_t3.png")
    assert [f"rgb{tuple(pixel)}" for pixel in picture[0, [-1, 0]].tolist()] == [bluish, reddish]
    choose = "const c = document.getElementById('choice'); c.selectedIndex = {};"
    choose += "c.dispatchEvent(new Event('change'));"
    browser.run(f"{{ {choose.format(1)} }}")
    assert "Black is 0, white is 0.8." in browser.run(caption) and browser.run(legend) == []
    browser.run(f"{{ {choose.format(2)} }}")
    assert browser.run(legend) == ["0: 0.2", "1: 0.15", "2: 0.75"]
    assert browser.run("document.getElementById('save').hidden")


def test_models_are_timed_on_wasm_and_webgpu_through_a_reload(browser, tmp_path):
    model = tmp_path / "net.tflite"
    model.write_bytes(tiny_model())
    reloads = []

    def reload_once():
        if not reloads:
            reloads.append(browser.page.reload())

    tab = Tab(open_address=browser.open, say=lambda _: None)
    settings = (
        BrowserSetting("wasm", 1, tab=tab),
        BrowserSetting("wasm", 2, tab=tab),
        BrowserSetting("webgpu", None, True, tab=tab),
    )
    run = HostRun((model,), settings, rounds=3)
    result, _ = bench(run, on_round=reload_once)
    assert len(reloads) == 1 and tab.visits == 2
    outcomes = [one.verdict.outcome for one in result.measurements]
    assert outcomes == [DelegateOutcome.CPU, DelegateOutcome.CPU, DelegateOutcome.WRONG_BACKEND]
    assert "not a GPU timing" in result.measurements[2].stamp
    for one in result.measurements:
        assert len(one.samples.rounds_ns) == 3 and one.outputs[0].max_abs == 0
        assert list(one.details["agreement"]) == ["run 1", "run 2", "last run"]
        assert "Chrome" in one.runtime and one.startup.cold_init_ns > 0


@pytest.mark.slow
@pytest.mark.parametrize("model", [BASE_FILE, FLAGSHIP_FILE], ids=lambda path: path.stem)
def test_shipped_models_agree_with_the_cpu(model, browser):
    tab = Tab(open_address=browser.open, say=lambda _: None)
    settings = (BrowserSetting("wasm", 2, tab=tab), BrowserSetting("webgpu", None, True, tab=tab))
    result, _ = bench(HostRun((model,), settings, rounds=1))
    for one in result.measurements:
        for output in one.outputs:
            assert output.problem is None
            assert output.psnr_db is None or output.psnr_db > 100
