"""Timing models on this machine, on its CPU and its GPU, in one interleaved run that can be interrupted."""

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bokeh_tf.bench.cpu import CpuContestant, CpuSetting
from bokeh_tf.bench.environment import Environment, find_environment_doubts, read_environment
from bokeh_tf.bench.gpu import TARGET, GpuContestant, GpuSetting, predict
from bokeh_tf.bench.journal import Journal, key_of
from bokeh_tf.bench.measurement import Measurement, Memory, OutputComparison, read_startup, read_verdict
from bokeh_tf.bench.reason_comparison import compare_reasons, predicted_reasons
from bokeh_tf.bench.result import Result, utc_now, write_result
from bokeh_tf.bench.sampling import ignore
from bokeh_tf.bench.statistics import find_doubts, summarise
from bokeh_tf.bench.subject import Subject, read_subjects
from bokeh_tf.bench.suite_run import run_interleaved
from bokeh_tf.delegate.lint import lint

TIMEOUT_S = 600.0


@dataclass(frozen=True)
class HostRun:
    """What is timed: every model with every setting. `timeout_s` is for one request, a turn at the longest."""

    models: tuple[Path, ...]
    settings: tuple[CpuSetting | GpuSetting, ...]
    rounds: int = 10
    timeout_s: float = TIMEOUT_S


def bench(run: HostRun, *, folder=None, prefix="bench", environment=None, on_round=ignore, on_continue=ignore):
    """Carries out a run; returns the `Result` and the path of its JSON, None without a folder.

    Args:
        folder: where the result is written and, until then, what is finished is kept and looked for.
        prefix: of the result's file name.
        environment: the `Environment` before what the caller itself made the machine do; by default as it is now.
        on_round: called after each round, to show progress.
        on_continue: called where an earlier session's journal is continued.

    Raises:
        ModelFileError: a file is missing, damaged, or cannot run on the CPU.
        CheckError: there is no GPU, or only a software adapter that was not allowed.
        DependencyError: a runtime cannot be used.
    """
    if not run.models or not run.settings:
        raise ValueError(f"Needs models and settings. Received: {len(run.models)} and {len(run.settings)}")
    with tempfile.TemporaryDirectory(prefix="bokeh_tf_bench_") as copies:
        subjects = read_subjects(run.models, Path(copies), timeout_s=run.timeout_s)
        environment = environment or read_environment()
        contestants = [_contestant(subject, setting, run.timeout_s) for subject in subjects for setting in run.settings]
        with Journal(folder, _key(run, subjects, environment), created_utc=utc_now()) as journal:
            if journal.sessions_utc:
                on_continue()
            run_interleaved(contestants, journal, rounds=run.rounds, on_round=on_round)
            result = _result(run, contestants, journal, environment)
            path = None if folder is None else write_result(result, folder, prefix=prefix)
            journal.remove()
            return result, path


def _key(run, subjects, environment: Environment):
    """Whether two runs are the same: models, settings, and the machine and software but not their momentary state."""
    lasting = replace(environment, load_average_1min=None, git_commit=None, on_battery=None, battery_percent=None)
    settings = [{"kind": type(setting).__name__, **asdict(setting)} for setting in run.settings]
    models = [[subject.name, subject.sha256] for subject in subjects]
    return key_of([models, settings, run.rounds, asdict(lasting)])


def _contestant(subject: Subject, setting, timeout_s) -> CpuContestant | GpuContestant:
    if isinstance(setting, GpuSetting):
        return GpuContestant(subject, setting, timeout_s=timeout_s)
    return CpuContestant(subject, setting, timeout_s=timeout_s)


def _result(run: HostRun, contestants: Sequence, journal: Journal, environment: Environment) -> Result:
    threads = max((contestant.threads or 1 for contestant in contestants), default=1)
    return Result(
        created_utc=journal.created_utc,
        environment=environment,
        doubts=find_environment_doubts(environment, threads=threads),
        measurements=tuple(_measurement(contestant, journal, run.rounds) for contestant in contestants),
        conditions=tuple(journal.conditions),
        sessions_utc=tuple(journal.sessions_utc),
    )


def _measurement(contestant, journal, rounds) -> Measurement:
    facts, samples = journal.facts(contestant.name), journal.samples(contestant.name)
    summary = None if samples is None else summarise(samples.rounds_ns)
    doubts = () if samples is None or summary is None else find_doubts(samples, summary)
    if facts.get("failure"):
        done = journal.turns_done(contestant.name)
        doubts = (f"it failed after {done} of {rounds} rounds: {facts['failure']}", *doubts)
    subject = contestant.subject
    is_on_gpu = isinstance(contestant, GpuContestant)
    return Measurement(
        name=contestant.name,
        model=subject.file_name,
        model_sha256=subject.sha256,
        backend=contestant.backend,
        threads=contestant.threads,
        samples=samples,
        summary=summary,
        doubts=doubts,
        runtime=facts.get("runtime"),
        precision=contestant.precision,
        device=contestant.device,
        accelerator=facts.get("accelerator"),
        startup=read_startup(facts),
        memory=Memory(facts.get("peak_bytes"), facts.get("before_load_bytes")),
        verdict=read_verdict(facts["verdict"]) if "verdict" in facts else None,
        outputs=tuple(OutputComparison(**entry) for entry in facts.get("outputs", ())),
        prediction=predict(subject.model_file) if is_on_gpu else None,
        stamp=facts.get("stamp"),
        details=_reasons(subject, facts) if is_on_gpu else {},
    )


def _reasons(subject, facts):
    """The delegate's own reasons beside those of the static check."""
    logged = facts.get("reasons", [])
    compared = compare_reasons(predicted_reasons(lint(subject.model_file, TARGET)), logged)
    return {"reasons": logged, "predicted_and_logged": compared.as_details()}
