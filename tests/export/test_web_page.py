"""The page for static hosts: what is shipped is what is made now, of the file that recipes name."""

import hashlib
import json
from pathlib import Path

from bokeh_tf.models.weights import FLAGSHIP_FILE
from bokeh_tf.web.runtime import PACKAGES
from export import web_page
from export.recipes import RECIPES

PAGE = Path(__file__).resolve().parents[2] / "android_assets" / web_page.FOLDER


def test_the_shipped_page_is_the_one_that_is_made_now():
    [recipe] = [recipe for recipe in RECIPES if recipe.is_on_page]
    assert FLAGSHIP_FILE.name == f"{recipe.name}.tflite"
    shipped = {path.name: digest(path.read_bytes()) for path in PAGE.iterdir() if path.is_file()}
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


def digest(content):
    return hashlib.sha256(content).hexdigest()
