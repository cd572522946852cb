"""One way to stop for all signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from logan.interrupts import SIGNALS, interrupts, waiting

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends signals to itself")


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def test_which_they_are():
    assert {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1} <= set(SIGNALS)


@pytest.mark.parametrize("number", SIGNALS)
def test_each_raises_where_nothing_holds_it_back(number):
    before = signal.getsignal(number)

    def free():
        with interrupts():
            send(number)
            pytest.fail("it went on")

    with pytest.raises(KeyboardInterrupt):
        free()
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", SIGNALS)
def test_each_is_noted_where_it_is_held_back_and_the_second_is_not(number):
    with interrupts(held=True) as stop:
        send(number)
        assert (stop.requested, stop.twice) == (True, False)
        with pytest.raises(KeyboardInterrupt):
            send(SIGNALS[0])
        assert stop.twice


def test_in_between_it_is_not_held_back():
    with interrupts(held=True) as stop:
        with stop.at_once():
            pass
        assert stop.held

        def free():
            with stop.at_once():
                send(signal.SIGTERM)
                pytest.fail("it went on")

        with pytest.raises(KeyboardInterrupt):
            free()
        assert (stop.requested, stop.twice, stop.held) == (True, False, True)
        with pytest.raises(KeyboardInterrupt), stop.at_once():
            pytest.fail("one that was held back before is as good")


def test_a_closed_session_is_no_reason_under_nohup():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupts():
            send(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_worker_leaves_it_to_its_parent():
    """Which ends it in the end: a second SIGTERM is one."""
    code = """
import os, signal, sys
from logan.interrupts import SIGNALS, leave_stopping_to_the_parent
leave_stopping_to_the_parent()
for number in SIGNALS:
    os.kill(os.getpid(), number)
print("lives", flush=True)
os.kill(os.getpid(), signal.SIGTERM)
print("lives on", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "lives\n"), done.stderr


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="no such signals")
@pytest.mark.parametrize("number", SIGNALS)
def test_signals_wait_for_a_fork(number):
    reached = []

    def forked():
        with interrupts(), waiting():
            send(number)
            reached.append(number)

    with pytest.raises(KeyboardInterrupt):
        forked()
    assert reached == [number]
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & set(SIGNALS)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_worker_hears_signals_again():
    code = (
        "import os, signal, time\n"
        "from logan.interrupts import SIGNALS, leave_stopping_to_the_parent, waiting\n"
        "with waiting():\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        leave_stopping_to_the_parent()\n"
        "        assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & set(SIGNALS)\n"
        "        os._exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
