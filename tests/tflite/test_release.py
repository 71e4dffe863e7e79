"""Old runtimes are not believed, unknown ones are said; the bounds are those that
setup.py and the rules name.
"""

import re
from pathlib import Path

import pytest

from bokeh_tf.delegate.check import Steps, check, check_paths
from bokeh_tf.delegate.judging.policy import Policy, judge
from bokeh_tf.delegate.probing.probe import probe
from bokeh_tf.delegate.rules import known_releases, load_rules
from bokeh_tf.delegate.unchecked import Unchecked
from bokeh_tf.errors import CheckError, DependencyError
from bokeh_tf.models.weights import FLAGSHIP_FILE
from bokeh_tf.tflite.running import release

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("old", ["1.4.0", "2.1.6", "2.2.0", "2.2.0.post1", "nonsense"])
def test_a_release_that_fails_on_valid_files_is_refused(old):
    text = release.refusal(old)
    assert text is not None and old in text and "pip install" in text


@pytest.mark.parametrize("good", ["2.3", "2.3.0", "2.3.1", "2.10.0", "2.4.0.dev20261001", "3.0"])
def test_others_are_believed(good):
    assert release.refusal(good) is None


def test_what_the_rules_were_not_measured_with_is_said():
    assert release.doubt("2.3.0", "2.3.0") is None and release.doubt("2.3.1", "2.3.0") is None
    assert "2.3.0, this is 2.4.0" in release.doubt("2.4.0", "2.3.0")


def install(monkeypatch, version):
    """Makes this version the one that the installation says it has."""

    def say(name):
        assert name == "ai-edge-litert"
        return version

    monkeypatch.setattr(release, "version", say)


def test_an_old_runtime_is_not_checked_and_never_a_failed_file(monkeypatch):
    install(monkeypatch, "2.2.0")
    with pytest.raises(
        CheckError, match=r"cannot be checked on the real delegate: ai-edge-litert 2\.2\.0"
    ):
        probe(FLAGSHIP_FILE)
    report = check(FLAGSHIP_FILE, probe=True)
    assert isinstance(report.probe, Unchecked)
    assert judge(report, Policy()).code == 1
    assert judge(next(check_paths([FLAGSHIP_FILE], Steps())), Policy()).code == 0


def test_no_runtime_is_a_missing_dependency(monkeypatch):
    def missing(name):
        raise release.PackageNotFoundError(name)

    monkeypatch.setattr(release, "version", missing)
    with pytest.raises(DependencyError, match="pip install"):
        release.installed()


def test_the_bounds_are_named_alike_everywhere():
    declared = re.search(
        r"ai-edge-litert>=([\d.]+)", (ROOT / "setup.py").read_text(encoding="utf-8")
    )
    assert declared is not None and declared[1] == release.LOWEST
    newest = known_releases("mldrift")[-1]
    assert release.numbers(newest) >= release.numbers(release.LOWEST)
    assert load_rules("mldrift").release == f"LiteRT 2.3 (ai-edge-litert {newest})"
