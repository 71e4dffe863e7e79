"""Timing models on this machine, on its CPU and its GPU, in one interleaved
run that can be interrupted.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bokeh_tf.bench.contestant import Contestant, Setting, read_known
from bokeh_tf.bench.host.interleaving import run_interleaved
from bokeh_tf.bench.host.sampling import ignore
from bokeh_tf.bench.host.subjects import read_subjects
from bokeh_tf.bench.results.environment import (
    Environment,
    find_environment_doubts,
    read_environment,
)
from bokeh_tf.bench.results.journal import Journal, key_of
from bokeh_tf.bench.results.measurement import HOST, Measurement
from bokeh_tf.bench.results.result import Result, utc_now, write_result
from bokeh_tf.bench.results.statistics import find_doubts, summarise

TIMEOUT_S = 600.0


@dataclass(frozen=True)
class HostRun:
    """What is timed: every model with every setting. `timeout_s` is for one
    request, a turn at the longest.
    """

    models: tuple[Path, ...]
    settings: tuple[Setting, ...]
    rounds: int = 10
    timeout_s: float = TIMEOUT_S


def bench(
    run: HostRun,
    *,
    folder: Path | None = None,
    prefix: str = "bench",
    environment: Environment | None = None,
    on_round: Callable[[], object] = ignore,
    on_continue: Callable[[], object] = ignore,
) -> tuple[Result, Path | None]:
    """Carries out a run; returns the `Result` and the path of its JSON, None without a folder.

    Args:
        folder: where the result is written and, until then, what is
            finished is kept and looked for.
        prefix: of the result's file name.
        environment: the `Environment` before what the caller itself made the machine
            do; by default as it is now.
        on_round: called after each round, to show progress.
        on_continue: called where an earlier session's journal is continued.

    Raises:
        ModelFileError: a file is missing, damaged, or cannot run on the CPU.
        CheckError: there is no GPU, or only a software adapter that was not allowed.
        DependencyError: a runtime cannot be used.
    """
    if not run.models or not run.settings:
        raise ValueError(
            f"Needs models and settings. Received: {len(run.models)} and {len(run.settings)}"
        )
    with tempfile.TemporaryDirectory(prefix="bokeh_tf_bench_") as copies:
        subjects = read_subjects(run.models, Path(copies), timeout_s=run.timeout_s)
        environment = environment or read_environment()
        contestants = [
            setting.contestant(subject, timeout_s=run.timeout_s)
            for subject in subjects
            for setting in run.settings
        ]
        with Journal(folder, _key(run, subjects, environment), created_utc=utc_now()) as journal:
            if journal.sessions_utc:
                on_continue()
            for contestant in contestants:
                contestant.recall(journal.facts(contestant.name))
            run_interleaved(contestants, journal, rounds=run.rounds, on_round=on_round)
            result = _result(run, contestants, journal, environment)
            path = None if folder is None else write_result(result, folder, prefix=prefix)
            journal.remove()
            return result, path


def _key(run, subjects, environment: Environment):
    """Whether two runs are the same: models, settings, and the machine and software but
    not their momentary state.
    """
    lasting = replace(
        environment, load_average_1min=None, git_commit=None, on_battery=None, battery_percent=None
    )
    settings = [{"kind": type(setting).__name__, **asdict(setting)} for setting in run.settings]
    models = [[subject.name, subject.sha256] for subject in subjects]
    return key_of([models, settings, run.rounds, asdict(lasting)])


def _result(
    run: HostRun, contestants: Sequence[Contestant], journal: Journal, environment: Environment
) -> Result:
    threads = max((contestant.threads or 1 for contestant in contestants), default=1)
    measurements = tuple(
        _measurement(contestant, journal, run.rounds) for contestant in contestants
    )
    return Result(
        created_utc=journal.created_utc,
        environment=environment,
        doubts=find_environment_doubts(environment, threads=threads),
        measurements=measurements,
        conditions=tuple(journal.conditions),
        sessions_utc=tuple(journal.sessions_utc),
        devices={one.device: one.details for one in measurements if one.device != HOST},
    )


def _measurement(contestant: Contestant, journal: Journal, rounds: int) -> Measurement:
    known = read_known(journal.facts(contestant.name))
    samples = journal.samples(contestant.name)
    summary = None if samples is None else summarise(samples.rounds_ns)
    doubts = () if samples is None or summary is None else find_doubts(samples, summary)
    if known.failure:
        done = journal.turns_done(contestant.name)
        doubts = (f"it failed after {done} of {rounds} rounds: {known.failure}", *doubts)
    subject = contestant.subject
    return Measurement(
        name=contestant.name,
        model=subject.file_name,
        model_sha256=subject.sha256,
        backend=contestant.backend,
        threads=contestant.threads,
        samples=samples,
        summary=summary,
        doubts=doubts,
        runtime=known.runtime,
        precision=contestant.precision,
        device=known.device or HOST,
        accelerator=known.accelerator,
        startup=known.startup,
        memory=known.memory,
        verdict=known.verdict,
        outputs=known.outputs,
        prediction=contestant.prediction(),
        stamp=known.stamp,
        details=contestant.details(known),
    )
