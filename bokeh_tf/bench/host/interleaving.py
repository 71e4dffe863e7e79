"""Timing several contestants (models on backends) in interleaved rounds A B A
B, each in its own process.

Every contestant is started, which includes its first run, then each is warmed up until flat, then
they take turns. Whatever is finished is in the journal at once; a run that continues from a journal
starts and warms up its contestants again, but repeats no finished turn. A contestant that fails is
out; the others go on. Phones take no turns here: they share no heat and no load with this machine,
so there is no drift that taking turns with it would spread, and each phone interleaves its own
rounds (`phone/session.py`) after this machine has finished.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict

from bokeh_tf.bench.contestant import Timeable
from bokeh_tf.bench.host.sampling import ignore, plan_turn, warm_up
from bokeh_tf.bench.host.worker_process import WorkerError
from bokeh_tf.bench.results.environment import read_conditions
from bokeh_tf.bench.results.journal import Journal
from bokeh_tf.bench.results.result import utc_now


def run_interleaved(
    contestants: Sequence[Timeable],
    journal: Journal,
    *,
    rounds: int = 10,
    on_round: Callable[[], object] = ignore,
) -> None:
    """Lets the contestants take their turns until each has `rounds` of them, and
    records all in `journal`.

    Args:
        on_round: called after each round, to show progress, also for those
            that were finished before.
    """
    if rounds < 1:
        raise ValueError(f"rounds must be at least 1. Received: {rounds}")
    names = [contestant.name for contestant in contestants]
    if not names or len(set(names)) < len(names):
        raise ValueError(
            f"Contestants must have distinct names, and there must be some. Received: {names}"
        )
    offset_ns = journal.elapsed_ns - time.perf_counter_ns()
    journal.add({"session_utc": utc_now(), "at_ns": journal.elapsed_ns})
    with contextlib.ExitStack() as stack:
        field = _Field(contestants, journal, stack)
        field.each(_start)
        field.each(_warm_up)
        if not journal.conditions:
            _record_conditions(journal, offset_ns)
        for number in range(rounds):
            is_new = field.each(
                lambda one, book, turn=number: _take_turn(one, book, turn, offset_ns)
            )
            if is_new:
                _record_conditions(journal, offset_ns)
            on_round()
        field.each(_finish)


class _Field:
    """The contestants that are still in the run."""

    def __init__(self, contestants, journal, stack):
        self._journal, self._stack = journal, stack
        self._live = list(contestants)
        for contestant in contestants:
            stack.callback(contestant.close)

    def each(self, step):
        """Does one step with every contestant in turn; those that fail are out. Says
        whether any step did something.
        """
        is_new = False
        for contestant in tuple(self._live):
            try:
                is_new |= bool(step(contestant, self._journal))
            except WorkerError as error:
                self._live.remove(contestant)
                self._journal.add(
                    {"facts": contestant.explain(error).facts(), "of": contestant.name}
                )
        return is_new


def _start(contestant, journal):
    journal.add({"facts": contestant.start().facts(), "of": contestant.name})


def _warm_up(contestant, journal):
    times_ns, was_flat = warm_up(contestant.take)
    first_ns = journal.facts(contestant.name)["first_ns"]
    # Where a damaged line lost the earlier warm-up, the turns that are kept say how long one is.
    runs = journal.turn_length(contestant.name) or plan_turn(times_ns)
    warmup = {"first_ns": first_ns, "times_ns": times_ns, "was_flat": was_flat, "runs": runs}
    journal.add({"warmup": warmup, "of": contestant.name})


def _take_turn(contestant, journal, number, offset_ns):
    if journal.turns_done(contestant.name) > number:
        return False
    start_ns = time.perf_counter_ns() + offset_ns
    times_ns = contestant.take(journal.warmup(contestant.name)["runs"], settle=True)
    journal.add({"turn": list(times_ns), "of": contestant.name, "start_ns": start_ns})
    return True


def _finish(contestant, journal):
    journal.add({"facts": contestant.finish().facts(), "of": contestant.name})


def _record_conditions(journal, offset_ns):
    journal.add({"conditions": asdict(read_conditions(time.perf_counter_ns() + offset_ns))})
