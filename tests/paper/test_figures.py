"""``logan reproduce figure…``: what is drawn and said follows from what the probes saw."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from logan.cli.main import main
from logan.compare.runs import Entry, Result
from logan.config import presets
from logan.errors import InputError
from logan.paper import figures

N = 80


def result(tmp_path: Path, label: str, seed: int, looks: dict[str, np.ndarray], modes=(4.0, 8.0)) -> Result:
    """A run whose probe saw ``looks``, one value per look."""
    config = presets.get("ring", label.partition(":")[0])
    run = tmp_path / f"{label.replace(':', '-').replace('=', '-')}-{seed}"
    run.mkdir()
    records = [
        {"steps": i + 1, **{k: None if v[i] != v[i] else float(v[i]) for k, v in looks.items()}} for i in range(N)
    ]
    ticks = [{"tick": i, "kimg": i + 1.0, "steps": (i + 1) * N} for i in range(3)]
    lines = [ticks[0] | {"probe": records[:30]}, ticks[1], ticks[2] | {"probe": records[30:]}]
    (run / "stats.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines), encoding="utf-8")
    points = [
        {"images": i, "steps": i, "seconds": 1.0, "scores": {"modes10k": m, "quality10k": 0.5}}
        for i, m in enumerate(modes, start=1)
    ]
    return Result(Entry(label, replace(config, run=replace(config.run, seed=seed))), run, points)


def wave(low: float, high: float) -> np.ndarray:
    return np.geomspace(low, high, N)


def ngd_looks(seed: int = 0, delta=(0.1, 0.2), norm=(0.1, 10.0), delta_f=(1.0, 1.0)) -> dict[str, np.ndarray]:
    n = wave(*norm) * (1 + 0.01 * seed)
    jitter = 1 + 0.01 * np.sin(np.arange(N) * (3 + seed))
    return {
        "norm_g": n,
        "scale": 0.9 / (0.1 + n**2),
        "curvature": 1 / (0.1 + n**2),
        "delta_z": wave(*delta) * jitter,
        "delta_f": wave(*delta_f) * jitter,
        "d_update": 2 + 0.1 * seed + 0.01 * jitter,
        "g_update": np.ones(N),
    }


def three(tmp_path, label, **how):
    return [result(tmp_path, label, s, ngd_looks(s, **how)) for s in range(3)]


def test_looks_are_gathered_over_all_ticks(tmp_path):
    looks = ngd_looks()
    looks["delta_z"][5] = np.nan
    seen = figures.probes(result(tmp_path, "ngd", 0, looks))
    assert [p["steps"] for p in seen] == list(range(1, N + 1))
    assert np.isnan(figures.series(seen, "delta_z")[5])
    assert np.isnan(figures.series(seen, "no such thing")).all()


def test_too_few_looks_are_refused(tmp_path):
    one = result(tmp_path, "ngd", 0, ngd_looks())
    (one.run / "stats.jsonl").write_text('{"tick": 0}\n')
    with pytest.raises(InputError, match="0 looks of a probe.*`probe`"):
        figures.figure4a([one])


def test_figure4a_has_the_curves_and_where_the_runs_were(tmp_path):
    panels, verdict = figures.figure4a(three(tmp_path, "ngd"))
    scaling = panels[0]
    assert [line.label for line in scaling.lines[:4]] == ["β = 0.1", "β = 1", "β = 5", "β = 50"]
    assert np.asarray(scaling.lines[2].y) == pytest.approx(0.9 / (5 + np.asarray(scaling.lines[2].x) ** 2), rel=1e-5)
    assert sum(line.marks for line in scaling.lines) == 3
    fraction = np.mean(ngd_looks()["norm_g"] ** 2 > 0.1)
    assert f"in this share of the looks: {fraction:.2g}" in verdict


def test_a_diverged_seed_decides_nothing(tmp_path):
    runs = three(tmp_path, "ngd")
    for s in range(3):
        looks = ngd_looks(s) | {"d_update": np.full(N, 1.5)}
        looks["d_update"][20:] = np.nan
        runs.append(result(tmp_path, "none", s, looks))
    _, verdict = figures.figure4b(runs)
    assert "is not decided: a run has diverged" in verdict
    assert "none diverged in 3 of 3" in verdict


def test_figure4b(tmp_path):
    runs = three(tmp_path, "ngd")
    for s in range(3):
        slow = ngd_looks(s) | {"d_update": np.full(N, 1.5)}
        runs.append(result(tmp_path, "none", s, slow))
        rough = ngd_looks(s) | {"d_update": 3 + np.arange(N) % 2}
        runs.append(result(tmp_path, "gd", s, rough))
    (panel,), verdict = figures.figure4b(runs)
    assert len(panel.lines) == 9
    none = next(line for line in panel.lines if line.label == "none")
    assert np.asarray(none.y) == pytest.approx(0.5)
    assert len(none.x) == len(none.y) == N - figures.WINDOW + 1
    assert none.x[0] == figures.WINDOW
    assert verdict.count("holds in every seed") == 3  # ngd and gd lead none, gd is rougher
    _, verdict = figures.figure4b([replace(r, entry=replace(r.entry, label="ngd" if r.entry.label == "none" else "none"))
                                   for r in runs if r.entry.label != "gd"])  # fmt: skip
    assert "is contradicted in every seed" in verdict


def test_figure5a(tmp_path):
    """‖Δz‖ grows eightfold along with its own noise: over its deviation, as the figure draws it, it does not grow."""
    panels, verdict = figures.figure5a(three(tmp_path, "ngd", delta=(0.1, 0.8)))
    assert [len(p.lines) for p in panels] == [6, 6]
    drawn, raw = verdict.split("As they are:")
    assert "normalised as the figure draws them" in drawn
    assert "**more than doubled in 0 of 3 seeds**" in drawn
    assert "**more than doubled in 3 of 3 seeds**" in raw
    assert "**within a factor of two in 3 of 3**" in raw


def test_figure5a_sees_the_opposite_too(tmp_path):
    _, verdict = figures.figure5a(three(tmp_path, "ngd", delta=(0.4, 0.1), delta_f=(1.0, 100.0)))
    raw = verdict.split("As they are:")[1]
    assert "**more than doubled in 0 of 3 seeds**" in raw
    assert "**within a factor of two in 0 of 3**" in raw


def test_figure5a_counts_growth_over_the_deviation(tmp_path):
    """Noise of one size all along, on a mean that grows: the raw and the normalised values grow alike."""
    runs = []
    for s in range(3):
        noise = 0.1 * np.sin(np.arange(N) * (3 + s))
        runs.append(
            result(tmp_path, "ngd", s, ngd_looks(s) | {"delta_z": np.repeat([1.0, 1.0, 6.0, 6.0], N // 4) + noise})
        )
    panels, verdict = figures.figure5a(runs)
    assert verdict.count("**more than doubled in 3 of 3 seeds**") == 2
    y = np.asarray(panels[0].lines[0].y)
    n = len(y) // 4
    assert figures._growth(y, y) == pytest.approx(y[-n:].mean() / y[:n].mean())


def test_a_still_window_is_left_out_and_a_diverged_run_is_not(tmp_path):
    values, raw = np.array([np.nan, 1, 2, 2, 2, 2, 3, np.nan]), np.ones(8)
    assert figures._growth(values, raw) == 3
    assert np.isnan(figures._growth(values, np.array([1.0, np.nan])))
    assert np.isnan(figures._growth(np.full(8, np.nan), raw))


def test_figure5b(tmp_path):
    runs = three(tmp_path, "ngd") + three(tmp_path, "none")
    for s in range(3):
        for player, modes in (("generator", (8.0, 1.0)), ("both", (4.0, 8.0))):
            runs.append(result(tmp_path, f"ngd:stop-gradient={player}", s, ngd_looks(), modes))
    (panel,), verdict = figures.figure5b(runs)
    assert len(panel.lines) == 12
    assert "with both terms, 0 of 3 collapsed" in verdict
    generator, both = verdict.split("without G's second-order term")[1].split("without either")
    assert "3 of 3 collapsed and 3 of 3 seeds end worse" in generator
    assert "holds in every seed" in generator
    assert "0 of 3 collapsed and 0 of 3 seeds end worse" in both
    assert "is not decided" in both


FLAGS = "--batch 50 --kimg 2 --tick 1 --snap 1 --width 8 --metrics modes100 --probe 1 --seeds 1 --threads 1 --engine plain".split()


@pytest.fixture(scope="module")
def outdir(tmp_path_factory):
    return tmp_path_factory.mktemp("figures") / "out"


@pytest.mark.parametrize(
    "what", ["figure4a", "figure5a", *(pytest.param(name, marks=pytest.mark.slow) for name in ("figure4b", "figure5b"))]
)
def test_from_end_to_end(outdir, what, capsys):
    """The figures of one preset share their runs, and leave a picture, a print, the numbers and the sentences."""
    assert main(["reproduce", what, *FLAGS, "--outdir", str(outdir)]) == 0
    assert f"wrote {what}.png" in capsys.readouterr().out
    with Image.open(outdir / f"{what}.png") as picture:
        assert len(set(picture.convert("L").tobytes())) > 20
    assert (outdir / f"{what}.svg").read_text().lstrip().startswith("<?xml")
    with open(outdir / f"{what}.csv") as f:
        rows = list(csv.DictReader(f))
    assert len(rows) > 2
    assert all(np.isfinite(float(r["y"])) for r in rows)
    assert "The paper:" in (outdir / f"{what}.md").read_text()
    expected = {"figure4a": 1, "figure5a": 1, "figure4b": 3, "figure5b": 6}[what]
    assert len(list(outdir.glob("0*"))) == expected


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["figure4a", "--methods", "none"], "must be among --methods"),
        (["table2", "--preset", "ring"], "--preset has no place"),
        (["figure4a", "--preset", "rign"], "did you mean 'ring'"),
        (["figure9"], "figure4a"),
        (["figure4a", "--methods", "ngd,sga"], "figure4a does not show sga"),
        (["figure4b", "--probe", "0"], "looks 0 times in 6000 steps"),
        (["figure4b", "--kimg", "1", "--plan-only"], "looks 4 times in 4 steps, and a figure needs 40"),
    ],
)
def test_bad_input(flags, said, capsys, tmp_path):
    assert main(["reproduce", *flags, "--outdir", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_plan_only_starts_nothing(capsys, tmp_path):
    assert main(["reproduce", "figure4b", "--plan-only", "--outdir", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.count("6,000 steps") == 9
    assert not (tmp_path / "out").exists()
