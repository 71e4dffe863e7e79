"""Stand-in for both programs called `benchmark_model`: runs the model for
real with LiteRT on the CPU.

`write(path, "classic")` and `write(path, "litert")` make an executable for the fake phone. What it
prints has the grammar of the real ones; a use of the GPU is only told, never real. The file
`benchmark_fault` in the phone's folder names what goes wrong: no_opencl, opengl, partial,
silent_cpu, init_failed, linker, killed, crashed, hang, endless, garbage, truncated, nan_output,
zero_output, cache_ignored, cache_unwritten, nnapi_unsupported, nnapi_reference.
"""

import os
import signal
import sys
import time
from pathlib import Path

_SHARED_FLAGS = {
    "graph": "",
    "num_runs": "50",
    "min_secs": "1",
    "max_secs": "150",
    "warmup_runs": "1",
    "warmup_min_secs": "0.5",
    "run_delay": "-1",
    "num_threads": "-1",
    "use_gpu": "false",
    "require_full_delegation": "false",
    "gpu_backend": "",
    "input_layer": "",
    "input_layer_shape": "",
    "input_layer_value_range": "",
    "result_file_path": "",
    "verbose": "false",
}
FLAGS = {
    "classic": {
        **_SHARED_FLAGS,
        "gpu_precision_loss_allowed": "true",
        "gpu_experimental_enable_quant": "true",
        "gpu_inference_for_sustained_speed": "false",
        "max_delegated_partitions": "0",
        "delegate_serialize_dir": "",
        "delegate_serialize_token": "",
        "use_xnnpack": "true",
        "use_nnapi": "false",
        "nnapi_execution_preference": "",
        "nnapi_accelerator_name": "",
        "disable_nnapi_cpu": "true",
        "nnapi_allow_fp16": "false",
        "enable_op_profiling": "false",
        "input_layer_value_files": "",
        "output_filepath": "",
        "dry_run": "false",
        "print_preinvoke_state": "false",
    },
    "litert": {
        **_SHARED_FLAGS,
        "signature_to_run_for": "",
        "use_cpu": "true",
        "use_npu": "false",
        "use_profiler": "false",
        "gpu-precision": "auto",
        "gpu_low_priority": "false",
        "gpu_serialization_dir": "",
        "gpu_model_cache_key": "",
        "convert_weights_on_gpu": "false",
        "xnnpack_weight_cache_file_path": "",
    },
}
_GPU_NAMES = {"classic": "TfLiteGpuDelegateV2", "litert": "LITERT_CL"}
_MEMORY_NOTE = (
    "Note: as the benchmark tool itself affects memory footprint, the following is only"
    " APPROXIMATE to the actual "
    "memory footprint of the model at runtime. Take the information at your discretion."
)
# Short limits, so that tests are: the real tool's seconds are scaled down to this share.
_TIME_SHARE = 0.02


def write(path, program):
    """Writes the executable: a shell script that is a Python program as well, so
    that it keeps one process id.
    """
    source = Path(__file__).read_text(encoding="utf-8")
    start = f"#!/bin/sh\n''':'\nexec '{sys.executable}' -P \"$0\" \"$@\"\n'''\n"
    path = Path(path)
    path.write_text(
        f"{start}{source}\n\nif __name__ == '__main__':\n    main({program!r}, sys.argv[1:])\n"
    )
    path.chmod(0o755)
    return path


def say(text, *, severity="INFO"):
    print(f"{severity}: {text}", file=sys.stderr, flush=True)


def fault():
    path = Path(os.environ.get("FAKE_PHONE", "")) / "benchmark_fault"
    return path.read_text().strip() if path.is_file() else ""


def main(program, arguments):
    if fault() == "linker":
        message = (
            'CANNOT LINK EXECUTABLE "./benchmark_model": library "libOpenCL.so" not found:'
            " needed by main executable"
        )
        print(message, file=sys.stderr)
        sys.exit(1)
    if "--help" in arguments:
        usage(program)
    flags, unknown = parse(program, arguments)
    say("STARTING!")
    if unknown:
        say(f"Unconsumed cmdline flags: {' '.join(unknown)}", severity="WARN")
    say("Log parameter values verbosely: [0]")
    if not flags["graph"]:
        say("Please specify the name of your TF Lite input file with --graph", severity="ERROR")
        sys.exit(1)
    say(f"Graph: [{flags['graph']}]")
    if flags["use_gpu"] == "true":
        say("Use gpu: [1]")
    if flags.get("use_nnapi") == "true":
        tell_nnapi_flags(flags, arguments)
    benchmark(program, flags)


def tell_nnapi_flags(flags, arguments):
    """The flags that were given, under the labels of the real program, and
    the devices of this phone.
    """
    say("Use NNAPI: [1]")
    given = {argument.removeprefix("--").partition("=")[0] for argument in arguments}
    if "nnapi_accelerator_name" in given:
        say(f"NNAPI accelerator name: [{flags['nnapi_accelerator_name']}]")
    say(
        "NNAPI accelerators available:"
        f" [{'' if fault() == 'nnapi_reference' else 'npu-one,'}nnapi-reference]"
    )
    if "disable_nnapi_cpu" in given:
        say(f"Disable NNAPI cpu: [{int(flags['disable_nnapi_cpu'] == 'true')}]")
    if "nnapi_allow_fp16" in given:
        say(f"Allow fp16 in NNAPI: [{int(flags['nnapi_allow_fp16'] == 'true')}]")


def usage(program):
    print(f"usage: {sys.argv[0]} <flags>\nFlags:", file=sys.stderr)
    for name, default in FLAGS[program].items():
        print(f"\t--{name}={default}\tstring\toptional\t{name.replace('_', ' ')}", file=sys.stderr)
    sys.exit(1)


def parse(program, arguments):
    flags, unknown = dict(FLAGS[program]), []
    for argument in arguments:
        name, _, value = argument.removeprefix("--").partition("=")
        if argument.startswith("--") and name in flags:
            flags[name] = value
        else:
            unknown.append(argument)
    return flags, unknown


def benchmark(program, flags):
    start_us = now_us()
    interpreter, node_count = load(flags)
    say(f"Loaded model {flags['graph']}")
    if program == "litert":
        say("[litert/runtime/accelerators/auto_registration.cc:148] CPU accelerator registered.")
    say("Initialized TensorFlow Lite runtime.")
    delegate(program, flags, node_count)
    size_mb = Path(flags["graph"]).stat().st_size / 1e6
    say(f"The input model file size (MB): {size_mb:g}")
    init_us = now_us() - start_us
    say(f"Initialized session in {init_us / 1000:g}ms.")
    misbehave()
    feed(interpreter, flags)
    warm_up = rounds(interpreter, flags, int(flags["warmup_runs"]), float(flags["warmup_min_secs"]))
    steady = rounds(interpreter, flags, int(flags["num_runs"]), float(flags["min_secs"]))
    averages = [sum(times) / len(times) for times in (warm_up, steady)]
    if program == "classic":
        say(
            f"Inference timings in us: Init: {init_us}, First inference: {warm_up[0]:g}, "
            f"Warmup (avg): {averages[0]:g}, Inference (avg): {averages[1]:g}"
        )
        say(_MEMORY_NOTE)
        say("Memory footprint delta from the start of the tool (MB): init=9.5 overall=12.25")
    else:
        litert_results(init_us, warm_up, steady)
    save_output(interpreter, flags)


def now_us():
    return time.perf_counter_ns() // 1000


def load(flags):
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    try:
        plain = Interpreter(
            flags["graph"],
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        node_count = len(plain._get_ops_details())
        threads = int(flags["num_threads"])
        interpreter = Interpreter(flags["graph"], num_threads=threads if threads > 0 else None)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError):
        say(f"Failed to mmap model {flags['graph']}", severity="ERROR")
        fail()
    return interpreter, node_count


def fail():
    say("Benchmarking failed.", severity="ERROR")
    sys.exit(1)


def delegate(program, flags, node_count):
    """Tells about the delegate as the real tools do; the numbers are the model's own."""
    trouble = fault()
    if flags.get("use_nnapi") == "true":
        nnapi(node_count)
        return
    if flags["use_gpu"] != "true" or trouble == "silent_cpu":
        if flags["use_gpu"] == "true":
            say("GPU acceleration is unsupported on this platform.", severity="WARN")
        xnnpack(node_count)
        from_cache(
            Path(flags.get("xnnpack_weight_cache_file_path", "")),
            "XNNPack weight cache loaded from ",
        )
        return
    say("Created TensorFlow Lite delegate for GPU.")
    say("GPU delegate created.")
    if trouble == "no_opencl":
        say(
            'Can not open OpenCL library on this device - dlopen failed: library "libOpenCL.so"'
            " not found",
            severity="ERROR",
        )
        say("TfLiteGpuDelegate Init: No EGL error, but eglChooseConfig failed", severity="ERROR")
    if trouble in ("no_opencl", "init_failed"):
        say("TfLiteGpuDelegate Prepare: delegate is not initialized", severity="ERROR")
        say("Node number 3 (TfLiteGpuDelegateV2) failed to prepare.", severity="ERROR")
        say(
            "Restored original execution plan after delegate application failure.", severity="ERROR"
        )
        say("Failed to apply GPU delegate.", severity="ERROR")
        fail()
    taken = node_count if trouble != "partial" else max(1, node_count - 1)
    if trouble == "partial":
        say("Following operations are not supported by GPU delegate:", severity="ERROR")
        print("CONV_2D: Max version supported: 6. Requested version 9.", file=sys.stderr)
        rest = node_count - taken
        text = (
            f"{taken} operations will run on the GPU, and the remaining {rest} operations will"
            " run on the CPU."
        )
        print(text, file=sys.stderr)
    replacing(taken, node_count, _GPU_NAMES[program], 1 if taken == node_count else 2)
    if trouble == "opengl":
        say("Falling back to OpenGL", severity="ERROR")
        say("Initialized OpenGL-based API.")
    else:
        say("Loaded OpenCL library with dlopen.")
        folder = flags.get("delegate_serialize_dir") or flags.get("gpu_serialization_dir")
        if not (
            folder
            and from_cache(Path(folder) / "kernels.bin", "Initialized OpenCL-based API from ")
        ):
            say("Initialized OpenCL-based API.")
    say("Created 1 GPU delegate kernels.")
    applied("GPU", taken == node_count)
    if taken < node_count and flags["require_full_delegation"] == "true":
        say("Disallowed CPU fallback detected.", severity="ERROR")
        fail()


def from_cache(path, how):
    """Says whether the file `path` was there, and makes it; without a
    name there is nothing to do.
    """
    if not path.name or fault() == "cache_unwritten":
        return False
    if path.exists() and fault() != "cache_ignored":
        say(
            f"{how}'{path}'." if how.startswith("XNN") else f"{how}serialized data.",
            severity="VERBOSE",
        )
        return True
    path.write_bytes(bytes(1234))
    return False


def xnnpack(node_count):
    say("Created TensorFlow Lite XNNPACK delegate for CPU.")
    replacing(node_count, node_count, "TfLiteXNNPackDelegate", 1)


def nnapi(node_count):
    """NNAPI's lines; it has no line for kernels, and what it does not take goes to XNNPACK."""
    trouble = fault()
    if trouble == "nnapi_unsupported":
        say("NNAPI acceleration is unsupported on this platform.", severity="WARN")
        xnnpack(node_count)
        return
    say("Created TensorFlow Lite delegate for NNAPI.")
    say("NNAPI delegate created.")
    if trouble == "nnapi_reference":
        say(
            "Though NNAPI delegate is explicitly applied, the model graph will not be executed by"
            " the delegate."
        )
        xnnpack(node_count)
        return
    taken = node_count if trouble != "partial" else max(1, node_count - 1)
    replacing(taken, node_count, "TfLiteNnapiDelegate", 1 if taken == node_count else 2)
    applied("NNAPI", taken == node_count)
    if taken < node_count:
        replacing(node_count - taken, node_count - taken + 1, "TfLiteXNNPackDelegate", 2)


def applied(name, is_whole):
    extent, kernels = ("completely", ".") if is_whole else ("partially", " w/ 1 delegate kernels.")
    say(
        f"Explicitly applied {name} delegate, and the model graph will be {extent} executed by the"
        f" delegate{kernels}"
    )


def replacing(taken, node_count, name, partitions):
    text = (
        f"Replacing {taken} out of {node_count} node(s) with delegate ({name}) node, yielding"
        f" {partitions} partitions"
    )
    say(f"{text} for subgraph 0.", severity="VERBOSE")


def misbehave():
    trouble = fault()
    if trouble == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if trouble == "crashed":
        os.kill(os.getpid(), signal.SIGSEGV)
    if trouble == "hang":
        time.sleep(600)
    while trouble == "endless":
        os.write(1, b"count=" * 10_000 + b"\n")
    if trouble == "garbage":
        os.write(1, bytes(range(256)) * 20)
        sys.exit(0)
    if trouble == "truncated":
        os.write(2, b"INFO: count=12 first=98")
        sys.exit(0)


def feed(interpreter, flags):
    import numpy as np

    generator = np.random.default_rng(7)
    files = dict(
        item.split(":", 1)
        for item in flags.get("input_layer_value_files", "").split(",")
        if ":" in item
    )
    for detail in interpreter.get_input_details():
        if detail["name"] in files:
            values = np.fromfile(files[detail["name"]], detail["dtype"]).reshape(detail["shape"])
        else:
            values = generator.uniform(0, 1, detail["shape"]).astype(detail["dtype"])
        interpreter.set_tensor(detail["index"], values)


def rounds(interpreter, flags, least, seconds):
    say(
        f"Running benchmark for at least {least} iterations and at least {seconds:g} seconds "
        f"but terminate if exceeding {flags['max_secs']} seconds."
    )
    times_us, start_us = [], now_us()
    while len(times_us) < least or now_us() - start_us < seconds * 1e6 * _TIME_SHARE:
        before_us = now_us()
        interpreter.invoke()
        times_us.append(now_us() - before_us)
        if now_us() - start_us > float(flags["max_secs"]) * 1e6:
            break
    say(statistics_line(times_us))
    print(file=sys.stderr)
    return times_us


def statistics_line(times_us):
    ordered = sorted(times_us)
    count, mean = len(ordered), sum(ordered) / len(ordered)
    p5, median, p95 = (ordered[min(count - 1, int(share * count))] for share in (0.05, 0.5, 0.95))
    percentiles = f"p5={p5} median={median} p95={p95}"
    if count == 1:
        return f"count=1 curr={ordered[0]} {percentiles}"
    deviation = int((sum((time_us - mean) ** 2 for time_us in ordered) / count) ** 0.5)
    ends = f"first={times_us[0]} curr={times_us[-1]} min={ordered[0]} max={ordered[-1]}"
    return f"count={count} {ends} avg={mean:g} std={deviation} {percentiles}"


def litert_results(init_us, warm_up, steady):
    def line(number, text):
        say(f"[./litert/tools/benchmark_litert_model.h:{number}] {text}")

    line(81, "\n========== BENCHMARK RESULTS ==========")
    line(82, f"Model initialization: {init_us / 1000:.2f} ms")
    line(84, f"Warmup (first):       {warm_up[0] / 1000:.2f} ms")
    line(
        86,
        f"Warmup (avg):         {sum(warm_up) / len(warm_up) / 1000:.2f} ms ({len(warm_up)} runs)",
    )
    line(
        88, f"Inference (avg):      {sum(steady) / len(steady) / 1000:.2f} ms ({len(steady)} runs)"
    )
    line(92, f"Inference (min):      {min(steady) / 1000:.2f} ms")
    line(94, f"Inference (max):      {max(steady) / 1000:.2f} ms")
    line(112, "\nMemory Usage:")
    line(114, "Init footprint:       8.94 MB")
    line(116, "Overall footprint:    11.51 MB")
    line(126, "======================================\n")


def save_output(interpreter, flags):
    """The real tool appends the outputs' raw bytes one after the other."""
    if not flags.get("output_filepath"):
        return
    import numpy as np

    with Path(flags["output_filepath"]).open("wb") as file:
        for detail in interpreter.get_output_details():
            values = interpreter.get_tensor(detail["index"])
            if fault() in ("nan_output", "zero_output"):
                values = np.full_like(values, np.nan if fault() == "nan_output" else 0)
            file.write(values.tobytes())
