"""The ``logan`` command in a process of its own, to be killed, signalled and watched."""

from __future__ import annotations

import atexit
import functools
import mmap
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOADED = """
    logan.cli.main logan.cli.train logan.cli.evaluate logan.cli.compare logan.cli.data logan.training.loop logan.training.together
    logan.compare.runs logan.data.prepare logan.evaluation.snapshots logan.report.curves logan.metrics.classifier
    logan.training.allocator matplotlib.backends.backend_agg torch._dynamo typeguard PIL.TiffImagePlugin tests.faults.program
""".split()  # fmt: skip
"""Modules that the server of processes has loaded."""
ROOM = "LOGAN_FAULTS_ROOM"
"""In the environment: bytes that the command is told to be free on every disk."""


class Program:
    """A command that runs. By default it is forked from a server that has loaded torch: two seconds less for each of hundreds.

    Args:
        args: of ``logan``.
        folder: gets what it says (``said``), and how many steps it has played (``steps``); the cache is in it too.
        anew: start Python anew, as a shell would.
        environment: variables beside those that are there.
        file_limit: bytes that a file may have (RLIMIT_FSIZE); of forked ones.
    """

    def __init__(
        self,
        args: Sequence[object],
        folder: Path,
        anew: bool = False,
        environment: dict[str, str] | None = None,
        file_limit: int | None = None,
    ) -> None:
        self.folder, self.said = folder, folder / "said.txt"
        (folder / "steps").write_bytes(bytes(8))
        words = [str(a) for a in args]
        own = {"LOGAN_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"} | (environment or {})
        self.process: subprocess.Popen[bytes] | multiprocessing.process.BaseProcess
        if anew:
            path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
            with open(self.said, "wb") as f:
                command = [sys.executable, "-m", "tests.faults.program", str(folder), *words]
                self.process = subprocess.Popen(
                    command, env=os.environ | own | {"PYTHONPATH": path}, stdout=f, stderr=f, cwd=ROOT
                )
        else:
            self.process = _server().Process(target=_forked, args=(words, str(folder), own, file_limit))
            self.process.start()
        assert self.process.pid is not None
        self.pid: int = self.process.pid

    def send(self, number: int) -> None:
        """A signal; none if it has ended."""
        if self.status is None:
            os.kill(self.pid, number)

    @property
    def status(self) -> int | None:
        """Its exit status (below zero: the signal that ended it), or None while it runs."""
        return self.process.poll() if isinstance(self.process, subprocess.Popen) else self.process.exitcode

    def wait(self, seconds: float = 600) -> int | None:
        """Its status in the end; None if it has not ended within so many seconds, and is killed."""
        end = time.monotonic() + seconds
        while self.status is None and time.monotonic() < end:
            time.sleep(0.002)
        status = self.status
        if status is None:
            os.kill(self.pid, signal.SIGKILL)
        self.process.wait() if isinstance(self.process, subprocess.Popen) else self.process.join()
        return status

    @property
    def steps(self) -> int:
        """How many steps it has played."""
        return int.from_bytes((self.folder / "steps").read_bytes(), "little")

    @property
    def output(self) -> str:
        """What it has said."""
        return self.said.read_text(encoding="utf-8", errors="replace")


@functools.cache
def _server() -> multiprocessing.context.ForkServerContext:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads that a process has started do not come with a fork
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LOADED)
    return context


def _forked(words: list[str], folder: str, environment: dict[str, str], file_limit: int | None) -> None:
    multiprocessing.set_start_method("fork", force=True)  # of workers, as where the program is started by a shell
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # the harness is under nohup, which commands would heed
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    os.environ |= environment
    said = os.open(Path(folder) / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.close(said)
    if file_limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    status = run(words, Path(folder))
    atexit._run_exitfuncs()  # as at the end of Python; a process of multiprocessing leaves them out
    os._exit(status)


def run(words: list[str], folder: Path) -> int:
    """The command, whose images stream through workers however few they are; its steps are counted."""
    import logan.data.open as opening
    from logan.cli.main import main
    from logan.game import Game

    opening.open_data = functools.partial(opening.open_data, memory_limit=0)
    if room := int(os.environ.get(ROOM, 0)):
        usage = shutil.disk_usage
        shutil.disk_usage = lambda path: usage(path)._replace(free=room)  # type: ignore[assignment]
    with open(folder / "steps", "rb+") as f:
        counter = mmap.mmap(f.fileno(), 8)  # what is in it outlives a kill
    step = Game.step

    def counted(self: Game, *args: object, **kwargs: object) -> object:
        counter[:] = (int.from_bytes(counter[:], "little") + 1).to_bytes(8, "little")
        return step(self, *args, **kwargs)  # type: ignore[arg-type]

    Game.step = counted  # type: ignore[method-assign, assignment]
    return main(words)


if __name__ == "__main__":
    sys.exit(run(sys.argv[2:], Path(sys.argv[1])))
