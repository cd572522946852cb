"""What somebody else's export holds: its manifest, what it says of itself, and its weights."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from random import Random
from typing import Any

from logan.sampling import load, manifest
from logan.sharing import export
from logan.sharing import facts as sharing_facts

from .kinds import Kind, Seed, write
from .kinds_of_runs import run_in
from .mutations import with_json

FILES: dict[str, bytes] = {}
"""Of a good export, by name."""


def good_files(folder: Path) -> dict[str, bytes]:
    if not FILES:
        made = Path(export(run_in(folder), folder / "export"))
        FILES.update({path.name: path.read_bytes() for path in made.iterdir()})
    return FILES


def seed_of(name: str, folder: Path) -> list[Seed]:
    data = good_files(folder)[name]
    return [Seed(name, data, (functools.partial(with_json, json.loads(data)),) * 3)]


def weights_seed(folder: Path) -> list[Seed]:
    name = next(name for name in good_files(folder) if name.endswith(".safetensors"))
    return [Seed(name, FILES[name], exact=True)]


def read_export(folder: Path, name: str, data: bytes, rng: Random) -> Any:
    """It is loaded whole, and an image is drawn."""
    where = folder / "export"
    for other, content in FILES.items():
        write(where / other, content)
    write(where / name, data)
    model = load(where, "cpu")
    return model.info.describe(), model.generator.state_dict(), model.sample(1)


def read_facts(folder: Path, name: str, data: bytes, rng: Random) -> Any:
    """What an export that is exported again says of its data and scores."""
    write(folder / name, data)
    found = sharing_facts._known(folder)
    assert found is not None
    return str(found)


KINDS = [
    Kind("export manifest", functools.partial(seed_of, manifest.NAME), read_export),
    Kind("export weights", weights_seed, read_export),
    Kind("export facts", functools.partial(seed_of, sharing_facts.FACTS), read_facts),
]
