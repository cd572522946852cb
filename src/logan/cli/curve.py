"""``logan curve``: FID against IS as the latents are truncated, or scores against what D's help costs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from logan.cli.choosing import choose_for, names_of, say
from logan.cli.command import Command
from logan.cli.curve_arguments import CurveArguments
from logan.cli.guiding import check_without_guide
from logan.cli.parsing import parse
from logan.errors import InputError
from logan.evaluation import protocols
from logan.evaluation.names import count_name
from logan.files import check_writable, write_text
from logan.metrics.truncation import LEVELS, Point, match

DESCRIPTION = """Truncation curves (Figures 3b and 8): FID against IS for latents w = s z with s from 1.0 to 0.02 (for a normal
prior: drawn again until within 2s), one line per run, as PNG and CSV.

With --guide: scores against passes through D(G(z)) and against time per image, one line per run and guide, and samples before
and after."""

SAMPLES = 64


COMMAND = Command(
    "curve",
    CurveArguments,
    DESCRIPTION,
    examples=(
        (
            "curve runs/00000-digits-none runs/00001-digits-ngd --match-is 8",
            "two runs, with samples at an IS of 8",
        ),
        (
            "curve runs/00000-digits-ngd --guide latent langevin --calibrate",
            "what D's help costs and brings",
        ),
    ),
    common=(
        *("snapshot", "levels", "n", "match-is", "match-fid", "guide", "guide-steps", "calibrate", "detector", "seed"),
        *("data", "out", "device"),
    ),
)


def main(args: Sequence[str]) -> int:
    """Run the command."""
    given = parse(COMMAND, args)
    _check(given)
    if given.guide is not None:
        from logan.cli import guide_curve

        return guide_curve.draw(given)
    if given.guide_steps is not None:
        raise InputError("`guide_steps` is of guides; say which: `guide` langevin, for one")
    check_without_guide(given)
    from logan.report import truncation_curves
    from logan.sampling import load
    from logan.training.watch import Watch

    choices = [choose_for(run, given.snapshot) for run in given.runs]
    models = {name: load(path, given.device) for name, path in names_of(given.runs, choices).items()}
    levels = {name: _levels(model, given) for name, model in models.items()}
    config = next(iter(models.values())).info.config
    if any(m.info.architecture["image_size"] == 1 for m in models.values()):
        raise InputError("truncation curves are of images; these runs make points")
    data = (m.info.config.data for m in models.values())
    if len({replace(d, mirror=False, conditional=False, workers=0) for d in data}) > 1:  # those are of training alone
        raise InputError("these runs are of different data: their scores do not compare; draw one curve for each set")
    check_writable(given.out)
    watch = Watch(1)
    count = count_name(given.n)
    evaluator = given.evaluator(
        replace(protocols.PROTOCOLS["training"], metrics=(f"fid{count}", f"is{count}")),
        replace(config.data, data=given.data or config.data.data),
        None,
        config.scores,
        watch,
    )
    for choice in choices:
        say(choice)
    out = Path(given.out).expanduser()
    out.mkdir(parents=True, exist_ok=True)
    (out / "matched.png").unlink(missing_ok=True)  # of another call
    curves: dict[str, list[Point]] = {}
    for name, model in models.items():
        if len(levels[name]) < len(given.levels):
            watch.say(f"{name}: one point, at s = 1, since latents on the unit sphere have no truncation")
        show = watch.fraction_bar(f"{name}: {len(levels[name])} levels of {given.n:,} images")
        curves[name] = []
        for s in levels[name]:
            scores = evaluator(partial(_draw, model, s, given), seed=given.seed)
            curves[name].append(Point(s, scores[f"fid{count}"], scores[f"is{count}"]))
            show(len(curves[name]) / len(levels[name]))
    marked = _marked(curves, given)
    record = next(iter(evaluator.last.values()))
    title = f"{record['detector']} {record['detector_sha256'][:12]}, {record['n_real']:,} real, {given.n:,} generated images"
    how = {k: record[k] for k in ("detector", "detector_sha256", "n_real")} | {"seed": given.seed}
    write_text(out / "curve.csv", truncation_curves.as_csv(curves, count, how))
    truncation_curves.save_plot(out / "curve.png", curves, marked, title, record["detector"])
    print(truncation_curves.as_csv(curves, count, {}), end="")
    if marked:
        with_images = {
            name: (p, models[name].sample(SAMPLES, seed=given.seed, trunc=p.trunc, batch=given.batch))
            for name, p in marked.items()
        }
        truncation_curves.save_samples(out / "matched.png", with_images, math.isqrt(SAMPLES), record["detector"])
    print(f"by {title}; wrote curve.csv, curve.png{', matched.png' if marked else ''} to {out}")
    return 0


def _levels(model: Any, given: CurveArguments) -> tuple[float, ...]:
    """Those asked for; of a generator on the unit sphere, which has no truncation, one point unless others were asked for."""
    levels = (1.0,) if model.info.config.on_sphere() and given.levels == LEVELS else given.levels
    model.check_sampling(given.seed, min(levels), 0, given.batch)
    return levels


def _draw(model: Any, s: float, given: CurveArguments, n: int) -> Iterator[Any]:
    for images in model.batches(n, seed=given.seed, trunc=s, batch=given.batch):
        yield images.to(model.device)


def _check(given: CurveArguments) -> None:
    if not given.runs:
        raise InputError("pass at least one run folder or network-....safetensors")
    if not given.levels or not all(0 < s <= 1 for s in given.levels):
        raise InputError(f"--levels must be in (0, 1], not {' '.join(map(str, given.levels))}")
    if given.match_is is not None and given.match_fid is not None:
        raise InputError("--match-is and --match-fid are one or the other")
    if given.n < 10:
        raise InputError(f"--n must be >= 10, not {given.n}")


def _marked(curves: dict[str, list[Point]], given: CurveArguments) -> dict[str, Point]:
    if given.match_is is None and given.match_fid is None:
        return {}
    good = {name: [p for p in points if math.isfinite(p.fid)] for name, points in curves.items()}
    return {n: match(p, fid=given.match_fid, inception_score=given.match_is) for n, p in good.items() if p}
