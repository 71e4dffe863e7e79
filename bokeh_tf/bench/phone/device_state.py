"""What adb says about the phones it sees: the list of `adb devices -l`, and a clear
sentence for every state.

A serial may hold spaces and brackets, and a state may be several words, so the state is found by a
known set and never by splitting at spaces.
"""

import enum
import re
from dataclasses import dataclass


class DeviceState(enum.Enum):
    """The states of the adb protocol, by the word that adb prints."""

    READY = "device"
    OFFLINE = "offline"
    UNAUTHORIZED = "unauthorized"
    AUTHORIZING = "authorizing"
    CONNECTING = "connecting"
    DETACHED = "detached"
    RECOVERY = "recovery"
    SIDELOAD = "sideload"
    RESCUE = "rescue"
    BOOTLOADER = "bootloader"
    HOST = "host"
    NO_PERMISSIONS = "no permissions"
    ABSENT = "absent"
    UNKNOWN = "unknown"


_SENTENCES = {
    DeviceState.READY: "is ready.",
    DeviceState.OFFLINE: "is offline: adb sees it but it does not answer. "
    "Unplug it and plug it in again, or run `adb reconnect offline`.",
    DeviceState.UNAUTHORIZED: "does not trust this computer yet. Unlock its screen and accept"
    " 'Allow USB debugging'.",
    DeviceState.AUTHORIZING: "is still checking this computer's key. Wait a moment; if it stays"
    " so, "
    "unlock its screen and plug it in again.",
    DeviceState.CONNECTING: "is still connecting. Wait a moment and try again.",
    DeviceState.DETACHED: "is detached from adb. Run `adb attach` for it or plug it in again.",
    DeviceState.RECOVERY: "is in recovery mode. Choose 'Reboot system now' on its screen and wait"
    " until Android is up.",
    DeviceState.SIDELOAD: "waits for an update (sideload mode). Leave that mode on its screen and"
    " start Android.",
    DeviceState.RESCUE: "is in rescue mode. Reboot it into Android first.",
    DeviceState.BOOTLOADER: "is in its bootloader. Run `fastboot reboot` and wait until Android is"
    " up.",
    DeviceState.HOST: "presents itself as a host, not as a phone. Use a cable and port that let"
    " the phone be a device.",
    DeviceState.NO_PERMISSIONS: "may not be opened by this user (no permissions). "
    "Install the udev rules for Android phones or join the group 'plugdev', then plug it in again.",
    DeviceState.ABSENT: "is not connected. Check its cable, that it is switched on and that USB"
    " debugging is on; "
    "`adb devices` lists what adb sees.",
    DeviceState.UNKNOWN: "is in a state that this program does not know.",
}

_ATTRIBUTES = r"(?:usb|product|model|device|features|transport_id):\S*|\d+-[\d.]+"
_STATES = "|".join(
    re.escape(state.value)
    for state in DeviceState
    if state.value not in ("no permissions", "absent")
)
_LINE = re.compile(
    rf"^(?P<serial>\S.*?)\s+(?P<state>{_STATES}|no"
    rf" permissions\b.*?)(?P<attributes>(?:\s+(?:{_ATTRIBUTES}))*)\s*$"
)
_HEADER = "List of devices attached"
_ATTRIBUTE = re.compile(r"(\w+):(\S*)")


@dataclass(frozen=True)
class ListedDevice:
    """One line of `adb devices -l`. `state_text` is adb's own wording; `model` is
    empty where adb gives none.
    """

    serial: str
    state: DeviceState
    state_text: str
    model: str = ""

    @property
    def matter(self) -> str:
        """What is the matter with the phone, and what to do, without its serial."""
        told = f" adb says: {self.state_text!r}." if self.state is DeviceState.UNKNOWN else ""
        return f"this phone {_SENTENCES[self.state]}{told}"

    @property
    def sentence(self) -> str:
        """Which phone it is, what is the matter with it, and what to do."""
        return f"{self.serial}: {self.matter}"


def absent(serial) -> ListedDevice:
    """The entry for a phone that adb does not list."""
    return ListedDevice(serial, DeviceState.ABSENT, "")


def parse_devices(text) -> tuple[ListedDevice, ...]:
    """Reads what `adb devices -l` prints; notices of the adb server
    before the header are skipped.
    """
    lines = text.replace("\r", "").split("\n")
    if _HEADER not in lines:
        return ()
    listed = (
        line
        for line in lines[lines.index(_HEADER) + 1 :]
        if line.strip() and not line.startswith("* ")
    )
    return tuple(map(_parse_line, listed))


def _parse_line(line):
    match = _LINE.match(line)
    if not match:
        serial, _, rest = line.partition("\t" if "\t" in line else " ")
        return ListedDevice(serial, DeviceState.UNKNOWN, rest.strip())
    attributes = dict(_ATTRIBUTE.findall(match["attributes"]))
    state_text = match["state"].strip()
    known = (
        DeviceState.NO_PERMISSIONS
        if state_text.startswith("no permissions")
        else DeviceState(state_text)
    )
    return ListedDevice(
        match["serial"], known, state_text, attributes.get("model", "").replace("_", " ")
    )
