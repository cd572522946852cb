"""``logan curve RUN --guide …``: scores against what D's help costs."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from logan.cli.choosing import say
from logan.cli.curve_arguments import CurveArguments, check_one_data_set, evaluator_of, models_of
from logan.cli.guiding import STEPS, calibration, check_guide, flags_of_guide, make, settings_given
from logan.errors import InputError
from logan.evaluation.evaluator import Evaluator
from logan.evaluation.names import lower_is_better
from logan.files import check_writable, write_text
from logan.metrics import titles
from logan.report import guide_curves
from logan.report.guide_curves import Helped

if TYPE_CHECKING:
    from logan.guide import Calibration, Guide
    from logan.sampling import Guidance, Model

SAMPLES = 64
STEPS_OF_CURVES = (1, 2, 5, 10, 20, 50)
SHOWN = ("fid", "is", "precision", "recall", "modes", "quality")
"""Scores that are drawn, in this order; all are in the CSV."""


def draw(given: CurveArguments) -> int:
    """Run the command."""
    from logan.training.watch import Watch

    _check(given)
    choices, models = models_of(given)
    guides: dict[str, dict[str, list[Guide]]] = {
        run: {name: _guides(model, name, given) for name in given.guide or ()} for run, model in models.items()
    }
    check_one_data_set(models)
    check_writable(given.out)
    watch = Watch(1)
    evaluator = evaluator_of(models, given, _kinds(models, given), watch)
    for choice in choices:
        say(choice)
    out = Path(given.out).expanduser()
    lines: dict[tuple[str, str], list[Helped]] = {}
    for run, model in models.items():
        fitted = calibration(model, given, given.data, given.batch, watch.say)
        measured = Measured(run, model, guides[run], fitted, given)
        measured.score(evaluator, watch.fraction_bar(f"{run}: {', '.join(guides[run])}"))
        out.mkdir(parents=True, exist_ok=True)
        detector = next(iter(evaluator.last.values()))["detector"]
        measured.save_samples(out / f"samples-{run.replace('/', '-')}.png", detector)
        lines |= {(run, name): points for name, points in measured.points.items()}
    _write(out, lines, evaluator, given)
    return 0


@dataclass
class Measured:
    """One run by all guides.

    Attributes:
        guides: by name, one per number of steps.
        fitted: makes a logit of D's score.
        points: what was found, by guide; the first of each is without help.
    """

    run: str
    model: Model
    guides: Mapping[str, list[Guide]]
    fitted: Calibration | None
    given: CurveArguments
    points: dict[str, list[Helped]] = field(default_factory=dict)

    def score(self, evaluator: Evaluator, show: Any) -> None:
        """Draw and score them all; ``show`` is told how far it is."""
        without, done = self._point(None, evaluator), 0
        for name, guides in self.guides.items():
            self.points[name] = [without]
            for guide in guides:
                self.points[name].append(self._point(guide, evaluator))
                done += 1
                show(done / sum(map(len, self.guides.values())))

    def save_samples(self, path: Path, detector: str | None) -> None:
        """The same latents without help and by each guide, at the number of steps at which the leading score is best."""
        from logan.report.canvas import save_side_by_side

        scores = next(iter(self.points.values()))[0].scores
        leading = _shown(list(scores))[0]
        sign = 1 if lower_is_better(leading) else -1
        called = titles.title(leading, detector)
        pictures = {f"no help\n{called} {scores[leading]:.4g}": self._picture(None)}
        for name, guides in self.guides.items():
            points = self.points[name][1:]
            at = min(range(len(points)), key=lambda i: (math.isnan(v := sign * points[i].scores[leading]), v))
            title = f"{name}, {points[at].evaluations:.3g} passes\n{called} {points[at].scores[leading]:.4g}"
            pictures[title] = self._picture(guides[at])
        save_side_by_side(path, pictures, min(len(pictures), 3), width=4, height=4.6, fontsize=9)

    def _point(self, guide: Guide | None, evaluator: Evaluator) -> Helped:
        guidance = None if guide is None else self.model.guidance(guide, self._line(guide), batch=self.given.batch)
        drawn = Drawn(self.model, guidance, self.given)
        scores = evaluator(drawn, seed=self.given.seed)
        seconds = drawn.seconds / self.given.n
        if guide is None or guidance is None:
            return Helped(0, 0.0, seconds, scores)
        how = guidance.describe()
        steps, settings = how["guide"].pop(guide.budget), {k: v for k, v in how["guide"].items() if k != "name"}
        return Helped(steps, guidance.tally.means()["evaluations"], seconds, scores, settings, how["calibration"] or {})

    def _line(self, guide: Guide | None) -> Calibration | None:
        """The calibration, for a guide that needs a logit; the others take D's scores as they are."""
        return self.fitted if guide is not None and guide.needs_logit else None

    def _picture(self, guide: Guide | None) -> Any:
        from logan.report.pictures import are_points, grid, scatter

        images = self.model.sample(
            SAMPLES,
            seed=self.given.seed,
            batch=self.given.batch,
            guide=guide,
            calibration=self._line(guide),
        )
        return scatter(images) if are_points(images) else grid(images, math.isqrt(SAMPLES))


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


def _steps(given: CurveArguments) -> tuple[int, ...]:
    return STEPS_OF_CURVES if given.guide_steps is None else given.guide_steps


def _check(given: CurveArguments) -> None:
    from logan.guide import GUIDES
    from logan.metrics.truncation import LEVELS

    guides = given.guide or ()
    if given.levels != LEVELS or given.match_is is not None or given.match_fid is not None:
        raise InputError("--guide draws scores against steps; --levels, --match-is and --match-fid are of truncation")
    if not guides or len(set(guides)) < len(guides):
        raise InputError("--guide names one of them twice" if guides else "--guide names none of them")
    if min(_steps(given), default=0) < 1:
        raise InputError("--guide-steps must be whole numbers >= 1; none at all is drawn without being asked for")
    for flag in settings_given(given):
        takers = [name for name in guides if flag in flags_of_guide(name)]
        if not takers:
            raise InputError(f"`{flag}` is not a setting of `guide` {' or '.join(guides)}")
        if flag == "guide_gamma" and len(takers) > 1:
            raise InputError("`guide_gamma` of flow and of reject are different things; draw one of them at a time")
    if given.calibrate and not any(GUIDES[name].needs_logit for name in guides):
        raise InputError(f"`guide` {' and '.join(guides)} take D's scores as they are; leave `calibrate` out")


def _guides(model: Model, name: str, given: CurveArguments) -> list[Guide]:
    """One per number of steps; of several guides, each takes the settings that are its own."""
    own = {flag: value for flag, value in settings_given(given).items() if flag in flags_of_guide(name)}
    found = [make(name, own | {STEPS: steps}, model) for steps in sorted(set(_steps(given)))]
    check_guide(given if found[0].needs_logit else replace(given, calibrate=False), found[0], model)
    model.check_sampling(given.seed, 1.0, 0, given.batch)
    return found


def _kinds(models: Mapping[str, Model], given: CurveArguments) -> tuple[str, ...]:
    """Of scores: those of points, or of images; DINOv2 has no classes."""
    if next(iter(models.values())).info.architecture["image_size"] == 1:
        return ("modes",)
    return ("fid", "pr") if given.detector == "dinov2" else ("fid", "is", "pr")


def _shown(names: list[str]) -> list[str]:
    return [name for kind in SHOWN for name in names if name.rstrip("0123456789k") == kind]


def _write(out: Path, lines: dict[tuple[str, str], list[Helped]], evaluator: Evaluator, given: CurveArguments) -> None:
    """curve.csv and curve.png."""
    record = next(iter(evaluator.last.values()))
    how = {k: record[k] for k in ("detector", "detector_sha256", "n_real") if record[k] is not None}
    text = guide_curves.as_csv(lines, how | {"seed": given.seed})
    write_text(out / "curve.csv", text)
    shown = _shown(list(next(iter(lines.values()))[0].scores))
    labels = {n: f"{titles.title(n, record['detector'])}\n{titles.better(n)}" for n in shown}
    by = f"{record['detector']} {record['detector_sha256'][:12]}, {record['n_real']:,} real, " if how else ""
    guide_curves.save_plot(out / "curve.png", lines, labels, f"{by}{given.n:,} generated images")
    print(text, end="")
    print(f"wrote curve.csv, curve.png and samples to {out}")
