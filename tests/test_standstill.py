"""Children that will never be done, told from those that are slow."""

import sys
import time

import pytest

from bokeh_tf.processes import run_command

LOCKED = "import threading; lock = threading.Lock(); lock.acquire(); lock.acquire()"
COMPUTES = "import time\nend = time.monotonic() + 3\nwhile time.monotonic() < end: pass"
ONE_COMPUTES = f"""
import threading
lock = threading.Lock()
lock.acquire()
threading.Thread(target=lock.acquire, daemon=True).start()
{COMPUTES}
"""


def ended(code, *, timeout_s=60.0, standstill_s=1.0):
    return run_command([sys.executable, "-c", code], timeout_s=timeout_s, standstill_s=standstill_s)


def test_a_child_that_waits_for_itself_is_given_up_long_before_its_time_is_over():
    start_s = time.monotonic()
    done = ended(LOCKED)
    assert done.stood_still and not done.timed_out and time.monotonic() - start_s < 30
    assert done.ending == "it stands still, as its threads wait for each other"


@pytest.mark.parametrize("code", [COMPUTES, ONE_COMPUTES])
def test_a_child_that_computes_is_waited_for(code):
    done = ended(code)
    assert (done.return_code, done.stood_still, done.timed_out) == (0, False, False)


def test_the_end_of_the_time_is_no_standstill():
    done = ended(COMPUTES.replace("3", "60"), timeout_s=1.5)
    assert done.timed_out and not done.stood_still


def test_a_child_that_sleeps_less_long_is_waited_for():
    assert ended("import time; time.sleep(2)", standstill_s=20.0).return_code == 0
