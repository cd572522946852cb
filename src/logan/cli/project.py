"""``logan project RUN photo.png…``: the latent whose picture is nearest to a photograph."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
import tyro

from logan.cli.arguments import check_at_least_one
from logan.cli.choosing import choose_for, class_of, say
from logan.cli.command import Command
from logan.cli.parsing import parse
from logan.errors import InputError
from logan.files import check_writable
from logan.training.watch import Watch, counting, track

if TYPE_CHECKING:
    from torch import Tensor

    from logan.metrics.detector import Detector
    from logan.sampling import Model
    from logan.sampling.projection import Projected

DESCRIPTION = """Find the latent z, and the class, whose picture is nearest to a photograph: by pixels, and by features of a
classifier or an ImageNet network.

For each photograph PNG (the target beside what was found) and NPZ (z, label, distances, settings) are written. `logan interpolate`
goes from one to another."""
PLAIN = "projected"


@dataclass(frozen=True)
class ProjectArguments:
    """What ``logan project`` takes."""

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """A run folder, a network-snapshot-....safetensors, an export, or hub:USER/NAME."""
    photos: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Pictures, prepared as the run's own were: the centred square, reduced to the generator's size."""
    snapshot: str = "auto"
    """Of a run folder: best (by the scores of training), latest, a number of kimg, or auto: the best if there is one, else the
    latest."""
    label: str | None = None
    """The class of all photos, by number or name; by default each class is tried first, and the nearest taken."""
    features: Literal["auto", "classifier", "efficientnet-lite0", "none"] = "auto"
    """What compares beside pixels. auto: the classifier of the run's data if there is one, else efficientnet-lite0 if it is
    installed (extra: detector), else none."""
    data: str | None = None
    """Where the run's real images are now, if not where it was trained: the classifier is theirs."""
    steps: int = 200
    """Of Adam, from each start."""
    starts: int = 8
    """How many z are moved: the best of --candidates."""
    candidates: int = 256
    """Random z that are looked at first."""
    lr: float = 0.1
    """Adam's highest learning rate; it falls to 0."""
    feature_weight: float = 0.1
    """Of the features' distance, beside that of the pixels."""
    prior_weight: float = 0.01
    """Of the prior: larger keeps z where the generator was trained. On the unit sphere all z are alike, and it means nothing."""
    seed: int = 0
    """The same seed gives the same z, whatever other photos there are."""
    enlarge: bool = False
    """Take photos that are smaller than the generator's pictures, and enlarge them."""
    batch: int = 64
    """Images per pass, at most."""
    out: str | None = None
    """A folder, by default projected in the run folder."""
    force: bool = False
    """Replace files of the same names."""
    device: str = "auto"
    """auto, cpu, cuda ..."""


COMMAND = Command(
    "project",
    ProjectArguments,
    DESCRIPTION,
    examples=(
        ("project runs/00000-digits-ngd photo.png", "z of a picture, in the run folder"),
        ("project runs/00000-digits-ngd a.jpg b.jpg --out found --prior-weight 0.1", "of two, nearer to usual z"),
    ),
    common=("label", "features", "steps", "starts", "prior-weight", "seed", "enlarge", "out", "force", "device"),
)  # fmt: skip


def main(args: Sequence[str]) -> int:
    """Run the command."""
    given = parse(COMMAND, args)
    from logan.sampling import load
    from logan.sampling.download import is_hub
    from logan.sampling.photos import prepare
    from logan.sampling.projection import Projection

    check_at_least_one(given, "batch")
    if not given.photos:
        raise InputError("pass at least one picture: logan project RUN photo.png")
    settings = Projection(
        given.steps, given.starts, given.candidates, given.lr, given.feature_weight, given.prior_weight, given.seed
    )
    choice = choose_for(given.run, given.snapshot)
    model = load(choice.path, given.device)
    label = None if given.label is None else class_of(given.label, model.num_classes, model.info.class_names)
    photos = [prepare(Path(photo).expanduser(), model.info, enlarge=given.enlarge) for photo in given.photos]
    home = Path() if is_hub(given.run) else choice.path.parent
    places = _places(home / PLAIN if given.out is None else Path(given.out).expanduser(), given.photos, given.force)
    watch = Watch(1)
    for photo in photos:
        if photo.done:
            watch.say(photo.done)
    detector = _features(given, model, watch.say)
    known = _known(choice.path, detector, given, asdict(settings))
    say(choice)
    total = len(photos) * settings.pictures(0 if label is not None else model.num_classes)
    # While a bar is there, Rich takes all that is printed to the bar's terminal: not what goes to a file or a pipe.
    elsewhere = None if sys.stdout.isatty() else sys.stdout
    with counting(f"projecting {len(photos)} picture{'s' * (len(photos) > 1)}", total) as progress:
        for photo, name, place in zip(photos, given.photos, places, strict=True):
            found = model.project(
                photo.pixels[None],
                labels=None if label is None else [label],
                settings=settings,
                features=detector,
                batch=given.batch,
                progress=progress,
            )
            _write(place, name, photo.pixels, found, known)
            line = f"{place.with_suffix('.png')}  {_in_words(found, model.info.class_names)}"
            print(line, file=elsewhere, flush=True)
    return 0


def _places(folder: Path, photos: Sequence[str], force: bool) -> list[Path]:
    """The .npz of each photo, beside which its .png goes; two photos of one name are numbered.

    Raises:
        InputError: if one is there already, would take the place of a photo, or the folder is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out {folder} is a file; name a folder")
    check_writable(str(folder))
    photographs = {Path(photo).expanduser().resolve() for photo in photos}
    places: list[Path] = []
    for photo in photos:
        names = (f"{Path(photo).stem}{end}.npz" for end in ("", *(f"-{k}" for k in range(2, len(photos) + 1))))
        place = next(folder / name for name in names if folder / name not in places)
        for path in (place, place.with_suffix(".png")):
            if path.resolve() in photographs:
                raise InputError(f"{path} is one of the photos, and would be replaced; pass --out another folder")
            if path.exists() and not force:
                raise InputError(f"{path} is there already; pass --force to replace it, or --out another folder")
        places.append(place)
    return places


def _features(given: ProjectArguments, model: Model, say: Callable[[str], None]) -> Detector | None:
    """What compares pictures beside their pixels, on the model's device; None for pixels alone.

    Raises:
        InputError: if what was asked for is not to be had.
    """
    from logan.data.dataset import InMemory, Streamed
    from logan.data.open import open_configured
    from logan.evaluation import detectors
    from logan.metrics import efficientnet_lite0

    def classifier(may_train: bool) -> Detector:
        own = model.info.config.data
        data = open_configured(replace(own, data=given.data or own.data), progress=track)
        assert isinstance(data, InMemory | Streamed)
        if (data.channels, data.image_size) != tuple(
            model.info.architecture[k] for k in ("image_channels", "image_size")
        ):
            raise InputError(
                f"`data` {given.data or own.data} is not what this run was trained on: its pictures have another size"
            )
        if data.num_classes < 2:
            raise InputError(f"`features` classifier needs class labels, and {data.name} has none")
        bar = Watch(1).fraction_bar("training a classifier")
        return detectors.get("classifier", None, data, device=model.device, say=say, progress=bar, may_train=may_train)

    found: Detector | None = None
    if given.features == "classifier":
        found = classifier(may_train=True)
    elif given.features == "efficientnet-lite0":
        found = efficientnet_lite0.EfficientNetLite0Detector()
    elif given.features == "auto":
        why = "it has not been trained yet: `features` classifier trains it"
        try:
            found = classifier(may_train=False)
        except detectors.NotTrainedError:
            pass
        except InputError as error:
            why = str(error)
        if found is None and efficientnet_lite0.installed():
            found = efficientnet_lite0.EfficientNetLite0Detector()
        said = f"features: {found.name if found is not None else 'none, pixels alone'}"
        say(
            said
            if found is not None and found.name == "classifier"
            else f"{said} (no classifier of the run's data: {why})"
        )
    if found is not None:
        found.to(model.device)
    return found


def _known(
    snapshot: Path, detector: Detector | None, given: ProjectArguments, settings: dict[str, Any]
) -> dict[str, Any]:
    """What stands in every file."""
    from logan.sampling import latent_files

    return {
        "snapshot": snapshot.name,
        "snapshot_sha256": latent_files.hash_of(snapshot),
        "detector": "none" if detector is None else detector.name,
        "detector_sha256": "" if detector is None else detector.sha256,
        "seed": given.seed,
        "settings": json.dumps(settings),
    }


def _write(place: Path, photo: str, target: Tensor, found: Projected, known: dict[str, Any]) -> None:
    """The latent first: who sees the picture finds it too."""
    from logan.report.pictures import save_picture
    from logan.sampling import latent_files

    place.parent.mkdir(parents=True, exist_ok=True)
    label = None if found.labels is None else int(found.labels[0])
    latent_files.write(
        place,
        found.z[0],
        label,
        distance_pixels=float(found.pixels[0]),
        distance_features=float(found.features[0]),
        photo=Path(photo).name,
        **known,
    )
    save_picture(place.with_suffix(".png"), torch.stack([target.float() / 127.5 - 1, found.images[0]]), columns=2)


def _in_words(found: Projected, names: Sequence[str]) -> str:
    """What was found, for people."""
    parts = [f"pixels {float(found.pixels[0]):.4g}"]
    if not math.isnan(float(found.features[0])):
        parts.append(f"features {float(found.features[0]):.4g}")
    if found.labels is not None:
        label = int(found.labels[0])
        parts.append(f"class {names[label] if label < len(names) else label}")
    return ", ".join(parts)
