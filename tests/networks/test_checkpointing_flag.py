"""``--checkpointing``: set on the networks, unknown to their architecture, refused where it would do nothing."""

from dataclasses import replace

import pytest
import torch

from logan.config import Config, presets
from logan.errors import InputError
from logan.training.setup import architecture, build, training_data


def settings(network="biggan-deep", **run):
    c = presets.get("digits")
    data = replace(c.data, pad=12)
    return replace(
        c,
        data=data,
        networks=replace(c.networks, network=network, latent_dim=8, width=1, depth=None),
        game=replace(c.game, batch=2),
        run=replace(c.run, checkpointing=True, **run),
    )


@pytest.mark.parametrize("network", ["sngan", "sagan", "biggan", "biggan-deep"])
def test_it_reaches_both_networks(network):
    config = settings(network)
    assert config.check() == []
    data = training_data(config)
    parts = build(config, data)
    assert parts.generator.checkpointing
    assert parts.discriminator.checkpointing
    assert parts.game.engine == "plain"
    assert "checkpointing" not in str(architecture(config, data))
    assert Config.from_dict(config.to_dict()) == config


def test_training_goes_the_same_way():
    weights = []
    for switched in (False, True):
        config = settings("biggan", engine="plain")
        config = replace(config, run=replace(config.run, checkpointing=switched))
        parts = build(config, training_data(config))
        parts.generator.double(), parts.discriminator.double()
        reals = ((x.double(), y) for x, y in parts.reals(0))
        for _ in range(2):
            parts.game.step(lambda reals=reals: next(reals), lambda n, parts=parts: parts.latents(n).double())
        assert all(isinstance(s, int) or s.isfinite().all() for s in parts.generator.state_dict().values())
        weights.append([*parts.generator.state_dict().values(), *parts.discriminator.state_dict().values()])
    for a, b in zip(*weights, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (
            settings("mlp"),
            "`checkpointing` is for networks of residual blocks (sngan, sagan, biggan, biggan-deep), not mlp",
        ),
        (settings("dcgan"), "not dcgan; leave it out"),
        (settings("sndcgan"), "not sndcgan; leave it out"),
        (settings(engine="recorded"), "`checkpointing` needs `engine` plain"),
        (settings(engine="compiled"), "`checkpointing` needs `engine` plain"),
    ],
)
def test_where_it_would_do_nothing(config, words):
    with pytest.raises(InputError) as error:
        config.check()
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.field == "checkpointing"
