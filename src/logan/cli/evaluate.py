"""``logan evaluate``: scores of a run's snapshots, or of one folder of images against another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from torch import Tensor

from logan.cli.arguments import WORDS, ScoringArguments
from logan.cli.choosing import choose_for, say
from logan.cli.command import Command
from logan.cli.guiding import GuideArguments, check_guide, check_without_guide, guidance, make, said, settings_given
from logan.cli.parsing import parse
from logan.config import MAX_SEED, DataConfig, ScoreConfig
from logan.errors import InputError
from logan.evaluation import names, protocols, records
from logan.evaluation.evaluator import Evaluator
from logan.evaluation.protocols import Protocol
from logan.sampling import Model, snapshot
from logan.sampling.choice import Choice
from logan.training.folder import OPTIONS, read_options
from logan.training.scoring import SEED_AFTER
from logan.training.watch import Watch

DESCRIPTION = """Score snapshots of a run (RUN), or the images of a folder or zip against real ones (REAL FAKE).

The results go to metric-*.jsonl in the run folder, with detector, counts, seed, latent steps, truncation and time."""


@dataclass(frozen=True)
class EvaluateArguments(ScoringArguments, GuideArguments):
    """What ``logan evaluate`` takes."""

    what: Annotated[tuple[str, ...], tyro.conf.Positional]
    """A run folder, network-snapshot-....safetensors, export or hub:USER/NAME; or two folders or zips of images, the real first."""
    snapshots: Literal["auto", "best", "latest", "all"] = "auto"
    """Which of a run folder's snapshots; auto: the best by the scores of training if there is one, else the latest."""
    protocol: Literal["training", "A", "B", "C"] = "training"
    """training: 50k training images, 10k fakes. A: 50k and 50k, 10 splits. B: first 10k, 10k. C: 10k test images, 5k."""
    metrics: tuple[str, ...] | None = None
    """Other metrics than the protocol's: fid10k kid10k is10k pr10k, or modes10k for mixtures."""
    latent_steps: int = 0
    """Steps of latent optimisation before an image is scored (Table 2: 10)."""
    trunc: float = 1.0
    """Truncation s; see logan sample."""
    image_size: int | None = None
    """Of two folders: the side to which the images of both are cropped and resized, if they have several."""
    skip_broken: bool = False
    """Of two folders: leave out images that cannot be read instead of stopping."""
    skip_small: bool = False
    """Of two folders: leave out images that are smaller than --image-size instead of stopping."""


COMMAND = Command(
    "evaluate",
    EvaluateArguments,
    DESCRIPTION,
    examples=(
        ("evaluate runs/00000-digits-ngd --snapshots best", "the run's best snapshot, by its own detector"),
        (
            "evaluate runs/00000-digits-ngd --guide latent --guide-steps 10",
            "with D's help in choosing latents",
        ),
        ("evaluate photos.zip fakes --image-size 64", "a folder of images against real ones"),
    ),
    common=(
        *("snapshots", "protocol", "metrics", "detector", "seed", "latent-steps", "trunc", "guide", "guide-steps"),
        *("calibrate", "image-size", "skip-broken", "data", "device"),
    ),
    words=WORDS,
)


def main(args: Sequence[str]) -> int:
    """Run the command."""
    given = parse(COMMAND, args)
    if len(given.what) == 2 and not any(map(_is_run, given.what)):
        _folders(given)
    elif len(given.what) == 1:
        _run(given)
    else:
        many = "; runs go one at a time" if any(map(_is_run, given.what)) else ""
        raise InputError(
            f"pass one run, or two folders of images (real ones first), not {len(given.what)} arguments{many}"
        )
    return 0


def _is_run(path: str) -> bool:
    return path.endswith(".safetensors") or path.startswith("hub:") or (Path(path) / "training_options.json").exists()


def _run(given: EvaluateArguments) -> None:
    from logan.data import Mixture
    from logan.data.open import open_configured
    from logan.evaluation import snapshots
    from logan.sampling import load

    chosen = _snapshots(Path(given.what[0]), given.snapshots)
    found = [choice.path for choice in chosen]
    if given.image_size is not None:
        raise InputError("--image-size is for two folders of images; a run's generator makes images of one size")
    for flag in ("skip-broken", "skip-small"):
        if getattr(given, flag.replace("-", "_")):
            raise InputError(f"--{flag} is for two folders of images; a run's own settings say what is left out")
    first = load(found[0], given.device)
    config = first.info.config
    points = first.info.architecture["image_size"] == 1
    detector = given.detector or config.scores.detector
    protocol = _protocol(given, detector, ("modes10k",) if points else None)
    first.check_sampling(given.seed, given.trunc, given.latent_steps, given.batch)
    _check_guide(given, first)
    data = replace(config.data, data=given.data or config.data.data)
    train = open_configured(data)
    if points != isinstance(train, Mixture):
        raise InputError(f"{data.data} does not fit a run that makes {'points' if points else 'images'}")
    watch = Watch(1)
    own = config.scores.metric_latent_steps
    if own and given.latent_steps == 0:
        watch.say(f"without latent steps; training scored this run with {own}: --latent-steps {own}")
    evaluator = given.evaluator(protocol, data, train, config.scores, watch)
    most = max((m.count for m in evaluator.metrics), default=0)
    for i, path in enumerate(found):
        model = first if i == 0 else load(path, given.device)
        ready = guidance(
            model, given, data=given.data, batch=given.batch, say=watch.say, trunc=given.trunc,
            latent_steps=given.latent_steps,
        )  # fmt: skip
        advance = watch.fraction_bar(f"{path.name}: {most:,} images")
        scores = snapshots.score(
            path, model, evaluator, protocol, seed=given.seed, trunc=given.trunc, latent_steps=given.latent_steps,
            batch=given.batch, guidance=ready, progress=advance,
        )  # fmt: skip
        say(chosen[i], "snapshots")
        _print_scores(path.name, scores, evaluator)
        if ready is not None:
            print(f"  {said(ready)}")
        if protocol.name == "training" and not given.latent_steps and given.trunc == 1 and ready is None:
            _say_training(path, model.info.images, scores, given.seed, evaluator)
    _print_detector(evaluator)


def _check_guide(given: EvaluateArguments, model: Model) -> None:
    """Before a detector is made ready."""
    if given.guide is None:
        check_without_guide(given)
    else:
        check_guide(given, make(given.guide, settings_given(given), model), model, given.trunc, given.latent_steps)


def _snapshots(path: Path, which: str) -> list[Choice]:
    if which != "all":
        return [choose_for(path, which, "snapshots")]
    if not path.is_dir():
        raise InputError(f"--snapshots all is for run folders, and {path} is one snapshot; leave it out")
    snapshot.find(path)  # says what is wrong if there is none
    return [Choice(file) for file in sorted(path.glob(snapshot.PATTERN))]


def _say_training(path: Path, images: int, scores: dict[str, float], seed: int, evaluator: Evaluator) -> None:
    """Training has measured the same snapshot by the same detector on other latents, so its log has another number."""
    run = path.absolute().parent
    if not (run / OPTIONS).exists():
        return
    known, by = records.measured(run).get(images, ({}, records.UNKNOWN))
    if by.detector_sha256 != (evaluator.detector and evaluator.detector.sha256):
        return
    own = read_options(run).run.seed + SEED_AFTER
    shared = [name for name in scores if name in known and math.isfinite(known[name])]
    if shared and seed != own:
        text = "  ".join(f"{name} {known[name]:.4g}" for name in shared)
        print(f"  in training: {text}, on other latents (seed {own}, here {seed}); --seed {own} draws the same")


def _protocol(given: EvaluateArguments, detector: str | None, metrics: tuple[str, ...] | None = None) -> Protocol:
    protocol = protocols.get(given.protocol)
    chosen = given.metrics or metrics or protocol.metrics
    if given.metrics is None and detector == "dinov2":  # which has no classes
        chosen = tuple(name for name in chosen if not name.startswith("is"))
    if not names.parse_all(chosen):
        raise InputError("--metrics none leaves nothing to measure")
    return replace(protocol, metrics=tuple(chosen))


def _folders(given: EvaluateArguments) -> None:
    from logan.data import Mixture
    from logan.data.open import open_configured
    from logan.devices import choose_device

    real, fake = given.what
    if not 1 <= given.batch <= 10**6:
        raise InputError(f"--batch must be >= 1 and not absurdly large, not {given.batch}")
    if not 0 <= given.seed <= MAX_SEED:
        raise InputError(f"--seed must be >= 0 and <= {MAX_SEED}, not {given.seed}")
    for flag in ("latent_steps", "data", "snapshots", "trunc", "guide", "calibrate", *settings_given(given)):
        if getattr(given, flag) != getattr(EvaluateArguments(()), flag):
            raise InputError(f"--{flag.replace('_', '-')} is for runs; here two sets of images are compared")
    wanted = DataConfig(real, given.image_size, skip_broken=given.skip_broken, skip_small=given.skip_small)
    train = open_configured(wanted)
    if isinstance(train, Mixture):
        raise InputError(f"{real} is a mixture, not a set of images")
    of_fakes: dict[str, Any] = {"data": fake, "channels": train.channels}
    watch, fakes = Watch(1), open_configured(replace(wanted, **of_fakes))
    if isinstance(fakes, Mixture):
        raise InputError(f"{fake} is a mixture, not a set of images")
    broken = [f"left out, broken: {name}" for name in (*train.broken, *fakes.broken)]
    for notice in dict.fromkeys([*train.notices, *fakes.notices, *broken]):
        watch.say(notice)
    if fakes.image_size != train.image_size:
        fakes = open_configured(replace(wanted, **of_fakes, image_size=train.image_size))
        assert not isinstance(fakes, Mixture)
        watch.say(f"the images of {fake} are resized to {train.image_size} pixels, the size of those of {real}")
    if len(fakes) < names.LEAST:
        raise InputError(
            f"{fake} has {len(fakes)} images; scores need {names.LEAST} or more, and mean something from thousands on"
        )
    default = tuple(f"{kind}{names.count_name(len(fakes))}" for kind in ("fid", "is"))
    protocol = _protocol(given, given.detector, default if given.protocol == "training" else None)
    short = [m for m in protocol.metrics for p in names.parse_all([m]) if p.count > len(fakes)]
    if short:
        instead = short[0].rstrip("0123456789k") + names.count_name(len(fakes))
        raise InputError(f"{short[0]} needs more images than {fake} has ({len(fakes):,}); use {instead}")
    device = choose_device(given.device)

    def draw(n: int) -> Iterator[Tensor]:
        import torch

        for part in torch.arange(n).split(given.batch):
            yield fakes.batch(part)[0].to(device)

    evaluator = given.evaluator(protocol, wanted, train, ScoreConfig(), watch)
    scores = evaluator(draw, from_generator=False, seed=given.seed)
    _print_scores(fake, scores, evaluator)
    _print_detector(evaluator)


def _print_scores(name: str, scores: dict[str, float], evaluator: Evaluator) -> None:
    by = f"  (by {evaluator.detector.name})" if evaluator.detector else ""  # never an FID without its detector's name
    print(f"{name}: " + "  ".join(f"{k} {v:.4g}" for k, v in scores.items()) + by)


def _print_detector(evaluator: Evaluator) -> None:
    for record in list(evaluator.last.values())[:1]:
        if record["detector"]:
            print(
                f"detector {record['detector']} {record['detector_sha256'][:12]}, {record['n_real']:,} real images; "
                f"compare only with scores by the same detector, counts and split"
            )
