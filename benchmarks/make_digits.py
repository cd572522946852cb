"""Makes digits.npz from scikit-learn's copy: `python benchmarks/make_digits.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from logan import data


def main() -> None:
    digits = load_digits()
    np.savez_compressed(
        Path(data.__file__).parent / "embedded" / "digits.npz",
        images=digits.images.astype(np.uint8),  # (1797, 8, 8), 0 … 16
        labels=digits.target.astype(np.uint8),  # (1797,), 0 … 9
    )


if __name__ == "__main__":
    main()
