"""`--on gpu`: this machine's GPU, through LiteRT."""

from bokeh_tf.bench.backends.backend import Backend
from bokeh_tf.bench.vocabulary import GPU_PRECISIONS


def _add_options(parser, _count):
    group = parser.add_argument_group("gpu")
    group.add_argument(
        "--gpu-precision",
        choices=GPU_PRECISIONS,
        default=GPU_PRECISIONS[0],
        help="default: the delegate's own, half",
    )
    group.add_argument(
        "--allow-software",
        action="store_true",
        help="time a software adapter too, stamped: not a GPU timing",
    )


def _settings(options):
    from bokeh_tf.bench.host.gpu import GpuSetting

    return (GpuSetting(precision=options.gpu_precision, allow_software=options.allow_software),)


_SAYS = "this machine's GPU, through LiteRT, with nothing left to the CPU"
BACKEND = Backend("gpu", _SAYS, _add_options, settings=_settings)
