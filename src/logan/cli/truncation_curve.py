"""``logan curve``: FID against IS as the latents are truncated."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from logan.cli.choosing import say
from logan.cli.curve_arguments import CurveArguments, check_one_data_set, evaluator_of, models_of
from logan.errors import InputError
from logan.evaluation.evaluator import Evaluator
from logan.evaluation.names import count_name
from logan.files import check_writable, write_text
from logan.metrics.truncation import LEVELS, Point, match
from logan.report import truncation_curves
from logan.training.watch import Watch

SAMPLES = 64


def draw(given: CurveArguments) -> int:
    """Run the command."""
    choices, models = models_of(given)
    levels = {name: _levels(model, given) for name, model in models.items()}
    if any(m.info.architecture["image_size"] == 1 for m in models.values()):
        raise InputError("truncation curves are of images; these runs make points")
    check_one_data_set(models)
    check_writable(given.out)
    watch = Watch(1)
    count = count_name(given.n)
    evaluator = evaluator_of(models, given, ("fid", "is"), watch)
    for choice in choices:
        say(choice)
    out = Path(given.out).expanduser()
    out.mkdir(parents=True, exist_ok=True)
    (out / "matched.png").unlink(missing_ok=True)  # of another call
    curves = {name: _points(name, model, levels[name], evaluator, given, watch) for name, model in models.items()}
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


def _points(
    name: str, model: Any, levels: Sequence[float], evaluator: Evaluator, given: CurveArguments, watch: Watch
) -> list[Point]:
    """One run's curve."""
    if len(levels) < len(given.levels):
        watch.say(f"{name}: one point, at s = 1, since latents on the unit sphere have no truncation")
    show = watch.fraction_bar(f"{name}: {len(levels)} levels of {given.n:,} images")
    count = count_name(given.n)
    points: list[Point] = []
    for s in levels:
        scores = evaluator(partial(_draw, model, s, given), seed=given.seed)
        points.append(Point(s, scores[f"fid{count}"], scores[f"is{count}"]))
        show(len(points) / len(levels))
    return points


def _levels(model: Any, given: CurveArguments) -> tuple[float, ...]:
    """Those asked for; of a generator on the unit sphere, which has no truncation, one point unless others were asked for."""
    levels = (1.0,) if model.info.config.on_sphere() and given.levels == LEVELS else given.levels
    model.check_sampling(given.seed, min(levels), 0, given.batch)
    return levels


def _draw(model: Any, s: float, given: CurveArguments, n: int) -> Iterator[Any]:
    for images in model.batches(n, seed=given.seed, trunc=s, batch=given.batch):
        yield images.to(model.device)


def _marked(curves: dict[str, list[Point]], given: CurveArguments) -> dict[str, Point]:
    if given.match_is is None and given.match_fid is None:
        return {}
    good = {name: [p for p in points if math.isfinite(p.fid)] for name, points in curves.items()}
    return {n: match(p, fid=given.match_fid, inception_score=given.match_is) for n, p in good.items() if p}
