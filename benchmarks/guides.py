"""What D's help when sampling brings to trained networks, and what it costs.

    python benchmarks/guides.py choose --runs RUN… --out docs/results/guides   # each guide's settings, on the runs of seed 0
    python benchmarks/guides.py test   --runs RUN… --out docs/results/guides   # those settings on the other seeds
    python benchmarks/guides.py report --out docs/results/guides               # table.md, gains.png
    python benchmarks/guides.py show   --runs RUN… --out docs/results/guides   # samples before and after

Runs of one data set are a group, by its preset; its lines go to PRESET.jsonl. Lines that are there already are not measured again.
Scores of images: FID, IS, precision and recall by the run's own detector (``auto``); of points: modes, quality, and the energy
distance of the samples and as many fresh points of the mixture. Guides that need a logit get one by ``calibration_of`` on
held-out images. Settings are chosen by the mean log ratio of the leading score to that without help, over all runs of seed 0.
Seconds are CPU time of one thread, drawing the image included, scoring it not.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import logan
from logan import guide as guides
from logan.data import Mixture
from logan.data.open import open_configured
from logan.evaluation import protocols
from logan.evaluation.evaluator import Evaluator
from logan.guide import Calibration, Guide
from logan.report.canvas import new_figure, save_figure, save_side_by_side
from logan.report.pictures import are_points, grid, scatter
from logan.report.tables import markdown
from logan.sampling import Model, calibration_of

Settings = dict[str, Any]
Ratios = dict[tuple[str, int], list[tuple[str, float]]]
"""By guide and budget: for each run, how it was trained, and its leading score over that without help."""
BUDGETS = (5, 20)
"""Steps, proposals, or draws per image at most."""
CANDIDATES: dict[str, list[Settings]] = {
    "latent": [{"alpha": 0.9, "beta": 0.1}, {"alpha": 0.1, "beta": 0.1}, {"alpha": 0.9, "beta": 5.0}],
    "langevin": [{"step_size": 0.01}, {"step_size": 0.1}, {"step_size": 0.1, "metropolis": True}],
    "flow": [{"step_size": 0.001}, {"step_size": 0.01}, {"step_size": 0.1, "divergence": "js"}],
    "transport": [{"step_size": 0.01}, {"step_size": 0.1}],
    "reject": [{"percentile": None}, {"percentile": 50.0}, {"percentile": 80.0}],
    "metropolis": [{}],
}
CHOSEN_AT = 20
CHOOSING_SEED, TESTING_SEED = 11, 12
"""Of the latents."""


def make(name: str, settings: Settings, budget: int) -> Guide:
    kind = guides.GUIDES[name]
    return kind(**{kind.budget: budget, **settings})


class Bench:
    """One group of runs: its data, its detector, and what has been measured."""

    def __init__(self, out: Path, n: int, batch: int) -> None:
        self.out, self.n, self.batch = out, n, batch
        self._evaluators: dict[str, Evaluator] = {}
        self._calibrations: dict[Path, Calibration] = {}

    def measure(
        self, run: Path, model: Model, name: str | None, settings: Settings, budget: int, seed: int
    ) -> dict[str, Any]:
        """The line of one guide on one run; from the file if it is there."""
        c = model.info.config
        key = {
            "preset": c.preset, "latent": c.latent.latent, "update": c.game.update, "seed": c.run.seed, "kimg": c.run.kimg,
            "guide": name, "settings": settings, "budget": budget, "latents": seed, "n": self.n,
        }  # fmt: skip
        known = [line for line in lines(self.out, c.preset) if key.items() <= line.items()]
        if known:
            return known[-1]
        guidance = None
        if name is not None:
            guide = make(name, settings, budget)
            guidance = model.guidance(
                guide, self.calibration(run, model) if guide.needs_logit else None, batch=self.batch
            )
        started, spent = 0.0, 0.0

        def draw(n: int) -> Iterator[Tensor]:
            nonlocal started, spent
            batches = model.batches(n, seed=seed, batch=self.batch, guidance=guidance)
            while True:
                started = time.process_time()
                images = next(batches, None)
                spent += time.process_time() - started
                if images is None:
                    return
                yield images

        found = self._scores(model, draw)
        cost = {"evaluations": 0.0} if guidance is None else guidance.tally.means()
        line = key | {"scores": found, "guided": cost, "cpu_seconds_per_1000": 1000 * spent / self.n}
        if guidance is not None:
            line |= guidance.describe() | {"guide": name, "as_measured": guidance.describe()["guide"]}
        with open(self.out / f"{c.preset}.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        return line

    def _scores(self, model: Model, draw: Any) -> dict[str, float]:
        evaluator = self._evaluator(model)
        if evaluator.mixture is None:
            return evaluator(draw)
        points = torch.cat(list(draw(self.n)))
        fresh = evaluator.mixture.draw(self.n, 2**40, 0)[0].flatten(1).double()
        return evaluator(lambda n: [points]) | {"energy": energy_distance(points.flatten(1).double(), fresh)}

    def _evaluator(self, model: Model) -> Evaluator:
        config = model.info.config
        if config.preset not in self._evaluators:
            train = open_configured(config.data)
            kinds = ("modes",) if isinstance(train, Mixture) else ("fid", "is", "pr")
            protocol = replace(protocols.get("training"), metrics=tuple(f"{kind}{self.n}" for kind in kinds))
            self._evaluators[config.preset] = protocols.prepare(
                protocol, config.data, train, detector="classifier", device=model.device, say=print
            )
        return self._evaluators[config.preset]

    def calibration(self, run: Path, model: Model) -> Calibration:
        if run not in self._calibrations:
            self._calibrations[run] = calibration_of(model, batch=self.batch, say=print)
            print(f"{run.name}: {self._calibrations[run]}", flush=True)
        return self._calibrations[run]


def energy_distance(x: Tensor, y: Tensor) -> float:
    """2E‖X − Y‖ − E‖X − X′‖ − E‖Y − Y′‖, unbiased: 0 if and only if the distributions are the same."""
    n, m = len(x), len(y)
    within = torch.cdist(x, x).sum() / (n * (n - 1)) + torch.cdist(y, y).sum() / (m * (m - 1))
    return float(2 * torch.cdist(x, y).mean() - within)


KEY = ("preset", "latent", "update", "seed", "kimg", "guide", "settings", "budget", "latents", "n")
"""What a line is of."""


def lines(out: Path, preset: str) -> list[dict[str, Any]]:
    """What has been measured of a set; once, where two processes measured the same."""
    path = out / f"{preset}.jsonl"
    found = [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    return list({json.dumps([line[name] for name in KEY]): line for line in found}.values())


def leading(line: dict[str, Any]) -> float:
    """The score that decides, lower is better: FID, or the energy distance."""
    found = {name.rstrip("0123456789k"): value for name, value in line["scores"].items()}
    return found["energy"] if "energy" in found else found["fid"]


def choose(bench: Bench, runs: dict[Path, Model]) -> None:
    """Every candidate on the runs of seed 0."""
    for run, model in runs.items():
        if model.info.config.run.seed == 0:
            bench.measure(run, model, None, {}, 0, CHOOSING_SEED)
            for name, candidates in CANDIDATES.items():
                for settings in candidates:
                    line = bench.measure(run, model, name, settings, CHOSEN_AT, CHOOSING_SEED)
                    print(run.name, name, settings, f"{leading(line):.4g}", flush=True)


def chosen(found: list[dict[str, Any]], name: str) -> Settings:
    """The candidate with the lowest mean log ratio to no help, over the runs of seed 0."""
    here = [line for line in found if line["latents"] == CHOOSING_SEED]
    plain = {(x["latent"], x["update"]): leading(x) for x in here if x["guide"] is None}

    def mean(settings: Settings) -> float:
        own = [x for x in here if x["guide"] == name and x["settings"] == settings]
        return statistics.mean(gain(leading(x), plain[x["latent"], x["update"]]) for x in own)

    return min(CANDIDATES[name], key=lambda settings: (math.isnan(m := mean(settings)), m))


def gain(after: float, before: float) -> float:
    """log(after/before); energy distances may be estimated below 0, and count as a ten-thousandth then."""
    return math.log(max(after, 1e-4) / max(before, 1e-4))


def test(bench: Bench, runs: dict[Path, Model]) -> None:
    """The chosen settings at every budget on the other seeds."""
    for run, model in runs.items():
        if model.info.config.run.seed == 0:
            continue
        bench.measure(run, model, None, {}, 0, TESTING_SEED)
        for name in CANDIDATES:
            settings = chosen(lines(bench.out, model.info.config.preset), name)
            for budget in BUDGETS:
                line = bench.measure(run, model, name, settings, budget, TESTING_SEED)
                print(run.name, name, settings, budget, f"{leading(line):.4g}", flush=True)


def report(out: Path) -> None:
    """Tables per data set: every guide at every budget, medians over the tested runs, and by kind of training."""
    parts, gains = [], {}
    for path in sorted(out.glob("*.jsonl")):
        found = lines(out, path.stem)
        tested = _whole([x for x in found if x["latents"] == TESTING_SEED])
        if tested:
            parts.append(f"## {path.stem}\n\n{_table(found, tested)}\n{_by_training(tested)}")
            gains[path.stem] = _ratios(tested)
    (out / "table.md").write_text("\n".join([_summary(gains), *parts]), encoding="utf-8")
    _plot(out / "gains.png", gains)
    print((out / "table.md").read_text(encoding="utf-8"))


def _summary(gains: dict[str, Ratios]) -> str:
    """The ratio at the largest budget, geometric mean over the runs trained without the latent step, and with it."""
    rows = []
    for preset, ratios in gains.items():
        for latent, label in (("none", "without"), ("ngd", "with NGD")):
            own = {name: [r for kind, r in ratios[name, BUDGETS[-1]] if kind.startswith(latent)] for name in CANDIDATES}
            runs = len(own["latent"])
            if runs:
                means = (f"{statistics.geometric_mean(own[name]):.2f}" for name in CANDIDATES)
                rows.append([f"{preset}, trained {label} ({runs} runs)", *means])
    return markdown([f"at {BUDGETS[-1]} steps", *CANDIDATES], rows)


def _run(line: dict[str, Any]) -> tuple[str, str, int]:
    return line["latent"], line["update"], line["seed"]


def _whole(tested: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of runs that were tested by all guides at all budgets; an interrupted run says nothing yet."""
    counts = Counter(map(_run, tested))
    return [x for x in tested if counts[_run(x)] == 1 + len(CANDIDATES) * len(BUDGETS)]


def _ratios(tested: list[dict[str, Any]]) -> Ratios:
    """Of each guide and budget, for each run: the kind of training, and the leading score over that without help."""
    plain = {_run(x): x for x in tested if x["guide"] is None}
    ratios: Ratios = {}
    for x in tested:
        if x["guide"] is not None:
            ratio = math.exp(gain(leading(x), leading(plain[_run(x)])))
            ratios.setdefault((x["guide"], x["budget"]), []).append((f"{x['latent']}, {x['update']}", ratio))
    return ratios


def _table(found: list[dict[str, Any]], tested: list[dict[str, Any]]) -> str:
    names = [n for n in tested[0]["scores"] if not n.endswith("_std")]
    order = sorted(names, key=lambda n: not n.startswith(("fid", "energy")))

    def row(name: str | None, budget: int) -> list[str]:
        own = [x for x in tested if x["guide"] == name and x["budget"] == budget]
        middle = [statistics.median(x["scores"][n] for x in own) for n in order]
        cost = [
            statistics.median(x["guided"]["evaluations"] for x in own),
            statistics.median(x["cpu_seconds_per_1000"] for x in own),
        ]
        numbers = [f"{v:.3g}" for v in cost], [f"{v:.4g}" for v in middle]
        if name is None:
            return ["no help", "", *numbers[0], "–", "–", *numbers[1]]
        ratios = [r for _, r in _ratios(tested)[name, budget]]
        better = f"{statistics.geometric_mean(ratios):.2f} ({sum(r < 1 for r in ratios)} of {len(ratios)})"
        believed = " → ".join(f"{statistics.median(x['guided'][k] for x in own):.2f}" for k in ("before", "after"))
        how = " ".join(f"{k}={v}" for k, v in chosen(found, name).items())
        return [name, how, *numbers[0], believed, better, *numbers[1]]

    rows = [row(None, 0)] + [row(name, budget) for name in CANDIDATES for budget in BUDGETS]
    head = [
        "guide",
        "settings",
        "passes per image",
        "CPU s per 1,000",
        "D's score, or logit, before → after",
        f"{order[0]} over that without (runs that gain)",
        *order,
    ]
    return markdown(head, rows)


def _by_training(tested: list[dict[str, Any]]) -> str:
    """The ratio to no help by kind of training: whether networks trained with the latent step gain more."""
    ratios = _ratios(tested)
    kinds = sorted({kind for found in ratios.values() for kind, _ in found})
    rows = [
        [
            f"{name} {budget}",
            *(f"{statistics.geometric_mean([r for k, r in found if k == kind]):.2f}" for kind in kinds),
        ]
        for (name, budget), found in sorted(ratios.items())
    ]
    return markdown(["guide, budget", *kinds], rows)


def _plot(path: Path, gains: dict[str, Ratios]) -> None:
    """The ratio to no help of every run: a mark per run, filled if it was trained with the latent step."""
    from matplotlib.ticker import FixedLocator, NullLocator

    columns = min(len(gains), 3)
    rows = -(-len(gains) // columns)
    figure = new_figure(4.2 * columns, 3.6 * rows)
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for a in places[len(gains) :]:
        a.axis("off")
    for a, (preset, ratios) in zip(places, gains.items(), strict=False):
        keys = [(name, budget) for name in CANDIDATES for budget in BUDGETS if (name, budget) in ratios]
        for x, key in enumerate(keys):
            for kind, ratio in ratios[key]:
                trained = kind.startswith("ngd")
                colour = "C1" if trained else "C0"
                face = colour if trained else "none"
                a.plot(x + (0.12 if trained else -0.12), ratio, "o", color=colour, markersize=4, markerfacecolor=face)
        a.axhline(1, color="0.5", linewidth=0.8)
        a.set_yscale("log")
        a.yaxis.set_major_locator(FixedLocator([0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 1, 1.1, 1.3, 1.5, 2, 3, 5, 10, 20]))
        a.yaxis.set_minor_locator(NullLocator())
        a.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
        a.tick_params(axis="y", labelsize=7)
        a.set_xticks(range(len(keys)), [f"{name} {budget}" for name, budget in keys], rotation=90, fontsize=7)
        a.set_title(preset, fontsize=9)
        a.grid(alpha=0.25, axis="y")
    figure.supylabel("FID (points: energy distance) over that without help", fontsize=8)
    figure.suptitle("rings: trained without the latent step; filled: with it", fontsize=8)
    save_figure(path, figure)


def show(bench: Bench, runs: dict[Path, Model]) -> None:
    """The same latents without help and by each guide at the largest budget."""
    for run, model in runs.items():
        found, pictures = lines(bench.out, model.info.config.preset), {"no help": _picture(model.sample(64, seed=1))}
        for name in CANDIDATES:
            guide = make(name, chosen(found, name), BUDGETS[-1])
            fitted = bench.calibration(run, model) if guide.needs_logit else None
            pictures[f"{name}, {BUDGETS[-1]}"] = _picture(model.sample(64, seed=1, guide=guide, calibration=fitted))
        name = run.name.split("-", 1)[1]
        save_side_by_side(bench.out / f"samples-{name}.webp", pictures, 4, width=3, height=3.3, fontsize=9)


def _picture(images: Tensor) -> Any:
    return scatter(images) if are_points(images) else grid(images, 8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["choose", "test", "report", "show"])
    parser.add_argument("--runs", type=Path, nargs="*", default=[])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=250)
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.out.mkdir(parents=True, exist_ok=True)
    if given.what == "report":
        report(given.out)
        return
    runs = {run: logan.load(run, device="cpu", snapshot="latest") for run in given.runs}
    {"choose": choose, "test": test, "show": show}[given.what](Bench(given.out, given.n, given.batch), runs)


if __name__ == "__main__":
    main()
