"""Which engines `bokeh-tf check` asks, and which must answer, by its options; a `ValueError` where
they make no sense.
"""


def read(options) -> tuple[frozenset[str], frozenset[str]]:
    """The names of the engines to run, and of those among them that must."""
    from bokeh_tf.delegate import engines

    default = engines.NONE if options.no_probe else engines.AUTO
    names = engines.asked(default if options.engines is None else options.engines)
    if options.no_probe and names != {engines.NONE}:
        raise ValueError("--engines and --no-probe exclude each other")
    if names & {engines.AUTO, engines.NONE}:
        every = frozenset(engine.name for engine in engines.ENGINES)
        return (every if engines.AUTO in names else frozenset()), frozenset()
    return names, names


def require_answerable(policy, asked, options) -> None:
    """Refuses what only an engine can answer that the options leave out."""
    from bokeh_tf.delegate.engines import ML_DRIFT, NPU, NPU_COMPILER, OPENVINO

    for condition, needed, engine in (
        ("--require-probe", options.require_probe, ML_DRIFT),
        ("--bisect", options.bisect, ML_DRIFT),
        (f"--fail-on {NPU}", NPU in policy.criteria, OPENVINO),
        (f"--fail-on {NPU_COMPILER}", NPU_COMPILER in policy.criteria, NPU_COMPILER),
        ("--npu-compiler", options.npu_compiler, NPU_COMPILER),
    ):
        if not needed or engine in asked:
            continue
        if options.no_probe:
            raise ValueError(f"{condition} and --no-probe exclude each other")
        raise ValueError(
            f"{condition} needs the engine {engine}. Received: --engines {options.engines}."
        )


def classic_gl_python(options, asked, required):
    """The interpreter of the classic engine, None where nobody asks it."""
    from bokeh_tf.delegate.classic_gl.engine import VARIABLE, default_python
    from bokeh_tf.delegate.engines import CLASSIC_GL

    if CLASSIC_GL not in asked:
        return None
    python = options.classic_gl_python or default_python()
    if python is None and CLASSIC_GL in required:
        raise ValueError(
            f"classic-gl needs --classic-gl-python FILE or {VARIABLE}: a Python with mediapipe"
        )
    return python


def npu_compiler(policy, options, asked, required):
    """The compiler that the options name, None where they name none and nobody needs one."""
    from bokeh_tf.delegate.engines import NPU_COMPILER
    from bokeh_tf.delegate.npu_compiler.vendors import FORM, NpuCompiler

    if NPU_COMPILER not in asked:
        return None
    if options.npu_compiler is not None:
        return NpuCompiler.parse(options.npu_compiler)
    if NPU_COMPILER in required or NPU_COMPILER in policy.criteria:
        raise ValueError(f"{NPU_COMPILER} needs --npu-compiler {FORM}: the vendor's own libraries")
    return None


def asks_openvino(policy, asked, required) -> bool:
    """Whether it is asked: where it is named or its answer decides in any case, so that the report
    says why there is none, and else where it is there.
    """
    from bokeh_tf.delegate.engines import NPU, OPENVINO

    if OPENVINO not in asked:
        return False
    from bokeh_tf.delegate.openvino import libraries

    is_needed = OPENVINO in required or NPU in policy.criteria
    # Without OpenVINO nobody need know what else is missing.
    return is_needed or (libraries.folder() is not None and libraries.missing() is None)
