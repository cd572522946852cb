"""The model card: front matter as the Hub reads it, and a text that says what is known and no more."""

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from logan.cli.train import read_arguments
from logan.config import presets
from logan.errors import InputError
from logan.sharing import Wording, export
from logan.sharing.card import LICENCES
from logan.sharing.training_command import training_command

from ..training.small import config
from .small import SCORES, make_run


def card_of(tmp_path, wording=None, **changes):
    folder = Path(export(make_run(tmp_path / "run", **changes), tmp_path / "there", wording=wording))
    return (folder / "README.md").read_text("utf-8")


def front_matter(card):
    yaml = pytest.importorskip("yaml", reason="huggingface_hub, the extra 'hub', brings it")
    return yaml.safe_load(re.match(r"---\n(.*?)\n---\n", card, re.DOTALL)[1])


def test_front_matter(tmp_path):
    found = front_matter(card_of(tmp_path, Wording(licence="cc-by-4.0", title='Digits: "8×8"', dataset="ylecun/mnist")))
    assert found["license"] == "cc-by-4.0"
    assert found["library_name"] == "logan-gan"
    assert found["pipeline_tag"] == "unconditional-image-generation"
    assert found["datasets"] == ["ylecun/mnist"]
    assert {"gan", "logan", "mlp"} <= set(found["tags"])
    assert found["metrics"] == ["fid"]
    assert found["model-index"][0]["name"] == 'Digits: "8×8"'


def test_scores_are_those_of_the_snapshot_with_how_they_were_measured(tmp_path):
    card = card_of(tmp_path)
    (result,) = front_matter(card)["model-index"][0]["results"]
    assert {m["value"] for m in result["metrics"]} == {
        12.5,
        13.25,
    }  # neither other snapshots' nor what was not finite
    for metric in result["metrics"]:
        assert metric["type"] == "fid"
        assert (
            metric["args"].items()
            >= {"detector": "classifier", "detector_sha256": SCORES["detector_sha256"], "n_fake": 10_000}.items()
        )
    assert "| fid10k | 12.5 | in training | classifier abababababab | 1,797 | 10,000 |" in card
    assert "| fid10k | 13.25 | protocol C | classifier abababababab | 1,797 | 10,000 |" in card
    assert "| fid10k | not finite | protocol A |" in card


def test_the_hubs_client_reads_it(tmp_path):
    hub = pytest.importorskip("huggingface_hub", reason="the extra 'hub' is not installed")
    card = hub.ModelCard(card_of(tmp_path, Wording(licence="mit")))
    assert card.data.license == "mit"
    assert {(r.metric_type, r.metric_value) for r in card.data.eval_results} == {("fid", 12.5), ("fid", 13.25)}


def test_the_training_data(tmp_path):
    card = card_of(tmp_path, num_classes=3)
    assert "| images | 1,797 |" in card
    assert "| classes | 10, given to the networks: 0, 1," in card
    assert re.search(r"\| fingerprint \| `[0-9a-f]{64}`", card)
    assert "labels=[0]" in card


def test_data_that_are_not_at_hand_are_not_made_up(tmp_path):
    card = card_of(tmp_path, settings=config(data="/nowhere/photos.zip"))
    assert "| name | `photos.zip` |" in card
    assert "not known: the data were not at hand" in card
    assert "fingerprint" not in card


def test_data_that_are_elsewhere_now(tmp_path):
    run = make_run(tmp_path / "run", settings=config(data="/nowhere/photos.zip"))
    card = (Path(export(run, tmp_path / "there", data="digits")) / "README.md").read_text("utf-8")
    assert "| name | `photos.zip` |" in card
    assert "| images | 1,797 |" in card


def test_without_a_licence_it_says_so(tmp_path):
    card = card_of(tmp_path)
    assert "license" not in front_matter(card)
    assert "None was stated" in card


def test_names_of_others_are_no_markup(tmp_path):
    evil = "a|b](http:x)<script>`![x]\n```\n# mine"
    card = card_of(tmp_path, settings=config(data=f"/data/{evil}"))
    rest = re.sub(r"^```.*?^```$", "", card.partition("\n---\n")[2], flags=re.DOTALL | re.MULTILINE)
    assert "<script>" not in rest
    assert "](http:x" not in rest
    assert "# mine" not in rest.splitlines()
    assert front_matter(card)["datasets"] == ["a-b-http-x-script-x-mine"]


def test_sections(tmp_path):
    headings = re.findall(r"^## (.*)", card_of(tmp_path), re.MULTILINE)
    assert headings == [
        "What it is", "How to use it", "Training data", "Settings", "Scores", "Intended use and limits", "Files", "Licence",
        "Citation",
    ]  # fmt: skip


def test_every_licence_passes_and_others_do_not():
    assert all(Wording(licence=licence) for licence in LICENCES)
    for wrong in ("MIT", "", "my own"):
        with pytest.raises(InputError) as caught:
            Wording(licence=wrong)
        assert caught.value.field == "licence"


CHANGES = {
    "nothing": {},
    "sizes": {"width": 12, "latent_dim": 24, "kimg": 7, "tick": 3, "seed": 5, "batch": 32},
    "numbers": {"alpha": 0.25, "beta": 1e-6, "adam_betas": (0.0, 0.9), "g_lr": 5e-5},
    "switches": {"mirror": True, "spectral_norm": False, "deterministic": True, "conditional": True},
    "words": {"data": "my photos.zip", "prior": "normal", "loss": "minimax", "activation": "relu"},
    "none": {"width": None, "image_size": None, "depth": None},
    "scores": {"metrics": ("kid10k", "pr10k"), "metric_latent_steps": 3},
    "no scores": {"metrics": ()},
    "another network": {"network": "sndcgan", "width": 8},
}


def changed(base, changes):
    for name, value in changes.items():
        group = next(
            g for g in ("data", "networks", "latent", "game", "run", "scores") if hasattr(getattr(base, g), name)
        )
        base = replace(base, **{group: replace(getattr(base, group), **{name: value})})
    return base


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("preset", ["digits", "grid", "cifar10"])
def test_the_command_has_the_settings(preset, changes):
    """Given to the command line, it is the settings again."""
    for latent in ("none", "ngd") if changes else ("none", "cs", "gd", "ngd"):
        settings = changed(presets.get(preset, latent), changes)
        words = shlex.split(training_command(settings))
        assert words[:2] == ["logan", "train"]
        got = read_arguments(words[2:]).config
        if got.scores.metrics == ("none",):
            got = replace(got, scores=replace(got.scores, metrics=()))
        assert replace(got, run=replace(got.run, threads=settings.run.threads)) == settings
