"""The op matrix: small models of one idea each, and what both GPU delegates said of them.

`VERDICTS` holds the facts by variant; `build_all(folder)` rebuilds the models as
`folder/<variant>.tflite`, so that a rule of the static check can be held against what was measured.
The verdicts need no TensorFlow, the models do.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from bokeh_tf.files import make_folder, write_bytes

_FACTS = json.loads(Path(__file__).with_name("verdicts.json").read_text(encoding="utf-8"))

# Rounding and half-precision inputs stay below 3e-4, wrong kernels begin at 0.5.
WRONG_ERROR = 0.01


@dataclass(frozen=True)
class OpVerdict:
    """What was measured of one variant; `input_shapes` are without the batch, `ops` are
    "NAME.v<version>", sorted.

    `classic` and `mldrift` are None where the variant has no file: `not_rebuilt` says why.
    `mldrift` is "gpu" where the delegate takes the whole file, right or wrong, "refused", or
    "crash". The errors are relative to the output's range, on inputs such as the variant's name
    says: None where not measured, infinite or NaN where a value is; `error_weights16_*` are those
    of the file with float16 weights.
    """

    variant: str
    group: str
    input_shapes: tuple[tuple[int, ...], ...]
    ops: tuple[str, ...]
    classic: bool | None
    classic_messages: tuple[str, ...]
    classic_nodes: tuple[int, ...]
    mldrift: str | None
    mldrift_reason: str
    error_float32: float | None
    error_float16: float | None
    error_weights16_float32: float | None
    error_weights16_float16: float | None
    not_rebuilt: str | None

    @property
    def is_wrong(self):
        """Whether ML Drift takes the file and computes something else in float32."""
        return self.error_float32 is not None and self.error_float32 > WRONG_ERROR

    @property
    def is_wrong_with_float16_weights(self):
        """The same of the file with float16 weights."""
        return (
            self.error_weights16_float32 is not None and self.error_weights16_float32 > WRONG_ERROR
        )


def _verdict(variant, facts):
    errors = [None if error is None else float(error) for error in facts.get("errors", [None] * 4)]
    ops = [op for op, count in facts["ops"].items() for _ in range(count)]
    return OpVerdict(
        variant=variant,
        group=facts["group"],
        input_shapes=tuple(tuple(shape) for shape in facts["input_shapes"]),
        ops=tuple(sorted(ops)),
        classic=facts.get("classic"),
        classic_messages=tuple(facts.get("classic_messages", ())),
        classic_nodes=tuple(facts.get("classic_nodes", ())),
        mldrift=facts.get("mldrift"),
        mldrift_reason=facts.get("mldrift_reason", ""),
        error_float32=errors[0],
        error_float16=errors[1],
        error_weights16_float32=errors[2],
        error_weights16_float16=errors[3],
        not_rebuilt=facts.get("not_rebuilt"),
    )


VERDICTS = {variant: _verdict(variant, facts) for variant, facts in _FACTS["variants"].items()}


def build_all(folder, names=None, *, weights="float32"):
    """Writes the models that `folder` does not hold yet and returns the paths of all by variant.

    Args:
        names: of the variants; by default all that can be rebuilt.
        weights: "float32" or "float16"; one folder holds the files of one kind.
    """
    folder = make_folder(folder)
    if names is None:
        names = [name for name, verdict in VERDICTS.items() if not verdict.not_rebuilt]
    paths = {name: folder / f"{name}.tflite" for name in names}
    missing = [name for name in names if not paths[name].exists()]
    if missing:
        from tests.op_matrix.building import build

        for name in missing:
            write_bytes(paths[name], build(VERDICTS[name], weights=weights))
    return paths
