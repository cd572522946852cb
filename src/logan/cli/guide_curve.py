"""``logan curve RUN --guide …``: scores against what D's help costs."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from logan.cli.choosing import choose_for, names_of, say
from logan.cli.curve_arguments import CurveArguments
from logan.cli.guiding import STEPS, calibration, check_guide, make, settings_given
from logan.errors import InputError
from logan.evaluation import protocols
from logan.evaluation.evaluator import Evaluator
from logan.evaluation.names import count_name, lower_is_better
from logan.files import check_writable, write_text
from logan.report import guide_curves
from logan.report.guide_curves import Helped

if TYPE_CHECKING:
    from logan.guide import Calibration, Guide
    from logan.sampling import Guidance, Model

SAMPLES = 64
SHOWN = ("fid", "is", "precision", "recall", "modes", "quality")
"""Scores that are drawn, in this order; all are in the CSV."""


@dataclass
class Drawn:
    """Images of a model, and the seconds that drawing them took; scoring them does not count."""

    model: Model
    guidance: Guidance | None
    given: CurveArguments
    seconds: float = 0.0

    def __call__(self, n: int) -> Iterator[Tensor]:
        batches = self.model.batches(n, seed=self.given.seed, batch=self.given.batch, guidance=self.guidance)
        while True:
            started = time.monotonic()
            images = next(batches, None)
            self.seconds += time.monotonic() - started
            if images is None:
                return
            yield images.to(self.model.device)


def draw(given: CurveArguments) -> int:
    """Run the command."""
    from logan.sampling import load
    from logan.training.watch import Watch

    _check(given)
    choices = [choose_for(run, given.snapshot) for run in given.runs]
    models = {name: load(path, given.device) for name, path in names_of(given.runs, choices).items()}
    guides: dict[tuple[str, str], list[Guide]] = {
        (run, name): _guides(model, name, given) for run, model in models.items() for name in given.guide
    }
    check_writable(given.out)
    watch = Watch(1)
    evaluator = _evaluator(list(models.values()), given, watch)
    for choice in choices:
        say(choice)
    fitted = {run: calibration(model, given, given.data, given.batch, watch.say) for run, model in models.items()}
    lines: dict[tuple[str, str], list[Helped]] = {}
    show, done = watch.fraction_bar(f"{len(models)} runs, {len(given.guide)} guides"), 0
    for run, model in models.items():
        without = _score(model, None, evaluator, given)
        for name in given.guide:
            lines[run, name] = [without]
            for guide in guides[run, name]:
                lines[run, name].append(_score(model, _ready(guide, model, fitted[run], given), evaluator, given))
                done += 1
                show(done / sum(map(len, guides.values())))
    _write(Path(given.out).expanduser(), lines, models, guides, fitted, evaluator, given)
    return 0


def _check(given: CurveArguments) -> None:
    from logan.metrics.truncation import LEVELS

    if given.levels != LEVELS or given.match_is is not None or given.match_fid is not None:
        raise InputError("--guide draws scores against steps; --levels, --match-is and --match-fid are of truncation")
    if len(set(given.guide)) < len(given.guide):
        raise InputError("--guide names one of them twice")
    if not given.guide_steps or min(given.guide_steps) < 1:
        raise InputError("--guide-steps must be whole numbers >= 1; none at all is drawn without being asked for")


def _guides(model: Model, name: str, given: CurveArguments) -> list[Guide]:
    """One per number of steps; of several guides, each takes the settings that are its own."""
    found = [
        make(name, settings_given(given) | {STEPS: steps}, model, strict=len(given.guide) == 1)
        for steps in sorted(set(given.guide_steps))
    ]
    check_guide(given, found[0], model)
    model.check_sampling(given.seed, 1.0, 0, given.batch)
    return found


def _evaluator(models: list[Model], given: CurveArguments, watch: Any) -> Evaluator:
    data = (m.info.config.data for m in models)
    if len({replace(d, mirror=False, conditional=False, workers=0) for d in data}) > 1:  # those are of training alone
        raise InputError("these runs are of different data: their scores do not compare; draw one curve for each set")
    config, count = models[0].info.config, count_name(given.n)
    points = models[0].info.architecture["image_size"] == 1
    kinds = ("modes",) if points else ("fid", "pr") if given.detector == "dinov2" else ("fid", "is", "pr")
    protocol = replace(protocols.PROTOCOLS["training"], metrics=tuple(kind + count for kind in kinds))
    settings = replace(config.data, data=given.data or config.data.data)
    return given.evaluator(protocol, settings, None, config.scores, watch)


def _ready(guide: Guide, model: Model, fitted: Calibration | None, given: CurveArguments) -> Guidance:
    return model.guidance(guide, fitted, batch=given.batch)


def _score(model: Model, guidance: Guidance | None, evaluator: Evaluator, given: CurveArguments) -> Helped:
    drawn = Drawn(model, guidance, given)
    scores = evaluator(drawn, seed=given.seed)
    evaluations = 0.0 if guidance is None else guidance.tally.means()["evaluations"]
    steps = 0 if guidance is None else getattr(guidance.guide, guidance.guide.budget)
    return Helped(steps, evaluations, drawn.seconds / given.n, scores)


def _write(
    out: Path,
    lines: dict[tuple[str, str], list[Helped]],
    models: dict[str, Model],
    guides: dict[tuple[str, str], list[Guide]],
    fitted: dict[str, Calibration | None],
    evaluator: Evaluator,
    given: CurveArguments,
) -> None:
    """curve.csv, curve.png and samples before and after."""
    out.mkdir(parents=True, exist_ok=True)
    record = next(iter(evaluator.last.values()))
    how = {k: record[k] for k in ("detector", "detector_sha256", "n_real") if record[k] is not None} | {
        "seed": given.seed
    }
    text = guide_curves.as_csv(lines, how)
    write_text(out / "curve.csv", text)
    names = list(next(iter(lines.values()))[0].scores)
    shown = [n for kind in SHOWN for n in names if n.rstrip("0123456789k") == kind]
    labels = {n: f"{n} ({'lower' if lower_is_better(n) else 'higher'} is better)" for n in shown}
    by = (
        f"{record['detector']} {record['detector_sha256'][:12]}, {record['n_real']:,} real, "
        if record["detector"]
        else ""
    )
    guide_curves.save_plot(out / "curve.png", lines, labels, f"{by}{given.n:,} generated images")
    for run, model in models.items():
        _samples(out / f"samples-{run.replace('/', '-')}.png", run, model, lines, guides, fitted[run], labels, given)
    print(text, end="")
    print(f"wrote curve.csv, curve.png and samples to {out}")


def _samples(
    path: Path,
    run: str,
    model: Model,
    lines: dict[tuple[str, str], list[Helped]],
    guides: dict[tuple[str, str], list[Guide]],
    fitted: Calibration | None,
    labels: dict[str, str],
    given: CurveArguments,
) -> None:
    """The same latents without help and by each guide, at the number of steps that its first score is best at."""
    from logan.report.canvas import save_side_by_side
    from logan.report.pictures import are_points, grid, scatter

    leading = next(iter(labels))
    sign = 1 if lower_is_better(leading) else -1

    def picture(guide: Guide | None) -> Any:
        images = model.sample(
            SAMPLES, seed=given.seed, batch=given.batch, guide=guide, calibration=fitted if guide else None
        )
        return scatter(images) if are_points(images) else grid(images, math.isqrt(SAMPLES))

    first = lines[run, given.guide[0]][0]
    pictures = {f"no help\n{leading} {first.scores[leading]:.4g}": picture(None)}
    for name in given.guide:
        points = lines[run, name][1:]
        at = min(range(len(points)), key=lambda i: (math.isnan(v := sign * points[i].scores[leading]), v))
        title = f"{name}, {points[at].evaluations:.3g} passes\n{leading} {points[at].scores[leading]:.4g}"
        pictures[title] = picture(guides[run, name][at])
    save_side_by_side(path, pictures, min(len(pictures), 3), width=4, height=4.6, fontsize=9)
