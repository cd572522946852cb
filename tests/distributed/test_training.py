"""``logan train`` under torchrun: as one rank, and what happens when a rank dies."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from logan.cli.main import main
from logan.training import job
from tests.distributed import as_one
from tests.distributed.as_one import ticks

SMALL = ["train", "--preset", "digits", "--network", "dcgan", "--width", "4", "--batch", "32", "--kimg", "2", "--tick", "1",
         "--snap", "1", "--metrics", "none", "--engine", "plain", "--threads", "1"]  # fmt: skip
NEVER_ENDING = [*SMALL, "--kimg", "100000", "--snap", "1"]


def torchrun(
    outdir: Path, *args: str, restarts: int = 0, ranks: int = 2, where: tuple[str, ...] = ("--standalone",)
) -> subprocess.Popen[str]:
    """``torchrun … logan train``, its output in a pipe."""
    command = [sys.executable, "-m", "torch.distributed.run", *where, f"--nproc-per-node={ranks}"]
    place = () if "--outdir" in args else ("--outdir", str(outdir))
    command += [f"--max-restarts={restarts}", "-m", "logan.cli.main", *args, *place]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}  # docs/large.md
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)


@pytest.mark.slow
def test_two_ranks_train_as_one_does(tmp_path: Path) -> None:
    flags = ["train", *as_one.SMALL, *as_one.images_of_noise(tmp_path)]
    process = torchrun(tmp_path / "two", *flags)
    assert main([*flags, "--outdir", str(tmp_path / "one")]) == 0
    output = process.communicate()[0]
    assert process.returncode == 0, output
    assert output.count("done: ") == 1  # rank 0 alone speaks
    as_one.assert_close(*(next((tmp_path / name).glob("00000-*")) for name in ("one", "two")))


def wait_for(process: subprocess.Popen[str], condition: Any, seconds: float = 240) -> Any:
    """The first value of ``condition()`` that is true, while ``process`` goes on."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert process.poll() is None, process.communicate()[0]
        found = condition()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError("waited too long")


def children(process: subprocess.Popen[str]) -> list[int]:
    """The ranks' processes, in the order of their ranks."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int(re.search(r"^PPid:\s+(\d+)", (entry / "status").read_text(), re.M)[1])  # type: ignore[index]
            variables = (entry / "environ").read_bytes() if parent == process.pid else b""
        except (OSError, TypeError):
            continue
        rank = re.search(rb"(?:^|\0)RANK=(\d+)", variables)
        if rank:
            found[int(rank[1])] = int(entry.name)
    return [found[rank] for rank in sorted(found)]


SLOW = pytest.mark.slow
linux = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")


@linux
def test_a_rank_that_dies_ends_the_run_and_says_so(tmp_path: Path) -> None:
    process = torchrun(tmp_path, *SMALL, "--kimg", "100000", "--snap", "50")
    try:
        # In the middle of steps: what scores leaves at once when torchrun tells it to, and says so in another line.
        wait_for(process, lambda: [p for p in tmp_path.glob("*/stats.jsonl") if len(ticks(p.parent)) > 1])
        os.kill(children(process)[1], signal.SIGKILL)
        began = time.monotonic()
        output = process.communicate(timeout=240)[0]
    finally:
        process.kill()
    assert time.monotonic() - began < 60
    assert process.returncode != 0
    gone = "logan: error: rank 0: another rank is gone, so this one stops" in output
    # torchrun tells the others to stop, and may be the faster
    assert (gone and "--resume auto goes on from there" in output) or "go on with --resume" in output, output
    assert children(process) == []


@pytest.mark.slow
@linux
def test_torchrun_restarts_from_the_last_state_of_its_own_run(tmp_path: Path) -> None:
    """Neither from the snapshot that it was told to begin with, nor in a later run of the same settings."""
    assert main([*SMALL, "--outdir", str(tmp_path)]) == 0
    weights = next(tmp_path.glob("00000-*/network-snapshot-*.safetensors"))
    process = torchrun(tmp_path, *NEVER_ENDING, "--resume", str(weights), restarts=1)
    try:
        # Two ticks: the state of the first is saved after its line is written.
        run = wait_for(
            process, lambda: [p.parent for p in tmp_path.glob("00001-*/stats.jsonl") if len(ticks(p.parent)) > 1]
        )[0]
        other = tmp_path / run.name.replace("00001", "00002")
        shutil.copytree(run, other, ignore=shutil.ignore_patterns("*.partial"))
        (other / job.FILE_NAME).write_text("another torchrun\n")
        before = (other / "stats.jsonl").read_bytes()
        first = children(process)
        os.kill(first[1], signal.SIGKILL)
        second = wait_for(
            process, lambda: [c for c in children(process) if c not in first] if children(process) else []
        )
        reached = ticks(run)[-1]["kimg"]
        wait_for(process, lambda: ticks(run)[-1]["kimg"] > reached + 1)
        os.kill(second[0], signal.SIGINT)  # one rank is asked to stop: all save and stop together
        output = process.communicate(timeout=240)[0]
    finally:
        process.kill()
    assert output.count("starting from the weights of") == 1
    assert output.count(f"{run}: digits") == 2
    assert "going on at" in output
    assert "stopped at" in output
    assert [t["tick"] for t in ticks(run)] == list(range(len(ticks(run))))
    assert (other / "stats.jsonl").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 3


@linux
@pytest.mark.slow
@pytest.mark.parametrize("machine", [0, 1])
def test_machines_restart_together(machine: int, tmp_path: Path) -> None:
    """One torchrun per machine, as in docs/large.md; here both on this one. Their counts of restarts then differ."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        meeting = f"127.0.0.1:{s.getsockname()[1]}"
    where = ("--nnodes=2", "--rdzv-id=7", "--rdzv-backend=c10d", f"--rdzv-endpoint={meeting}", "--local-addr=127.0.0.1")
    machines = [torchrun(tmp_path, *NEVER_ENDING, restarts=3, ranks=1, where=where) for _ in range(2)]
    try:
        run = wait_for(
            machines[0], lambda: [r.parent for r in tmp_path.glob("00000-*/stats.jsonl") if len(ticks(r.parent)) > 1]
        )[0]
        os.kill(children(machines[machine])[0], signal.SIGKILL)
        reached = ticks(run)[-1]["kimg"]
        wait_for(machines[0], lambda: ticks(run)[-1]["kimg"] > reached + 1)
        for m in machines:
            m.send_signal(signal.SIGTERM)  # as Slurm does before it requeues
        outputs = [m.communicate(timeout=240)[0] for m in machines]
    finally:
        for m in machines:
            m.kill()
    assert [p.name for p in tmp_path.iterdir()] == [run.name]
    assert any("going on at" in output and "stopped at" in output for output in outputs)
    assert [t["tick"] for t in ticks(run)] == list(range(len(ticks(run))))


@pytest.mark.parametrize("flags", [["--portion", "much"], ["--preset", "dcgan64", "--data", "nowhere/at-all"]])
def test_a_mistake_is_said_once_per_machine(flags, monkeypatch, capsys) -> None:
    said = []
    for local in ("0", "1"):
        for name, value in {"WORLD_SIZE": "2", "RANK": local, "LOCAL_RANK": local}.items():
            monkeypatch.setenv(name, value)
        assert main([*SMALL, *flags]) == 2
        said.append(capsys.readouterr().err.count("logan: error: "))
    assert said == [1, 0]


@pytest.mark.parametrize(
    "flags",
    [
        ["--batch", "1800"],
        *(
            pytest.param(f, marks=SLOW)
            for f in (["--portion", "2"], ["--resume", "nowhere"], ["--outdir", "/proc/runs"])
        ),
    ],
)
def test_a_mistake_that_is_found_later_is_said_once(flags: list[str], tmp_path: Path) -> None:
    process = torchrun(tmp_path, *SMALL, *flags)
    output = process.communicate(timeout=240)[0]
    assert process.returncode != 0
    assert output.count("logan: error: ") == 1, output
    assert "another rank is gone" not in output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", ["RANK", "MASTER_ADDR"])
def test_half_of_the_variables_of_torchrun(missing: str, monkeypatch, capsys, tmp_path: Path) -> None:
    variables = {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
    for name, value in variables.items():
        monkeypatch.delenv(name, raising=False)
        if name != missing:
            monkeypatch.setenv(name, value)
    assert main([*SMALL, "--outdir", str(tmp_path)]) == 2
    assert f"WORLD_SIZE is 2, and {missing} is not set" in capsys.readouterr().err


def test_what_ranks_cannot_do(tmp_path: Path) -> None:
    bad = {
        "--batch 33 cannot be shared by 2 ranks evenly": ["--batch", "33"],
        "--batch-gpu 3 does not divide the 16 images": ["--batch-gpu", "3"],
        "--dynamics needs the whole batch on one device": ["--dynamics", "sga"],
        "--probe looks at the game on one device": ["--probe", "10"],
        "0.1 is no whole number of the 16 samples": ["--latent-share", "0.1"],
        "--engine compiled is for one rank": ["--engine", "compiled"],
    }
    from logan.cli.main import in_flags
    from logan.cli.train import read_arguments
    from logan.errors import InputError

    for message, flags in bad.items():
        with pytest.raises(InputError) as error:
            read_arguments([*SMALL[1:], *flags]).config.check(ranks=2)
        assert message in in_flags(str(error.value))
