"""Exports go to a hub and come from one, by the real client, over HTTP to a server on this machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import logan
from logan.cli.main import main
from logan.errors import InputError
from logan.sampling import download, manifest
from logan.sharing import Wording, export

from .hub_server import serving
from .small import make_run

huggingface_hub = pytest.importorskip("huggingface_hub", reason="the extra 'hub' is not installed")
NAME = "somebody/digits"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A server that the client of this process asks, and a cache of its own."""
    from huggingface_hub import constants

    with serving() as known:
        monkeypatch.setattr(constants, "ENDPOINT", known.address)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", known.address + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", "hf_test")
        monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        yield known


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "00003-digits-ngd", num_classes=3)


def test_there_and_back(hub, run):
    images = logan.load(run).sample(5, seed=2)
    where = export(run, f"hub:{NAME}", wording=Wording(licence="mit"))
    assert where == f"{hub.address}/{NAME}"
    assert hub.private == {NAME: False}
    assert len(hub.repositories[NAME]) == 2  # as it was made, and all of the export in one commit
    assert any("license" in card for card in hub.cards)
    model = logan.load(f"hub:{NAME}")
    assert torch.equal(model.sample(5, seed=2), images)
    assert f'logan.load("hub:{NAME}")' in hub.repositories[NAME][-1]["README.md"].decode()


def test_a_second_export_takes_the_place_of_the_first(hub, run, tmp_path):
    export(run, f"hub:{NAME}", private=True)
    first = hub.hash_of(NAME, -1)
    hub.repositories[NAME][-1]["network-snapshot-000009.safetensors"] = b"of an earlier export"
    hub.repositories[NAME][-1]["my notes.txt"] = b"mine"
    other = make_run(tmp_path / "other", seed=4)
    export(other, f"hub:{NAME}")
    assert hub.private == {NAME: True}
    files = hub.repositories[NAME][-1]
    assert "network-snapshot-000009.safetensors" not in files
    assert files["my notes.txt"] == b"mine"
    assert torch.equal(logan.load(f"hub:{NAME}").sample(3), logan.load(other).sample(3))
    assert torch.equal(logan.load(f"hub:{NAME}@{first}").sample(3), logan.load(run).sample(3))


def put(hub, run, tmp_path, **more):
    """An export in a repository, with other files beside it."""
    folder = Path(export(run, tmp_path / "made"))
    files = {path.name: path.read_bytes() for path in folder.iterdir()} | more
    hub.commit(NAME, files)
    return files


def test_only_what_the_manifest_names_is_fetched(hub, run, tmp_path):
    files = put(hub, run, tmp_path, **{"modeling.py": b"raise SystemExit", "weights.pkl": b"x", ".gitattributes": b""})
    logan.load(f"hub:{NAME}")
    assert hub.fetched() == set(files) - {"modeling.py", "weights.pkl", ".gitattributes"}


def test_what_is_there_is_not_fetched_again_and_works_offline(hub, run, tmp_path, monkeypatch):
    put(hub, run, tmp_path)
    images = logan.load(f"hub:{NAME}").sample(3)
    hub.asked.clear()
    assert torch.equal(logan.load(f"hub:{NAME}").sample(3), images)
    assert hub.fetched() == set()
    unreachable(monkeypatch)
    assert torch.equal(logan.load(f"hub:{NAME}").sample(3), images)
    with pytest.raises(
        InputError, match="hub:other/model cannot be had: the Hub cannot be reached, and the cache has no"
    ):
        logan.load("hub:other/model")


def unreachable(monkeypatch):
    """The client's own switch, which its processes read at their start."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def test_no_network_is_one_line(hub, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the client tries again, for half a minute
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"
    )
    with pytest.raises(InputError, match="cannot be had: the Hub cannot be reached") as caught:
        logan.load(f"hub:{NAME}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", ["flipped", "larger than it says", "a script", "up", "missing", "no manifest"])
def test_a_repository_that_is_not_what_it_says(hub, run, tmp_path, change):
    files = put(hub, run, tmp_path)
    values = json.loads(files["manifest.json"])
    weights = values["snapshot"]
    expected = {
        "flipped": "was changed", "larger than it says": "do not use it", "a script": "no files of that kind",
        "up": "no name of a file in an export", "missing": "is missing", "no manifest": "no export of logan",
    }[change]  # fmt: skip
    if change == "flipped":
        files[weights] = files[weights][:-1] + bytes([files[weights][-1] ^ 1])
    elif change == "larger than it says":
        files[weights] += b"\0" * 2**20
    elif change == "missing":
        del files["samples.png"]
    elif change == "no manifest":
        del files["manifest.json"]
    else:
        values["files"]["a.py" if change == "a script" else "../a.png"] = values["files"]["samples.png"]
        files["manifest.json"] = json.dumps(values).encode()
    hub.commit(NAME, files)
    with pytest.raises(InputError, match=expected) as caught:
        logan.load(f"hub:{NAME}")
    assert "\n" not in str(caught.value)
    assert weights not in hub.fetched() or change in ("flipped", "missing")


def test_who_is_not_there(hub, run, tmp_path):
    put(hub, run, tmp_path)
    with pytest.raises(InputError, match="hub:nobody/nothing cannot be had: there is no such model, or it is private"):
        logan.load("hub:nobody/nothing")
    with pytest.raises(InputError, match="it has no revision v7"):
        logan.load(f"hub:{NAME}@v7")


NO_NAMES = [
    "hub:",
    "hub:name",
    "hub:a/b/c",
    "hub:a/../b",
    "hub:a/b@",
    "hub:a b/c",
    "hub:/etc/passwd",
    "hub:a/b?x",
    "hub:a/*",
]


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_is_no_name(name):
    with pytest.raises(InputError, match="is not a model on the Hub; write hub:USER/NAME"):
        download.parse(name)


def test_names():
    assert download.parse("hub:some.one/my_model-2") == ("some.one/my_model-2", None)
    assert download.parse(Path("hub:a/b@refs/pr/1")) == ("a/b", "refs/pr/1")


def test_the_extra_names_itself(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for use in (lambda: logan.load(f"hub:{NAME}"), lambda: export(run, f"hub:{NAME}")):
        with pytest.raises(InputError, match=r"pip install \"logan-gan\[hub\]\""):
            use()


@pytest.mark.parametrize(
    ("status", "message"), [(401, "log in with: hf auth login"), (403, "one that may write"), (400, "not you")]
)
def test_an_upload_that_is_refused(hub, run, status, message):
    hub.refuses = status
    with pytest.raises(InputError, match=f"hub:{NAME} cannot be written: .*{message}") as caught:
        export(run, f"hub:{NAME}")
    assert "\n" not in str(caught.value)


def test_an_upload_goes_to_the_main_branch(run):
    with pytest.raises(InputError, match="leave out @v1"):
        export(run, f"hub:{NAME}@v1")


def test_commands_take_it(hub, run, tmp_path, monkeypatch, capsys):
    put(hub, run, tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["sample", f"hub:{NAME}", "--n", "4"]) == 0
    assert list(tmp_path.glob("samples000004-seed0*.png"))  # not in the client's cache
    assert main(["evaluate", f"hub:{NAME}", "--metrics", "fid100"]) == 0
    assert "fid100" in capsys.readouterr().out
    assert main(["export", f"hub:{NAME}", "--to", "again"]) == 0
    assert torch.equal(logan.load("again").sample(3), logan.load(run).sample(3))
    capsys.readouterr()
    assert main(["export", "again", "--to", "hub:somebody/else", "--licence", "mit"]) == 0
    assert capsys.readouterr().out.strip() == f"{hub.address}/somebody/else"
    assert main(["curve", "hub:somebody/else", f"hub:{NAME}", "--levels", "1", "--n", "20"]) == 0
    assert "somebody/else" in capsys.readouterr().out
    assert main(["sample", "hub:nobody/nothing"]) == 2
    assert "there is no such model" in capsys.readouterr().err


def test_a_process_of_its_own(run, tmp_path):
    """As a user has it: nothing is patched, the client reads its address from the environment."""
    code = f"import logan; print(tuple(logan.load('hub:{NAME}').sample(2).shape))"
    with serving() as hub:
        files = put(hub, run, tmp_path)
        ours = {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
        result = subprocess.run(
            [sys.executable, "-c", code], env=clean | ours, capture_output=True, text=True, check=True
        )
        assert result.stdout.strip() == "(2, 1, 8, 8)"
        assert hub.fetched() == set(files)
    assert list((tmp_path / "home").rglob(manifest.NAME))
