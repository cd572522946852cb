"""Data sets as files: archives, idx, CIFAR, labels, prepared arrays."""

from __future__ import annotations

import csv
import functools
import io
import itertools
import pickle
import tarfile
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from logan.data import open_data
from logan.data.pickles import read_arrays
from logan.data.prepare import prepare

from .containers import (
    METHODS,
    PACKERS,
    damaged_array,
    damaged_files,
    damaged_pickle,
    damaged_tar,
    damaged_zip,
    tar_of,
    zip_of,
)
from .kinds import Kind, Seed, write
from .kinds_of_images import Promised, contents, encoded, opened
from .mutations import STARTS, as_json, big_endian, mutated, with_json

PNG = functools.cache(lambda mode="RGB": encoded(".png", mode, "PNG"))
LABELS = {"labels": [["0/a.png", 0], ["0/b.png", 0], ["1/a.png", 1]], "classes": ["cat", "dog"]}


def images() -> dict[str, bytes]:
    """A set with two classes."""
    return {"0/a.png": PNG(), "0/b.png": PNG("L"), "1/a.png": PNG("P")}


def _json(value: Any) -> bytes:
    return as_json(value, Random(1))  # the first that is not changed


def sets() -> list[dict[str, bytes]]:
    """Files in folders: classes, splits, a dataset.json, names as Windows has them."""
    import json

    good = images()
    return [
        good,
        good | {"dataset.json": json.dumps(LABELS).encode()},
        {f"{split}/{name}": data for split in ("train", "test") for name, data in good.items()},
        {name.replace("/", "\\"): data for name, data in good.items()},
    ]


def zips(method: int, folder: Path) -> list[Seed]:
    return [
        Seed(
            "x.zip",
            zip_of(files, method),
            (functools.partial(damaged_zip, files), functools.partial(_damaged_within, files, method)),
        )
        for files in sets()
    ]


def _damaged_within(files: dict[str, bytes], method: int, rng: Random) -> bytes:
    return zip_of(damaged_files(files, rng), method)


def tars(folder: Path) -> list[Seed]:
    long = {f"{'deep/' * 30}{name}": data for name, data in images().items()}
    nested = {f"{name}.tar": tar_of({"1.png": PNG()}) for name in ("ant", "bee")}
    return [
        Seed("x.tar", tar_of(files, form), (functools.partial(damaged_tar, files),))
        for files in (images(), long, nested)
        for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
        if files is not long or form != tarfile.USTAR_FORMAT
    ]


def read_set(folder: Path, name: str, data: bytes, rng: Random) -> Any:
    return opened(folder, write(folder / name, data), rng)


# idx


def _idx(dimensions: int, shape: tuple[int, ...], data: bytes) -> bytes:
    return bytes([0, 0, 8, dimensions]) + b"".join(n.to_bytes(4, "big") for n in shape) + data


def idx(end: str, folder: Path) -> list[Seed]:
    """Images and labels; what is packed is damaged inside, too."""
    pixels, pack = bytes(i * 7 % 256 for i in range(3 * 64)), PACKERS[end]
    plain = {"images-idx3": _idx(3, (3, 8, 8), pixels), "labels-idx1": _idx(1, (3,), b"\0\1\2")}
    seeds = []
    for name, data in plain.items():
        size = 16 if "3" in name else 8
        damages = (
            lambda rng, d=data, n=size: pack(big_endian(d[:n], rng) + d[n:]),
            lambda rng, d=data: pack(mutated(d, rng)),
        )
        seeds.append(Seed(f"train-{name}-ubyte{end}", pack(data), damages))
    return seeds


def read_idx(folder: Path, name: str, data: bytes, rng: Random) -> Any:
    for seed in idx("", folder):
        if seed.name not in name:
            write(folder / seed.name, seed.data)
    write(folder / name, data)
    one = rng.random() < 0.2 and "images" in name
    return contents(
        open_data(
            str(folder / name if one else folder), image_size=rng.choice((None, 4)), channels=rng.choice((None, 3))
        )
    )


# CIFAR


def _python_2(content: dict[bytes, Any]) -> bytes:
    """As Python 2's cPickle wrote CIFAR's files: byte strings, and numpy's names of then."""

    class Pickler(pickle._Pickler):  # type: ignore[name-defined]
        dispatch = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]  # noqa: RUF012

        def string(self, text: Any) -> None:
            data = text if isinstance(text, bytes) else text.encode()
            self.write(b"T" + len(data).to_bytes(4, "little") + data)
            self.memoize(text)

        def function(self, obj: Any) -> None:
            self.write(b"cnumpy.core.multiarray\n_reconstruct\n")
            self.memoize(obj)

        dispatch[str] = dispatch[bytes] = string
        dispatch[type(np.zeros(0).__reduce__()[0])] = function

    file = io.BytesIO()
    Pickler(file, 2).dump(content)
    return file.getvalue()


def _pixels(n: int) -> np.ndarray:
    return (np.arange(n * 3072) % 251).astype(np.uint8).reshape(n, 3072)


def batches() -> dict[str, bytes]:
    """CIFAR-10's python version, with two images."""
    names = {b"label_names": [f"class {k}".encode() for k in range(10)], b"num_vis": 3072}
    content = {b"batch_label": b"testing", b"labels": [3, 9], b"data": _pixels(2), b"filenames": [b"a.png", b"b.png"]}
    return {"test_batch": _python_2(content), "batches.meta": _python_2(names)}


def cifar_python(folder: Path) -> list[Seed]:
    more = pickle.dumps({b"labels": [3, 9], b"data": _pixels(2)}, 4)
    files = [*batches().items(), ("test_batch", more)]
    return [Seed(name, data, (functools.partial(damaged_pickle, data),) * 2) for name, data in files]


def cifar_binary(folder: Path) -> list[Seed]:
    rows = np.concatenate([np.array([[3], [9]], np.uint8), _pixels(2)], 1).tobytes()
    return [Seed("test_batch.bin", rows), Seed("batches.meta.txt", b"\n".join(b"class %d" % k for k in range(10)))]


def read_cifar(folder: Path, name: str, data: bytes, rng: Random) -> Any:
    binary = name.endswith((".bin", ".txt"))
    good = {seed.name: seed.data for seed in (cifar_binary(folder)[:1] if binary else cifar_python(folder)[:2])}
    for known, content in (good | {name: data}).items():
        write(folder / known, content)
    return contents(open_data(str(folder), split="test"))


def cifar_archives(end: str, folder: Path) -> list[Seed]:
    files = {f"cifar-10-batches-py/{name}": data for name, data in batches().items()}
    rows = {f"cifar-10-batches-bin/{seed.name}": seed.data for seed in cifar_binary(folder)}
    pack = PACKERS[end]
    return [
        Seed(
            f"x.tar{end}",
            pack(tar_of(f)),
            (lambda rng, f=f: pack(damaged_tar(f, rng)), lambda rng, f=f: pack(mutated(tar_of(f), rng))),
        )
        for f in (files, rows)
    ]


def read_archive(folder: Path, name: str, data: bytes, rng: Random) -> Any:
    return contents(open_data(str(write(folder / name, data)), split="test"))


def cifar_100(folder: Path) -> list[Seed]:
    content = {b"fine_labels": [3, 99], b"coarse_labels": [1, 19], b"data": _pixels(2), b"filenames": [b"a", b"b"]}
    made = [_python_2(content), *(pickle.dumps(content, protocol) for protocol in (2, 3, 5))]
    return [Seed("train", data, (functools.partial(damaged_pickle, data),)) for data in made]


# Labels


def dataset_json(folder: Path) -> list[Seed]:
    import json

    prepared = LABELS | {"prepared": {"image_size": 16, "channels": 3}}
    return [
        Seed("dataset.json", json.dumps(tree).encode(), (functools.partial(with_json, tree),) * 3)
        for tree in (LABELS, prepared, {"labels": None})
    ]


def read_dataset_json(folder: Path, name: str, data: bytes, rng: Random) -> Any:
    for file, content in (images() | {name: data}).items():
        write(folder / "set" / file, content)
    return opened(folder, folder / "set", rng)


NUMBERS = b"2\n1\n2\n"


def meta_mat(compressed: bool) -> bytes:
    """The devkit's table of classes."""
    from scipy.io import savemat

    kinds = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O")]
    rows = np.array([(k, f"n0000000{k}", f"word {k}") for k in (1, 2)], dtype=kinds)
    file = io.BytesIO()
    savemat(file, {"synsets": rows}, do_compression=compressed)
    return b"MATLAB 5.0 MAT-file".ljust(116) + file.getvalue()[116:]  # without the time


def labels(folder: Path) -> list[Seed]:
    lines = [
        ["ImageId", "PredictionString"],
        ["a", "n00000001 1 2 3 4"],
        ["b", "n00000002 1 2 3 4"],
        ["c.png", "n00000001"],
    ]
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    tabs = b"a.png\tcat\nb.png\tdog\nset/c.png\tcat\n"
    return [Seed("labels.csv", text.getvalue().encode()), Seed("labels.csv", tabs), Seed("numbers.txt", NUMBERS)]


def matlab(folder: Path) -> list[Seed]:
    return [Seed("meta.mat", meta_mat(compressed)) for compressed in (False, True)]


def read_labels(folder: Path, name: str, data: bytes, rng: Random) -> Any:
    if name == "meta.mat":
        write(folder / "numbers.txt", NUMBERS)
    elif name == "numbers.txt":
        write(folder / "meta.mat", meta_mat(False))
    for file in ("a.png", "b.png", "c.png"):
        write(folder / "set" / file, PNG())
    given = write(folder / name, data)
    given = folder / "numbers.txt" if name == "meta.mat" else given
    prepare(str(folder / "set"), folder / "made.npy", size=8, labels=given)
    return contents(open_data(str(folder / "made.npy")))


# Prepared arrays


def arrays(folder: Path) -> list[Seed]:
    """With classes and without; of one block and of several."""
    seeds = []
    for name, files in (("classes", images()), ("none", {"a.png": PNG(), "b.png": PNG("L")})):
        root = folder / f"array-{name}"
        for file, content in files.items():
            write(root / "set" / file, content)
        prepare(str(root / "set"), root / "made.npy", size=8, channels=1)
        data = (root / "made.npy").read_bytes()
        seeds.append(Seed("x.npy", data, (_damage_of(data),), exact=True))
    plain = io.BytesIO()
    np.save(plain, np.arange(2 * 3 * 64, dtype=np.uint8).reshape(2, 3, 8, 8))
    return [*seeds, Seed("x.npy", plain.getvalue(), (lambda rng: mutated(plain.getvalue(), rng, STARTS),))]


def _damage_of(data: bytes) -> Any:
    file, places = io.BytesIO(data), []
    count = 0
    while file.tell() < len(data):
        places.append(file.tell())
        array = np.load(file)
        count = count or len(array)
    starts = [0, data.index(b"\n") + 1, *places[1:-1], places[-1]]
    pieces = [data[a:b] for a, b in itertools.pairwise(starts)]
    return functools.partial(damaged_array, pieces, 64, 4096)


def read_array(folder: Path, name: str, data: bytes, rng: Random) -> Any:
    """In memory and streamed."""
    path = str(write(folder / name, data))
    held, streamed = (contents(open_data(path, memory_limit=limit)) for limit in (2**31, 0))
    if not (held[0][0] == streamed[0][0]).all() or held[1:] != streamed[1:]:
        raise Promised("an array that is streamed is not what it is in memory")
    return held


def read_pickle(folder: Path, name: str, data: bytes, rng: Random) -> Any:
    return read_arrays(data, name)


KINDS = [
    *(
        Kind(name, functools.partial(zips, method), read_set)
        for name, method in zip(("zip", "zip deflate", "zip bzip2", "zip LZMA"), METHODS, strict=True)
    ),
    Kind("tar", tars, read_set),
    Kind("idx", functools.partial(idx, ""), read_idx),
    Kind("idx.gz", functools.partial(idx, ".gz"), read_idx),
    Kind("CIFAR-10 python", cifar_python, read_cifar),
    Kind("CIFAR-10 binary", cifar_binary, read_cifar),
    *(Kind(f"CIFAR-10 tar{end}", functools.partial(cifar_archives, end), read_archive) for end in PACKERS),
    Kind("CIFAR-100 pickle", cifar_100, read_pickle),
    Kind("dataset.json", dataset_json, read_dataset_json),
    Kind("labels", labels, read_labels),
    Kind("meta.mat", matlab, read_labels),
    Kind("prepared .npy", arrays, read_array),
]
