"""The table of backends: what the command reads from it, and a backend that
is one file and one line.
"""

import subprocess
import sys
from dataclasses import dataclass, replace

import pytest

from bokeh_tf.bench.backends import BACKENDS
from bokeh_tf.bench.backends.backend import Backend
from bokeh_tf.bench.contestant import Failed, Finished, Started, WarmStart, read_known
from bokeh_tf.bench.results.measurement import (
    Memory,
    OutputComparison,
    RunVerdict,
    StartCache,
    Startup,
)
from bokeh_tf.bench.results.outcome import DelegateOutcome
from bokeh_tf.bench.results.reading import read_result
from bokeh_tf.cli import main
from tests.bench.tiny_models import tiny_model

MS = 1_000_000


# What the file of a new backend holds


@dataclass(frozen=True)
class WatchSetting:
    label: str = "on a watch"

    def contestant(self, subject, *, timeout_s):
        return WatchContestant(subject, self)


class WatchContestant:
    backend, threads, precision = "litert-watch", None, "float32"

    def __init__(self, subject, setting):
        self.subject, self.name = subject, f"{subject.name}, {setting.label}"

    def recall(self, facts):
        pass

    def start(self):
        right = OutputComparison("doubled", None, 0.0, 0, None)
        verdict = RunVerdict(DelegateOutcome.CPU, "the watch computed it")
        return Started(9 * MS, 8 * MS, None, "a watch 1.0", outputs=(right,), verdict=verdict)

    def take(self, runs, *, settle=False):
        return (2 * MS,) * runs

    def finish(self):
        return Finished(7 * 2**20, WarmStart(3 * MS, "from its own cache", "serialised"))

    def explain(self, error):
        return Failed(str(error), RunVerdict(DelegateOutcome.FAILED_INIT, str(error)))

    def close(self):
        pass

    def prediction(self):
        return None

    def details(self, known):
        return {"strap": 1}


def add_options(parser, count):
    group = parser.add_argument_group("watch")
    group.add_argument("--straps", type=count, default=1, metavar="N")


WATCH = Backend("watch", "a watch", add_options, settings=lambda options: (WatchSetting(),))


def test_a_new_backend_is_one_file_and_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("bokeh_tf.commands.bench.BACKENDS", (*BACKENDS, WATCH))
    model = tmp_path / "net.tflite"
    model.write_bytes(tiny_model())
    arguments = ["bench", str(model), "--on", "watch", "--straps", "2", "--rounds", "2"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    assert "net, on a watch" in capsys.readouterr().out
    (path,) = (tmp_path / "out").iterdir()
    (one,) = read_result(path).measurements
    assert (one.backend, one.runtime) == ("litert-watch", "a watch 1.0")
    assert one.samples.first_ns == 9 * MS and one.summary.median_ms.value == 2
    assert one.startup == Startup(8 * MS, 3 * MS, "from its own cache", "serialised")
    assert one.memory == Memory(7 * 2**20, None) and one.details == {"strap": 1}
    assert one.verdict.outcome is DelegateOutcome.CPU and one.outputs[0].name == "doubled"
    with pytest.raises(SystemExit):
        main(["bench", str(model), "--on", "tpu"])
    assert "android:all, watch" in capsys.readouterr().err


def test_the_help_lists_every_backend(capsys):
    with pytest.raises(SystemExit):
        main(["bench", "--help"])
    shown = capsys.readouterr().out
    for backend in BACKENDS:
        assert backend.usage in shown and backend.says in shown


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.name)
def test_backends_are_told_apart(backend):
    assert (backend.settings is None) != (backend.time_devices is None)
    is_device = backend.time_devices is not None
    assert backend.is_meant_by(backend.name)
    assert backend.is_meant_by(f"{backend.name}:1f2e:5555") == is_device
    assert not backend.is_meant_by(f"{backend.name}:") and not backend.is_meant_by(
        f"{backend.name}x"
    )
    assert not backend.is_meant_by("") and not backend.is_meant_by(":all")
    assert ("android:all" in backend.forms) == is_device


def test_the_table_imports_nothing_heavy():
    program = (
        "import sys, bokeh_tf.bench.backends\n"
        "print([name for name in ('numpy', 'rich', 'ai_edge_litert') if name in sys.modules])"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=True, timeout=600, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_later_parts_of_what_is_known_are_laid_over_earlier_ones():
    verdict = RunVerdict(DelegateOutcome.FULL_GPU, "all of it", ("a line",))
    output = OutputComparison("y", 60.0, 0.1, 0, None)
    started = Started(5, 4, 3, "r 1", "an adapter", (output,), verdict, "a stamp", ("ADD: no",))
    finished = Finished(9, WarmStart(2, "how", "serialised", StartCache(10, 3, True)))
    known = read_known({**started.facts(), **finished.facts()})
    assert (known.failure, known.runtime, known.accelerator) == (None, "r 1", "an adapter")
    assert known.startup == Startup(4, 2, "how", "serialised", StartCache(10, 3, True))
    assert known.memory == Memory(9, 3) and known.outputs == (output,)
    assert (known.verdict, known.stamp, known.reasons) == (verdict, "a stamp", ("ADD: no",))
    failed = Failed("it died", replace(verdict, outcome=DelegateOutcome.FAILED_INIT))
    broken = {**started.facts(), **failed.facts()}
    assert read_known(broken).failure == "it died" and not read_known(broken).verdict.outcome.passed
    # A session that continues starts it again.
    assert read_known({**broken, **started.facts()}).failure is None
    nothing = read_known({})
    assert (nothing.startup, nothing.verdict, nothing.memory) == (None, None, Memory(None, None))
