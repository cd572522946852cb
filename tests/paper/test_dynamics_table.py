"""``logan reproduce dynamics``: the table, the figure, the verdict, and what steps cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from logan.cli.main import main
from logan.compare.runs import Entry, Result
from logan.config import presets
from logan.paper import dynamics_claims, dynamics_cost, dynamics_table
from logan.paper.dynamics_cost import TimedStep


def result(label: str, seed: int, scores: list[tuple[float, float | None]], preset: str = "ring") -> Result:
    config = presets.get(preset, "none")
    points = [
        {"images": 256 * s, "steps": s, "seconds": 2.0 * s, "scores": {"modes10k": m, "quality10k": q}}
        for s, (m, q) in zip((10, 20, 30), scores, strict=True)
    ]
    return Result(Entry(label, replace(config, run=replace(config.run, seed=seed))), Path("."), points)


@pytest.mark.parametrize(
    ("scores", "steps"),
    [
        ([(8, 0.5), (8, 0.9), (8, 0.95)], 20),
        ([(7, 0.99), (7, 0.99), (7, 0.99)], None),  # good points, but on seven of eight modes
        ([(0, None), (8, 0.2), (8, 0.91)], 30),
    ],
)
def test_first_good(scores, steps):
    found = dynamics_table.first_good(result("sga", 0, scores))
    assert (None if found is None else found["steps"]) == steps


def test_a_grid_has_more_modes():
    assert dynamics_table.first_good(result("sga", 0, [(8, 0.99)] * 3, "grid")) is None
    assert dynamics_table.first_good(result("sga", 0, [(23, 0.99)] * 3, "grid"))["steps"] == 10


GOOD, BAD, HALF = [(8, 0.5), (8, 0.9), (8, 0.95)], [(0, None)] * 3, [(8, 0.1), (8, 0.2), (8, 0.5)]
COSTS = {
    "sga": TimedStep((4.0, 5.0, 60.0), 3.0),
    "none": TimedStep((1.0, 2.0, 3.0), 1.0),
    "ngd": TimedStep((2.0, 2.5, 3.0), 1.5),
}


def three(label: str, scores) -> list[Result]:
    return [result(label, s, scores) for s in range(3)]


def test_table():
    """Seconds are steps times the median of what was measured side by side, not what the runs took (2 s per step)."""
    runs = [result("sga", s, GOOD) for s in (0, 1)] + [result("none", 0, BAD)]
    lines = dynamics_table.table(runs, COSTS).splitlines()
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in lines[2:4]]
    assert rows[0] == ["sga", "2", "8 ± 0, 8 to 8", "0.95 ± 0.00, 0.95 to 0.95", "20 (2 of 2)", "0.1", "5.00", "3.0"]
    assert rows[1][4:] == ["none of 1", "-", "2.00", "1.0"]
    assert "one process in turns" in lines[-1]
    assert "not what the run took" in lines[-1]


def test_the_verdict_compares_ends_and_costs():
    runs = three("none", BAD) + three("ngd", HALF) + three("sga", GOOD)
    lines = dynamics_claims.verdict(runs, COSTS).splitlines()
    assert lines[0].startswith("The paper has no run with SGA.")
    assert "ngd 4.00" in lines[0]
    assert "- that ngd ends better than none (0.00 ± 0.00, 0.00 to 0.00) **holds in every seed**" in lines
    assert any(x.startswith("- that ngd ends better than sga (7.60") and "contradicted" in x for x in lines)
    assert any("than none **holds in every seed**" in x for x in lines if "SGA itself" in x)
    assert (
        "**holds**: 0.50 times SGA's (less in 3 of 3 rounds; 2.50 and 5.00 ms), and 0.50 times its memory" in lines[-1]
    )


@pytest.mark.parametrize(
    ("times", "said"), [((9.0, 9.0, 90.0), "is contradicted"), ((1.0, 9.0, 9.0), "is not decided")]
)
def test_the_verdict_on_the_cost_can_be_other(times, said):
    runs = three("ngd", HALF) + three("sga", HALF)
    text = dynamics_claims.verdict(runs, COSTS | {"ngd": TimedStep(times, 1.0)})
    assert f"less time than SGA's **{said}**" in text
    assert "**is not decided by these seeds**" in text  # equal ends
    assert "SGA itself" not in text  # without none


def test_without_ngd_there_is_nothing_to_check():
    assert "nothing to check" in dynamics_claims.verdict(three("sga", GOOD), COSTS)


def test_panels_have_a_line_per_method():
    """The mean over the seeds, a diverged one as nothing, at the steps that all have."""
    runs = [result("ngd", 0, GOOD), result("ngd", 1, BAD), result("sga", 0, HALF)]
    modes, quality, both = dynamics_claims.panels(runs, COSTS)
    assert [line.label for line in modes.lines] == ["ngd", "sga"]
    assert list(modes.lines[0].x) == [10, 20, 30]
    assert list(modes.lines[0].y) == [4, 4, 4]
    assert list(quality.lines[0].y) == pytest.approx([0.25, 0.45, 0.475])
    assert list(both.lines[0].y) == pytest.approx([2, 3.6, 3.8])
    assert list(both.lines[0].x) == pytest.approx([0.025, 0.05, 0.075])  # 2.5 ms a step


def changed(label: str, **game) -> Result:
    one = result(label, 0, BAD)
    old = one.entry.config
    config = replace(old, game=replace(old.game, batch=16, **game), run=replace(old.run, engine="plain"))
    return replace(one, entry=replace(one.entry, config=config))


def test_costs_are_measured_in_turns(monkeypatch):
    monkeypatch.setattr(dynamics_cost, "ROUNDS", 3)
    order: list[str] = []
    timed = dynamics_cost.Played.time
    monkeypatch.setattr(dynamics_cost.Played, "time", lambda self: order.append(self.game.update) or timed(self))
    both = [changed("none"), changed("none:update=alternating", update="alternating", d_steps=2)]
    costs = dynamics_cost.measure(both)
    assert all(len(c.times) == 3 and min(c.times) > 0 and c.memory > 0 for c in costs.values())
    rounds = [set(order[-6:][i : i + 2]) for i in (0, 2, 4)]
    assert rounds == [{"simultaneous", "alternating"}] * 3


def test_a_step_of_alternating_updates_is_all_of_its_turns():
    played = dynamics_cost.play(changed("x", update="alternating", d_steps=2).entry.config)
    batches = 0

    def reals():
        nonlocal batches
        batches += 1
        return played.real, None

    played.game.step(reals, lambda n: played.z[:n])
    assert batches == played.game.real_batches_per_step == 2


def test_memory_of_a_second_order_step_is_more(monkeypatch):
    monkeypatch.setattr(dynamics_cost, "ROUNDS", 1)
    costs = dynamics_cost.measure([changed("none"), changed("sga", dynamics="sga")])
    assert costs["sga"].memory > costs["none"].memory > 0


def test_from_end_to_end(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(dynamics_cost, "ROUNDS", 2)
    flags = "--batch 50 --kimg 1 --tick 1 --snap 1 --width 8 --metrics modes100 --seeds 1 --threads 1 --engine plain".split()
    methods = ["ngd", "sga", "none:update=alternating"]
    assert main(["reproduce", "dynamics", *flags, "--methods", *methods, "--outdir", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "dynamics.md").read_text()
    assert text.count("\n| ") == 2 * (1 + len(methods))
    for preset in ("ring", "grid"):
        assert f"## {preset}\n\nThe paper has no run with SGA." in text
        assert f"(dynamics-{preset}.png)" in text
        with Image.open(tmp_path / "out" / f"dynamics-{preset}.png") as picture:
            assert len(set(picture.convert("L").tobytes())) > 20
        assert (tmp_path / "out" / f"dynamics-{preset}.svg").exists()
        rows = (tmp_path / "out" / f"dynamics-{preset}.csv").read_text().splitlines()
        assert len(rows) == 1 + 3 * len(methods)  # three panels, one snapshot
    capsys.readouterr()


def test_every_method_of_the_default_can_be_planned(capsys):
    assert main(["reproduce", "dynamics", "--plan-only", "--seeds", "1"]) == 0
    said = capsys.readouterr().out
    assert said.count("seed 0") == 2 * len(dynamics_table.METHODS) == 30
    assert said.count("none:update=alternating") == said.count("gradient-penalty:dynamics-strength=1") == 2
