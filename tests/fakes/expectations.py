"""What every test with a fault expects: a message that a person understands, and
a phone as it was before.
"""

import tempfile
import time

# A killed process takes a moment to go, on a busy machine a long one; of itself it would stay for
# ten minutes.
_VANISH_TIMEOUT_S = 60.0


def assert_nothing_left(phone):
    """No file in the phone's temporary folder and no process of ours, at once or very soon."""
    deadline = time.monotonic() + _VANISH_TIMEOUT_S
    while (phone.temporary_files() or phone.running()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert phone.temporary_files() == []
    assert phone.running() == []


def assert_nothing_runs(phone):
    """No process of ours runs on the phone, at once or very soon."""
    deadline = time.monotonic() + _VANISH_TIMEOUT_S
    while phone.running() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert phone.running() == []


def assert_clear(error, *words):
    """One line for a person: it holds each of `words` and no path of this
    computer's temporary files.
    """
    message = str(error.value)
    assert "\n" not in message and "Traceback" not in message
    assert tempfile.gettempdir() not in message
    for word in words:
        assert word in message, message
