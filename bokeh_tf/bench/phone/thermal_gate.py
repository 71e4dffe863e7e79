"""Waiting until a phone is fit for a measurement: cool, not throttled, and with enough charge."""

import time
from dataclasses import dataclass

from bokeh_tf.bench.phone.device_facts import Battery, Thermal
from bokeh_tf.errors import DeviceError

LIMIT_C = 40.0
BATTERY_FLOOR_PERCENT = 30
# From this Android status on (emergency) the phone is about to switch itself off.
_STATUS_EMERGENCY = 5


@dataclass(frozen=True)
class GateReading:
    """The phone as it went through the gate. `doubts` are sentences a result must carry."""

    waited_s: float
    thermal: Thermal
    battery: Battery
    doubts: tuple[str, ...]


def wait_until_fit(
    device,
    *,
    limit_c=LIMIT_C,
    battery_floor_percent=BATTERY_FLOOR_PERCENT,
    timeout_s=600.0,
    pause_s=0.0,
    poll_s=5.0,
    on_wait=None,
) -> GateReading:
    """Waits until the phone's thermal status is 0 and its hottest sensor is under `limit_c`.

    Args:
        device: has `thermal()`, `battery()` and `serial`.
        pause_s: least time to wait in any case, so that the rounds before cool down.
        on_wait: called with each `Thermal` that was still too hot.

    Raises:
        DeviceError: it is too hot after `timeout_s`, near its emergency stop,
            or its battery is too low.
    """
    start_s = time.monotonic()
    battery = _charged(device, battery_floor_percent)
    time.sleep(pause_s)
    while (obstacle := _obstacle(thermal := device.thermal(), limit_c)) is not None:
        if thermal.status is not None and thermal.status >= _STATUS_EMERGENCY:
            raise DeviceError(
                f"{device.serial}: {obstacle}: the phone is about to switch off. Let it cool down."
            )
        waited_s = time.monotonic() - start_s
        if waited_s + poll_s > timeout_s:
            raise DeviceError(
                f"{device.serial}: still too hot after {waited_s:.0f} s: {obstacle}. "
                "Take it out of its case, off the charger and out of the sun, or allow more heat"
                " or time."
            )
        if on_wait:
            on_wait(thermal)
        time.sleep(poll_s)
    return GateReading(time.monotonic() - start_s, thermal, battery, _doubts(thermal, battery))


def _charged(device, floor_percent):
    battery = device.battery()
    if battery.level_percent is not None and battery.level_percent < floor_percent:
        raise DeviceError(
            f"{device.serial}: the battery is at {battery.level_percent} %, under the floor of"
            f" {floor_percent} %, "
            "where phones slow down. Charge it first."
        )
    return battery


def _obstacle(thermal, limit_c):
    """What is too hot, in words, or None."""
    if thermal.status:
        return f"thermal status {thermal.status} ({thermal.status_name})"
    hottest = thermal.hottest
    if hottest is not None and hottest.celsius >= limit_c:
        return f"{hottest.name} {hottest.celsius:.1f} °C, limit {limit_c:g} °C"
    return None


def _doubts(thermal, battery):
    doubts = []
    if thermal.hottest is None:
        doubts.append("the phone shows no temperatures, so heat was not checked")
    if thermal.status is None:
        doubts.append("the phone has no thermal status (before Android 10)")
    if battery.level_percent is None:
        doubts.append("the phone does not show its charge")
    return tuple(doubts)
