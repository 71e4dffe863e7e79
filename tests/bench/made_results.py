"""Results made by hand, for reports on them."""

from dataclasses import replace

from bokeh_tf.bench.report import csv_table, markdown
from bokeh_tf.bench.report.html import page as html_page
from bokeh_tf.bench.results.environment import Conditions, read_environment
from bokeh_tf.bench.results.measurement import (
    Memory,
    OutputComparison,
    Prediction,
    RunVerdict,
    StartCache,
    Startup,
    make_measurement,
)
from bokeh_tf.bench.results.outcome import DelegateOutcome
from bokeh_tf.bench.results.result import Result
from bokeh_tf.bench.results.samples import Samples

MS, SECOND = 10**6, 10**9


def samples(*, median_ms=20, rounds=6, starts=True):
    turn = tuple(int(time * MS) for time in (median_ms * 0.99, median_ms, median_ms * 1.01))
    starts_ns = tuple(number * SECOND for number in range(rounds)) if starts else ()
    return Samples(3 * median_ms * MS, (median_ms * MS,) * 6, True, (turn,) * rounds, starts_ns)


def measured(name="net, 1 thread", *, median_ms=20, **changes):
    measurement = make_measurement(
        name,
        samples(median_ms=median_ms),
        backend="litert-xnnpack",
        threads=1,
        model="net.tflite",
        model_sha256="ab" * 32,
    )
    return replace(measurement, **changes)


def full(text="plain"):
    """A measurement in which every optional thing is present, with `text` wherever text may be."""
    return replace(
        measured(text),
        **{
            "model": text,
            "backend": f"{text} gpu",
            "runtime": text,
            "precision": text,
            "device": text,
            "doubts": (text,),
        },
        **{"accelerator": text, "sample_kind": text, "stamp": text, "model_sha256": text},
        startup=Startup(5 * MS, 4 * MS, text, "serialised", StartCache(2**12, 7 * MS, None)),
        memory=Memory(2**27, 2**25),
        verdict=RunVerdict(DelegateOutcome.PARTIAL, text, (text,)),
        outputs=(
            OutputComparison(text, 51.23, 0.25, 0, text),
            OutputComparison(text, None, None, 3, None),
        ),
        prediction=Prediction(text, text, text, 8, 6, (text,)),
        details={
            text: {"log": [text, {"deep": [[[[[[text]]]]]]}]},
            "predicted_and_logged": {"only_logged": [text]},
        },
    )


def result(*measurements, **changes):
    made = Result("2031-02-03T04:05:06Z", read_environment(), (), measurements or (measured(),))
    return replace(made, **changes)


def full_result(text="plain"):
    warm = [Conditions(number * SECOND, 0.5, 2000.0, 40.0 + number) for number in range(7)]
    thermal = {
        "status": 1,
        "temperatures": [{"kind": "cpu", "celsius": 43.5}, {"kind": "other", "celsius": 99.0}],
    }
    phone = {
        "fingerprint": {"manufacturer": text, "model": text},
        "rounds": [{"at_ns": 7, "thermal": thermal}],
    }
    environment = replace(read_environment(), cpu=text, git_commit=text, governor=text)
    made = result(
        measured(), full(text), conditions=tuple(warm), devices={text: phone}, doubts=(text,)
    )
    return replace(made, environment=environment, created_utc=text, sessions_utc=(text, text))


def pages(*runs):
    return html_page.write(runs), markdown.write(runs), csv_table.write(runs)
