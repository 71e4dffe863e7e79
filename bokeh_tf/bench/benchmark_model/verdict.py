"""What a run on a device's delegate was worth: did the accelerator that was asked
for compute the whole model?

No single line proves it. The line "Replacing X out of X nodes" is printed before a single kernel
exists. FULL_GPU takes all of these together, and nothing against them anywhere in the log:

- coverage: "completely executed by the delegate" (said after the kernels were built), or every
  claim of the GPU delegate takes all nodes in one partition;
- the interface: "Initialized OpenCL-based API", or a delegate that is named after it (LITERT_CL);
- built kernels: "Created N GPU delegate kernels" with N of 1 or more, or "completely executed", or
  a profile of the runs whose operators are all inside the delegate, or for LiteRT (whose
  compilation fails as a whole) an opened device;
- measured runs, their results at the end, exit code 0, every flag understood, no error, and
  no node left for XNNPACK.

Speaking against: a restored execution plan, a node that "failed to prepare", zero kernels, a
claim of XNNPACK on as many nodes as the GPU had claimed (the GPU's part was undone),
"Falling back to OpenGL".
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from bokeh_tf.bench.benchmark_model.flags import BACKENDS
from bokeh_tf.bench.benchmark_model.grammar import Kind
from bokeh_tf.bench.benchmark_model.log import BenchmarkLog, LogLine, Replacement
from bokeh_tf.bench.digits import whole
from bokeh_tf.bench.results.outcome import DelegateOutcome
from bokeh_tf.tflite.running.agreement import OutputCheck

_APIS = {"gpu": "OpenCL", "opengl": "OpenGL", "webgpu": "WebGPU"}
_API_OF_DELEGATE = {
    **dict.fromkeys(("LITERT_CL", "LITERT_OPENCL"), "OpenCL"),
    **dict.fromkeys(("LITERT_GL", "LITERT_OPENGL"), "OpenGL"),
    "LITERT_WEBGPU": "WebGPU",
    **dict.fromkeys(("LITERT_METAL", "TfLiteMetalDelegate"), "Metal"),
}
_CPU_DELEGATES = frozenset({"TfLiteXNNPackDelegate", "XNNPACK"})
_NNAPI_DELEGATES = frozenset({"TfLiteNnapiDelegate", "NNAPI"})
_NNAPI_CPU = "nnapi-reference"
_UNDOING = re.compile(
    r"Restored original execution plan|Node number \d+ .* failed to (?:prepare|invoke)|Failed to"
    r" apply"
    r"|TfLiteGpuDelegate (?:Init|Prepare|Invoke)"
)
# LiteRT looks for its GPU library under several names, and OpenCL under several paths.
_SECOND_ATTEMPTS = (
    (
        re.compile(r"GPU accelerator could not be |Could not load symbol LiteRtRegister"),
        re.compile(r"GPU accelerator registered"),
    ),
    (re.compile(r"Failed to load OpenCL library"), re.compile(r"Loaded OpenCL library")),
)
_FAILURES = (Kind.DELEGATE_FAILURE, Kind.TOOL_FAILURE, Kind.CRASH, Kind.UNKNOWN_ERROR)


@dataclass(frozen=True)
class DelegateVerdict:
    """`why` in one sentence, the lines it rests on, and for UNPROVEN what is `missing`."""

    outcome: DelegateOutcome
    why: str
    evidence: tuple[LogLine, ...] = ()
    missing: tuple[str, ...] = ()


def judge(
    log: BenchmarkLog,
    *,
    wanted_backend: str,
    exit_code: int | None,
    output_check: OutputCheck | None = None,
) -> DelegateVerdict:
    """The verdict on the run that printed `log`.

    Args:
        wanted_backend: one of `benchmark_model.BACKENDS`.
        exit_code: of the program on the device; None where it was lost, which never passes.
        output_check: what it computed against the CPU's, where it was saved.
    """
    if wanted_backend not in BACKENDS:
        raise ValueError(f"a backend. Received: {wanted_backend!r}. Known: {', '.join(BACKENDS)}.")
    facts = _Facts(log, wanted_backend, exit_code, output_check)
    rules: tuple[Callable[[_Facts], DelegateVerdict | None], ...] = (
        _mixed,
        _stopped,
        _bad_output,
        _unmeasured,
    )
    rules += (
        (_on_cpu,) if wanted_backend == "cpu" else (_not_taken, _undone, _wrong_interface, _partial)
    )
    for rule in rules:
        if verdict := rule(facts):
            return verdict
    return _proven(facts)


class _Facts:
    """What the log says about the delegate that was wanted, and about the others."""

    def __init__(self, log, wanted, exit_code, output_check):
        self.log, self.wanted, self.exit_code, self.output_check = (
            log,
            wanted,
            exit_code,
            output_check,
        )
        self.family = "gpu" if wanted in _APIS else wanted
        claims = [claim for claim in log.replacements if claim.replaced]
        self.claims: list[Replacement] = [
            claim for claim in claims if _family(claim.delegate) == self.family
        ]
        self.cpu_claims = [claim for claim in claims if _family(claim.delegate) == "cpu"]
        applied = log.of(Kind.APPLIED)
        own = [line for line in applied if _family(line.values["name"]) == self.family]
        self.complete = [line for line in own if line.values["extent"] == "completely"]
        self.in_part = [line for line in own if line.values["extent"] == "partially"]
        self.not_at_all = [line for line in own if line.values["extent"] == "not"]
        foreign = {"gpu", "nnapi", "other"} - {self.family}
        self.foreign = [claim.line for claim in claims if _family(claim.delegate) in foreign]
        self.foreign += [
            line
            for line in applied
            if _family(line.values["name"]) in foreign and line.values["extent"] != "not"
        ]
        self.kernels = log.of(Kind.KERNELS)
        self.failures = _relevant_failures(log, wanted)
        self.undoing = [line for line in self.failures if _UNDOING.match(line.text)]

    @property
    def has_times(self):
        measured = self.log.inference
        return bool(self.log.inference_us) and (measured is None or measured.count > 0)

    @property
    def has_beginning(self):
        """Whether the log says what the program was asked for, which it does
        before it applies a delegate.
        """
        return bool(self.log.of(Kind.START, Kind.PARAMETER))

    @property
    def built_kernels(self):
        return any(whole(line.values["kernels"]) for line in self.kernels)

    @property
    def split(self):
        """(line, operations on the GPU, on the CPU) of the last such line, or None."""
        lines = self.log.of(Kind.SPLIT)
        if not lines:
            return None
        on_gpu, on_cpu = (whole(lines[-1].values.get(name, "0")) for name in ("gpu", "cpu"))
        return None if on_gpu is None or on_cpu is None else (lines[-1], on_gpu, on_cpu)

    @property
    def apis(self):
        """(interface, line) in order."""
        found = [
            (line.values["api"], line) for line in self.log.of(Kind.API) if "api" in line.values
        ]
        named = ((_API_OF_DELEGATE.get(claim.delegate), claim.line) for claim in self.claims)
        return found + [(api, line) for api, line in named if api]

    @property
    def cpu_rows(self):
        return [row for row in self.log.profile if not row.inside_delegate]


def _relevant_failures(log, wanted):
    """The failures that matter: for the CPU no delegate's, else none that a
    second attempt made good.
    """
    failures = [
        line
        for line in log.of(*_FAILURES)
        if wanted != "cpu" or line.kind is not Kind.DELEGATE_FAILURE
    ]
    opened = log.of(Kind.DEVICE)
    for attempt, success in _SECOND_ATTEMPTS:
        if any(success.search(line.text) for line in opened):
            failures = [line for line in failures if not attempt.match(line.text)]
    return tuple(failures)


def _family(name):
    if name in _CPU_DELEGATES:
        return "cpu"
    if name in _NNAPI_DELEGATES:
        return "nnapi"
    return "gpu" if name == "GPU" or "Gpu" in name or name in _API_OF_DELEGATE else "other"


def _verdict(outcome, why, evidence=()):
    by_number = {line.number: line for line in evidence}
    return DelegateVerdict(outcome, why, tuple(by_number[number] for number in sorted(by_number)))


def _mixed(facts):
    if facts.log.runs > 1:
        return DelegateVerdict(
            DelegateOutcome.UNPROVEN,
            f"the log holds {facts.log.runs} runs; judge each of parse_logs",
            missing=("a log of one run",),
        )
    return None


def _stopped(facts):
    fatal = facts.log.of(Kind.CRASH, Kind.TOOL_FAILURE)
    if facts.exit_code:
        why = f"the program ended with exit code {facts.exit_code}"
    elif fatal and not facts.has_times:
        why = "the program stopped before it measured"
    else:
        return None
    return _verdict(DelegateOutcome.FAILED_INIT, why + _first_failure(facts), facts.failures)


def _first_failure(facts):
    """The failure that the others follow from."""
    return f": {facts.failures[0].text}" if facts.failures else ""


def _bad_output(facts):
    if not (facts.claims or facts.complete or facts.in_part) or facts.wanted == "cpu":
        return None
    if facts.output_check is not None and not facts.output_check.passed:
        claims = [claim.line for claim in facts.claims]
        why = f"{facts.output_check.name}: {facts.output_check.reason}"
        return _verdict(DelegateOutcome.BAD_OUTPUT, why, [*claims, *facts.complete, *facts.in_part])
    broken = [
        line for line in facts.log.of(Kind.VALUES) if _non_finite(line.values.get("values", ""))
    ]
    if broken:
        return _verdict(DelegateOutcome.BAD_OUTPUT, "it printed values that are not finite", broken)
    return None


def _non_finite(values):
    return any(not math.isfinite(float(value)) for value in values.split(",") if value.strip())


def _unmeasured(facts):
    if facts.has_times:
        return None
    return _verdict(
        DelegateOutcome.FAILED_INIT,
        f"the log has no measured run{_first_failure(facts)}",
        facts.failures,
    )


def _on_cpu(facts):
    if facts.foreign:
        return _verdict(
            DelegateOutcome.WRONG_BACKEND,
            "an accelerator computed it and not the CPU",
            facts.foreign,
        )
    missing = tuple(_unclear(facts))
    if missing:
        return DelegateVerdict(
            DelegateOutcome.UNPROVEN, f"missing: {'; '.join(missing)}", facts.failures, missing
        )
    evidence = [claim.line for claim in facts.cpu_claims] + [*facts.complete, *facts.in_part]
    return _verdict(DelegateOutcome.CPU, "the CPU computed it, as asked", evidence)


def _not_taken(facts):
    if _is_nnapi_cpu(facts):
        lines = facts.log.of(Kind.ACCELERATORS)
        return _verdict(
            DelegateOutcome.SILENT_CPU,
            "NNAPI has its CPU reference alone",
            [*lines, *facts.not_at_all],
        )
    on_gpu = facts.split[1] if facts.split else 0
    if facts.claims or facts.complete or facts.in_part or facts.built_kernels or on_gpu:
        return None
    if facts.foreign:
        return _verdict(
            DelegateOutcome.WRONG_BACKEND, "another accelerator computed it", facts.foreign
        )
    traces = facts.log.of(Kind.API, Kind.KERNELS) or [
        line
        for line in facts.log.of(Kind.CREATED)
        if facts.family in line.values.get("name", "").lower()
    ]
    contrary = [claim.line for claim in facts.cpu_claims] + facts.not_at_all
    contrary += [
        *facts.log.of(Kind.UNSUPPORTED, Kind.DELEGATE_FAILURE, Kind.KERNELS),
        *_split_line(facts),
    ]
    if traces and not contrary:
        missing = ("a line that says how many nodes the delegate took",)
        return DelegateVerdict(
            DelegateOutcome.UNPROVEN, f"missing: {missing[0]}", tuple(traces), missing
        )
    if not contrary and not facts.has_beginning:
        missing = ("the beginning of the log, where the program says what it applies",)
        return DelegateVerdict(DelegateOutcome.UNPROVEN, f"missing: {missing[0]}", (), missing)
    why = (
        "the delegate took no node and the CPU computed all"
        if contrary
        else "nothing in the log shows the delegate"
    )
    return _verdict(DelegateOutcome.SILENT_CPU, why, contrary)


def _is_nnapi_cpu(facts):
    if facts.family != "nnapi":
        return False
    return facts.log.accelerators == (_NNAPI_CPU,) or _nnapi_device(facts) == _NNAPI_CPU


def _nnapi_device(facts):
    return facts.log.parameters.get("NNAPI accelerator name", "")


def _split_line(facts):
    return [facts.split[0]] if facts.split else []


def _undone(facts):
    if facts.undoing:
        why = "the delegate failed after it had claimed its nodes, and the CPU computed all"
        return _verdict(DelegateOutcome.SILENT_CPU, why, facts.undoing)
    if facts.kernels and not facts.built_kernels:
        return _verdict(DelegateOutcome.SILENT_CPU, "the delegate built no kernel", facts.kernels)
    for claim in facts.claims:
        if claim.is_whole:
            later = [
                other
                for other in facts.cpu_claims
                if other.subgraph == claim.subgraph and other.total == claim.total
            ]
            if later:
                why = "XNNPACK was given all nodes that the delegate had claimed"
                return _verdict(
                    DelegateOutcome.SILENT_CPU, why, [claim.line, *(other.line for other in later)]
                )
    return None


def _wrong_interface(facts):
    api = _APIS.get(facts.wanted)
    if api is None:
        return None
    fallback = facts.log.of(Kind.FALLBACK) if api != "OpenGL" else ()
    others = [line for found, line in facts.apis if found != api]
    if fallback or (others and facts.apis[-1][0] != api):
        return _verdict(
            DelegateOutcome.WRONG_BACKEND, f"it did not run on {api}", [*fallback, *others]
        )
    return None


def _partial(facts):
    against = [claim.line for claim in facts.claims if claim.is_partial]
    against += facts.in_part
    # XNNPACK finds nothing to take where the delegate took everything.
    against += [claim.line for claim in facts.cpu_claims]
    if facts.split and facts.split[2]:
        against += _split_line(facts)
    if against:
        return _verdict(DelegateOutcome.PARTIAL, _how_partial(facts), against)
    if facts.cpu_rows:
        names = ", ".join(dict.fromkeys(row.node_type for row in facts.cpu_rows))
        lines = [
            line for line in facts.log.lines if line.number in {row.line for row in facts.cpu_rows}
        ]
        return _verdict(
            DelegateOutcome.PARTIAL,
            f"the profile has operators outside the delegate: {names}",
            lines,
        )
    return None


def _how_partial(facts):
    claim = next((claim for claim in facts.claims if claim.is_partial), None)
    if claim is None or claim.total is None:
        return "the delegate took some of the nodes, the CPU the others"
    pieces = (
        ""
        if claim.partitions is None
        else f", in {claim.partitions} pieces of GPU and CPU together"
    )
    if facts.family != "gpu":
        pieces = pieces.replace("GPU", "delegate")
    return f"the delegate took {claim.replaced} of {claim.total} nodes{pieces}"


def _proven(facts):
    missing, is_gpu = list(_unclear(facts)), facts.family == "gpu"
    if not facts.complete and not (facts.claims and all(claim.is_whole for claim in facts.claims)):
        missing.append("a line that all nodes went to the delegate in one piece")
    if is_gpu and _APIS[facts.wanted] not in dict(facts.apis):
        missing.append(f"the line that {_APIS[facts.wanted]} was initialised")
    if is_gpu and not _built(facts):
        missing.append("proof that kernels were built, such as the line that counts them")
    if not is_gpu and not _names_nnapi_device(facts):
        missing.append("which device NNAPI used (name one, or disable its CPU)")
    evidence = [claim.line for claim in facts.claims] + [line for _, line in facts.apis]
    evidence += [*facts.complete, *facts.kernels, *facts.log.of(Kind.DEVICE, Kind.TIMINGS)]
    if missing:
        why = f"missing: {'; '.join(missing)}"
        unproven = _verdict(DelegateOutcome.UNPROVEN, why, [*evidence, *facts.failures])
        return DelegateVerdict(unproven.outcome, why, unproven.evidence, tuple(missing))
    outcome = DelegateOutcome.FULL_GPU if is_gpu else DelegateOutcome.FULL_NNAPI
    by = _APIS[facts.wanted] if is_gpu else f"NNAPI {_nnapi_device(facts)}".strip()
    return _verdict(outcome, f"all nodes ran on the delegate, by {by}", evidence)


def _unclear(facts):
    """What keeps any run from passing."""
    if facts.exit_code is None:
        yield "the program's exit code"
    if not facts.log.of(Kind.TIMINGS, Kind.LITERT_RESULT):
        yield "the results that end a run"
    if facts.log.unconsumed_flags:
        yield f"a run with every flag understood (not: {' '.join(facts.log.unconsumed_flags)})"
    if facts.failures:
        yield f"a run without errors (not: {facts.failures[0].text})"


def _built(facts):
    if facts.built_kernels or facts.complete or facts.log.profile:
        return True
    is_litert = all(claim.delegate in _API_OF_DELEGATE for claim in facts.claims)
    opened = [line for line in facts.log.of(Kind.DEVICE) if "accelerator" not in line.values]
    return is_litert and bool(opened or facts.log.of(Kind.API))


def _names_nnapi_device(facts):
    return bool(_nnapi_device(facts)) or facts.log.parameters.get("Disable NNAPI cpu") == "1"
