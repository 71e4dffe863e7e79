"""Putting the model where the app looks for it: into the phone's Download folder,
proved by its sha256 there.
"""

from bokeh_tf.ai_benchmark.card import REMOTE_PATH
from bokeh_tf.bench.phone.adb import Adb, find_adb
from bokeh_tf.bench.phone.device import Device


def push(path, *, adb=None, serial=None) -> str:
    """Copies the file at `path` to the phone as Download/model.tflite, over what
    is there, and verifies it.

    Args:
        path: the pack's `model.tflite`.
        adb: the adb program; see `find_adb` for where it is looked for if None.
        serial: the phone, where there are several.

    Returns:
        The phone's serial.

    Raises:
        DeviceError: there is no adb, not one phone that is ready, or the file did not arrive whole.
    """
    device = Device(Adb(find_adb(explicit=adb)).choose(serial))
    device.push(path, REMOTE_PATH)
    return device.serial
