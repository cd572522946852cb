"""What training and scoring leave behind: snapshots, states, caches, options, logs and scores."""

from __future__ import annotations

import functools
import io
import json
import os
import re
from dataclasses import replace
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save

from logan import sealed
from logan.compare import summary
from logan.compare.runs import Entry, Result, existing_runs, images_seen, read_points
from logan.config import Config, DataConfig, GameConfig, LatentConfig, NetworkConfig, RunConfig, ScoreConfig, presets
from logan.data import InMemory
from logan.distributed import World
from logan.evaluation import detectors, records, reference, snapshots
from logan.evaluation.names import parse_all
from logan.evaluation.protocols import PROTOCOLS
from logan.metrics.classifier import Classifier, ClassifierDetector, save_classifier
from logan.report.curves import save_curves
from logan.sampling import load, snapshot
from logan.training import folder as run_folder
from logan.training import resume, state
from logan.training.averaging import AveragedGenerator
from logan.training.loop import train
from logan.training.setup import build, training_data

from .containers import damaged_safetensors, damaged_state
from .kinds import Kind, Seed, write
from .kinds_of_images import Promised
from .mutations import VALUES, as_json, changed, mutated, with_json

TENSORS = (
    torch.zeros(()),
    torch.zeros(3, 1, 2),
    torch.full((2,), torch.nan),
    torch.zeros(0),
    torch.zeros(2, dtype=torch.int64),
)


def config() -> Config:
    """A run that takes no time, of which everything that moves is switched on."""
    return replace(
        presets.get("digits"),
        data=DataConfig(mirror=True),
        networks=NetworkConfig(network="dcgan", latent_dim=4, width=4, spectral_norm=True),
        latent=LatentConfig(beta=0.5, portion=0.5, subset="random"),
        game=GameConfig(batch=100, ema_kimg=1, dynamics="plain"),
        run=RunConfig(kimg=1, tick=1, snap=1, engine="plain", threads=1),
        scores=ScoreConfig(metrics=()),
    )


@functools.cache
def run_in(folder: Path) -> Path:
    """The folder of such a run, trained if it is not there."""
    there = sorted((folder / "runs").glob("*/" + state.FILE_NAME))
    return there[0].parent if there else train(config(), outdir=folder / "runs", quiet=True)


def the_file(pattern: str, folder: Path) -> bytes:
    return next(run_in(folder).glob(pattern)).read_bytes()


# Snapshots and caches: sealed files


def resealed(data: bytes, rng: Random) -> bytes:
    """Text or tensors are others, and the checksum is that of these."""
    size = int.from_bytes(data[:8], "little")
    text, tensors = json.loads(data[8 : 8 + size])["__metadata__"][sealed.TEXT], load_tensors(data)
    if rng.random() < 0.2:  # a size that is allowed, and is not that of what is in it
        sizes = list(re.finditer(r"(?<=: )\d+", text))
        start, end = rng.choice(sizes).span() if sizes else (0, 0)
        text = text[:start] + str(rng.choice((0, 1, 2, 3, 8, 64, 100, 1000, 8192, 10**5, 10**6))) + text[end:]
    elif rng.random() < 0.6:
        try:
            text = as_json(changed(json.loads(text), rng), rng).decode("utf-8", "replace")
        except ValueError:  # not all texts are JSON
            text = mutated(text.encode(), rng).decode("utf-8", "replace")
    else:
        found = changed(tensors, rng, (*TENSORS, *(t[..., :1] for t in tensors.values() if t.ndim)))
        tensors = (
            {str(k): v for k, v in found.items() if isinstance(v, torch.Tensor)} if isinstance(found, dict) else {}
        )
    text = text.replace("\0", "")
    tensors = {name: t.contiguous().clone() for name, t in tensors.items()}
    return save(tensors, metadata={sealed.TEXT: text, sealed.CHECKSUM: sealed.digest(text, tensors)})


def sealed_seed(name: str, data: bytes) -> Seed:
    return Seed(
        name,
        data,
        (functools.partial(resealed, data),) * 3 + (functools.partial(damaged_safetensors, data),),
        exact=True,
    )


def snapshot_seeds(folder: Path) -> list[Seed]:
    return [sealed_seed("network-snapshot-000001.safetensors", the_file(snapshot.PATTERN, folder))]


def read_snapshot(folder: Path, name: str, data: bytes, rng: Random) -> Any:
    """It is loaded, and images are drawn; weights that are others may draw others."""
    path = write(folder / name, data)
    known, tensors = snapshot.read(path)
    model = load(path, "cpu")
    images = [model.sample(2, seed=1, latent_steps=steps, trunc=1.0 if steps else 0.5) for steps in (0, 1)]
    return known.describe(), tensors, model.generator.state_dict(), model.discriminator.state_dict(), images


class Pixels:
    """A detector whose features are pixels."""

    name, sha256, size = "pixels", "ab" * 32, 8

    def to(self, device: object) -> Pixels:
        return self

    def __call__(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        flat = images.flatten(1).float() / 255
        return flat[:, :8], flat[:, 8:11]


def real_images() -> InMemory:
    generator = torch.Generator().manual_seed(0)
    return InMemory(
        torch.randint(256, (20, 1, 8, 8), generator=generator, dtype=torch.uint8), torch.arange(20) % 2, "noise"
    )


def feature_seeds(folder: Path) -> list[Seed]:
    with patch.dict(os.environ, LOGAN_CACHE=str(folder / "features")):
        reference.of_real(real_images(), None, Pixels(), torch.device("cpu"))
    made = next((folder / "features").glob("*.safetensors"))
    return [sealed_seed(made.name, made.read_bytes())]


def read_features(folder: Path, name: str, data: bytes, rng: Random) -> Any:
    """A damaged cache is made again, and a line says so."""
    write(folder / name, data)
    said: list[str] = []
    with patch.dict(os.environ, LOGAN_CACHE=str(folder)):
        found = reference.of_real(real_images(), None, Pixels(), torch.device("cpu"), said.append)
    if len(said) > 1 or any("\n" in line or len(line) > 1000 for line in said):
        raise Promised(f"said: {said}")
    if not found.features.finite or len(found.features) != 20:
        raise Promised("features that are none")
    return vars(found.features)


def classifier_seeds(folder: Path) -> list[Seed]:
    torch.manual_seed(0)
    save_classifier(folder / "classifier.safetensors", ClassifierDetector(Classifier(1, 8, 2), (1, 8), 0.9))
    return [sealed_seed("classifier.safetensors", (folder / "classifier.safetensors").read_bytes())]


def read_classifier(folder: Path, name: str, data: bytes, rng: Random) -> Any:
    found = detectors.get("classifier", str(write(folder / name, data)), real_images())
    features, logits = found(real_images().images)  # type: ignore[misc]
    return features, logits, found.sha256


# Training states


@functools.cache
def parts_of_a_run() -> tuple[Any, AveragedGenerator]:
    parts = build(config(), training_data(config()), World())
    return parts, AveragedGenerator(parts.generator, 1)


def state_seeds(folder: Path) -> list[Seed]:
    data = the_file(state.FILE_NAME, folder)
    tree = torch.load(io.BytesIO(data), weights_only=True)
    return [
        Seed(
            state.FILE_NAME,
            data,
            (functools.partial(_damaged_tree, tree), functools.partial(damaged_state, data)),
            exact=True,
        )
    ]


def _damaged_tree(tree: Any, rng: Random) -> bytes:
    file = io.BytesIO()
    values = tuple(v for v in VALUES if not isinstance(v, str) or "\ud800" not in v)
    try:
        torch.save(changed(tree, rng, (*TENSORS, *values)), file)
    except RecursionError:
        torch.save({}, file)
    return file.getvalue()


def read_state(folder: Path, name: str, data: bytes, rng: Random) -> Any:
    parts, average = parts_of_a_run()
    progress, _ = state.load(write(folder / name, data), parts, average)
    networks = [x.state_dict() for x in (parts.generator, parts.discriminator, average.module)]
    optimisers = [x.state_dict() for x in (parts.game.g_optimiser, parts.game.d_optimiser)]
    return vars(progress), networks, optimisers, parts.game.memory


# Options, logs, scores


def option_seeds(folder: Path) -> list[Seed]:
    data = the_file(run_folder.OPTIONS, folder)
    return [Seed(run_folder.OPTIONS, data, (functools.partial(with_json, json.loads(data)),) * 3)]


def read_options(folder: Path, name: str, data: bytes, rng: Random) -> Any:
    run = write(folder / "00000-digits" / name, data).parent
    write(run / state.FILE_NAME, b"")
    found = existing_runs(folder), resume.latest(folder, config())
    settings = run_folder.read_options(run)
    settings.check()
    return str(found), settings.to_dict()


def _lines(values: list[Any]) -> bytes:
    return b"".join(json.dumps(v).encode() + b"\n" for v in values)


def _damaged_lines(values: list[Any], rng: Random) -> bytes:
    parts = [json.dumps(v).encode() for v in values]
    for _ in range(rng.choice((1, 1, 2))):
        parts[rng.randrange(len(parts))] = as_json(changed(rng.choice(values), rng), rng)
    return b"\n".join(parts) + rng.choice((b"\n", b""))


def log_seeds(folder: Path) -> list[Seed]:
    line = json.loads(the_file(run_folder.STATS, folder).splitlines()[-1])
    save_curves(folder / "curves.png", [line])  # so that drawing is imported before anything is watched
    values = [line | {"tick": i, "kimg": i, "steps": 10 * i, "metrics": {"fid50": 9.5 - i}} for i in range(3)]
    return [Seed(run_folder.STATS, _lines(values), (functools.partial(_damaged_lines, values),) * 3)]


def read_log(folder: Path, name: str, data: bytes, rng: Random) -> Any:
    write(folder / name, data)
    found = run_folder.read_stats(folder), images_seen(folder)
    if rng.random() < 0.02:  # drawing takes a while
        save_curves(folder / "training-curves.png", found[0])
    run_folder.tidy(folder, 2)
    if any(record["tick"] >= 2 for record in run_folder.read_stats(folder)):
        raise Promised("lines after the state are still there")
    return found


METRIC = "metric-fid50.jsonl"


def score_seeds(folder: Path) -> list[Seed]:
    values = [
        {
            **{"metric": "fid50", "results": {"fid50": 9.5 - k}, "detector": "pixels", "detector_sha256": "ab" * 32},
            **{"n_real": 50, "n_fake": 50, "real_key": "x", "splits": None, "total_time": 0.1, "in_training": True},
            **{
                "images": 1000 * k,
                "kimg": k,
                "steps": 10 * k,
                "seconds": 0.5 * k,
                "latent_steps": 0,
                "seed": 0,
                "timestamp": 1.5,
            },
        }
        for k in (1, 2, 3)
    ]
    best = {"by": "fid50", "images": 3000, "kimg": 3, "scores": {"fid50": 6.5}, "measure": ["ab" * 32, "x", 0]}
    return [
        Seed(METRIC, _lines(values), (functools.partial(_damaged_lines, values),) * 3),
        Seed(records.BEST, json.dumps(best).encode(), (functools.partial(with_json, best),) * 3),
    ]


def read_scores(folder: Path, name: str, data: bytes, rng: Random) -> Any:
    """All that a comparison, a resumption and a report make of them."""
    for seed in score_seeds(folder):
        write(folder / seed.name, seed.data)
    for images in (1000, 2000, 3000):
        write(folder / snapshot.file_name(images), b"weights")
    write(folder / name, data)
    points = read_points(folder)
    if points and points[-1]["scores"]:
        results = [Result(Entry("x", config()), folder, points)]
        said = [summary.footnote(results), summary.all_scores(results), summary.table(results)]
        if rng.random() < 0.02:
            summary.save_curves(folder / "curves.png", results, summary.score_names(results)[0], "steps")
    else:
        said = []
    model: Any = SimpleNamespace(info=SimpleNamespace(images=3000))
    evaluator: Any = SimpleNamespace(detector=None, reference=None, metrics=parse_all(["fid50"]))
    snapshots.known(folder / "x.safetensors", model, evaluator, PROTOCOLS["training"])
    measured = records.measured(folder)
    records.keep_best(folder, 2000, {"fid50": 1.0})
    records.drop_after(folder, 1000)
    return points, said, str(measured)


KINDS = [
    Kind("snapshot", snapshot_seeds, read_snapshot),
    Kind("training state", state_seeds, read_state),
    Kind("cached features", feature_seeds, read_features),
    Kind("cached classifier", classifier_seeds, read_classifier),
    Kind("training options", option_seeds, read_options),
    Kind("log", log_seeds, read_log),
    Kind("scores", score_seeds, read_scores),
]
