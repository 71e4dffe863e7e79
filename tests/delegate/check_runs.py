"""`bokeh-tf check` run in this process, and a file that it refuses."""

from bokeh_tf.cli import main


def refused_by_both(tiny_tflite):
    """Five dimensions and a GATHER_ND: neither delegate takes it."""

    def graph(image):
        import keras

        return keras.layers.UpSampling2D(2, interpolation="nearest")(image)

    return tiny_tflite("nearest_upsampling", graph)


def run(capsys, *arguments):
    status = main(["check", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err
