"""Networks as a newcomer would bring them; `--custom-objects` and
`module:function` import this file.
"""

import keras
from keras import layers

SIZE = (16, 24)


@keras.saving.register_keras_serializable("own_nets")
class Doubling(keras.Model):
    """Subclassed: twice the size, by the nearest pixel, under a dictionary's key."""

    def __init__(self, filters, **options):
        super().__init__(**options)
        self.filters = filters
        self.first = layers.Conv2D(
            filters, 3, padding="same", activation="relu", dtype="mixed_float16"
        )
        self.up = layers.UpSampling2D(2)
        self.last = layers.Conv2D(1, 3, padding="same")

    def call(self, image):
        return {"depth": self.last(self.up(self.first(image)))}

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}


def doubling():
    model = Doubling(6)
    model(keras.ops.zeros((2, *SIZE, 3)))
    return model


def unet():
    image = keras.Input((*SIZE, 3), name="photo")
    hidden, skips = image, []
    for filters in (8, 12):
        hidden = layers.Conv2D(filters, 3, padding="same", activation="relu")(hidden)
        skips.append(hidden)
        hidden = layers.MaxPool2D()(hidden)
    for level, filters in enumerate((12, 8), start=1):
        hidden = layers.UpSampling2D(2, name=f"up{level}")(hidden)
        hidden = layers.Concatenate()([hidden, skips.pop()])
        hidden = layers.BatchNormalization()(
            layers.Conv2D(filters, 3, padding="same", activation="relu")(hidden)
        )
    return keras.Model(
        image, layers.Conv2D(1, 1, activation="sigmoid", name="mask")(hidden), name="unet"
    )


def depth():
    base = keras.applications.MobileNetV2(
        input_shape=(64, 96, 3), include_top=False, weights=None, alpha=0.35
    )
    hidden = base.get_layer("block_6_expand_relu").output
    hidden = layers.UpSampling2D(2, interpolation="bilinear")(
        layers.Conv2D(16, 3, padding="same")(hidden)
    )
    disparity = layers.Conv2D(1, 3, padding="same", activation="softplus")(hidden)
    confidence = layers.Conv2D(1, 3, padding="same", activation="sigmoid")(hidden)
    return keras.Model(base.input, {"disparity": disparity, "confidence": confidence}, name="depth")


def generator():
    def normal(hidden):
        return layers.ReLU()(layers.GroupNormalization(groups=-1)(hidden))

    image = keras.Input((32, 32, 3), name="picture")
    hidden = normal(layers.Conv2D(8, 3, strides=2, padding="same")(image))
    hidden = layers.Add()([hidden, normal(layers.Conv2D(8, 3, padding="same")(hidden))])
    hidden = normal(layers.Conv2DTranspose(8, 3, strides=2, padding="same")(hidden))
    return keras.Model(
        image, layers.Conv2D(3, 7, padding="same", activation="tanh", name="painted")(hidden)
    )


def sequential():
    return keras.Sequential(
        [
            keras.Input((*SIZE, 3), name="image"),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.UpSampling2D(2),
            layers.Conv2D(3, 3, padding="same", activation="sigmoid"),
        ]
    )


def mixed():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        image = keras.Input((*SIZE, 3), name="image")
        hidden = layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same")(image))
        hidden = layers.Conv2D(1, 1, dtype="float32", activation="sigmoid", name="mask")(hidden)
    finally:
        keras.config.set_dtype_policy(policy)
    return keras.Model(image, hidden, name="mixed")
