"""The page for static hosts: what is shipped is what is made now, of the file that recipes name."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from bokeh_tf.errors import OutputError
from bokeh_tf.folders import RECORD_NAME
from bokeh_tf.models.weights import FLAGSHIP_FILE
from bokeh_tf.web.runtime import PACKAGES
from export import web_page
from export.recipes import RECIPES

PAGE = Path(__file__).resolve().parents[2] / "android_assets" / web_page.FOLDER


def test_the_shipped_page_is_the_one_that_is_made_now():
    [recipe] = [recipe for recipe in RECIPES if recipe.is_on_page]
    assert FLAGSHIP_FILE.name == f"{recipe.name}.tflite"
    shipped = {path.name: digest(path.read_bytes()) for path in PAGE.iterdir() if path.is_file()}
    del shipped[RECORD_NAME]
    made = {name: digest(body) for name, body in web_page.page_files(FLAGSHIP_FILE).items()}
    assert shipped == made


def test_it_is_written_whole_and_again(tmp_path):
    for _ in range(2):
        page = web_page.write(tmp_path, FLAGSHIP_FILE)
    assert page == tmp_path / "web" and (page / "index.html").is_file()
    assert (page / FLAGSHIP_FILE.name).read_bytes() == FLAGSHIP_FILE.read_bytes()
    lock = json.loads((page / "package-lock.json").read_text(encoding="utf-8"))
    for package in PACKAGES:
        entry = lock["packages"][f"node_modules/{package.name}"]
        assert entry["integrity"] == f"sha512-{package.integrity}"
    # No address of a registry: whose is used, the user's npm knows.
    assert "http" not in json.dumps(lock)


def test_what_somebody_changed_on_the_page_is_kept_unless_told_otherwise(tmp_path):
    page = web_page.write(tmp_path, FLAGSHIP_FILE)
    (page / "style.css").write_text("body {color: red}", encoding="ascii")
    with pytest.raises(OutputError, match=r"style\.css: exists already"):
        web_page.write(tmp_path, FLAGSHIP_FILE)
    assert (page / "style.css").read_text(encoding="ascii") == "body {color: red}"
    web_page.write(tmp_path, FLAGSHIP_FILE, overwrite=True)
    assert "red" not in (page / "style.css").read_text(encoding="utf-8")


def test_what_a_visitor_loads_is_told_as_it_is():
    loaded = 9_966_565 + 2_000_000
    assert f"{loaded / 1e6:.1f} MB once" in web_page.loads({"index.html": bytes(2_000_000)})
    # Zeros vanish where a host compresses, noise does not.
    assert "about 3 MB" in web_page.loads({"index.html": bytes(2_000_000)})
    noise = np.random.default_rng(0).bytes(2_000_000)
    assert "about 5 MB" in web_page.loads({"index.html": noise})
    told = (PAGE / "README.md").read_text(encoding="utf-8")
    assert f"loads {web_page.loads(web_page.page_files(FLAGSHIP_FILE))}:" in told
    readme = (PAGE.parents[1] / "README.md").read_text(encoding="utf-8")
    assert f"loads {web_page.loads(web_page.page_files(FLAGSHIP_FILE))})" in " ".join(
        readme.split()
    )


def digest(content):
    return hashlib.sha256(content).hexdigest()
