"""What can be asked of a timing run, by name. The command line reads it, so it imports nothing."""

LITERT, TFLITE_RUNTIME = "ai-edge-litert", "tflite-runtime"
# Of this machine's CPU, the usual one first.
RUNTIMES = (LITERT, TFLITE_RUNTIME)
# Of this machine's GPU; "default" is the delegate's own, half.
GPU_PRECISIONS = ("default", "float32")
# Of a phone.
SETTINGS = ("cpu", "gpu-fp16", "gpu-fp32", "nnapi")
DEFAULT_SETTINGS = ("cpu", "gpu-fp16", "gpu-fp32")
CORES = ("all", "big", "prime")
# Of a browser; WebGPU computes in float32 unless it is told otherwise.
BROWSER_SETTINGS = ("wasm", "webgpu", "webgpu-fp16")
DEFAULT_BROWSER_SETTINGS = ("wasm", "webgpu")
# What a log of benchmark_model may have been meant to show, the usual one first.
LOG_BACKENDS = ("gpu", "opengl", "webgpu", "nnapi", "cpu")
