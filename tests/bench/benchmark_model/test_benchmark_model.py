"""The two programs called benchmark_model: which is which, and flags that each understands."""

from pathlib import Path

import pytest

from bokeh_tf.bench.benchmark_model.flags import (
    BACKENDS,
    InputFile,
    ProgramKind,
    RunFiles,
    arguments,
    check_flags,
    fingerprint,
)
from bokeh_tf.bench.benchmark_model.log import parse_log
from bokeh_tf.errors import CheckError

TRANSCRIPTS = Path(__file__).parent / "transcripts"
ASKED = {"model": "/data/local/tmp/run/model.tflite", "threads": 2, "runs": 30}
EVERY_RUN = {
    *(
        "--graph=/data/local/tmp/run/model.tflite",
        "--num_runs=30",
        "--warmup_runs=1",
        "--num_threads=2",
    ),
    *("--min_secs=0", "--warmup_min_secs=0", "--max_secs=150"),
}


def program(name):
    return fingerprint((TRANSCRIPTS / f"help_{name}.txt").read_text(encoding="utf-8"))


def flags_of(name, backend, precision, **options):
    """What is asked beside what every run is asked."""
    found = arguments(program(name), backend=backend, precision=precision, **ASKED, **options)
    assert set(found) >= EVERY_RUN
    assert len({argument.split("=")[0] for argument in found}) == len(found)
    return set(found) - EVERY_RUN


@pytest.mark.parametrize(
    ("name", "kind", "saves"),
    [
        ("classic_android", ProgramKind.CLASSIC, True),
        ("classic_linux", ProgramKind.CLASSIC, True),
        ("litert_early", ProgramKind.LITERT, False),
        ("litert", ProgramKind.LITERT, False),
    ],
)
def test_programs_are_told_apart_by_their_help(name, kind, saves):
    found = program(name)
    assert found.kind is kind
    assert found.can_save_outputs is saves
    assert found.flags["num_runs"] == "50"
    assert found.flags["graph"] == ""


def test_fingerprint_is_of_the_flags_and_not_of_folder_and_defaults():
    text = (TRANSCRIPTS / "help_litert.txt").read_text(encoding="utf-8")
    moved = text.replace("./benchmark_model", "/data/local/tmp/other/benchmark_model").replace(
        "=50 ", "=60 "
    )
    assert fingerprint(moved).flags_sha256 == fingerprint(text).flags_sha256
    assert (
        fingerprint(moved.replace("gpu_low", "gpu_high")).flags_sha256
        != fingerprint(text).flags_sha256
    )
    assert program("litert").flags_sha256 != program("litert_early").flags_sha256


@pytest.mark.parametrize(
    "text", ["", "sh: benchmark_model: not found\n", "usage: x\n\t--graph=\tstring\toptional\t\n"]
)
def test_help_of_something_else_is_refused(text):
    with pytest.raises(CheckError, match="not that of a benchmark_model"):
        fingerprint(text)


@pytest.mark.parametrize(
    ("name", "backend", "precision", "expected"),
    [
        ("classic_android", "cpu", "fp32", {"--use_xnnpack=true"}),
        ("classic_android", "cpu", "fp16", {"--use_xnnpack=true", "--xnnpack_force_fp16=true"}),
        (
            *("classic_android", "gpu", "fp16"),
            {"--use_gpu=true", "--gpu_precision_loss_allowed=true", "--gpu_backend=cl"},
        ),
        (
            *("classic_android", "gpu", "fp32"),
            {"--use_gpu=true", "--gpu_precision_loss_allowed=false", "--gpu_backend=cl"},
        ),
        (
            *("classic_android", "opengl", "fp16"),
            {"--use_gpu=true", "--gpu_precision_loss_allowed=true", "--gpu_backend=gl"},
        ),
        (
            *("classic_android", "nnapi", "fp16"),
            {"--use_nnapi=true", "--disable_nnapi_cpu=true", "--nnapi_allow_fp16=true"},
        ),
        ("litert", "cpu", "fp32", {"--use_cpu=true"}),
        ("litert", "gpu", "fp16", {"--use_cpu=false", "--use_gpu=true", "--gpu-precision=fp16"}),
        ("litert", "gpu", "fp32", {"--use_cpu=false", "--use_gpu=true", "--gpu-precision=fp32"}),
        (
            "litert_early",
            "gpu",
            "fp32",
            {"--use_cpu=false", "--use_gpu=true", "--allow_fp16=false"},
        ),
        (
            *("litert", "webgpu", "fp32"),
            {"--use_cpu=false", "--use_gpu=true", "--gpu-precision=fp32", "--gpu_backend=webgpu"},
        ),
    ],
)
def test_flags_of_each_backend(name, backend, precision, expected):
    assert flags_of(name, backend, precision) == expected


@pytest.mark.parametrize("name", ["classic_android", "classic_linux", "litert_early", "litert"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_no_flag_is_unknown_to_the_program(name, backend, precision):
    """Whatever is asked: flags that this build has, or one clear sentence."""
    try:
        found = arguments(
            program(name),
            backend=backend,
            precision=precision,
            profile=True,
            require_full=True,
            **ASKED,
        )
    except CheckError as error:
        assert str(error).startswith("benchmark_model: ") and "\n" not in str(error)
    else:
        assert {argument[2:].split("=")[0] for argument in found} <= set(program(name).flags)


@pytest.mark.parametrize(
    ("name", "backend", "precision", "message"),
    [
        ("classic_linux", "gpu", "fp32", "has no --gpu_precision_loss_allowed"),
        ("classic_linux", "nnapi", "fp32", "has no --use_nnapi"),
        ("classic_android", "webgpu", "fp32", "no WebGPU"),
        ("litert", "nnapi", "fp32", "no NNAPI"),
        ("litert", "cpu", "fp16", "half precision"),
    ],
)
def test_what_a_build_cannot_do_is_said(name, backend, precision, message):
    with pytest.raises(CheckError, match=message):
        flags_of(name, backend, precision)


def test_options_go_by_each_program_s_names():
    cache = RunFiles(cache_folder="/data/local/tmp/run/cache", cache_token="abc")
    classic = flags_of(
        "classic_android", "gpu", "fp16", profile=True, require_full=True, files=cache
    )
    assert classic >= {
        "--enable_op_profiling=true",
        "--require_full_delegation=true",
        "--delegate_serialize_token=abc",
    }
    litert = flags_of("litert", "gpu", "fp16", profile=True, require_full=True, files=cache)
    assert litert >= {
        "--use_profiler=true",
        "--require_full_delegation=true",
        "--gpu_model_cache_key=abc",
    }
    assert "--gpu_serialization_dir=/data/local/tmp/run/cache" in litert
    with pytest.raises(CheckError, match="delegate_serialize_dir"):
        flags_of("litert_early", "gpu", "fp16", files=cache)
    assert "--nnapi_accelerator_name=npu" in flags_of(
        "classic_android", "nnapi", "fp32", accelerator="npu"
    )
    assert flags_of("litert", "cpu", "fp32", require_full=True) == {"--use_cpu=true"}
    assert "--report_peak_memory_footprint=true" in flags_of(
        "litert", "gpu", "fp32", watch_memory=True
    )


def test_xnnpacks_cache_is_a_file_where_a_build_has_the_flag():
    cache = RunFiles(cache_folder="/run/cache", cache_token="abc")
    text = (TRANSCRIPTS / "help_litert.txt").read_text(encoding="utf-8")
    cached = fingerprint(
        f"{text}\n\t--xnnpack_weight_cache_file_path=\tstring\toptional\tits path\n"
    )
    assert (
        cached.can_cache("cpu")
        and cached.can_cache("gpu")
        and not program("litert").can_cache("cpu")
    )
    found = arguments(cached, backend="cpu", precision="fp32", files=cache, **ASKED)
    assert "--xnnpack_weight_cache_file_path=/run/cache/abc" in found
    assert not any("gpu" in argument for argument in found)
    with pytest.raises(CheckError, match="has no --xnnpack_weight_cache_file_path"):
        flags_of("classic_android", "cpu", "fp32", files=cache)


def test_inputs_and_outputs_are_files():
    photo = InputFile("serving_default_photo:0", (1, 8, 12, 3), "/run/photo.bin")
    files = RunFiles(
        inputs=(photo, InputFile("depth", (1, 4), "/run/depth.bin")), output="/run/out.bin"
    )
    assert flags_of("classic_android", "gpu", "fp16", files=files) >= {
        "--input_layer=serving_default_photo:0,depth",
        "--input_layer_shape=1,8,12,3:1,4",
        "--input_layer_value_files=serving_default_photo::0:/run/photo.bin,depth:/run/depth.bin",
        "--output_filepath=/run/out.bin",
    }
    with pytest.raises(CheckError, match="output_filepath"):
        flags_of("litert", "gpu", "fp16", files=files)
    with pytest.raises(CheckError, match="comma"):
        flags_of(
            "classic_android", "gpu", "fp16", files=RunFiles(inputs=(InputFile("a,b", (1,), "/x"),))
        )


@pytest.mark.parametrize(
    "change",
    [
        *(
            {"backend": "tpu"},
            {"precision": "int8"},
            {"threads": 0},
            {"runs": 0},
            {"warmup_runs": -1},
        ),
        {"accelerator": "npu"},
    ],
)
def test_nonsense_is_the_caller_s_mistake(change):
    asked = {"backend": "gpu", "precision": "fp16", **ASKED}
    with pytest.raises(ValueError, match="Received: "):
        arguments(program("classic_android"), **(asked | change))


def test_flags_that_were_not_understood_are_an_error():
    check_flags(parse_log((TRANSCRIPTS / "classic_gpu_full.txt").read_bytes()))
    with pytest.raises(
        CheckError, match=r"does not know --gpu_precision=fp32, --use_profiler=true"
    ):
        check_flags(parse_log((TRANSCRIPTS / "classic_unconsumed.txt").read_bytes()))
