"""A page for browsers, with LiteRT.js on WebGPU."""

from bokeh_tf.apps.target import Target, indented, render_call

_TYPES = {"float32": "Float32Array", "int32": "Int32Array"}


def _lines(facts):
    inputs = [(port.camel, _TYPES[port.dtype], port) for port in facts.inputs]
    tensors = [f"new Tensor({name}, {list(port.shape)})" for name, _, port in inputs]
    checks = []
    for name, _, port in inputs:
        checks += [
            f"if ({name}.length !== {port.size}) {{",
            f"    throw new RangeError('{name}: {port.size} values');",
            "}",
        ]
    return {
        "parameters": ", ".join(name for name, _, _ in inputs),
        "parameter_docs": "\n".join(f" * @param {{{kind}}} {name}" for name, kind, _ in inputs),
        "result_type": ", ".join(f"{port.camel}: {_TYPES[port.dtype]}" for port in facts.outputs),
        "checks": indented(checks, 4),
        "tensors": indented(tensors, 8, end=","),
        "names": ", ".join(f"'{port.camel}'" for port in facts.outputs),
        **render_call(facts, focus="Float32Array.of(row, column, aperture, 0)"),
    }


TARGET = Target(
    name="web",
    title="LiteRT.js",
    types=_TYPES,
    always=("gpu_model.js", "package.json", "README.md"),
    for_photos=("photos.js", "index.html"),
    lines=_lines,
    tried="Tried in Chromium 156 on its CPU with @litertjs/core 2.5.3; our tests check the syntax.",
)
