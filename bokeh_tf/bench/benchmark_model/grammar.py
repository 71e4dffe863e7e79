"""The lines that programs called benchmark_model print: their prefixes, and what each line is.

Works line by line, on any text. Numbers are kept as the text matched; `finite` turns them into
numbers. Lines that need their neighbours to be understood (reasons, profile tables) are told apart
in `benchmark_log` and `log_profile`.
"""

import enum
import math
import re

# Longer lines are no line of these programs, and are not searched.
LONGEST_LINE = 4096

NUMBER = r"[-+]?(?:(?:[0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})(?:[eE][-+]?[0-9]{1,3})?|(?i:nan|inf(?:inity)?))"
_COUNT = r"[0-9]{1,9}"


class Kind(enum.StrEnum):
    """What a line is."""

    UNKNOWN = "unknown"
    UNKNOWN_ERROR = "unknown error"
    COMMENT = "comment"
    START = "start"
    VERSION = "version"
    UNCONSUMED = "unconsumed flags"
    PARAMETER = "parameter"
    NOTE = "note"
    SESSION = "session"
    RUNNING = "running"
    STATISTICS = "statistics"
    TIMINGS = "timings"
    LITERT_RESULT = "LiteRT result"
    MEMORY = "memory"
    ACCELERATORS = "accelerators"
    CREATED = "delegate created"
    DEVICE = "device opened"
    API = "API initialised"
    KERNELS = "kernels created"
    REPLACED = "nodes replaced"
    APPLIED = "delegate applied"
    SPLIT = "split"
    REASONS = "reasons follow"
    REASON = "reason"
    UNSUPPORTED = "platform unsupported"
    FALLBACK = "fall-back to OpenGL"
    DELEGATE_FAILURE = "delegate failure"
    TOOL_FAILURE = "tool failure"
    CRASH = "crash"
    PROFILE = "profile"
    PROFILE_ROW = "profile row"
    VALUES = "output values"


_LEVELS = {
    "V": "VERBOSE",
    "D": "DEBUG",
    "I": "INFO",
    "W": "WARNING",
    "E": "ERROR",
    "F": "FATAL",
    "WARN": "WARNING",
}
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_TIME = r"(?:[0-9]{4}-)?[0-9]{2}-[0-9]{2}\s+[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]+\s+"
# Others' lines of a logcat say nothing about this program.
_TAGS = ("tflite", "litert", "native", "tensorflow", "libc", "linker")
_CLOCK = r"[0-9]{2}:[0-9]{2}:[0-9]{2}"
# Alone before a message it may be any program's, so only the tag of these counts.
_OWN_TAGS = r"(?:tflite|litert|native)"
# In the order in which they are tried; each may be stripped once or more.
_PREFIXES = (
    # What a CI puts before each line: GitHub (and its job and step), Azure, GitLab, Jenkins, `ts`.
    re.compile(
        rf"(?:[^\t]{{1,80}}\t[^\t]{{1,80}}\t)?\ufeff?\[?[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T{_CLOCK}"
        r"(?:[.,][0-9]{1,9})?(?:Z|[-+][0-9]{2}:?[0-9]{2})?\]?(?: [0-9]{2}[OE]\+?)?(?:\s+|$)",
        re.ASCII,
    ),
    # Android Studio before Dolphin: process and package, then as `brief`.
    re.compile(rf"{_TIME}[0-9]+-[0-9]+/\S+ (?=[VDIWEF]/)", re.ASCII),
    # Android Studio since Dolphin: the level stands behind tag and package.
    re.compile(
        rf"{_TIME}[0-9]+-[0-9]+\s+(?P<tag>[\w.\-]+)\s+\S+\s+(?P<level>[VDIWEF])(?:\s+|$)", re.ASCII
    ),
    # logcat -v long has a line of its own before each message.
    re.compile(rf"\[ {_TIME}[0-9]+: ?[0-9]+ (?P<level>[VDIWEF])/(?P<tag>[\w.\-]+)\s*\]$", re.ASCII),
    # logcat -v epoch and -v monotonic count seconds.
    re.compile(
        r"[0-9]+\.[0-9]{3,9}\s+[0-9]+\s+[0-9]+\s+(?P<level>[VDIWEF])\s+(?P<tag>[\w.\-]+)\s*: ?",
        re.ASCII,
    ),
    # logcat -v process and -v thread.
    re.compile(r"(?P<level>[VDIWEF])\(\s*[0-9]+(?::\s*[0-9]+)?\) ", re.ASCII),
    # logcat: threadtime, then time and brief, then a tag alone.
    re.compile(
        rf"{_TIME}(?:\S+\s+)?[0-9]+\s+[0-9]+\s+(?P<level>[VDIWEF])\s+(?P<tag>[\w.\-]+)\s*: ?",
        re.ASCII,
    ),
    re.compile(
        rf"(?:{_TIME})?(?P<level>[VDIWEF])/(?P<tag>[\w.\-]+)\s*(?:\(\s*[0-9]+\))?: ?", re.ASCII
    ),
    re.compile(rf"(?:(?P<level>[VDIWEF])\s+)?{_OWN_TAGS}\s*: ?", re.ASCII),
    # Android Studio's compact view, Jenkins, `ts`.
    re.compile(rf"{_CLOCK}(?:\.[0-9]{{3}})?\s+(?:(?P<level>[VDIWEF])\s+)?", re.ASCII),
    re.compile(rf"[A-Z][a-z]{{2}} [0-9]{{2}} {_CLOCK} ", re.ASCII),
    # glog
    re.compile(r"(?P<level>[IWEF])[0-9]{4} [0-9:.]+\s+[0-9]+ \S+:[0-9]+\] ?", re.ASCII),
    re.compile(r"(?:└\s*)?(?P<level>INFO|VERBOSE|ERROR|WARNING|WARN|DEBUG|FATAL): ?"),
    re.compile(r"\[[\w./\-]+\.(?:cc|h|cpp|c|mm):[0-9]+\] ?", re.ASCII),
    re.compile(r"└\s*"),
)
# logcat -v process names the tag at the end.
_OWN_TAG_BEHIND = re.compile(rf"\s+\({_OWN_TAGS}\)$")

_STATISTICS = re.compile(
    rf"count=(?P<count>{_COUNT})"
    rf"(?: first=(?P<first>{NUMBER}))?(?: curr=(?P<current>{NUMBER}))?(?P<same> \(all same\))?"
    rf"(?: min=(?P<min>{NUMBER}))?(?: max=(?P<max>{NUMBER}))?(?: avg=(?P<mean>{NUMBER}))?(?:"
    rf" std=(?P<std>{NUMBER}))?"
    rf"(?: p5=(?P<p5>{NUMBER}))?(?: median=(?P<median>{NUMBER}))?(?: p95=(?P<p95>{NUMBER}))?$"
)
_TIMINGS = re.compile(
    rf"Inference timings in us: Init: (?P<init>{NUMBER}), First inference: (?P<first>{NUMBER}), "
    rf"Warmup \(avg\): (?P<warmup>{NUMBER}), Inference \(avg\): (?P<inference>{NUMBER})$"
)
_OLD_TIMINGS = re.compile(
    rf"Average inference timings in us: Warmup: (?P<warmup>{NUMBER}), Init: (?P<init>{NUMBER}), "
    rf"(?:with stats: {NUMBER}, )?no stats: (?P<inference>{NUMBER})$"
)
_REPLACED = re.compile(
    rf"Replacing (?P<replaced>{_COUNT})(?: out of (?P<total>{_COUNT}))? nodes?(?:\(s\))? with"
    r" delegate "
    rf"\((?P<name>[\w.\- ]+)\)(?: node)?(?:,? yielding (?P<partitions>{_COUNT}) partitions?"
    rf"(?: for (?:the whole graph|subgraph (?P<subgraph>{_COUNT})(?:"
    r" \((?P<subgraph_name>[^()]*)\))?))?)?\.?$"
)
_MEMORY = (
    re.compile(
        r"(?:Peak memory footprint|Memory footprint delta from the start of the tool) \(MB\): "
        rf"init=(?P<init>{NUMBER}) overall=(?P<overall>{NUMBER})$"
    ),
    re.compile(
        rf"Overall peak memory footprint \(MB\) via periodic monitoring: (?P<peak>{NUMBER})$"
    ),
    re.compile(rf"Init footprint:\s+(?P<init>{NUMBER}) MB$"),
    re.compile(rf"Overall footprint:\s+(?P<overall>{NUMBER}) MB$"),
    re.compile(rf"Peak memory:\s+(?P<peak>{NUMBER}) MB$"),
    re.compile(rf"(?:\w+ )?max resident set size = (?P<peak>{NUMBER}) MB\b"),
)
_SPLITS = (
    re.compile(
        rf"(?:First )?(?P<gpu>{_COUNT}) operations will run on the GPU, and the remaining"
        rf" (?P<cpu>{_COUNT})"
        r"(?: operations will run)? on the CPU"
    ),
    re.compile(
        rf"(?P<none>No) operations will run on the GPU, and all (?P<cpu>{_COUNT}) operations will"
        r" run on the CPU"
    ),
)
_APPLIED = (
    re.compile(
        r"Explicitly applied (?P<name>\w+) delegate, and the model graph will be"
        r" (?P<extent>completely|partially)"
        rf" executed by the delegate(?: w/ (?P<kernels>{_COUNT}) delegate kernels)?\.?$"
    ),
    # TensorFlow 2.3
    re.compile(
        r"Applied (?P<name>\w+) delegate, and the model graph will be"
        r" (?P<extent>completely|partially) executed"
        r" w/ the delegate\.?$"
    ),
    re.compile(
        r"Though (?P<name>\w+) delegate is explicitly applied, the model graph will"
        r" (?P<extent>not) be executed"
    ),
)
_CREATED = (
    re.compile(
        r"Created TensorFlow Lite (?:delegate for (?P<name>[\w ]+?)|(?P<cpu>XNNPACK) delegate for"
        r" CPU)\.?$"
    ),
    re.compile(r"(?P<name>[A-Z][\w ]*?) delegate (?:is )?created\.?$"),
)
_DEVICE = (
    re.compile(r"Loaded (?P<api>OpenCL) library with dlopen"),
    re.compile(
        r"Created (?:default |a )?(?:OpenGL-)?(?P<api>OpenCL|OpenGL|WebGPU)(?: [\w\-]+)*? "
        r"(?:device|context|environment|queue)\b"
    ),
    re.compile(r"Created LiteRT GpuEnvironment"),
    re.compile(r"Selected adapter: (?P<adapter>.+)"),
    re.compile(
        r"(?:Statically linked )?(?P<accelerator>GPU|NPU|CPU|XNNPACK CPU) accelerator registered"
    ),
)
_API = (
    re.compile(
        r"Initialized (?P<api>OpenCL|OpenGL|WebGPU|Vulkan|Metal)-based API(?P<warm> from"
        r" serialized data)?\.?$"
    ),
    # ML Drift says this before it looks into its cache, whether or not there is something in it.
    re.compile(
        r"Initializing (?P<api>OpenCL|OpenGL|WebGPU|Vulkan|Metal)-based API(?: from (?:serialized"
        r" data|graph))?\.?$"
    ),
    re.compile(r"Initialized InferenceContext(?P<warm> from serialized data)"),
)

# What ends a delegate's part in a run, or keeps it from starting.
_DELEGATE_FAILURES = (
    r"TfLiteGpuDelegate (?:Init|Prepare|Invoke): ",
    rf"Node number {_COUNT} \([\w.\- ]+\) failed to (?:prepare|invoke)",
    r"Restored original execution plan after delegate application failure",
    r"Failed to apply \w+ delegate",
    r"Disallowed CPU fallback detected",
    r"No selector for ",
    r"Unrecognized \w+ selector",
    r"No GPU detected",
    r"Can ?not open OpenCL library",
    r"Failed to load OpenCL library",
    r"OpenCL is disabled via ",
    r"OpenGL-based API disabled",
    r"GPU accelerator could not be ",
    r"Could not load symbol LiteRtRegister",
    r"No adapters found",
    r"Failed to (?:initialize|create) (?:a )?(?:WebGPU|OpenCL|OpenGL|GPU)\b",
    r"Failed to load GPU accelerator",
    r"Failed to (?:modify graph|apply delegate)",
    r"Some ops are not accelerated",
    r"Failed to cl[A-Z]\w+",
    r"Attempting to use a delegate that only supports static-sized tensors",
)
_TOOL_FAILURES = (
    r"Benchmarking failed",
    r"Failed to (?:construct|initialize|get) (?:the )?interpreter",
    r"Failed to allocate tensors",
    r"Failed to (?:mmap|load|initialize|compile) (?:the )?model",
    r"Failed to create (?:litert environment|(?:in|out)put buffer)",
    r"Failed to (?:parse flag|parse positional flag|read|set thread)",
    r"Could not open '",
    r"Encountered unresolved custom op: ",
    r"Select TensorFlow op\(s\), included in the given model, is\(are\) not supported",
    r"Didn't find op for builtin opcode",
    r"Registration failed",
    r"Please specify the name of your TF Lite input file",
    r"Required flag not provided",
    r"Requesting full delegation and CPU acceleration are incompatible",
    r"Compiled model (?:is null|not initialized)",
    r"Run failed",
    r"PrepareInputData: ",
    r"Wrong (?:input value|low and high)",
    r"Input tensor #\d+ should have ",
    r"Cannot find the corresponding input_layer",
)
_CRASHES = (
    r"(?:\[\d+\]\s+)?(?:\+ )?(?:\d+ )?(?:Segmentation fault|Aborted|Killed|Bus error|Illegal"
    r" instruction)\b",
    r"(?:\d+ )?Floating point exception",
    r"Fatal signal \d+",
    r"CANNOT LINK EXECUTABLE",
    r"terminating (?:due to|with) uncaught exception",
    r"terminate called ",
    r"(?:.*: )?(?:Permission denied|inaccessible or not found|not found|No such file or"
    r" directory)$",
    r".*\bstd::bad_alloc\b",
    r"(?:\w+: )?Out of memory\b",
)
_NOTES = (
    r"Note: as the benchmark tool itself affects memory footprint",
    r"Memory status at the end of exeution",
    r"[-+] (?:VmRSS|RssAnn?on|RssFile)\b",
    r"=+ ?BENCHMARK RESULTS ?=+$",
    r"={10,}$",
    r"Memory Usage:$",
    r"Peak memory usage not available",
    r"No throughput data available",
    r"No inference runs were performed",
    r"(?:Saving|Saved) benchmark result to: ",
    r"Generated model runtime info: ",
    rf"Going to apply {_COUNT} delegates",
    r"Initialized TensorFlow Lite runtime",
    r"resolved reporter$",
    r"Flatbuffer model initialized",
    r"(?:Loaded model|Loading model from:) ",
    r"Creating LiteRT environment",
    r"The input model file size \(MB\): ",
    r"Failed to get the input model file size",
    r"Signature name: ",
    r"Using signature: ",
    r"Tensor # ?\d+ is named ",
    r"NNAPI SL driver did not implement ",
    r"XNNPACK weight cache ",
    r"XNNPack weight cache (?P<warm>loaded) from ",
    r"XNNPack weight cache(?: build for '|: written to )",
    r"Vx delegate: ",
    r"The GPU delegate compile options are only supported on ",
    r"NPU accelerator could not be ",
    r"Failed to save serialized data",
    r"(?:Reusing provided EGL environment|Duplicate flags: )",
    r"Throughput: ",
)

_GRAMMAR: tuple[tuple[Kind, tuple[re.Pattern[str], ...]], ...] = (
    (Kind.COMMENT, (re.compile(r"# |-{5,} beginning of "),)),
    (Kind.START, (re.compile(r"STARTING!"),)),
    (Kind.VERSION, (re.compile(r"Tensorflow Version ?: ?(?P<version>[\w.\-+]+)"),)),
    (Kind.UNCONSUMED, (re.compile(r"Unconsumed cmdline flags: (?P<flags>.*)"),)),
    (Kind.ACCELERATORS, (re.compile(r"NNAPI accelerators available: \[(?P<names>[^\]]*)\]"),)),
    (Kind.STATISTICS, (_STATISTICS,)),
    (Kind.TIMINGS, (_TIMINGS, _OLD_TIMINGS)),
    (Kind.SESSION, (re.compile(rf"Initialized session in (?P<init_ms>{NUMBER}) ?ms\.?$"),)),
    (Kind.RUNNING, (re.compile(rf"Running benchmark for at least (?P<runs>{_COUNT}) iterations"),)),
    (Kind.MEMORY, _MEMORY),
    (Kind.REPLACED, (_REPLACED,)),
    (Kind.APPLIED, _APPLIED),
    (Kind.SPLIT, _SPLITS),
    (
        Kind.REASONS,
        (re.compile(r"(?:Following|Next) operations are not supported by GPU delegate"),),
    ),
    (Kind.UNSUPPORTED, (re.compile(r"(?P<name>GPU|NNAPI|Hexagon) acceleration is unsupported"),)),
    (Kind.FALLBACK, (re.compile(r"Falling back to OpenGL|.*Using OpenGL instead"),)),
    (Kind.API, _API),
    (Kind.KERNELS, (re.compile(rf"Created (?P<kernels>{_COUNT}) GPU delegate kernels"),)),
    (Kind.NOTE, tuple(re.compile(note) for note in _NOTES)),
    (Kind.DELEGATE_FAILURE, tuple(re.compile(failure) for failure in _DELEGATE_FAILURES)),
    (Kind.TOOL_FAILURE, tuple(re.compile(failure) for failure in _TOOL_FAILURES)),
    (Kind.CREATED, _CREATED),
    (Kind.DEVICE, _DEVICE),
    (
        Kind.LITERT_RESULT,
        (
            re.compile(
                r"(?P<what>Model initialization|Warmup \(first\)|Warmup \(avg\)|Inference \(avg\)):"
                rf"\s+(?P<ms>{NUMBER}) ms(?: \((?P<runs>{_COUNT}) runs\))?$"
            ),
            re.compile(rf"(?P<what>Inference \((?:min|max|std)\)):\s+(?P<ms>{NUMBER})(?: ms)?$"),
        ),
    ),
    (Kind.PARAMETER, (re.compile(r"(?P<label>[A-Za-z#][^\[\]:]{0,80}): \[(?P<value>[^\]]*)\]$"),)),
    (Kind.CRASH, tuple(re.compile(crash) for crash in _CRASHES)),
    (
        Kind.VALUES,
        (re.compile(rf"(?P<values>{NUMBER}(?:, {NUMBER})+),? ?$"), re.compile(r"\w+ output:$")),
    ),
)


def strip_prefixes(line: str) -> tuple[str | None, str]:
    """The level a line was printed at, None where it does not say, and the
    message after all its prefixes.
    """
    message, level = _OWN_TAG_BEHIND.sub("", _COLOUR.sub("", line).strip()), None
    for _ in range(len(_PREFIXES)):
        match = next(filter(None, (prefix.match(message) for prefix in _PREFIXES)), None)
        if match is None:
            break
        found, tag = match.groupdict().get("level"), match.groupdict().get("tag")
        if tag and not tag.lower().startswith(_TAGS):
            return None, message
        level = _LEVELS.get(found, found) if found and level not in ("ERROR", "FATAL") else level
        message = message[match.end() :].lstrip(" ")
    return level, message.rstrip()


def classify(message: str, level: str | None) -> tuple[Kind, dict[str, str]]:
    """What one message is, and the named parts of it."""
    if len(message) <= LONGEST_LINE:
        for kind, patterns in _GRAMMAR:
            for pattern in patterns:
                if match := pattern.match(message):
                    return kind, {
                        name: value
                        for name, value in match.groupdict().items()
                        if value is not None
                    }
    return (Kind.UNKNOWN_ERROR if level in ("ERROR", "FATAL") else Kind.UNKNOWN), {}


def finite(text: str | None) -> float | None:
    """The number in `text`; None where there is none, or it is negative, NaN or infinite."""
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
