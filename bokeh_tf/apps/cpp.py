"""C++ for Android, Linux and others, with LiteRT's `CompiledModel`."""

from bokeh_tf.apps.target import Target, indented

_TYPES = {
    "float32": "float",
    "int32": "int32_t",
    "int64": "int64_t",
    "int8": "int8_t",
    "uint8": "uint8_t",
}


def _lines(facts):
    inputs = [(port.snake, _TYPES[port.dtype], port) for port in facts.inputs]
    outputs = [(port.snake, _TYPES[port.dtype], port) for port in facts.outputs]
    writes = [
        f"LITERT_RETURN_IF_ERROR(inputs_[{number}].Write<{kind}>(absl::MakeConstSpan({name})));"
        for number, (name, kind, _) in enumerate(inputs)
    ]
    reads = []
    for number, (name, kind, port) in enumerate(outputs):
        reads += [
            f"found.{name}.resize({port.size});",
            f"LITERT_RETURN_IF_ERROR(outputs_[{number}].Read<{kind}>(absl::MakeSpan(found.{name})));",
        ]
    return {
        "fields": indented(
            [f"std::vector<{kind}> {name};  // {port.size} values" for name, kind, port in outputs],
            2,
        ),
        "parameters": ", ".join(f"const std::vector<{kind}>& {name}" for name, kind, _ in inputs),
        "writes": indented(writes, 4),
        "reads": indented(reads, 4),
    }


TARGET = Target(
    name="cpp",
    title="LiteRT's CompiledModel in C++",
    types=_TYPES,
    always=("gpu_model.h", "README.md"),
    for_photos=(),
    lines=_lines,
    tried="Compiled by our tests against stubs of the published interface, not run on a phone.",
)
