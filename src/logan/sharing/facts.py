"""What there is to say of a generator that is shared: settings, data, scores; without what is nobody else's business."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from logan.config import Config
from logan.data import Mixture
from logan.data.fingerprint import fingerprint
from logan.data.open import open_configured
from logan.errors import InputError
from logan.evaluation import records
from logan.files import read_json, write_json
from logan.foreign import Fields
from logan.networks import NETWORKS, count_parameters
from logan.sampling.manifest import ADVICE
from logan.sampling.snapshot import Snapshot

FACTS = "facts.json"
"""In an export, what was known of the data, and the records that a run has in ``metric-….jsonl``: those of its snapshot."""


@dataclass(frozen=True)
class TrainingData:
    """What a generator learnt from.

    Attributes:
        name: without the folders of the machine that it was on.
        images: how many; None if the data were not at hand, or have no end (mixtures).
        class_names: of all classes, whether the networks were given them or not.
        fingerprint: of :func:`logan.data.fingerprint.fingerprint`; None if they were not at hand.
        left_out: images that could not be read.
        endless: whether it is a mixture, of which points are drawn.
    """

    name: str
    images: int | None = None
    class_names: tuple[str, ...] = ()
    fingerprint: str | None = None
    left_out: int = 0
    endless: bool = False


@dataclass(frozen=True)
class Facts:
    """All that a model card is made of.

    Attributes:
        info: the snapshot's own description, with local paths shortened.
        parameters: of G and D.
        data, scores: what it learnt from; what was measured on it, the lines of ``metric-….jsonl``.
    """

    info: Snapshot
    parameters: tuple[int, int]
    data: TrainingData
    scores: tuple[dict[str, Any], ...]

    @property
    def points(self) -> bool:
        """Whether it makes points in the plane rather than pictures."""
        return self.info.architecture["image_size"] == 1


def collect(path: Path, info: Snapshot, generator: nn.Module, discriminator: nn.Module, data: str | None) -> Facts:
    """Look at a snapshot's run folder, and at its data.

    Args:
        path, info, generator, discriminator: the snapshot.
        data: where the real images are now, if not where the run was trained.
    """
    sizes = (count_parameters(generator), count_parameters(discriminator))
    shared = replace(info, config=without_paths(info.config))
    known = _known(path.parent)
    found = training_data(info, data) if data is not None or known is None else known[0]
    scores = [
        *(() if known is None else known[1]),
        *scores_of(path.parent),
    ]  # those of an export, and others found since
    return Facts(shared, sizes, found, tuple(_last(line for line in scores if line["images"] == info.images)))


def write(path: Path, facts: Facts) -> None:
    """Write ``facts.json``."""
    write_json(path, {"data": asdict(facts.data), "scores": list(facts.scores)})


def _known(folder: Path) -> tuple[TrainingData, list[dict[str, Any]]] | None:
    """What an export that is exported again says of its data and scores; None for a run folder."""
    path = folder / FACTS
    if not path.exists():
        return None
    # the Hub client's cache is made of links; what they lead to is what the manifest says
    f = Fields(read_json(path.resolve(), ADVICE), str(path), ADVICE)
    d = f.group("data")
    data = TrainingData(
        file_name(d.word("name")),
        d.integer("images", least=0, default=None),
        tuple(d.words("class_names")),
        d.word("fingerprint", most=64, default=None),
        d.integer("left_out", least=0),
        d.truth("endless"),
    )
    return data, [line for line in f.items("scores", most=10**4) if isinstance(line, dict) and records.is_record(line)]


def without_paths(config: Config) -> Config:
    """The same with the names of files for their paths: how somebody's folders are called is nobody else's business."""
    data = replace(config.data, data=file_name(config.data.data))
    weights = config.scores.detector_weights
    return replace(
        config,
        data=data,
        scores=replace(config.scores, detector_weights=None if weights is None else file_name(weights)),
    )


def file_name(path: str) -> str:
    """The last part of a path of any system; what is no path (``digits``) stays."""
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1] or "data"


def training_data(info: Snapshot, data: str | None) -> TrainingData:
    """Counts, classes and fingerprint, from the data themselves; their name alone if they are not there any more.

    Raises:
        InputError: if ``data`` were given, and cannot be read.
    """
    settings = info.config.data if data is None else replace(info.config.data, data=data)
    name = file_name(info.config.data.data)
    try:
        found = open_configured(settings)
    except (InputError, OSError):
        if data is not None:
            raise
        return TrainingData(name, class_names=tuple(info.class_names))
    if isinstance(found, Mixture):
        return TrainingData(name, None, tuple(found.class_names), fingerprint(found), endless=True)
    return TrainingData(name, len(found), tuple(found.class_names), fingerprint(found), len(found.broken))


def scores_of(run: Path) -> list[dict[str, Any]]:
    """All that was measured in a run folder."""
    names = [path.stem.removeprefix("metric-") for path in sorted(run.glob("metric-*.jsonl"))]
    return [line for name in names for line in records.read(run, name)]


def _last(lines: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each kind of measurement the last."""
    last = {_kind(line): line for line in lines}
    return [last[key] for key in sorted(last, key=str)]


def _kind(line: Mapping[str, Any]) -> tuple[Any, ...]:
    names = ("metric", "in_training", "protocol", "detector_sha256", "real_key", "latent_steps", "trunc")
    return (*(line.get(name) for name in names), json.dumps(line.get("guide"), sort_keys=True))


def check_shareable(info: Snapshot, path: Path, onnx: bool) -> str | None:
    """Refuse networks whose code an export does not carry, unless they go along as ONNX; the note that the card then has.

    Raises:
        InputError: saying what can be shared of them.
    """
    name = info.architecture["name"]
    if NETWORKS[name].__module__.startswith("logan."):
        return None
    if not onnx:
        raise InputError(
            f"{path} has networks of your own, {name!r}, and an export carries no code: only who has yours could load it. "
            f"With `onnx` it has them in a form that runs without"
        )
    return (
        f"The networks are the maker's own, `{name}`, whose code is not part of this export: `logan.load` works only where that "
        f"code has registered them. The ONNX files run without it."
    )
