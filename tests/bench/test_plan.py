"""``logan plan``: what it counts without numbers is what a step on numbers takes."""

import functools
import json
from dataclasses import replace

import pytest
import torch

from logan.bench import planning
from logan.bench.counting import count, peak_memory
from logan.bench.live_memory import LiveMemory
from logan.bench.steps import Played, Variant
from logan.cli.main import main
from logan.cli.train import read_arguments
from logan.config import presets
from logan.turns import simultaneous

SMALL = ["--preset", "emoji128", "--image-size", "64", "--batch", "6", "--width", "4"]
SMALLEST = ["--preset", "emoji128", "--image-size", "32", "--width", "4", "--engine", "plain"]
BLOCKS = ["--preset", "imagenet128-sngan", "--update", "simultaneous", "--d-steps", "1", "--image-size", "32", "--width", "4",
          "--batch", "4", "--latent", "ngd"]  # fmt: skip


def config_of(args):
    return read_arguments(args).config


@functools.cache
def plan_of(*args):
    return planning.make(config_of([*args]))


@pytest.mark.parametrize(
    "args",
    [
        SMALL,
        [*SMALL, "--update", "alternating", "--d-steps", "2", "--engine", "plain"],
        pytest.param([*SMALL, "--precision", "bfloat16"], marks=pytest.mark.slow),
        [*BLOCKS, "--checkpointing"],
    ],
    ids=["simultaneous", "alternating, plain", "bfloat16", "checkpointing"],
)
def test_operations_and_memory_are_those_of_a_step(args):
    config = config_of(args)
    plan = plan_of(*args)
    for method, cost in plan.costs.items():
        engine = "plain" if config.run.checkpointing or config.run.engine == "plain" else "recorded"
        measured = measure(config_of([*args, "--latent", method]), engine, plan)
        images = config.game.batch * config.game.d_steps
        assert cost.flop_per_image * images == pytest.approx(measured["flop"], rel=0.02)
        assert cost.bytes(config.game.batch) == pytest.approx(measured["bytes"], rel=0.15)
    ours = plan.costs[config.latent.latent]
    assert ours.flop_per_image > 1.5 * plan.costs["none"].flop_per_image


def measure(config, engine, plan):
    """A step on numbers, as `logan bench` plays it."""
    played = Played(config, Variant(config.latent.latent, engine, config.game.precision))
    assert sum(plan_resident(played.game).values()) == pytest.approx(sum(plan.resident.values()), rel=0.01)
    return {"flop": count(played.step).flop, "bytes": peak_memory(played.step, torch.device("cpu"))}


def plan_resident(game):
    size = sum(
        t.numel() * t.element_size()
        for n in (game.generator, game.discriminator)
        for t in (*n.parameters(), *n.buffers())
    )
    moments = sum(t.numel() * t.element_size() for o in (game.g_optimiser, game.d_optimiser) for s in o.state.values()
                  for t in s.values())  # fmt: skip
    average = sum(t.numel() * t.element_size() for t in (*game.generator.parameters(), *game.generator.buffers()))
    return {"weights": size, "moments": moments, "average": average}


def test_checkpointing_saves_memory():
    plain, forgetful = (plan_of(*BLOCKS, *more) for more in (["--engine", "plain"], ["--checkpointing"]))
    assert forgetful.costs["none"].bytes(64) < 0.8 * plain.costs["none"].bytes(64)
    assert forgetful.costs["none"].flop_per_image > plain.costs["none"].flop_per_image


@pytest.mark.parametrize("update", ["simultaneous", "alternating"])
def test_a_batch_in_parts_holds_the_gradients_of_earlier_parts_too(update):
    args = ["--preset", "digits", "--width", "512", "--batch", "32", "--batch-gpu", "4", "--update", update]
    plan = plan_of(*args)
    for method, cost in plan.costs.items():
        measured = measure(config_of([*args, "--latent", method]), "recorded", plan)["bytes"]
        assert plan.bytes(4, method) == pytest.approx(measured, rel=0.15)
        assert plan.bytes(4, method) > 1.2 * cost.bytes(4)
    plan = replace(plan, local_batch=10_000)
    room = (plan.bytes(5000, "ngd") + sum(plan.resident.values())) / 2**30
    assert plan.largest_batch(room, "ngd", spare=0.0) == 5000
    larger = replace(plan, local_batch=5001)
    assert plan.largest_batch(room, "ngd", spare=0.0) < larger.largest_batch(room, "ngd", spare=0.0)


def test_a_latent_step_now_and_then_costs_its_part():
    plain, always, sometimes = (
        plan_of(*SMALL, *more).costs[method]
        for more, method in (([], "none"), ([], "ngd"), (["--latent-every", "4"], "ngd"))
    )
    mean = (always.flop_per_image + 3 * plain.flop_per_image) / 4
    assert sometimes.flop_per_image == pytest.approx(mean)
    assert sometimes.bytes(6) == always.bytes(6)


def test_live_memory_knows_other_batches():
    def play(n):
        x = torch.ones(n, 8)  # 32 n bytes
        y = x @ torch.ones(8, 4)  # 128 bytes, then 16 n more, and the 128 are gone
        del x
        return y @ torch.ones(4, 16)  # 256, and 64 n

    for n in (5, 50):
        with LiveMemory(n) as memory:
            play(n)
        assert memory.most() == max(128 + 48 * n, 256 + 80 * n)
    with LiveMemory(5) as memory:
        play(5)
    assert memory.most(50) == 256 + 80 * 50


def test_the_largest_batch_is_the_largest():
    plan = plan_of(*SMALLEST, "--batch", "6")
    gib = (plan.costs["ngd"].bytes(100) + sum(plan.resident.values())) / 2**30
    assert plan.largest_batch(gib, "ngd", spare=0.0) == 100
    assert plan.largest_batch(gib * 0.999, "ngd", spare=0.0) == 99
    assert plan.largest_batch(1e-9, "ngd") == 0


def test_command(capsys, tmp_path):
    out = tmp_path / "plan.json"
    args = ["plan", *SMALLEST, "--batch", "64", "--gpus", "4", "--device", "h100", "--utilisation", "0.5", "--steps", "1000",
            "--memory-gib", "0.003", "--out", str(out)]  # fmt: skip
    assert main(args) == 0
    printed = capsys.readouterr().out
    assert "h100" in printed
    advice = [line for line in printed.splitlines() if ": pass" in line or ": not" in line]
    assert advice == ["ngd: pass --batch-gpu 8, or it will not fit"]
    figures = json.loads(out.read_text())
    ngd = figures["methods"]["ngd"]
    assert figures["device"]["peak_tflops"] == 494
    assert ngd["images_per_second"] == pytest.approx(4 * 0.5 * 494e12 / (ngd["gflop_per_image"] * 1e9))
    assert ngd["days"] == pytest.approx(1000 * 64 / ngd["images_per_second"] / 86400)
    assert ngd["batch_gpu"] <= ngd["largest_batch_per_device"]
    assert 16 % ngd["batch_gpu"] == 0
    generator, discriminator = networks_of(figures)
    assert (generator, discriminator) == (figures["parameters"]["generator"], figures["parameters"]["discriminator"])


@pytest.mark.parametrize(
    ("args", "advice"),
    [
        (SMALL, "try a smaller --width or --image-size"),
        ([*BLOCKS, "--engine", "plain"], "try --checkpointing, or a smaller --width or --image-size"),
        ([*BLOCKS, "--checkpointing"], "try a smaller --width or --image-size"),
    ],
    ids=["dcgan", "blocks", "checkpointing"],
)
def test_advice_where_nothing_fits_can_be_followed(args, advice, capsys):
    assert main(["plan", *args, "--memory-gib", "0.001"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if ": not one image" in line]
    assert lines == [f"{method}: not one image fits into 0.001 GiB; {advice}" for method in ("none", "ngd")]


def test_memory_of_the_cifar_step():
    """At most 2.2 times the baseline's peak, weights and Adam's two moments included; counted in tests/fast/test_engine.py."""
    plan = plan_of("--preset", "cifar10")
    resident = plan.resident["weights and buffers"] + plan.resident["Adam's two moments"]
    baseline, logan = (resident + plan.costs[method].bytes(64) for method in ("none", "ngd"))
    assert 1.5 < logan / baseline < 2.2


# One for each kind of networks; the others are those with other data or other numbers.
KINDS = {
    "digits",
    "ring",
    "dcgan64",
    "imagenet128-sngan",
    "imagenet128-sagan",
    "imagenet128-biggan",
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in KINDS else pytest.mark.slow) for name in presets.PRESETS]
)
def test_every_preset_can_be_planned(name, capsys):
    small = (
        ["--width", "4", "--image-size", "32", "--engine", "plain"] if name.startswith("imagenet") else ["--width", "4"]
    )
    assert main(["plan", "--preset", name, *small]) == 0
    assert f"{name}: G " in capsys.readouterr().out


def networks_of(figures):
    from logan import networks

    pair = networks.create("dcgan", image_size=32, latent_dim=64, num_classes=11, width=4, spectral_norm=True)
    return tuple(map(networks.count_parameters, pair))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--device", "h10"], "did you mean 'h100'"),
        (["--gpus", "0"], "--gpus must be >= 1, not 0"),
        (["--gpus", "5"], "--batch 6 cannot be shared by 5 ranks evenly"),
        (["--utilisation", "2"], "--utilisation is a share in (0, 1]"),
        (["--peak-tflops", "0"], "must be > 0"),
        (["--out", "nowhere/x.json"], "cannot be written"),
        (["--out", "."], "--out . is a folder; name a file, as in figures.json"),
        (["--dynamics", "sga"], "--dynamics sga cannot be planned"),
        (["--latent", "cs"], "--latent cs cannot be planned"),
    ],
)
def test_bad_input(args, message, capsys):
    assert main(["plan", *SMALL, *args]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.slow
def test_the_full_pair_takes_a_latent_step_as_planned():
    """BigGAN-deep at 128×128 with a thousand classes, two images: finite gradients everywhere, operations and memory as planned."""
    config = config_of(["--preset", "imagenet128-biggan-deep-logan-ngd", "--batch", "2"])
    cost = planning.make(config).costs["ngd"]
    played = Played(config, Variant("ngd", "recorded", "float32"))
    played.step()
    turn = played.game._evaluate(simultaneous, played.game.rules, played.real, played.z, played.labels)
    for gradients, network in (
        (turn.d_gradients, played.game.discriminator),
        (turn.g_gradients, played.game.generator),
    ):
        for (name, _), gradient in zip(network.named_parameters(), gradients, strict=True):
            assert gradient is not None, name
            assert torch.isfinite(gradient).all(), name
    assert count(played.step).flop == pytest.approx(2 * cost.flop_per_image, rel=0.02)
    assert peak_memory(played.step, torch.device("cpu")) == pytest.approx(cost.bytes(2), rel=0.15)


def test_presets_of_the_paper():
    config = presets.get("imagenet128-biggan-deep-logan-ngd")
    assert (config.latent.alpha, config.latent.beta, config.latent.portion, config.latent.penalty) == (
        0.9,
        5.0,
        0.5,
        300.0,
    )
    assert (config.networks.latent_dim, config.networks.prior, config.networks.activation) == (
        256,
        "uniform",
        "leaky-relu",
    )
    assert (config.game.batch, config.game.g_lr, config.game.d_lr) == (2048, 5e-5, 2e-4)
    assert config.run.kimg * 1000 == 600_000 * 2048
    assert presets.get("imagenet128-biggan-deep-logan-gd").latent.alpha == 1e-4
    published = presets.get("imagenet128-biggan-deep")
    assert (published.networks.latent_dim, published.networks.prior, published.latent.latent) == (128, "normal", "none")
    # 0.9999 per step of 2,048 images
    assert 0.5 ** (2.048 / config.game.ema_kimg) == pytest.approx(0.9999)
    assert 0.5 ** (2 * 2.048 / published.game.ema_kimg) == pytest.approx(0.9999)
