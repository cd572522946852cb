"""``logan doctor``: what is here, and what is wrong."""

import json
from importlib import metadata

import pytest
import torch

from logan.cli import doctor
from logan.cli.main import main
from logan.devices import choose_device


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LOGAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def asked(capsys, tmp_path, *flags):
    status = main(["doctor", "--outdir", str(tmp_path / "runs"), *flags])
    out, err = capsys.readouterr()
    assert err == ""
    return status, out


def test_a_machine_that_can_train(capsys, tmp_path, cache):
    cache.mkdir()
    (cache / "features").write_bytes(b"x" * 3000)
    status, text = asked(capsys, tmp_path, "--json")
    found = json.loads(text)
    assert status == 0
    assert found["wrong"] == []
    assert found["versions"]["torch"] == metadata.version("torch")
    assert found["device"] == str(choose_device("auto"))
    assert found["devices"][0]["name"] == "cpu"
    assert found["engine"]["auto"] in ("recorded", "compiled-graph")
    assert found["cache"] == {"folder": str(cache), "bytes": 3000}
    assert found["runs"]["free_bytes"] > 0
    assert found["threads"]["torch"] == torch.get_num_threads()
    assert list(tmp_path.iterdir()) == [cache]  # nothing is made where runs would be
    status, text = asked(capsys, tmp_path)
    assert status == 0
    for line in ("versions", "auto", "precision", "compiler", "threads", "cache", "runs", "terminal"):
        assert f"\n  {line} " in f"\n{text}"
    assert "all is well" in text


def version_of(missing, real=metadata.version):
    def version(name):
        if name in missing:
            raise metadata.PackageNotFoundError(name)
        return real(name)

    return version


@pytest.mark.parametrize("missing", ["rich", "matplotlib"])
def test_a_missing_package_is_wrong(capsys, tmp_path, monkeypatch, missing):
    monkeypatch.setattr(doctor.metadata, "version", version_of([missing]))
    status, text = asked(capsys, tmp_path)
    assert status == 2
    assert f"{missing} is missing; pip install {missing}" in text
    assert "something has to be mended" in text


def test_a_missing_extra_is_named_with_its_line(capsys, tmp_path, monkeypatch):
    lines = ["torch>=2.6", "scipy>=1.10; extra == 'analysis'", 'gradio>=5 ; extra == "demo"', "ruff; extra == 'dev'"]
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: lines)
    monkeypatch.setattr(doctor.metadata, "version", version_of(["gradio", "ruff"]))
    status, text = asked(capsys, tmp_path)
    assert status == 0
    assert 'pip install "logan-gan[demo]" brings gradio' in " ".join(text.split())
    assert "[analysis]" not in text
    assert "ruff" not in text


@pytest.mark.parametrize(
    ("version", "wrong"), [("2.5.1+cu121", True), ("2.6.0", False), ("2.13.0+cpu", False), ("3.0", False)]
)
def test_the_floor_of_torch(version, wrong, monkeypatch):
    real = metadata.version
    monkeypatch.setattr(doctor.metadata, "version", lambda name: version if name == "torch" else real(name))
    found: list[str] = []
    doctor._versions(found)
    assert any("too old" in line for line in found) == wrong


def test_a_cache_that_cannot_be(capsys, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LOGAN_CACHE", str(tmp_path / "file" / "cache"))
    status, text = asked(capsys, tmp_path)
    assert status == 2
    assert "set LOGAN_CACHE to a folder" in " ".join(text.split())


def test_no_room(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda place: type("Usage", (), {"free": 5 * 2**20}))
    status, text = asked(capsys, tmp_path)
    assert status == 2
    assert "5.0 MiB free" in " ".join(text.split())
    assert "choose another --outdir" in " ".join(text.split())


def test_a_place_that_cannot_be_written_is_named_as_a_flag(capsys, tmp_path):
    (tmp_path / "runs").touch()
    status, text = asked(capsys, tmp_path)
    assert status == 2
    assert "--outdir" in text


def test_a_device_that_does_not_compute(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "_computes", lambda device, dtype: dtype != torch.float32 or "no kernel image")
    status, text = asked(capsys, tmp_path)
    assert status == 2
    assert "cannot compute in float32: no kernel image" in " ".join(text.split())


def test_without_a_compiler_it_is_a_note(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "_compiler", lambda device: "")
    status, text = asked(capsys, tmp_path)
    assert status == 0
    assert "compiler" in text
    assert "none" in text
    assert "note" in text
