"""Throws damaged and absurd files at everything that reads what others made: `python -m
tests.fuzz --cases 5000`.

Every case must end in a report or in one `BokehError` of one line: no other exception, no death
of the process, at most 10 s, at most 1 GB of address space; readers that start children of
their own have other limits. The default reader takes models, `--reader documents` results,
journals, manifests, baselines, sheets, checkpoints, weights, `--reader sources` what `convert`
takes: `.keras`, `.h5`, SavedModels. A case is a function of the
seed, its number and the corpus, so that a failure can be had again; the offending file is
written out too. Cases run in worker processes under a memory limit and a watchdog. Exit 0: all
passed; 1: a case failed; 2: usage.
"""

import argparse
import multiprocessing
import os
import random
import resource
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bokeh_tf.errors import BokehError
from tests.fuzz import documents, sources
from tests.fuzz.graphs import random_graph, repeated_tables
from tests.fuzz.mutations import MUTATIONS, not_a_model, splice, structure_of
from tests.fuzz.readers import LIMITS, READERS

ROOT = Path(__file__).resolve().parents[2]
# Public files that are no part of the project; a checkout without them fuzzes its own.
PUBLIC_FILES = ROOT.parent / "shared" / "data" / "tflite"
GENERATED_SEEDS = 12
MOST_FAILURES = 10
# Larger files are rarer, so that most time goes into structure and not into copying weights.
LARGE_BYTES = 100_000
LARGE_SHARE = 0.15
PROGRESS_EVERY_S = 5.0
_WAITING = 10


@dataclass(frozen=True)
class Failure:
    """What went wrong in one case."""

    number: int
    what: str


@dataclass(frozen=True)
class Summary:
    """A run: cases by outcome ("report" or "refused"), failures, the slowest case and
    the most memory of a worker.
    """

    outcomes: Counter
    failures: tuple[Failure, ...]
    slowest_s: float
    peak_bytes: int
    wall_s: float


@cache
def corpus(folders):
    """(small files, large files) as bytes, in the order of their names; generated
    graphs are among the small.
    """
    paths = sorted(
        {path for folder in folders for path in Path(folder).glob("**/*.tflite")},
        key=lambda p: p.name,
    )
    contents = [path.read_bytes() for path in paths]
    contents += [random_graph(random.Random(seed)) for seed in range(GENERATED_SEEDS)]
    small = tuple(content for content in contents if len(content) <= LARGE_BYTES)
    return small, tuple(content for content in contents if len(content) > LARGE_BYTES) or small


@cache
def _structure(content):
    return structure_of(content)


def case(seed, number, folders) -> bytes:
    """The file of one case."""
    source = random.Random(f"{seed}:{number}")
    small, large = corpus(folders)
    kind = source.random()
    if kind < 0.05:
        return not_a_model(source)
    if kind < 0.055:
        return repeated_tables(source)
    if kind < 0.3:
        return random_graph(source)
    content = source.choice(large if source.random() < LARGE_SHARE else small)
    if kind < 0.35:
        return splice(content, source.choice(small), source)
    structure, whole_bytes = _structure(content), len(content)
    for mutate in source.choices(MUTATIONS, k=source.choice((1, 1, 2, 4))):
        # A file cut short no longer has that structure.
        content = mutate(content, structure, source) if len(content) == whole_bytes else content
    return content


def outcome_of(reader, content):
    """(outcome, None) of a case as it should be, or ("failed", what went wrong)."""
    try:
        reader(content)
    except BokehError as error:
        lines = str(error).splitlines()
        return (
            ("refused", None)
            if len(lines) == 1
            else ("failed", f"an error of {len(lines)} lines: {error!r}")
        )
    # Whatever it is, an exception of any other kind is what the fuzzer looks for; it is
    # reported, never passed over.
    except Exception:
        return "failed", traceback.format_exc()
    return "report", None


# What makes the cases of a reader, models where nothing is said.
MAKERS = {"documents": documents.case, "sources": sources.case}


def _work(reader, make, limits, seed, numbers, folders, deadline_s, watched, results):
    """A worker: runs its share of the cases; `watched` tells the parent which
    one it is in and since when.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    outcomes, slowest_s, failed = Counter(), 0.0, 0
    # What all cases share is made before time and memory are limited.
    make(seed, 0, folders)
    if limits.address_space_bytes is not None:
        resource.setrlimit(resource.RLIMIT_AS, (limits.address_space_bytes,) * 2)
    for number in numbers:
        content = make(seed, number, folders)
        started_s = time.process_time()
        watched[:] = [number, time.monotonic(), sum(outcomes.values()), started_s]
        outcome, what = outcome_of(reader, content)
        watched[1] = 0.0
        slowest_s = max(slowest_s, time.process_time() - started_s)
        outcomes[outcome] += 1
        if what:
            failed += 1
            results.put(Failure(number, what))
        if failed == MOST_FAILURES or time.monotonic() > deadline_s:
            break
    results.put(Summary(outcomes, (), slowest_s, _peak_bytes(), 0.0))


def _peak_bytes():
    """The most memory this process had; `getrusage` would count what the parent had
    when it started this one.
    """
    status = Path("/proc/self/status")
    if not status.is_file():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return next(
        int(line.split()[1]) * 1024
        for line in status.read_text().splitlines()
        if line.startswith("VmHWM")
    )


def fuzz(
    reader, *, cases, make=case, limits=LIMITS, seed=0, seconds=None, folders=(), jobs=2, say=None
) -> Summary:
    """Runs `cases` cases, or fewer in `seconds`.

    Args:
        reader: called with the bytes of each case; importable, because workers import it.
        make: called with seed, number and folders, returns those bytes; importable too.
        folders: with `.tflite` files to damage, subfolders included.
        jobs: worker processes.
        say: called with a line of progress every few seconds.
    """
    context = multiprocessing.get_context("spawn")
    started_s = time.monotonic()
    deadline_s = float("inf") if seconds is None else started_s + seconds
    results = context.SimpleQueue()
    workers = []
    for job in range(jobs):
        watched = context.Array("d", [-1.0, 0.0, 0.0, 0.0])
        share = range(job, cases, jobs)
        arguments = (
            reader,
            make,
            limits,
            seed,
            share,
            tuple(map(str, folders)),
            deadline_s,
            watched,
            results,
        )
        workers.append((context.Process(target=_work, args=arguments, daemon=True), watched))
        workers[-1][0].start()
    failures, parts = _watch(workers, results, limits, say)
    return Summary(
        outcomes=sum((part.outcomes for part in parts), Counter()),
        failures=tuple(sorted(failures, key=lambda failure: failure.number)),
        slowest_s=max((part.slowest_s for part in parts), default=0.0),
        peak_bytes=max((part.peak_bytes for part in parts), default=0),
        wall_s=time.monotonic() - started_s,
    )


def _watch(workers, results, limits, say):
    """Waits for the workers; ends one that hangs and notes one that dies."""
    failures, parts, open_workers = [], [], list(workers)
    said_s = time.monotonic()
    while open_workers or not results.empty():
        while not results.empty():
            result = results.get()
            (failures if isinstance(result, Failure) else parts).append(result)
        for process, watched in list(open_workers):
            process.join(0.05)
            number = watched[0]
            if process.is_alive() and _hangs(process, watched[:], limits):
                process.kill()
                process.join()
                failures.append(Failure(int(number), f"longer than {limits.seconds:g} s"))
            elif process.exitcode:
                failures.append(
                    Failure(int(number), f"the process dies with exit code {process.exitcode}")
                )
            if not process.is_alive():
                open_workers.remove((process, watched))
        if say and time.monotonic() - said_s > PROGRESS_EVERY_S:
            said_s = time.monotonic()
            say(f"{sum(int(watched[2]) for _, watched in workers)} cases, {len(failures)} failed")
    return failures, parts


def _hangs(process, watched, limits):
    """Whether a case has had its time: of the processor, because on a busy machine other work
    takes most of a second, or, where it waits for something, ten times as long by the clock.
    """
    _, since_s, _, worked_before_s = watched
    if not since_s:
        return False
    waited_s = time.monotonic() - since_s
    worked_s = _processor_s(process.pid) - worked_before_s
    return worked_s > limits.seconds or waited_s > _WAITING * limits.seconds


def _processor_s(pid):
    """Seconds of the processor that a process has had; 0 where that cannot be read."""
    try:
        # After the name, which may hold anything: user and system time are the 12th and 13th.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def write_failures(failures, make, seed, folders, out):
    """Writes each offending file and what went wrong beside it; returns the paths."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for failure in failures:
        path = out / f"seed{seed}_case{failure.number}{'.tflite' if make is case else '.document'}"
        path.write_bytes(make(seed, failure.number, tuple(map(str, folders))))
        path.with_suffix(".txt").write_text(failure.what, encoding="utf-8")
        paths.append(path)
    return paths


def _parse(arguments):
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--seconds", type=float, help="stop after this time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--corpus", type=Path, nargs="+", default=[ROOT / "android_assets", PUBLIC_FILES]
    )
    parser.add_argument(
        "--reader", choices=sorted(READERS), default="everything", help="what reads the files"
    )
    parser.add_argument("--jobs", type=int, default=min(4, os.cpu_count() or 1))
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "bokeh_tf_fuzz")
    return parser.parse_args(arguments)


def main(arguments=None):
    """The command; returns its exit code."""
    options = _parse(arguments)
    (reader, limits), seed = READERS[options.reader], options.seed
    make = MAKERS.get(options.reader, case)
    folders = [path for path in options.corpus if path.is_dir()]
    summary = fuzz(
        reader,
        cases=options.cases,
        make=make,
        limits=limits,
        seed=seed,
        seconds=options.seconds,
        folders=folders,
        jobs=options.jobs,
        say=print,
    )
    total = sum(summary.outcomes.values())
    print(
        f"seed {seed}: {total} cases in {summary.wall_s:.0f} s: {summary.outcomes['report']}"
        " reports, "
        f"{summary.outcomes['refused']} refused in one line, {len(summary.failures)} failed; "
        f"slowest {summary.slowest_s:.2f} s, peak memory {summary.peak_bytes / 1e6:.0f} MB"
    )
    paths = write_failures(summary.failures, make, seed, folders, options.out)
    for failure, path in zip(summary.failures, paths, strict=True):
        print(
            f"FAILED seed {seed} case {failure.number}: {failure.what.strip().splitlines()[-1]} ->"
            f" {path}"
        )
    return 1 if summary.failures else 0
