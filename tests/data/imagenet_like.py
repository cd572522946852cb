"""Small images under the names that ImageNet's have, in a folder and in tar files; and ``logan data prepare``."""

import io
import tarfile

import numpy as np
from PIL import Image

from logan.cli.main import main

SYNSETS = ("n01440764", "n01443537", "n02084071")


def picture(seed, width=20, height=16, mode="RGB"):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def encoded(image, kind="png"):
    data = io.BytesIO()
    image.save(data, format=kind)
    return data.getvalue()


def imagenet():
    """Names and files as ImageNet has them: a PNG that is called JPEG, a CMYK one, a grey one."""
    files = {f"{s}/{s}_{i}.JPEG": encoded(picture(10 * k + i)) for k, s in enumerate(SYNSETS) for i in range(2)}
    files[f"{SYNSETS[0]}/{SYNSETS[0]}_7.JPEG"] = encoded(picture(7, mode="CMYK"), "jpeg")
    files[f"{SYNSETS[1]}/{SYNSETS[1]}_8.JPEG"] = encoded(picture(8, mode="L"), "jpeg")
    return files


def write_folder(root, files):
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)


def write_tar(path, files):
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def tar_of_tars(path, files):
    """As ILSVRC2012_img_train.tar: n01440764.tar, …, each with its images and no folder."""
    inner = {}
    for synset in SYNSETS:
        part = path.with_name(f"{synset}.tar")
        write_tar(part, {n.partition("/")[2]: d for n, d in files.items() if n.startswith(synset)})
        inner[part.name] = part.read_bytes()
        part.unlink()
    write_tar(path, inner)


def prepare(*args):
    return main(["data", "prepare", *map(str, args)])
