"""Makes the detector of the embedded digits: `python benchmarks/make_classifier.py`, two minutes.

Its name holds the hash of the images it was trained on, so that it is taken for those alone. Run this when the digits or
`logan.metrics.classifier` change; its sha256, and with it every score on the digits, changes on other machines' arithmetic.
"""

from __future__ import annotations

from pathlib import Path

from logan import metrics
from logan.data import open_data
from logan.data.dataset import InMemory
from logan.evaluation import cache
from logan.metrics.classifier import save_classifier, train_classifier


def main() -> None:
    digits = open_data("digits")
    assert isinstance(digits, InMemory)
    assert digits.labels is not None
    detector = train_classifier(digits.images, digits.labels, digits.num_classes, progress=_show)
    folder = Path(metrics.__file__).parent / "embedded"
    for old in folder.glob("classifier-*.safetensors"):
        old.unlink()
    path = folder / f"classifier-{cache.key_of(digits)[:16]}.safetensors"
    save_classifier(path, detector)
    print(f"\n{path.name}: accuracy {detector.accuracy:.2%}, sha256 {detector.sha256[:12]}")


def _show(fraction: float) -> None:
    print(f"\r{fraction:4.0%}", end="", flush=True)


if __name__ == "__main__":
    main()
