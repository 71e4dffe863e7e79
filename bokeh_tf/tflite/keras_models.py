"""Any Keras model in the one form that is converted: functional, of known
sizes, computed in float32.

Functional models are taken as they are; a Sequential and a subclassed one are called once on
symbolic inputs. Names of inputs and outputs are the keys of dicts, else those of the layers.
"""

import contextlib
import inspect
from collections.abc import Iterator, Sequence

import keras

from bokeh_tf.errors import ConversionError

_HALF_TYPES = ("float16", "bfloat16")
# What a layer calls the shapes that it was built with: "input_shape", or "image_shape" for `image`.
_SHAPE_SUFFIX = "_shape"


def functional(
    model: keras.Model,
    *,
    shapes: Sequence[Sequence[int]] | None = None,
    image_size: tuple[int, int] | None = None,
    batch: int | None = None,
) -> keras.Model:
    """The functional form of `model`; a functional one whose sizes are known is returned itself.

    Args:
        shapes: of all inputs, with the batch, in the order of `keras.tree.flatten`.
        image_size: (height, width) in pixels of every input [H, W, C] whose own is free.
        batch: what a free batch becomes; None leaves it free.

    Raises:
        ConversionError: sizes are missing, or contradict those of the model.
    """
    if isinstance(model, keras.Sequential):
        model = _flat(model, shapes)
    if _is_functional(model):
        struct, tensors = model.input, model.inputs
        declared = [
            (name, tuple(tensor.shape))
            for name, tensor in zip(input_names(model), tensors, strict=True)
        ]
        dtypes = [tensor.dtype for tensor in tensors]
    else:
        struct, declared = _built_with(model, shapes)
        dtypes = ["float32"] * len(declared)
    wanted = _sized(model, declared, shapes=shapes, image_size=image_size, batch=batch)
    if _is_functional(model) and wanted == [shape for _, shape in declared]:
        return model
    inputs = [
        keras.Input(shape[1:], batch_size=shape[0], dtype=dtype, name=name)
        for (name, _), shape, dtype in zip(declared, wanted, dtypes, strict=True)
    ]
    outputs = _called(model, struct, inputs)
    names = output_names(model) if _is_functional(model) else _names_of(outputs, "output")
    # A layer that does nothing carries the name.
    flat = [
        keras.layers.Identity(name=name)(tensor)
        for name, tensor in zip(_free_of(names, inputs), keras.tree.flatten(outputs), strict=True)
    ]
    return keras.Model(inputs, flat, name=model.name)


def input_names(model: keras.Model) -> list[str]:
    """What the inputs of a functional model are called, in the order of `model.inputs`."""
    if isinstance(getattr(model, "_inputs_struct", None), dict):
        return _names_of(model.input, "input")
    return distinct([tensor._keras_history.operation.name for tensor in model.inputs])


def output_names(model: keras.Model) -> list[str]:
    """What the outputs of a functional model are called, in the order of `model.outputs`."""
    if isinstance(getattr(model, "_outputs_struct", None), dict):
        return _names_of(model.output, "output")
    return distinct([tensor._keras_history.operation.name for tensor in model.outputs])


def distinct(names: Sequence[str]) -> list[str]:
    """Numbers repeated names, as a layer with several outputs gives them: GPU
    runtimes find tensors by name.
    """
    names = list(names)
    return [
        name if names.count(name) == 1 else f"{name}_{names[:position].count(name)}"
        for position, name in enumerate(names)
    ]


@contextlib.contextmanager
def computing_in_float32(model: keras.Model) -> Iterator[None]:
    """Lets layers of half precision, mixed or whole, compute in float32 meanwhile,
    with the weights they have.
    """
    changed = []
    for layer in model._flatten_layers():
        policy = layer.dtype_policy
        if policy.quantization_mode is None and policy.compute_dtype in _HALF_TYPES:
            changed.append((layer, "dtype_policy", policy))
            layer.dtype_policy = _Float32Policy(policy.variable_dtype)
    for operation in _operations(model):
        if type(operation).__name__ == "Cast" and operation.dtype in _HALF_TYPES:
            changed.append((operation, "dtype", operation.dtype))
            operation.dtype = "float32"
    try:
        yield
    finally:
        for owner, name, value in changed:
            setattr(owner, name, value)


def computes_in_half(model: keras.Model) -> bool:
    """Whether any layer computes in float16 or bfloat16."""
    return any(layer.dtype_policy.compute_dtype in _HALF_TYPES for layer in model._flatten_layers())


class _Float32Policy(keras.DTypePolicy):
    """Computes in float32 whatever type the variables have."""

    def __init__(self, variable_dtype):
        super().__init__("float32")
        self._kept_dtype = variable_dtype

    @property
    def variable_dtype(self):
        return self._kept_dtype


def _operations(model):
    for operation in getattr(model, "operations", ()):
        yield operation
        yield from _operations(operation)


def _is_functional(model):
    return bool(getattr(model, "inputs", None)) and getattr(model, "outputs", None) is not None


def _flat(model, shapes):
    """A Sequential as the functional model that it is."""
    if not model.built:
        if not shapes:
            raise _without_shape(model)
        model.build(tuple(shapes[0]))
    [image] = model.inputs
    if image.shape[0] in (None, 1):
        return keras.Model(model.inputs, model.outputs, name=model.name)
    # Of one that was built by being called, the batch is that call's.
    image = hidden = keras.Input(
        image.shape[1:], dtype=image.dtype, name=image._keras_history.operation.name
    )
    for layer in model.layers:
        hidden = layer(hidden)
    return keras.Model(image, hidden, name=model.name)


def _without_shape(model):
    return ConversionError(
        f"{model.name}: nothing says what shape its inputs have."
        " Call it once on a batch, or give them: --input-shape 1x256x256x3, once for each input."
    )


def _built_with(model, shapes):
    """(structure of the inputs, (name, shape) of each) of a model that has no symbolic inputs."""
    config = model.get_build_config() or {}
    if "shapes_dict" in config:
        named = {
            key.removesuffix(_SHAPE_SUFFIX): shape for key, shape in config["shapes_dict"].items()
        }
        return _Keywords(named), [(name, tuple(shape)) for name, shape in named.items()]
    parameters = _parameters(model)
    built = config.get("input_shape")
    # Of several, Keras keeps the first.
    if shapes is None and (built is None or len(parameters) > 1):
        raise _without_shape(model)
    if len(parameters) > 1:
        return _Keywords.fromkeys(parameters), list(
            zip(parameters, map(tuple, shapes), strict=False)
        )
    if built is None:
        names = (
            ["input"] if len(shapes) == 1 else [f"input_{place}" for place in range(len(shapes))]
        )
        struct = None if len(shapes) == 1 else [None] * len(shapes)
        return struct, list(zip(names, map(tuple, shapes), strict=True))
    struct = _without_sizes(built)
    return struct, list(zip(_names_of(struct, "input"), _shapes_in(built), strict=True))


def _parameters(model):
    """Names of what the model's `call` cannot do without."""
    parameters = inspect.signature(model.call).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [
        one.name
        for one in parameters
        if one.kind in kinds and one.default is inspect.Parameter.empty
    ]


class _Keywords(dict):
    """Inputs that the model's `call` takes one by one."""


def _is_shape(value):
    return isinstance(value, list | tuple) and all(
        size is None or isinstance(size, int) for size in value
    )


def _without_sizes(built):
    if _is_shape(built):
        return None
    if isinstance(built, dict):
        return {key: _without_sizes(value) for key, value in built.items()}
    return [_without_sizes(value) for value in built]


def _shapes_in(built):
    if _is_shape(built):
        return [tuple(built)]
    values = [built[key] for key in sorted(built)] if isinstance(built, dict) else built
    return [shape for value in values for shape in _shapes_in(value)]


def _sized(model, declared, *, shapes, image_size, batch):
    """The shape of each input, with what the caller says in place of what is free."""
    if shapes is not None and len(shapes) != len(declared):
        raise ConversionError(
            f"{model.name}: has {len(declared)} inputs, and {len(shapes)} shapes were given."
        )
    wanted = []
    for place, (name, shape) in enumerate(declared):
        sizes = list(shape)
        if not _is_functional(model):
            # What it was built with is one call's batch, not a rule.
            sizes[0] = None
        if image_size is not None and len(sizes) == 4:
            sizes[1:3] = _agreed(model, name, sizes[1:3], image_size)
        if shapes is not None:
            sizes = _agreed(model, name, sizes, shapes[place])
        if batch is not None:
            sizes[:1] = _agreed(model, name, sizes[:1], [batch])
        wanted.append(tuple(sizes))
    return wanted


def _agreed(model, name, own, given):
    """Sizes as given where the model's own are free or the same; a subclassed
    model has none of its own.
    """
    is_open = not _is_functional(model)
    if len(own) != len(given) or not all(
        is_open or old in (None, new) for old, new in zip(own, given, strict=True)
    ):
        raise ConversionError(
            f"{model.name}: input {name} is {tuple(own)} in the model and cannot be {tuple(given)}."
            " Build the model for that size, or with None for what is to be free."
        )
    return list(given)


def _called(model, struct, inputs):
    if isinstance(struct, _Keywords):
        return model(**dict(zip(struct, inputs, strict=True)))
    if struct is None:
        return model(inputs[0])
    return model(keras.tree.pack_sequence_as(_placeholders(struct), inputs))


def _placeholders(struct):
    """The structure with something at its leaves: None is no leaf to `keras.tree`."""
    if isinstance(struct, dict):
        return {key: _placeholders(value) for key, value in struct.items()}
    if isinstance(struct, list | tuple):
        return [_placeholders(value) for value in struct]
    return 0


def _names_of(struct, only):
    """A name for each leaf, in the order of `keras.tree.flatten`: keys and places, or
    `only` where there is one.
    """
    names = ["_".join(map(str, path)) for path in _paths(struct)]
    if names == [""]:
        return [only]
    return distinct([f"{only}_{name}" if name[:1].isdigit() else name for name in names])


def _paths(struct):
    if isinstance(struct, dict):
        return [(key, *rest) for key in sorted(struct) for rest in _paths(struct[key])]
    if isinstance(struct, list | tuple):
        return [(place, *rest) for place, value in enumerate(struct) for rest in _paths(value)]
    return [()]


def _free_of(names, inputs):
    """Layer names for outputs: none of an input, and no slash, which Keras keeps for scopes."""
    taken = {tensor.name for tensor in inputs}
    return [f"{name}_out" if name in taken else name.replace("/", "_") for name in names]
