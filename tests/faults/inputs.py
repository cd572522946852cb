"""Damaged files of every kind that the project reads; nothing but a value or one clear line may come of them.

``python -m tests.faults inputs`` reads 50,000 and more, and writes what became of them to docs/results/trust.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from .child import MODULES, Reader, kinds_of

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results" / "trust"
LIMIT = 5.0
"""Seconds that an input may take."""
START = 180.0
"""Seconds that a process may take to begin, and to make the good files of a kind."""
CHUNK = 100
"""Inputs of a kind that one process is given at a time."""
QUIET = ("accepted", "refused")


class Child:
    """A process that reads, and is started again when an input has ended it."""

    def __init__(self, folder: Path, modules: str, limit: float) -> None:
        self.folder, self.modules, self.limit = folder, modules, limit
        self.process: subprocess.Popen[str] | None = None

    def read(self, kind: str, number: int) -> dict[str, Any]:
        """What became of an input. One that takes too long is tried once more, since the machine may have been busy."""
        found = self._read(kind, number)
        if found["seconds"] > self.limit:
            found = self._read(kind, number)
            if found["seconds"] > self.limit and found["verdict"] in QUIET:
                found["verdict"] = f"more than {self.limit:g} seconds"
        return found

    def _read(self, kind: str, number: int) -> dict[str, Any]:
        if self.process is None:
            self._start()
        assert self.process is not None
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(f"{number} {kind}\n")
            self.process.stdin.flush()
            if self._line(START) is None:
                raise RuntimeError(f"the good files of {kind} cannot be made: {self._errors()}")
            start, line = time.monotonic(), self._line(self.limit + 0.5)
        except BrokenPipeError:
            start, line = time.monotonic(), None
        if line is not None:
            return json.loads(line)
        seconds = time.monotonic() - start
        if seconds > self.limit:
            self.close()
            return {"verdict": f"more than {self.limit:g} seconds", "detail": "", "seconds": seconds, "bytes": 0}
        code, detail = self.process.wait(), self._errors()
        self.close()
        cause = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return {"verdict": f"the process ended: {cause}", "detail": detail, "seconds": seconds, "bytes": 0}

    def _start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
        with open(self.folder / "errors", "w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-X", "faulthandler", "-m", "tests.faults.child", str(self.folder), self.modules],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, bufsize=1, start_new_session=True,
                env=environment, cwd=ROOT,
            )  # fmt: skip
        if self._line(START) is None:
            raise RuntimeError(f"no process that reads: {self._errors()}")

    def _line(self, seconds: float) -> str | None:
        assert self.process is not None
        assert self.process.stdout is not None
        end, text, descriptor = time.monotonic() + seconds, "", self.process.stdout.fileno()
        while not text.endswith("\n"):
            ready, _, _ = select.select([descriptor], [], [], max(0.0, end - time.monotonic()))
            part = os.read(descriptor, 1) if ready else b""
            if not part:
                return None
            text += part.decode("latin-1")
        return text

    def _errors(self) -> str:
        return (self.folder / "errors").read_text(errors="replace")[-3000:]

    def close(self) -> None:
        """End the process, and whatever it started."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            for stream in (self.process.stdin, self.process.stdout):
                with contextlib.suppress(BrokenPipeError):
                    stream.close()  # type: ignore[union-attr]
            self.process = None


@dataclass
class Tally:
    """What became of the inputs of a kind."""

    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    findings: list[dict[str, Any]] = field(default_factory=list)
    slowest_seconds: float = 0.0
    most_bytes: int = 0

    def add(self, number: int, found: dict[str, Any]) -> None:
        """One input more."""
        self.inputs += 1
        self.slowest_seconds = max(self.slowest_seconds, found["seconds"])
        self.most_bytes = max(self.most_bytes, found["bytes"])
        if found["verdict"] == "accepted":
            self.accepted += 1
        elif found["verdict"] == "refused":
            self.refused += 1
        else:
            self.findings.append({"number": number, **found})


def try_inputs(
    counts: dict[str, int], folder: Path, *, modules: str = ",".join(MODULES), processes: int = 1, limit: float = LIMIT
) -> dict[str, Tally]:
    """Read so many inputs of each kind, in so many processes."""
    tallies = {kind: Tally() for kind in counts}
    chunks: SimpleQueue[tuple[str, range]] = SimpleQueue()
    for kind, count in counts.items():
        for start in range(0, count, CHUNK):
            chunks.put((kind, range(start, min(start + CHUNK, count))))
    failed: list[BaseException] = []

    def work(child: Child) -> None:
        try:
            while not failed:
                kind, numbers = chunks.get_nowait()
                for number in numbers:
                    found = child.read(kind, number)
                    tallies[kind].add(number, found)
                    if found["verdict"] not in QUIET:
                        print(
                            f"{kind} {number}: {found['verdict']}\n{found['detail'][-2000:]}",
                            file=sys.stderr,
                            flush=True,
                        )
        except Empty:
            pass
        except BaseException as error:
            failed.append(error)
        finally:
            child.close()

    threads = [threading.Thread(target=work, args=(Child(folder / str(k), modules, limit),)) for k in range(processes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    for tally in tallies.values():
        tally.findings.sort(key=lambda finding: finding["number"])
    return tallies


def counts_of(kinds: Iterable[str], total: int) -> dict[str, int]:
    """``total`` inputs over all kinds, at least; as many of each."""
    names = list(kinds)
    return dict.fromkeys(names, -(-total // len(names)))


def rows_of(tallies: dict[str, Tally]) -> Iterator[list[str]]:
    """The table's cells."""
    for kind, t in tallies.items():
        size, seconds = f"{t.most_bytes / 2**20:,.0f}", f"{t.slowest_seconds:.2f}"
        yield [kind, f"{t.inputs:,}", f"{t.accepted:,}", f"{t.refused:,}", str(len(t.findings)), seconds, size]


def report(tallies: dict[str, Tally], seconds: float) -> str:
    """The table."""
    each = list(tallies.values())
    whole = Tally(
        inputs=sum(t.inputs for t in each),
        accepted=sum(t.accepted for t in each),
        refused=sum(t.refused for t in each),
        findings=[f for t in each for f in t.findings],
        slowest_seconds=max(t.slowest_seconds for t in each),
        most_bytes=max(t.most_bytes for t in each),
    )
    head = ["kind", "inputs", "accepted", "refused", "findings", "slowest (s)", "most memory (MiB)"]
    rows = [head, ["---"] * len(head), *rows_of(tallies), *rows_of({"**all**": whole})]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return (
        "# Damaged inputs\n\n`make faults ARGS=inputs`: every input is drawn from its kind and number, so each can be made again "
        "(`python -m tests.faults inputs --show KIND NUMBER`).\nAccepted: read to a value. Refused: one line. A finding is "
        f"anything else. Seconds are of a busy machine, memory is the growth of the process; {seconds / 60:.0f} minutes in all.\n\n"
        + "\n".join(lines)
        + "\n"
    )


def main(args: list[str]) -> int:
    """The long form: writes inputs.json and inputs.md; the exit status is 1 if there are findings."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults inputs", description=__doc__)
    parser.add_argument("--total", type=int, default=52_000, help="inputs, over all kinds")
    parser.add_argument("--only", nargs="+", help="kinds; nothing is written to --out then")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument(
        "--show",
        nargs=2,
        metavar=("KIND", "NUMBER"),
        help="write this input to a file, read it, and say what comes of it",
    )
    given = parser.parse_args(args)
    room = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None
    folder, start = Path(tempfile.mkdtemp(prefix="logan-faults-", dir=room)), time.monotonic()
    try:
        if given.show:
            return _show(folder, given.show[0], int(given.show[1]))
        kinds = kinds_of(",".join(MODULES))
        tallies = try_inputs(counts_of(given.only or kinds, given.total), folder, processes=given.processes)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    text = report(tallies, time.monotonic() - start)
    print(text)
    if not given.only:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "inputs.md").write_text(text)
        (given.out / "inputs.json").write_text(json.dumps({k: vars(t) for k, t in tallies.items()}, indent=1) + "\n")
    return 1 if any(t.findings for t in tallies.values()) else 0


def _show(folder: Path, kind: str, number: int) -> int:
    here, child = Path.cwd(), Child(folder / "child", ",".join(MODULES), LIMIT)
    found = child.read(kind, number)
    child.close()
    given = Reader(folder / "reader", kinds_of(",".join(MODULES))).input(kind, number)
    path = Path(f"input-{kind.replace(' ', '-')}-{number}-{given.name}")
    (here / path).write_bytes(given.data)
    print(f"{path}: {found['verdict']}\n{found['detail']}")
    return 0 if found["verdict"] in QUIET else 1
