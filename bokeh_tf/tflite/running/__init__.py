"""Running a file and comparing what it computes: CPU and GPU, inputs and agreement."""

# The package of the runtime. It stands here, where nothing need be imported to name it.
RUNTIME = "ai-edge-litert"
