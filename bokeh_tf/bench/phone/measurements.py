"""From the journal of one phone to measurements: times, verdicts, stamps, predictions
beside the phone's reasons.
"""

from dataclasses import replace

from bokeh_tf.bench.contestant import Known, read_known
from bokeh_tf.bench.phone.session import PHONE, PhoneContestant, Plan, contestants_of
from bokeh_tf.bench.prediction import compare_reasons, predict, predicted_reasons
from bokeh_tf.bench.results.journal import Journal
from bokeh_tf.bench.results.measurement import (
    ROUND_MEDIAN,
    Measurement,
    Memory,
    Prediction,
    RunVerdict,
    read_verdict,
)
from bokeh_tf.bench.results.statistics import find_doubts, summarise
from bokeh_tf.delegate.findings import ML_DRIFT, V2
from bokeh_tf.delegate.linting.lint import lint

# The static check's name for the GPU delegate of each program.
_TARGETS = {"classic": V2, "litert": ML_DRIFT}
_MEGABYTE = 1_000_000
_SHORT_SHA = 12


def phone_facts(journal: Journal, plan: Plan) -> dict:
    """What a result keeps of a phone: fingerprint, program, and its state before each
    round and after the last.
    """
    facts = journal.facts(PHONE)
    rounds = [
        facts[f"round {number}"] for number in range(plan.rounds) if f"round {number}" in facts
    ]
    kept = {name: facts.get(name) for name in ("fingerprint", "benchmark_model", "after")}
    return {**kept, "rounds": rounds, "sessions_utc": list(journal.sessions_utc)}


def phone_doubts(journal: Journal, plan: Plan, phone_name: str) -> list[str]:
    """What the thermal gate could not make sure of, each once, with the phone's name."""
    rounds = phone_facts(journal, plan)["rounds"]
    return [
        f"{phone_name}: {doubt}"
        for doubt in dict.fromkeys(doubt for one in rounds for doubt in one["doubts"])
    ]


def phone_measurements(
    journal: Journal, plan: Plan, phone_name: str, *, failure=None
) -> list[Measurement]:
    """One measurement per model and setting.

    Args:
        failure: why the phone stopped before the end; None where it did not.
    """
    return [
        _measurement(contestant, journal, plan, phone_name, failure)
        for contestant in contestants_of(plan, phone_name)
    ]


def _measurement(contestant: PhoneContestant, journal, plan, phone_name, failure) -> Measurement:
    facts, phone = journal.facts(contestant.name), journal.facts(PHONE)
    known = read_known(facts)
    samples, setting = journal.samples(contestant.name), contestant.setting
    summary = None if samples is None else summarise(samples.rounds_ns)
    verdict = _verdict(known, facts, plan)
    is_on_gpu, program = setting.backend == "gpu", phone.get("benchmark_model")
    reasons, prediction = (
        _reasons(contestant, known, program) if is_on_gpu and program else (None, None)
    )
    gpu = (phone.get("fingerprint") or {}).get("gpu")
    return Measurement(
        name=contestant.name,
        model=contestant.subject.file_name,
        model_sha256=contestant.subject.sha256,
        backend=f"{phone.get('backend_prefix', 'benchmark_model')}-{setting.backend}",
        threads=setting.threads if setting.backend == "cpu" else None,
        samples=samples,
        summary=summary,
        doubts=tuple(_doubts(known, samples, summary, plan, failure)),
        runtime=_runtime(phone, facts),
        precision=setting.precision,
        device=phone_name,
        accelerator=gpu["renderer"] if gpu and is_on_gpu else None,
        startup=known.startup,
        memory=_memory(facts),
        sample_kind=facts.get("sample_kind", ROUND_MEDIAN),
        verdict=verdict,
        outputs=known.outputs,
        prediction=prediction,
        stamp=_stamp(verdict, setting),
        details=_details(contestant, facts, plan, reasons),
    )


def _verdict(known: Known, facts, plan) -> RunVerdict | None:
    """The check's, unless a round was worse: one round on the CPU spoils the median."""
    rounds = (facts.get(f"round {number}") for number in range(plan.rounds))
    verdicts = [read_verdict(one["verdict"]) for one in rounds if one is not None]
    if known.verdict is not None:
        verdicts.insert(0, known.verdict)
    first = verdicts[0] if verdicts else None
    return next((verdict for verdict in verdicts if not verdict.outcome.passed), first)


def _stamp(verdict, setting):
    if verdict is None or verdict.outcome.passed:
        return None
    return f"not a timing of {setting.label}: {verdict.outcome}"


def _doubts(known, samples, summary, plan, failure):
    done = 0 if samples is None else len(samples.rounds_ns)
    if known.failure:
        yield f"it failed after {done} of {plan.rounds} rounds: {known.failure}"
    elif failure and done < plan.rounds:
        yield f"the phone stopped after {done} of {plan.rounds} rounds: {failure}"
    if samples is None or summary is None:
        return
    if not samples.warmup_was_flat:
        yield (
            "its last warm-up runs did not take as long as the measured ones: allow more warm-up"
            " runs"
        )
    # The program warms itself up, so its warm-up is judged here.
    yield from find_doubts(replace(samples, warmup_was_flat=True), summary)


def _runtime(phone, facts):
    program = phone.get("benchmark_model")
    if program is None:
        return None
    version = facts.get("version")
    said = f" {version}" if version else ""
    return f"benchmark_model {program['kind']}{said} ({program['sha256'][:_SHORT_SHA]})"


def _memory(facts):
    """The peak, where the program watched it; what the run added to the
    process stays among the details.
    """
    peak_mb = (facts.get("memory_mb") or {}).get("peak_mb")
    return None if peak_mb is None else Memory(round(peak_mb * _MEGABYTE), None)


def _reasons(contestant, known, program) -> tuple[dict, Prediction]:
    target = _TARGETS[program["kind"]]
    model_file = contestant.subject.model_file
    predicted = predicted_reasons(lint(model_file, target))
    comparison = compare_reasons(predicted, known.reasons)
    return comparison.as_details(), predict(model_file, target=target)


def _details(contestant, facts, plan, reasons):
    names = (
        "reasons",
        "memory_mb",
        "arguments",
        "flags_as_understood",
        "unknown_lines",
        "outputs_note",
        "log",
    )
    details = {name: facts[name] for name in names if facts.get(name) is not None}
    numbers = [number for number in range(plan.rounds) if f"round {number}" in facts]
    details["rounds"] = [facts[f"round {number}"] for number in numbers]
    details["cores"] = contestant.setting.cores
    if reasons is not None:
        details["predicted_and_logged"] = reasons
    return details
