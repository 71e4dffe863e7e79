"""What benchmark_model prints, in every form: numbers, delegation, tables, and any damage to it."""

import random
from pathlib import Path

import pytest

from bokeh_tf.bench.benchmark_model.flags import BACKENDS
from bokeh_tf.bench.benchmark_model.grammar import Kind, finite
from bokeh_tf.bench.benchmark_model.log import parse_log, parse_logs
from bokeh_tf.bench.benchmark_model.verdict import judge

TRANSCRIPTS = Path(__file__).parent / "transcripts"
# Logs that others published; the project has none of its own of phones.
PUBLIC_LOGS = Path(__file__).resolve().parents[4] / "shared" / "data" / "logs"
LOGS = sorted(path for path in TRANSCRIPTS.glob("*.txt") if not path.name.startswith("help_"))
FULL_RUNS = (
    *(
        "classic_gpu_full",
        "classic_gpu_full_no_prefix",
        "classic_gpu_full_logcat",
        "classic_gpu_full_logcat_brief",
    ),
    *("classic_gpu_full_warm", "classic_gpu_full_no_verdict_line"),
)


def text_of(name):
    return (TRANSCRIPTS / f"{name}.txt").read_bytes()


def log_of(name):
    return parse_log(text_of(name))


def test_numbers_of_a_run():
    log = log_of("classic_gpu_full")
    assert (log.init_us, log.first_us, log.warmup_us, log.inference_us) == (
        1599060.0,
        31007.0,
        31007.0,
        9104.62,
    )
    assert (log.warmup.count, log.warmup.median_us, log.warmup.std_us) == (1, 31007, None)
    assert (log.inference.count, log.inference.first_us, log.inference.min_us) == (50, 9120, 8890)
    assert (log.inference.p5_us, log.inference.median_us, log.inference.p95_us) == (
        8921,
        9017,
        9333,
    )
    assert (log.memory.init_mb, log.memory.overall_mb, log.memory.peak_mb) == (71.25, 88.5, 93.2383)
    assert log.parameters["Allow lower precision in gpu"] == "1"
    assert not log.unknown and log.runs == 1 and not log.started_warm


@pytest.mark.parametrize("name", FULL_RUNS)
def test_every_channel_and_version_gives_the_same_numbers(name):
    log, reference = log_of(name), log_of("classic_gpu_full")
    assert (log.first_us, log.warmup_us, log.inference_us) == (31007, 31007, 9104.62)
    assert log.inference.count == 50 and log.inference.mean_us == reference.inference.mean_us
    assert [claim.replaced for claim in log.replacements] == [88]
    assert log.memory.overall_mb == 88.5
    assert not log.unknown
    assert log.started_warm is (name == "classic_gpu_full_warm")


@pytest.mark.parametrize(
    ("line", "is_warm"),
    [
        ("INFO: Initialized OpenCL-based API from serialized data.", True),
        ("INFO: [delegate_kernel.cc:866] Initialized InferenceContext from serialized data.", True),
        ("VERBOSE: XNNPack weight cache loaded from '/data/local/tmp/w'.", True),
        # ML Drift prints this with an empty cache too.
        (
            "I0000 00:00:17.35 254 delegate_kernel.cc:979] Initializing WebGPU-based API from"
            " serialized data.",
            False,
        ),
        (
            "I0000 00:00:1795.352414 254 delegate_kernel.cc:984] Initializing WebGPU-based API"
            " from graph.",
            False,
        ),
        ("VERBOSE: XNNPack weight cache: written to '/data/local/tmp/w'.", False),
        ("VERBOSE: XNNPack weight cache build for '/data/local/tmp/w' started.", False),
    ],
)
def test_which_lines_prove_a_start_from_disk(line, is_warm):
    log = parse_log(f"{line}\n")
    assert log.started_warm is is_warm and not log.unknown


def test_lines_of_other_programs_in_a_logcat_do_not_count():
    others = (
        "--------- beginning of main\nE/Camera  ( 99): count=3 first=1 curr=1 min=1 max=1"
        " avg=1 std=0\n"
    )
    others += (
        "11-22 17:58:01.000   99    99 E AndroidRuntime: Replacing 1 out of 2 node(s) with"
        " delegate (GPU) node\n"
    )
    log = parse_log(others.encode() + text_of("classic_gpu_full_logcat"))
    assert len(log.statistics) == 2 and len(log.replacements) == 1
    assert [line.level for line in log.unknown] == [None, None]
    assert judge(log, wanted_backend="gpu", exit_code=0).outcome == "FULL_GPU"


def test_old_forms():
    log = log_of("classic_cpu_2019")
    assert (log.init_us, log.warmup_us, log.inference_us) == (2139, 36000, 35200)
    assert log.first_us == 44000
    claim = log.replacements[0]
    assert (claim.replaced, claim.total, claim.partitions) == (31, None, 1)
    assert log.memory.peak_mb == 53.5
    assert log_of("classic_gpu_2019_refused").reasons == ("SQUEEZE: Operation is not supported.",)


def test_few_runs_and_alike_runs():
    log = log_of("classic_gpu_partial")
    assert (log.inference.count, log.inference.mean_us, log.inference.max_us) == (10, 40000, 40000)
    log = log_of("classic_cpu")
    assert (log.warmup.count, log.first_us, log.warmup_us) == (0, None, None)
    log = log_of("classic_gpu_unsupported")
    assert (log.inference.count, log.inference_us) == (15, 1.0293e7)


def test_litert_results():
    log = log_of("litert_gpu_full")
    assert (log.init_us, log.first_us, log.warmup_us, log.inference_us) == (
        704478,
        30100,
        30100,
        8012.5,
    )
    assert log.inference.median_us == 8000
    assert (log.memory.init_mb, log.memory.overall_mb, log.memory.peak_mb) == (58.94, 61.51, 70.25)
    block = log_of("litert_gpu_full_block_only")
    assert (block.init_us, block.inference_us) == (pytest.approx(704480), pytest.approx(8010))
    assert block.inference is None


def test_reasons_and_split():
    log = log_of("classic_gpu_partial")
    assert log.reasons == (
        "ADD: Max version supported: 2. Requested version 4.",
        "CUSTOM WarpField: Operation is not supported.",
        "GATHER_ND: Operation is not supported.",
        "RESHAPE: OP is supported, but tensor type/shape isn't compatible.",
    )
    assert [
        (claim.delegate, claim.replaced, claim.total, claim.partitions)
        for claim in log.replacements
    ] == [
        ("TfLiteGpuDelegateV2", 54, 60, 3),
        ("TfLiteXNNPackDelegate", 4, 7, 5),
    ]
    assert log.of(Kind.SPLIT)[0].values == {"gpu": "54", "cpu": "6"}


def test_profile_tables():
    rows = log_of("classic_gpu_profile_csv").profile
    assert [(row.node_type, row.name, row.mean_ms, row.inside_delegate) for row in rows] == [
        ("Convolution (NHWC, F32) IGEMM", "Delegate/Convolution (NHWC, F32) IGEMM:0", 0.272, True),
        ("SQUEEZE", "[model/squeeze, model/other]:7", 0.2, False),
    ]
    assert [row.inside_delegate for row in log_of("classic_gpu_profile").profile] == [True]


def test_no_number_comes_from_what_is_none():
    log = log_of("garbage")
    assert (log.init_us, log.first_us, log.warmup_us, log.inference_us) == (None,) * 4
    assert not log.statistics and not log.replacements
    assert [finite(text) for text in ("nan", "inf", "-1", "1e999", "x", "", None)] == [None] * 7
    assert finite("1.59906e+06") == 1599060
    assert not any(ord(sign) < 32 and sign != "\t" for line in log.lines for sign in line.text)
    assert log.unknown[-1].level == "INFO" and "no version prints" in log.unknown[-1].text


def test_a_cut_number_is_not_believed():
    whole = text_of("classic_gpu_full").decode()
    cut = whole[: whole.index("Inference (avg): 9104.62") + len("Inference (avg): 9")]
    log = parse_log(cut)
    assert log.inference_us == 9104.62
    assert log.init_us == 1599060
    assert log.lines[-1].kind is Kind.UNKNOWN


def test_several_runs_in_one_text():
    text = text_of("classic_gpu_full") + text_of("classic_gpu_unsupported") + text_of("classic_cpu")
    assert [log.inference.count for log in parse_logs(text)] == [50, 15, 20]
    assert parse_log(text).runs == 3
    assert len(parse_logs("")) == 1


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_damage_never_raises(path):
    """Cut after every line and in every line, with bytes turned, doubled and lost."""
    content, random_bytes = path.read_bytes(), random.Random(7)
    ends = [index for index, byte in enumerate(content) if byte == 10]
    damaged = [content[:end] for end in ends] + [content[: end + 1] for end in ends]
    for _ in range(60):
        broken = bytearray(content)
        for _ in range(random_bytes.randint(1, 12)):
            place = random_bytes.randrange(len(broken))
            match random_bytes.randrange(4):
                case 0:
                    broken[place] = random_bytes.randrange(256)
                case 1:
                    del broken[place : place + random_bytes.randint(1, 40)]
                case 2:
                    broken[place:place] = broken[place : place + random_bytes.randint(1, 40)]
                case _:
                    broken[place:place] = random_bytes.choice(
                        (b"9" * 400, b"nan", b"-", b"\x00", b"\r", b"e999")
                    )
            broken = broken or bytearray(b"\n")
        damaged.append(bytes(broken))
    for content in damaged:
        for log in (parse_log(content), *parse_logs(content)):
            assert len(log.unknown) <= len(log.lines)
            times = (
                log.init_us,
                log.first_us,
                log.warmup_us,
                log.inference_us,
                *vars(log.memory).values(),
            )
            assert all(value is None or 0 <= value < float("inf") for value in times)
            for wanted in BACKENDS:
                judge(log, wanted_backend=wanted, exit_code=0)


def test_long_lines_do_not_hang():
    """Patterns that try every split of a line would run for hours on these."""
    for piece in (
        "1, ",
        "a ",
        "9",
        "Created a ",
        "Node number 1 ",
        "count=1 first=1 ",
        "x\t1\t2",
        "[a.cc:1] ",
        "└ ",
    ):
        parse_log((piece * 20_000)[:60_000] + "\n" + (piece * 2000)[:4000] + "\n")


# Of each run of a public log, in order: init, first, warm-up and inference in
# microseconds, runs, median.
PUBLIC_RUNS = {
    "02_tf2.4_android_nnapi_qtigpu_opprofile": [(None, None, None, None, None, None)],
    "05_tf2.12_linux_gpu_partial": [
        (5086595, 1010898, 1010900, 436080, 50, None),
        (3209263, 2389578, 2389580, 712761, 50, None),
        (3405409, 3406065, 3406060, 1073370, 50, None),
    ],
    "08_tf2_linux_cpu_maxsecs_cut": [
        (505977, 7651111, 7651110, 2614930, 50, None),
        (271722, 10460473, 10460500, 10293000, 15, None),
    ],
    "12_tf2.6_imx8_unconsumed_flag_partial": [(13862, 3821196, 3821200, 524867, 50, None)],
    "13_litert_android_cpu_xnnpack_profiler": [(4478, 1033, 465.319, 464.545, 2112, 462)],
    "16_tflite_apk_logcat_cpu_gpu_partial_nnapi_reference": [
        (115396, 319801, 307158, 272100, 25, 268922),
        (119609, 378862, 362766, 277456, 25, 267094),
        (2227672, 332961, 318238, 306869, 25, 305582),
        (2050927, 303170, 287809, 280520, 25, 275657),
        (123396, 362227, 351518, 281831, 25, 270283),
        (127987, 367038, 360349, 273503, 25, 267648),
    ],
    "18_tf2.15_android_nnapi_npu_full": [(66002, 637079, 637079, 1885.74, 520, None)],
    "21_gpu_full_delegation_all_nan": [(None, None, None, None, None, None)],
    "23_tflite_android_gpu_full_kernel_opprofile_and_gl_fallback": [
        (355447, 45401, 9580.26, 8708.66, 108, 8705),
        (188735, 26307, 7857.5, 6928.99, None, None),
    ],
    "29_selfrun_adb_no_device": [(None, None, None, None, None, None)],
    "30_tf2.6_linux_gpu_unsupported_platform_silently_xnnpack_unconsumed_flag": [
        (18738, 140706, 85791.2, 74481.6, 50, None)
    ],
    "34_linux_gpu_no_gpu_detected": [(None, None, None, None, None, None)],
}
PUBLIC_OUTCOMES = {
    "05": ("gpu", ["PARTIAL"] * 3),
    "08": ("cpu", ["CPU"] * 2),
    "12": ("gpu", ["WRONG_BACKEND"]),
    "13": ("cpu", ["CPU"]),
    "16": ("gpu", ["SILENT_CPU", "SILENT_CPU", "PARTIAL", "PARTIAL", "SILENT_CPU", "SILENT_CPU"]),
    "18": ("nnapi", ["FULL_NNAPI"]),
    "21": ("gpu", ["BAD_OUTPUT"]),
    "23": ("gpu", ["FULL_GPU", "WRONG_BACKEND"]),
    "30": ("gpu", ["SILENT_CPU"]),
    "34": ("gpu", ["FAILED_INIT"]),
}
# What is no line of these programs: headings that an author added, another program's output.
PUBLIC_UNKNOWN = {"16": 6, "29": 27}


def public_log(name):
    path = PUBLIC_LOGS / f"{name}.txt"
    if not path.is_file():
        pytest.skip("the public logs are not here")
    return path.read_bytes()


@pytest.mark.parametrize("name", PUBLIC_RUNS)
def test_public_logs(name):
    content, number = public_log(name), name.split("_")[0]
    logs = parse_logs(content)
    found = []
    for log in logs:
        runs, median = (
            (log.inference.count, log.inference.median_us) if log.inference else (None, None)
        )
        found.append((log.init_us, log.first_us, log.warmup_us, log.inference_us, runs, median))
    assert found == [tuple(pytest.approx(value) for value in run) for run in PUBLIC_RUNS[name]]
    assert len(parse_log(content).unknown) == PUBLIC_UNKNOWN.get(number, 0)
    if number in PUBLIC_OUTCOMES:
        wanted, outcomes = PUBLIC_OUTCOMES[number]
        assert [judge(log, wanted_backend=wanted, exit_code=0).outcome for log in logs] == outcomes


def test_public_log_with_reasons_and_several_delegates():
    log = parse_logs(public_log("16_tflite_apk_logcat_cpu_gpu_partial_nnapi_reference"))[2]
    assert len(log.reasons) == 14
    assert log.reasons[0] == "ADD: Max version supported: 2. Requested version 4."
    claims = [
        (claim.delegate, claim.replaced, claim.total, claim.partitions)
        for claim in log.replacements
    ]
    assert claims == [("TfLiteGpuDelegateV2", 54, 559, 3), ("TfLiteXNNPackDelegate", 456, 506, 13)]
    assert (log.memory.init_mb, log.memory.overall_mb) == (119.5, 176.777)


def test_public_logs_with_profiles():
    rows = parse_log(public_log("02_tf2.4_android_nnapi_qtigpu_opprofile")).profile
    assert (len(rows), sum(row.inside_delegate for row in rows)) == (11, 3)
    assert (rows[6].node_type, rows[6].mean_ms) == ("TfLiteNnapiDelegate", 79.010)
    rows = parse_logs(public_log("23_tflite_android_gpu_full_kernel_opprofile_and_gl_fallback"))[
        0
    ].profile
    assert [row.mean_ms for row in rows] == [0.272, 0.365, 0.455, 0.631]


# How a log looks that went through another program before somebody saved it: a
# line as that writes it.
CHANNELS = {
    "GitHub": "2026-11-22T17:58:01.0012345Z {}",
    "GitHub, one job's log": "bench\tRun on phone\t2026-11-22T17:58:01.0012345Z {}",
    "GitLab": "2026-11-22T17:58:01.001234Z 01O {}",
    "Jenkins": "[2026-11-22T17:58:01.001Z] {}",
    "Jenkins, time alone": "17:58:01  {}",
    "ts": "Nov 22 17:58:01 {}",
    "logcat -v long": "[ 11-22 17:58:01.001  4242: 4250 I/tflite   ]\n{}\n",
    "logcat -v process": "I( 4242) {}  (tflite)",
    "logcat -v thread": "I( 4242: 4250) {}",
    "logcat -v epoch": "1795370281.001  4242  4250 I tflite  : {}",
    "logcat -v zone": "2026-11-22 17:58:01.001 +0100  4242  4250 I tflite  : {}",
    "logcat, the tag alone": "tflite  : {}",
    "Android Studio before Dolphin": "2026-11-22 17:58:01.001 4242-4250/com.example.app I/tflite:"
    " {}",
    "Android Studio, no package": "2026-11-22 17:58:01.001 4242-4250/? I/tflite: {}",
    "Android Studio": "2026-11-22 17:58:01.001  4242-4250  tflite                  com.example.app"
    "  I  {}",
    "Android Studio, compact": "17:58:01.001  I  {}",
    "GitHub around logcat": "2026-11-22T17:58:01.0012345Z 11-22 17:58:01.001  4242  4250 I tflite "
    " : {}",
}


@pytest.mark.parametrize("channel", CHANNELS)
def test_what_a_log_went_through_changes_nothing(channel):
    plain = text_of("classic_gpu_full_no_prefix").decode()
    text = "".join(f"{CHANNELS[channel].format(line)}\n" for line in plain.splitlines() if line)
    log, reference = parse_log(text), parse_log(plain)
    assert (log.init_us, log.first_us, log.inference) == (
        reference.init_us,
        reference.first_us,
        reference.inference,
    )
    assert log.parameters == reference.parameters and not log.unknown
    assert [line.text for line in log.lines] == [line.text for line in reference.lines]
    assert judge(log, wanted_backend="gpu", exit_code=0).outcome == "FULL_GPU"


@pytest.mark.parametrize("line", [CHANNELS["Android Studio"], CHANNELS["logcat -v epoch"]])
def test_lines_of_other_programs_do_not_count_in_any_channel(line):
    foreign = line.replace("tflite", "Camera").format(
        "count=3 first=1 curr=1 min=1 max=1 avg=1 std=0"
    )
    assert not parse_log(f"{foreign}\n").statistics


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_what_windows_saved_is_read(encoding):
    plain = text_of("classic_gpu_full_no_prefix").decode()
    assert parse_log(plain.encode(encoding)).lines == parse_log(plain).lines
