"""Latents on disk: what is written comes back, and what a stranger wrote is refused in a line."""

import contextlib
import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch

import logan
from logan.errors import InputError
from logan.sampling.latent_files import MOST_BYTES, KeptLatent, fitted, read, write

Z = torch.linspace(-0.9, 0.9, 7)


def test_what_is_written_comes_back(tmp_path):
    write(tmp_path / "a.npz", Z, 3, snapshot_sha256="ab" * 32, settings=json.dumps({"steps": 1}), distance_pixels=0.5)
    kept = read(tmp_path / "a.npz")
    assert torch.equal(kept.z, Z)
    assert (kept.label, kept.snapshot) == (3, "ab" * 32)
    write(tmp_path / "a.npz", Z, None)
    assert read(tmp_path / "a.npz").label is None
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        assert file["label"] == -1
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


@pytest.mark.parametrize("kind", ["float16", "float32", "float64", ">f4", "int64"])
@pytest.mark.parametrize("shape", [(7,), (1, 7)])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_of_anybody_s(tmp_path, kind, shape, save):
    z = (3 * Z).round().numpy().reshape(shape).astype(kind)
    save(tmp_path / "a.npz", z=z, other=np.ones((3, 3)))
    kept = read(tmp_path / "a.npz")
    assert kept.z.tolist() == (3 * Z).round().tolist()
    assert kept.label is None


def npz(**arrays):
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def zipped(content, name="z.npy", **how):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **how) as archive:
        archive.writestr(name, content)
    return out.getvalue()


def npy(header, content=b""):
    header = header.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + content


def broken(data, at):
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


good = npz(z=Z.numpy())
DAMAGED = {
    "empty": b"",
    "text": b"z = 1, 2, 3",
    "cut short": good[:-30],
    "a flipped bit in z": broken(good, good.index(b"NUMPY") + 130),
    "a png": b"\x89PNG\r\n\x1a\n" + bytes(50),
    "no z": npz(w=Z.numpy()),
    "pickled": npz(z=np.array([{"a": 1}], dtype=object)),
    "a text": npz(z=np.array("0.1 0.2")),
    "texts": npz(z=np.array(["0.1", "0.2"])),
    "complex": npz(z=Z.numpy().astype("complex64")),
    "truth": npz(z=np.array([True, False])),
    "a number": npz(z=np.float32(1)),
    "nothing": npz(z=np.zeros((0,), "float32")),
    "two latents": npz(z=np.zeros((2, 7), "float32")),
    "a picture": npz(z=np.zeros((1, 7, 1, 1), "float32")),
    "not a number": npz(z=np.array([0.1, np.nan])),
    "infinite": npz(z=np.array([0.1, -np.inf])),
    "infinite in float32": npz(z=np.array([0.1, 1e200])),
    "two labels": npz(z=Z.numpy(), label=np.array([1, 2])),
    "a label of half": npz(z=Z.numpy(), label=np.float32(0.5)),
    "a label in words": npz(z=Z.numpy(), label=np.array("cat")),
    "shape that is not there": zipped(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999,), }")),
    "longer than its shape": zipped(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", bytes(8))),
    "a bomb": zipped(bytes(MOST_BYTES + 1), compression=zipfile.ZIP_DEFLATED),
    "a header that calls": zipped(npy("__import__('os').system('true')")),
    "deep brackets": zipped(npy("(" * 100)),
    "many arrays": npz(**{f"a{i}": np.zeros(1) for i in range(101)}),
}


def test_two_of_one_name(tmp_path):
    out = io.BytesIO()
    one = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", bytes(4))
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("z.npy", one)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("z.npy", one)
    refused(tmp_path, out.getvalue())


def refused(tmp_path, data):
    path = tmp_path / "a.npz"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "logan project" in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", DAMAGED)
def test_what_is_damaged_is_said_in_a_line(tmp_path, kind):
    refused(tmp_path, DAMAGED[kind])


def test_every_byte_of_a_small_file_may_be_wrong(tmp_path):
    """Nothing but an InputError, or a z that is finite."""
    path = tmp_path / "a.npz"
    for at in range(0, len(good), 3):
        path.write_bytes(broken(good, at))
        with contextlib.suppress(InputError):
            assert read(path).z.isfinite().all()


def test_places_without_a_file(tmp_path):
    for place, said in ((tmp_path / "nothing.npz", "does not exist"), (tmp_path, "a folder")):
        with pytest.raises(InputError, match=said):
            read(place)
    (tmp_path / "large.npz").write_bytes(bytes(MOST_BYTES + 1))
    with pytest.raises(InputError, match="16,777,216 bytes"):
        read(tmp_path / "large.npz")


def settings(prior="uniform", latent="ngd"):
    c = logan.presets.get("digits", latent)
    return replace(c, networks=replace(c.networks, prior=prior, latent_dim=7))


def test_a_latent_that_fits(tmp_path):
    said = []
    assert torch.equal(fitted(KeptLatent(Z), settings(), "a.npz", said.append), Z)
    assert torch.equal(fitted(KeptLatent(5 * Z), settings("normal"), "a.npz", said.append), 5 * Z)
    assert fitted(KeptLatent(Z / 0.9 * 1.00001), settings(), "a.npz", said.append).abs().max() == 1
    assert not said
    torch.testing.assert_close(fitted(KeptLatent(Z), settings(latent="cs"), "a.npz", said.append), Z / Z.norm())
    assert "put on the unit sphere" in said[0]


@pytest.mark.parametrize(
    ("z", "run", "said"),
    [
        (Z[:6], settings(), "a z of 6 dimensions, and this generator takes 7"),
        (2 * Z, settings(), "ends at 1: is it of another run"),
        (0 * Z, settings(latent="cs"), "no direction"),
    ],
)
def test_a_latent_of_another_run(z, run, said):
    with pytest.raises(InputError, match=said):
        fitted(KeptLatent(z), run, "a.npz", print)
