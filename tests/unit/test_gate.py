"""The gate lets readers pass together, and one who swaps the file be alone."""

from __future__ import annotations

import threading

import pytest

from mcai.store.duck.gate import Gate

SOON_S = 10.0


def test_closing_waits_for_those_inside_and_keeps_others_out() -> None:
    """Whoever is inside finishes first; whoever comes meanwhile waits until it is open again."""
    gate, told = Gate(), list[str]()
    inside, leave, closed, open_again = (threading.Event() for _ in range(4))

    def early() -> None:
        with gate.passing():
            inside.set()
            assert leave.wait(SOON_S)
            told.append("early left")

    def closer() -> None:
        with gate.closed():
            told.append("closed")
            closed.set()
            assert open_again.wait(SOON_S)
            told.append("open")

    def late() -> None:
        with gate.passing():
            told.append("late came")

    first, second, third = (threading.Thread(target=each) for each in (early, closer, late))
    first.start()
    assert inside.wait(SOON_S)
    second.start()
    leave.set()
    assert closed.wait(SOON_S)
    third.start()
    open_again.set()
    for thread in (first, second, third):
        thread.join(SOON_S)
    assert told == ["early left", "closed", "open", "late came"]


def test_who_is_inside_passes_again_and_who_closed_it_passes() -> None:
    """Nested reads never wait for a closer that waits for them; the closer itself may read."""
    gate = Gate()
    with gate.passing(), gate.passing():
        pass
    with gate.closed(), gate.passing():
        pass
    with gate.closed():
        pass


def test_gate_opens_again_after_a_failure() -> None:
    """An error inside leaves nobody waiting."""
    gate = Gate()
    with pytest.raises(ZeroDivisionError), gate.closed():
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), gate.passing():
        raise ZeroDivisionError
    with gate.closed():
        pass
