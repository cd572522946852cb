"""How near ``logan project`` comes: training images, and the generator's own samples, by what the search is given.

python benchmarks/projection.py RUN --n 32 --out docs/results/projection/digits
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from torch import Tensor

import logan
from logan.data.dataset import InMemory, Streamed
from logan.data.open import open_configured
from logan.report.pictures import save_picture
from logan.sampling.interpolation import end_of_seed
from logan.sampling.projection import Projection

SEARCHES = {
    "the best of 256 random z": Projection(steps=0, starts=1),
    "1 start": Projection(starts=1),
    "8 starts (the default)": Projection(),
    "8 starts, no prior": Projection(prior_weight=0),
    "8 starts, ten times the prior": Projection(prior_weight=0.1),
}
SHOWN = 10


def main() -> None:
    """Measure, and write figures.json, table.md, and a picture: targets above, the default's results below."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run")
    parser.add_argument("--n", type=int, default=32)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    model = logan.load(given.run)
    data = open_configured(model.info.config.data)
    assert isinstance(data, InMemory | Streamed)
    if model.num_classes:
        raise SystemExit("a run without classes: else a class has to be found too, which takes as many times longer")
    real = data.batch(torch.linspace(0, len(data) - 1, given.n).long())[0].float() / 127.5 - 1
    z = torch.stack([end_of_seed(model, seed).z for seed in range(given.n)])
    with torch.no_grad():
        own = model.generator(z.to(model.device)).cpu()
    given.out.mkdir(parents=True, exist_ok=True)
    figures = {}
    lines = ["| search | training images | own samples | ‖z − z*‖/‖z*‖ |", "| --- | --- | --- | --- |"]
    for name, settings in SEARCHES.items():
        of_real, of_own = (model.project(images, settings=settings) for images in (real, own))
        off = (of_own.z - z).norm(dim=1) / z.norm(dim=1)
        found = {"real": of_real.pixels.tolist(), "own": of_own.pixels.tolist(), "off": off.tolist()}
        figures[name] = found
        lines.append(f"| {name} | {' | '.join(_middle(torch.tensor(found[key])) for key in found)} |")
        print(lines[-1], flush=True)
        if settings == Projection():
            pairs = [real[:SHOWN], of_real.images[:SHOWN], own[:SHOWN], of_own.images[:SHOWN]]
            save_picture(given.out / "targets-and-results.png", torch.cat(pairs), columns=min(SHOWN, given.n))
    (given.out / "figures.json").write_text(json.dumps({"n": given.n, "searches": figures}) + "\n", encoding="utf-8")
    (given.out / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _middle(values: Tensor) -> str:
    """Median, and the tenth and ninetieth percentile."""
    low, middle, high = values.quantile(torch.tensor([0.1, 0.5, 0.9])).tolist()
    return f"{middle:.3g} ({low:.3g} to {high:.3g})"


if __name__ == "__main__":
    main()
