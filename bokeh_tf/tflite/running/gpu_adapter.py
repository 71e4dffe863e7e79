"""Which Vulkan adapters this machine has, and whether they compute in real half precision.

A driver is native code that may crash, so this is asked in a child process
(`find_adapters`); only the child (`python -m bokeh_tf.tflite.running.gpu_adapter`, which
without more prints them) touches libvulkan.
"""

import ctypes
import ctypes.util
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from bokeh_tf.processes import DONE, answer_job, ask_module, confine

_TIMEOUT_S = 20.0
_APPLICATION_INFO, _INSTANCE_CREATE_INFO = 0, 1
_FEATURES_2, _FLOAT16_INT8_FEATURES = 1000059000, 1000082000
_API_VERSION_1_2 = (1 << 22) | (2 << 12)
_NAME_OFFSET_BYTES = 20  # of deviceName in VkPhysicalDeviceProperties, after five 32-bit numbers
_NAME_BYTES = 256
_PROPERTIES_BYTES = 4096  # more than VkPhysicalDeviceProperties (824)
_FEATURES_BYTES = 1024  # more than VkPhysicalDeviceFeatures2 (240)


@dataclass(frozen=True)
class Adapter:
    """A Vulkan physical device. `has_float16`: shader arithmetic in half precision is
    real, not done in float32.
    """

    name: str
    has_float16: bool


def find_adapters() -> tuple[Adapter, ...]:
    """All Vulkan adapters of this machine; empty where there is no loader,
    no driver, or it crashes.
    """
    with tempfile.TemporaryDirectory(prefix="bokeh_tf_") as folder:
        answer = ask_module(
            "bokeh_tf.tflite.running.gpu_adapter", Path(folder), timeout_s=_TIMEOUT_S
        )
        if answer.stage != DONE:
            return ()
        return tuple(Adapter(**entry) for entry in answer.content["adapters"])


class _Float16Features(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_uint32),
        ("next", ctypes.c_void_p),
        ("float16", ctypes.c_uint32),
        ("int8", ctypes.c_uint32),
    )


class _Features2(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_uint32),
        ("next", ctypes.c_void_p),
        ("features", ctypes.c_byte * _FEATURES_BYTES),
    )


class _ApplicationInfo(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_uint32),
        ("next", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("version", ctypes.c_uint32),
        ("engine_name", ctypes.c_char_p),
        ("engine_version", ctypes.c_uint32),
        ("api_version", ctypes.c_uint32),
    )


class _InstanceCreateInfo(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_uint32),
        ("next", ctypes.c_void_p),
        ("flags", ctypes.c_uint32),
        ("application", ctypes.POINTER(_ApplicationInfo)),
        ("layer_count", ctypes.c_uint32),
        ("layers", ctypes.c_void_p),
        ("extension_count", ctypes.c_uint32),
        ("extensions", ctypes.c_void_p),
    )


def _query():
    """Asks libvulkan of this process; runs in the child only."""
    try:
        vulkan = ctypes.CDLL(ctypes.util.find_library("vulkan") or "libvulkan.so.1")
    except OSError:
        return ()
    application = _ApplicationInfo(type=_APPLICATION_INFO, api_version=_API_VERSION_1_2)
    request = _InstanceCreateInfo(
        type=_INSTANCE_CREATE_INFO, application=ctypes.pointer(application)
    )
    instance = ctypes.c_void_p()
    if vulkan.vkCreateInstance(ctypes.byref(request), None, ctypes.byref(instance)):
        return ()
    count = ctypes.c_uint32()
    vulkan.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), None)
    devices = (ctypes.c_void_p * count.value)()
    vulkan.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), devices)
    return tuple(_describe(vulkan, ctypes.c_void_p(device)) for device in devices[: count.value])


def _describe(vulkan, device):
    properties = ctypes.create_string_buffer(_PROPERTIES_BYTES)
    vulkan.vkGetPhysicalDeviceProperties(device, properties)
    name = properties.raw[_NAME_OFFSET_BYTES : _NAME_OFFSET_BYTES + _NAME_BYTES].split(b"\0")[0]
    half = _Float16Features(type=_FLOAT16_INT8_FEATURES)
    features = _Features2(type=_FEATURES_2, next=ctypes.cast(ctypes.pointer(half), ctypes.c_void_p))
    vulkan.vkGetPhysicalDeviceFeatures2(device, ctypes.byref(features))
    return Adapter(name.decode("utf-8", errors="replace"), bool(half.float16))


def _answer(_):
    return {"adapters": [asdict(adapter) for adapter in _query()]}


def _print():
    confine()
    adapters = _query()
    for adapter in adapters:
        sys.stdout.write(
            f"{adapter.name}: half precision {'yes' if adapter.has_float16 else 'NO'}\n"
        )
    return 0 if any(adapter.has_float16 for adapter in adapters) else 1


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit(_print())
    answer_job(_answer, error_kinds={})
