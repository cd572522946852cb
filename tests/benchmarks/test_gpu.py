"""``benchmarks/gpu.py``: nothing that ends a part loses what was measured before it, the time is kept, and every part works."""

from __future__ import annotations

import json
import math
import os
import time
import zipfile
from pathlib import Path

import pytest
from on_gpu import (
    conduct,
)
from on_gpu.parts import PARTS, WHOLE, Part, limits
from on_gpu.sheet import DONE, FAILED, NOT_PLAYED, finite, read

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


PLANTED = {
    "good": "def play(sheet):\n    print('warning: mind this')\n    sheet.put(value=sheet.asked['given'])\n",
    "crash": "import os, signal\ndef play(sheet):\n    sheet.put(value=1)\n    os.kill(os.getpid(), signal.SIGSEGV)\n",
    "leaves": "import os\ndef play(sheet):\n    sheet.add('rows', 1)\n    os._exit(0)\n",
    "raises": "def play(sheet):\n    sheet.add('rows', 1)\n    sheet.add('rows', 2)\n    raise ValueError('planted')\n",
    "hang": "import subprocess, time\ndef play(sheet):\n    beside = subprocess.Popen(['sleep', '300'])\n"
    "    sheet.put(value=2, beside=beside.pid)\n    time.sleep(300)\n",
    "lacking": "import no_such_package\ndef play(sheet):\n    pass\n",
    "renamed": "import logan.no_such_room\ndef play(sheet):\n    pass\n",
    "broken": "raise RuntimeError('cannot be loaded')\n",
    "refuses": "from on_gpu.sheet import NotPlayedError\ndef play(sheet):\n    raise NotPlayedError('no such device')\n",
}


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """Plays planted parts: names with their limits."""
    out, modules = tmp_path / "out", tmp_path / "modules"
    (out / "parts").mkdir(parents=True)
    modules.mkdir()
    for name, text in PLANTED.items():
        (modules / f"planted_{name}.py").write_text(text)
    paths = (BENCHMARKS, modules, BENCHMARKS.parent / "src")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))}

    def play(limits, minutes=1.0, after=lambda found: None, progress=lambda *where: None):
        parts = [Part(name, name, f"planted_{name}", seconds) for name, seconds in limits.items()]
        monkeypatch.setattr(conduct, "limits", lambda parts, minutes, tiny: [part.seconds for part in parts])
        asked = {"out": str(out), "work": str(tmp_path), "tiny": False, "given": 7}
        found = conduct.play_all(parts, asked, minutes, environment, progress, after)
        on_disk = {name: read(out / "parts" / f"{name}.json") for name in limits}
        assert on_disk == found
        return found

    return play


def test_whatever_ends_a_part_loses_nothing(planted):
    seen = []
    limits = dict.fromkeys(PLANTED, 20.0) | {"hang": 1.5}
    found = planted(limits, after=lambda so_far: seen.append(list(so_far)))
    assert found["good"]["status"] == DONE
    assert found["good"]["value"] == 7
    assert found["good"]["notices"] == ["warning: mind this"]
    assert (found["crash"]["status"], found["crash"]["reason"], found["crash"]["value"]) == (FAILED, "signal 11", 1)
    assert (found["leaves"]["status"], found["leaves"]["reason"], found["leaves"]["rows"]) == (
        FAILED,
        "exit status 0",
        [1],
    )
    assert (found["raises"]["status"], found["raises"]["reason"]) == (FAILED, "ValueError: planted")
    assert found["raises"]["rows"] == [1, 2]
    assert found["raises"]["last_lines"][-1] == "ValueError: planted"
    assert (found["hang"]["status"], found["hang"]["value"]) == ("stopped at its limit of 2 s", 2)
    assert (found["lacking"]["status"], found["lacking"]["reason"][:15]) == (NOT_PLAYED, "no_such_package")
    assert found["renamed"]["status"] == FAILED
    assert (found["broken"]["status"], found["broken"]["reason"]) == (FAILED, "RuntimeError: cannot be loaded")
    assert (found["refuses"]["status"], found["refuses"]["reason"]) == (NOT_PLAYED, "no such device")
    assert seen == [list(limits)[: n + 1] for n in range(len(limits))]
    assert _ended(found["hang"]["beside"])


def _ended(pid: int) -> bool:
    """What a stopped part has started is stopped with it."""
    for _ in range(50):
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.1)
    return False


def test_an_interruption_loses_nothing_either(planted, tmp_path):
    def progress(number, spent, limit, left):
        if number == 1 and spent > 1.5:
            raise KeyboardInterrupt

    seen = {}
    with pytest.raises(KeyboardInterrupt):
        planted({"good": 20.0, "hang": 20.0, "raises": 20.0}, progress=progress, after=seen.update)
    assert seen["hang"]["status"] == conduct.INTERRUPTED
    left = {path.stem: read(path) for path in (tmp_path / "out" / "parts").glob("*.json")}
    assert {name: f["status"] for name, f in left.items()} == {"good": DONE, "hang": conduct.INTERRUPTED}
    assert left["hang"]["value"] == 2
    assert _ended(left["hang"]["beside"])


@pytest.mark.slow
def test_the_time_is_kept(planted):
    started = time.monotonic()
    found = planted({"hang": 1000.0, "good": 20.0, "raises": 20.0}, minutes=0.1)
    assert time.monotonic() - started < 6
    assert found["hang"]["status"].startswith("stopped at its limit")
    assert [found[name]["reason"] for name in ("good", "raises")] == ["no time was left"] * 2


def test_limits_are_shares_of_the_minutes():
    short, long, rest = Part("a", "a", "a", 30), Part("b", "b", "b", 90), Part("c", "c", "c", math.inf)
    assert limits([short, long, rest], 9) == [30, 90, math.inf]
    assert limits([short, long, rest], 3) == [10, 30, math.inf]
    assert limits([short, long], 1) == [15, 45]  # nobody takes what they leave
    assert limits([short, long], 1, tiny=True) == [120, 360]
    assert PARTS[-1].seconds == math.inf
    assert sum(part.seconds for part in PARTS[:-1]) < 0.81 * 60 * WHOLE  # so that the last one gets a turn


def test_a_sheet_is_whole_json_after_every_figure(sheet):
    sheet.put(a=math.nan, b=(1, math.inf), c={"d": 1.23456789})
    sheet.add("rows", {"x": Path("y")})
    assert json.loads(sheet.path.read_text()) == {
        "status": "running", "a": None, "b": [1, None], "c": {"d": 1.23457}, "rows": [{"x": "y"}]}  # fmt: skip
    assert finite([0.1, {"k": -math.inf}]) == [0.1, {"k": None}]
    assert read(sheet.path.with_name("nothing.json")) == {}


def test_a_second_call_adds_to_the_report(gpu, tmp_path, monkeypatch, capsys):
    """Parts of an earlier call into the same folder stay in it, and the report says so; a part that is played again does not."""
    (tmp_path / "parts").mkdir()
    for name in ("together", "tests"):
        (tmp_path / "parts" / f"{name}.json").write_text(json.dumps({"status": DONE, "took_seconds": 7, "passed": 3}))
    monkeypatch.setattr("sys.argv", ["gpu.py", "--only", "tests", "--minutes", "0.051", "--out", str(tmp_path)])
    assert gpu.main() == 0
    lines = (tmp_path / "report.md").read_text().splitlines()
    assert "| together | Four games at once | done, in an earlier call | 7 |  |" in lines
    assert "| tests | Tests that need a GPU | not played | – | no time was left |" in lines
    capsys.readouterr()


def test_results_stay_small(gpu, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gpu, "MOST_BYTES", 1000)
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "large.log").write_bytes(b"x" * 900)
    (tmp_path / "report.md").write_bytes(b"x" * 300)
    gpu.keep_small(tmp_path)
    assert [p.name for p in tmp_path.rglob("*.*")] == ["report.md"]
    assert "large.log" in capsys.readouterr().err


def test_packages_that_were_brought_along(gpu, tmp_path):
    for name in ("brought_along", "numpy"):
        with zipfile.ZipFile(tmp_path / f"{name}-1-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}/__init__.py", "")
            wheel.writestr(f"{name}-1.dist-info/METADATA", "")
    (folder,) = gpu.unpacked(tmp_path, tmp_path / "packages")
    assert (folder / "brought_along" / "__init__.py").exists()
    assert not (folder / "numpy").exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--minutes 0", "--minutes must be"),
        ("--data no/such/folder", "no such file or folder"),
        ("--only everything", "invalid choice"),
    ],
)
def test_bad_input(gpu, flags, said, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["gpu.py", *flags.split()])
    with pytest.raises(SystemExit) as stop:
        gpu.main()
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


def play_tiny(gpu, out, monkeypatch, *flags):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr("sys.argv", ["gpu.py", "--tiny", "--out", str(out), *flags])
    code = gpu.main()
    text = (out / "report.md").read_text()
    assert code == 0, text
    assert "not complete enough" not in text
    files = [p for p in out.rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) < 16 * 2**20
    assert len(list(out.iterdir())) <= 8
    assert all(len(p.relative_to(out).parts) <= 2 for p in files)
    return {p.stem: read(p) for p in (out / "parts").glob("*.json")}


def test_table2_in_tiny_form(gpu, tmp_path, monkeypatch, capsys):
    flags = "--only table2 --methods none mean --engine plain".split()
    found = play_tiny(gpu, tmp_path / "out", monkeypatch, *flags)["table2"]
    assert found["status"] == DONE
    assert [(r["method"], r["steps"]) for r in found["rows"]] == [(m, s) for s in (20, 40) for m in ("none", "mean")]
    assert all(r["fid100"] > 0 and r["is100"] >= 1 for r in found["rows"])
    assert [r["method"] for r in found["with_latent_steps"]] == ["mean"]
    assert found["detector"]["accuracy"] > 0.9
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "report.md",
        "report.json",
        "curves.png",
        "pictures.png",
        "parts",
    }
    said = capsys.readouterr().err
    assert "[1/1] table2" in said
    assert "left" in said


@pytest.mark.slow
def test_everything_in_tiny_form(gpu, tmp_path, monkeypatch, capsys):
    found = play_tiny(gpu, tmp_path / "out", monkeypatch)
    assert found.keys() == {part.name for part in PARTS}
    assert all(f["status"] == DONE for name, f in found.items() if name != "tests")
    steps = found["steps"]["rows"]
    assert {(r["engine"], r["precision"], r["latent"]) for r in steps} >= {
        (e, "bfloat16", k) for e in ("plain", "recorded") for k in ("none", "ngd")}  # fmt: skip
    assert all(r["ms"] > 0 and r["over_best_baseline"] > 0 for r in steps)
    for step in found["kernels"]["steps"]:
        assert sum(g["share"] for g in step["groups"]) == pytest.approx(1, abs=1e-4)
        assert any(g["group"].startswith("convolution") for g in step["groups"])
    assert {r["preset"] for r in found["loop"]["rows"] if r["steps_per_second"] > 0} == {
        "digits",
        "ring",
        "cifar10",
    }
    assert len(found["together"]["alone_ms"]) == 4
    assert found["together"]["times_as_fast"] > 0
    biggan = found["biggan"]
    for measured in biggan["rows"]:
        planned = biggan["plan"]["methods"][measured["latent"]]
        assert measured["gflop"] == pytest.approx(planned["gflop"], rel=1e-3)
        assert measured["peak_mib"] == pytest.approx(planned["step_mib"], rel=0.1)
    assert biggan["largest"]["does_not_fit"] == 2 * biggan["largest"]["fits"]
    assert found["ranks"]["torchrun_against_alone"]["equal"]
    assert found["ranks"]["group"]["difference"] < 1e-10
    assert {r["method"] for r in found["table2"]["rows"]} >= {"none", "ngd", "mean", "ngd:update=alternating"}
    capsys.readouterr()


def test_the_page_states_the_limits():
    page = (BENCHMARKS.parent / "docs" / "speed.md").read_text()
    for part in PARTS:
        seconds = "the rest" if math.isinf(part.seconds) else f"{part.seconds:g}"
        assert f"| `{part.name}` | {seconds} |" in page
