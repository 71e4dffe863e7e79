"""The JavaScript of all pages, checked by TypeScript and Biome: `make browser` installs both."""

import subprocess
from pathlib import Path

import pytest

from bokeh_tf.apps.generation import TARGETS, app_texts
from bokeh_tf.apps.ports import facts_of
from bokeh_tf.models.weights import FLAGSHIP_FILE
from bokeh_tf.web.site import site

ROOT = Path(__file__).resolve().parents[2]
BENCH_PAGE = ROOT / "bokeh_tf" / "bench" / "browser" / "page"
TOOLS = ROOT / ".ci" / "javascript" / "node_modules" / ".bin"
DECLARED = Path(__file__).with_name("litertjs.d.ts")
TIMEOUT_S = 300


def answer(tool, *arguments):
    """(whether it objects to nothing, what it prints)."""
    program = TOOLS / tool
    if not program.exists():
        pytest.skip(f"{tool} is not installed: make browser")
    command = [program, *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, cwd=ROOT
    )
    return done.returncode == 0, done.stdout + done.stderr


def checked_types(scripts):
    options = ["--noEmit", "--allowJs", "--checkJs", "--target", "es2022", "--module", "esnext"]
    options += ["--moduleResolution", "node", "--lib", "es2022,dom,dom.iterable"]
    return answer("tsc", *options, *scripts, DECLARED)


def linted(scripts):
    return answer("biome", "lint", "--error-on-warnings", *scripts)


@pytest.fixture
def pages(tmp_path):
    """The scripts of the page that shows a model and of the one that times them."""
    scripts = {
        name: body for name, body in site(FLAGSHIP_FILE, runtime={}).items() if name.endswith(".js")
    }
    scripts |= {path.name: path.read_bytes() for path in BENCH_PAGE.glob("*.js")}
    for name, content in scripts.items():
        (tmp_path / name).write_bytes(content)
    return [tmp_path / name for name in scripts]


def test_types_that_the_pages_state_are_right(pages):
    assert checked_types(pages) == (True, "")


def test_nothing_is_left_to_lint(pages, tmp_path):
    app = tmp_path / "app"
    app.mkdir()
    for name, text in app_texts(facts_of(FLAGSHIP_FILE), TARGETS["web"]).items():
        (app / name).write_text(text, encoding="utf-8")
    scripts = [*pages, *app.glob("*.js"), *ROOT.glob("tests/**/*.mjs")]
    is_clean, said = linted(scripts)
    assert is_clean, said
    assert f"Checked {len(scripts)} files" in said


def test_a_wrong_type_and_a_careless_line_are_seen(tmp_path):
    script = tmp_path / "page.js"
    script.write_text(
        "/** @param {number} width_px */\nexport function half(width_px) {\n"
        "    return width_px == 0 ? 0 : width_px / 2;\n}\nhalf('ten');\n",
        encoding="utf-8",
    )
    is_clean, said = checked_types([script])
    assert not is_clean and "'string' is not assignable to parameter of type 'number'" in said
    is_clean, said = linted([script])
    assert not is_clean and "noDoubleEquals" in said
