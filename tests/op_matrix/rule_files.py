"""The graphs that ML Drift's rules carry, as files: for a rule of `CASES` the graph that goes
wrong and its nearest right form, for every other its example.
"""

from pathlib import Path

from bokeh_tf.delegate.rules import Rule, known_releases, load_rules
from bokeh_tf.files import write_bytes
from tests.delegate.rules.mldrift_cases import CASES
from tests.delegate.rules.rule_graphs import build_graph

PREFIX = "rule."


def every_rule() -> tuple[Rule, ...]:
    """ML Drift's rules of all releases."""
    every = (
        rule
        for name in known_releases("mldrift")
        for rule in load_rules("mldrift", runtime=name).rules
    )
    return tuple({rule.id: rule for rule in every}.values())


def write_rule_files(folder: Path) -> dict[str, Path]:
    """Writes those that `folder` does not hold yet; returns the paths of all by name:
    "rule.<id>.wrong" and ".right", or "rule.<id>".
    """
    contents = {}
    for rule in every_rule():
        name = f"{PREFIX}{rule.id}"
        if rule.id in CASES:
            wrong, right = CASES[rule.id]
            contents |= {f"{name}.wrong": lambda g=wrong: g, f"{name}.right": lambda g=right: g}
        elif rule.example_graph:
            contents[name] = lambda text=rule.example_graph: build_graph(text)
        else:
            contents[name] = lambda code=rule.example: _converted(code)
    paths = {name: folder / f"{name}.tflite" for name in contents}
    for name, path in paths.items():
        if not path.exists():
            write_bytes(path, contents[name]())
    return paths


def _converted(code):
    """What the Keras code of a rule's example makes."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(1)
    names: dict = {}
    exec(code, names)
    converter = names.get("converter") or tf.lite.TFLiteConverter.from_keras_model(names["model"])
    return converter.convert()
