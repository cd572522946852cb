"""The short form of ``make faults ARGS=inputs``, and proof that it sees what it looks for."""

from __future__ import annotations

import pytest

from .child import MODULES, kinds_of
from .inputs import Child, Tally, report, try_inputs
from .kinds import make
from .mutations import mutated

EACH = 8
"""Damaged files of each kind."""


def test_damaged_files_of_every_kind_end_in_a_value_or_in_one_line(tmp_path):
    kinds = kinds_of(",".join(MODULES))
    tallies = try_inputs(dict.fromkeys(kinds, EACH), tmp_path, limit=30)  # the machine may be busy with other tests
    assert {kind: tally.findings for kind, tally in tallies.items() if tally.findings} == {}
    assert all(tally.inputs == EACH for tally in tallies.values())
    assert sum(tally.accepted for tally in tallies.values()) > 2 * len(kinds)
    assert sum(tally.refused for tally in tallies.values()) > 3 * len(kinds)


EXPECTED = {
    "nothing": "accepted",
    "a refusal": "refused",
    "a refusal of two lines": "a message that is not one clear line",
    "a long refusal": "a message that is not one clear line",
    "another error": "KeyError",
    "the end": "the process ended: exit status 3",
    "a crash": "the process ended: SIGSEGV",
    "a hang": "more than 1.5 seconds",
    "a slow reader": "more than 1.5 seconds",
    "memory": "more memory than the bound",
    "more memory than there is": "MemoryError",
    "a file elsewhere": "something that no reader may do",
    "a file removed elsewhere": "something that no reader may do",
    "a process": "something that no reader may do",
    "code": "something that no reader may do",
    "a program that ran": "a program ran",
    "damage unseen": "damage that a checksum should have shown",
}


def test_all_that_no_reader_may_do_is_seen(tmp_path):
    kinds = kinds_of("planted")
    assert kinds.keys() == EXPECTED.keys()
    child = Child(tmp_path, "planted", limit=1.5)
    try:
        for name, verdict in EXPECTED.items():
            seeds = kinds[name].seeds(tmp_path)
            number = next(n for n in range(100) if make(kinds[name], seeds, n).data != seeds[0].data)
            assert child.read(name, number)["verdict"] == verdict, name
    finally:
        child.close()


def test_inputs_are_the_same_at_every_call():
    kind = kinds_of("planted")["damage unseen"]
    seeds = kind.seeds(None)  # type: ignore[arg-type]
    made = [make(kind, seeds, n).data for n in range(50)]
    assert made == [make(kind, seeds, n).data for n in range(50)]
    assert len(set(made)) > 30


@pytest.mark.parametrize("data", [b"", b"x", bytes(100), b"123 abc" * 1000])
def test_anything_can_be_damaged(data):
    from random import Random

    made = {mutated(data, Random(n), [b"other"]) for n in range(300)}
    assert len(made) > 20
    assert all(len(x) <= 2**20 for x in made)


def test_the_report_says_what_was_found():
    tally = Tally()
    tally.add(7, {"verdict": "KeyError", "detail": "Traceback", "seconds": 0.5, "bytes": 2**20})
    tally.add(8, {"verdict": "refused", "detail": "", "seconds": 0.1, "bytes": 0})
    text = report({"PNG": tally}, 60)
    assert "| PNG | 2 | 0 | 1 | 1 | 0.50 | 1 |" in text
    assert "| **all** | 2 | 0 | 1 | 1 | 0.50 | 1 |" in text
