"""What the parts of ``benchmarks/gpu.py`` are made of."""

from __future__ import annotations

import json
import math
import tarfile
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from on_gpu import (
    anatomy,
    engines,
    four_games,
    large,
    large_job,
    loop_rates,
    marked_tests,
    one_rank,
    ranks,
    settings,
    written,
)
from on_gpu.groups import OTHER, group_of
from on_gpu.sheet import read
from PIL import Image
from safetensors.torch import save_file
from torch.autograd import DeviceType

from logan.bench.steps import Played
from logan.config import presets
from logan.errors import InputError

KERNELS = {
    "sm90_xmma_fprop_implicit_gemm_bf16bf16_bf16f32_f32_nhwckrsc_nhwc_tilesize128x128x64_cudnn": "convolution, forward",
    "void cutlass__5x_cudnn::Kernel<cutlass_tensorop_bf16_s16816fprop_optimized": "convolution, forward",
    "sm80_xmma_dgrad_implicit_gemm_bf16bf16_bf16f32_f32_nhwckrsc_nhwc": "convolution, gradient of input",
    "sm80_xmma_wgrad_implicit_gemm_indexed_bf16bf16_bf16f32": "convolution, gradient of weights",
    "nvjet_tst_128x64_64x6_1x2_h_bz_NNT": "matrix product",
    "cutlass_80_wmma_tensorop_bf16_s161616gemm_bf16": "matrix product",
    "void at::native::vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add<c10::BFloat16>": "element by element",
    "void at::native::elementwise_kernel<128, 4, at::native::gpu_kernel_impl<at::native::threshold": "element by element",
    "void at::native::unrolled_elementwise_kernel<at::native::direct_copy_kernel_cuda": "layout and types",
    "at::native::gpu_kernel_impl_nocast<at::native::bfloat16_copy_kernel_cuda>": "layout and types",
    "void cudnn::ops::nchwToNhwcKernel<__nv_bfloat16": "layout and types",
    "void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor<float>": "memset",
    "Memset (Device)": "memset",
    "Memcpy DtoD (Device -> Device)": "copy of memory",
    "void at::native::(anonymous namespace)::multi_tensor_apply_kernel<FusedAdamMathFunctor": "optimiser and averages",
    "void at::native::batch_norm_backward_reduce_channels_last_kernel<4": "batch norm",
    "void cudnn::bn_fw_tr_1C11_kernel_NCHW<float": "batch norm",
    "void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float": "reduction",
    "triton_poi_fused_add_0": "fused by Triton: element by element",
    "triton_red_fused_native_batch_norm_3": "fused by Triton: reductions",
    "void at::native::index_elementwise_kernel<128, 4": "choice of rows",
    "void at::native::(anonymous namespace)::distribution_elementwise_grid_stride_kernel": "random numbers",
    "ncclDevKernel_AllReduce_Sum_f32_RING_LL": "talk between devices",
    "aten::convolution_backward": "convolution, both gradients",
    "aten::mkldnn_convolution": "convolution, forward",
    "mkldnn::_linear_pointwise": "matrix product",
    "aten::mm": "matrix product",
    "aten::native_batch_norm_backward": "batch norm",
    "aten::leaky_relu_backward": "element by element",
    "aten::copy_": "layout and types",
    "aten::_fused_adam_": "optimiser and averages",
    "aten::div_": "element by element",
    "aten::empty_strided": "views and new tensors",
    "something_new": OTHER,
}


@pytest.mark.parametrize("name", KERNELS)
def test_groups_of_kernels(name):
    assert group_of(name) == KERNELS[name]


def test_kernels_by_group_are_of_one_step():
    kernels = [("aten::mm", 3000.0), ("aten::addmm", 1000.0), ("aten::mm", 3000.0), ("aten::add", 1000.0)]
    product, rest = anatomy.grouped(kernels, 2)
    assert product == {"group": "matrix product", "number": 1.5, "ms": 3.5, "share": 0.875}
    assert rest == {"group": "element by element", "number": 0.5, "ms": 0.5, "share": 0.125}
    first, *_ = anatomy.costliest(kernels, 2)
    assert first == {"kernel": "aten::mm", "number": 1, "ms": 3, "share": 0.75, "group": "matrix product"}
    assert anatomy.grouped([], 1) == []


def test_kernels_on_a_gpu_are_told_from_stretches_of_time():
    def event(name, where, ns):
        return SimpleNamespace(name=lambda: name, device_type=lambda: where, duration_ns=lambda: ns)

    cuda, cpu = DeviceType.CUDA, DeviceType.CPU
    events = [
        event("nvjet_tst", cuda, 5000),
        event("aten::mm", cpu, 9000),
        event("Optimizer.step#Adam.step", cuda, 7000),
    ]
    profiler = SimpleNamespace(profiler=SimpleNamespace(kineto_results=SimpleNamespace(events=lambda: events)))
    assert list(anatomy._kernels(profiler, cuda=True)) == [("nvjet_tst", 5.0)]


def test_engines_whose_kernels_are_looked_at():
    assert anatomy.worth_looking_at(["plain", "recorded", "compiled"]) == ["recorded"]
    assert anatomy.worth_looking_at(["plain", "recorded", "compiled", "compiled-graph", "cuda-graph"]) == [
        "cuda-graph",
        "compiled-graph",
    ]


def test_methods_by_name():
    base = presets.get("cifar10", "none")
    assert settings.method(base, "none").latent.latent == "none"
    printed = settings.method(base, "ngd:update=alternating:loss=non-saturating:seed=3")
    assert (printed.latent.alpha, printed.latent.beta) == (0.9, 0.1)
    assert (printed.game.update, printed.game.loss, printed.run.seed) == ("alternating", "non-saturating", 3)
    assert settings.method(base, "ngd:adam-betas=0/0.9").game.adam_betas == (0, 0.9)
    cs = settings.method(base, "cs")
    assert (cs.networks.prior, cs.scores.metric_latent_steps) == ("normal", 3)


@pytest.mark.parametrize("batch", [1, 8, 64])
def test_the_mean_reading_is_the_step_of_the_mean(batch):
    """Δz = α ḡ / (β + ‖ḡ‖²) with ḡ = g / B, the gradient of the batch mean, in terms of g: α B and β B²."""
    base = presets.get("cifar10", "none")
    latent = settings.method(replace(base, game=replace(base.game, batch=batch)), "mean").latent
    g = torch.randn(batch, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    of_mean = g / batch
    expected = 0.9 * of_mean / (0.1 + of_mean.square().sum(1, keepdim=True))
    found = latent.alpha * g / (latent.beta + g.square().sum(1, keepdim=True))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("nqd", "unknown method|unknown latent method|`latent`"),
        ("ngd:beta", "SETTING=VALUE"),
        ("ngd:betta=1", "SETTING=VALUE"),
        ("ngd:beta=many", "cannot be 'many'"),
        ("ngd:beta=0", "`beta`"),
    ],
)
def test_a_method_that_cannot_be(label, said):
    with pytest.raises(InputError, match=said):
        settings.method(presets.get("cifar10", "none"), label)


@pytest.mark.parametrize("start", [1, 8, 64, 256])
@pytest.mark.parametrize("room", [0, 1, 40, 64, 500])
def test_the_largest_batch(start, room):
    tried = []

    def fits(n):
        tried.append(n)
        return n <= room

    found = large.largest(start, fits, 1024)
    expected = max((n for n in (2**k for k in range(10)) if n <= room), default=None)
    assert found == {"fits": expected, "does_not_fit": 1 if expected is None else 2 * expected}
    assert len(tried) == len(set(tried))


def test_the_largest_batch_when_the_time_is_over():
    answers = {8: True, 16: True, 32: None}
    assert large.largest(8, answers.get, 1024) == {"fits": 16, "does_not_fit": None}
    assert large.largest(4, {4: None}.get, 1024) == {"fits": None, "does_not_fit": None}


def test_ratios_of_steps():
    rows = [
        {"engine": "a", "precision": "p", "latent": "none", "ms": 2.0},
        {"engine": "a", "precision": "p", "latent": "ngd", "ms": 6.0},
        {"engine": "b", "precision": "p", "latent": "none", "error": "no"},
        {"engine": "b", "precision": "p", "latent": "ngd", "ms": 5.0},
        {"engine": "c", "precision": "q", "latent": "ngd", "ms": 5.0},
    ]
    engines.compare(rows)
    assert (rows[1]["over_baseline"], rows[1]["over_best_baseline"]) == (3, 3)
    assert math.isnan(rows[3]["over_baseline"])
    assert rows[3]["over_best_baseline"] == 2.5
    assert "over_best_baseline" not in rows[4]


def test_what_is_aimed_at_comes_first():
    found = engines.in_order(["plain", "recorded", "compiled", "cuda-graph", "compiled-graph"])
    kinds = ("cuda-graph", "compiled-graph", "recorded", "plain")
    assert found == [
        *((kind, precision) for precision in ("bfloat16", "float32") for kind in kinds),
        *(("compiled", "bfloat16"), ("compiled", "float32")),
    ]


def test_a_run_to_be_measured_is_as_long_as_a_short_one_says(sheet, monkeypatch):
    """Of 8 seconds, where a short run plays 1,000 steps per second, whatever it took to begin."""
    lengths = []

    def timed(sheet, config, kimg):
        lengths.append(kimg)
        return 64_000.0

    monkeypatch.setattr(loop_rates, "_timed", timed)
    found = loop_rates.rate(sheet, presets.get("digits"), 8.0)
    assert found["steps_per_second"] == 1000
    assert lengths[-1] * 1000 / 64_000 == pytest.approx(8, rel=0.01)
    assert len(lengths) == 2
    loop_rates.rate(sheet, presets.get("digits"), 0.0)
    assert len(lengths) == 3


TESTS = """
import pytest
cuda = pytest.MARK

@cuda
def test_passes(): pass

@cuda
def test_fails(): assert 1 + 1 == 3, "arithmetic"

@cuda
def test_skips(): pytest.skip("no GPU")

@cuda
def test_sets_up(broken): pass

@pytest.fixture
def broken(): raise RuntimeError("set-up")

def test_is_not_marked(): assert False
"""


def test_marked_tests_are_summed_up(sheet, tmp_path, monkeypatch):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text(TESTS.replace("MARK", ".".join(("mark", "cuda"))))
    (tmp_path / "tests" / "test_b.py").write_text("raise SystemError('not to be collected')\ndef test_b(): pass\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = cuda: needs a GPU\n")
    monkeypatch.setattr(marked_tests, "CHECKOUT", tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(marked_tests.__file__).parents[1]))
    marked_tests.play(sheet)
    found = read(sheet.path)
    assert (found["passed"], found["failed"], found["skipped"], found["exit_status"]) == (1, 2, 1, 1)
    assert found["files"] == ["tests/test_a.py"]
    assert found["not_ended"] == []
    says = {f["test"].rpartition("::")[2]: "\n".join(f["says"]) for f in found["failures"]}
    assert "arithmetic" in says["test_fails"]
    assert "set-up" in says["test_sets_up"]
    assert [text for text in found["why_skipped"] if "no GPU" in text]


def test_a_test_that_has_not_ended_is_named():
    events = [
        {"test": "a", "outcome": "started"},
        {"test": "a", "outcome": "passed", "seconds": 2.0},
        {"test": "b", "outcome": "started"},
    ]
    found = marked_tests.summary(events)
    assert (found["passed"], found["not_ended"], found["seconds"]) == (1, ["b"], 2)


def small(name, latent, **game):
    config = presets.get(name, latent)
    return settings.changed(
        config, {"networks": {"width": 8}, "run": {"threads": 1, "kimg": 1}, "game": {"batch": 50, **game}}
    )


@pytest.fixture
def on_digits(monkeypatch):
    """The parts that measure SN-DCGAN measure small perceptrons instead."""

    def preset(sheet, name, latent="ngd", **game):
        return small("digits", latent, **game)

    for module in (engines, anatomy, four_games):
        monkeypatch.setattr(module, "preset", preset)


def test_steps_of_every_engine(sheet, on_digits):
    engines.play(sheet)
    found = read(sheet.path)
    assert {(r["engine"], r["latent"]) for r in found["rows"]} >= {
        (e, k) for e in ("plain", "recorded") for k in ("none", "ngd")
    }
    assert all(r["ms"] > 0 and r["kernels"] > 50 and "notices" not in r for r in found["rows"])
    assert found["preparing"] is None
    assert "| recorded | bfloat16 | ngd |" in written.SECTIONS["steps"](found)


def test_what_falls_back_is_said_and_what_fails_stops_nothing(sheet, on_digits, monkeypatch):
    def played(config, variant):
        if variant.engine == "plain":
            raise RuntimeError("planted\nmore of it")
        for _ in range(2):
            warnings.warn(f"playing without {variant.engine}", stacklevel=2)
        return Played(config, variant)

    monkeypatch.setattr(engines, "Played", played)
    engines.play(sheet)
    rows = read(sheet.path)["rows"]
    assert {r["error"] for r in rows if r["engine"] == "plain"} == {"RuntimeError: planted"}
    assert {(*r["notices"], "ms" in r) for r in rows if r["engine"] == "recorded"} == {
        ("playing without recorded", True)
    }


def test_the_anatomy_of_a_step(sheet, on_digits):
    anatomy.play(sheet)
    found = read(sheet.path)
    (step,) = found["steps"]
    assert step["kernels"] == pytest.approx(sum(g["number"] for g in step["groups"]))
    assert step["kernels_ms"] == pytest.approx(sum(g["ms"] for g in step["groups"]), rel=1e-3)
    assert {g["group"] for g in step["groups"]} >= {"matrix product", "element by element", "optimiser and averages"}
    assert "| matrix product |" in written.SECTIONS["kernels"](found)


def test_four_games_at_once(sheet, on_digits):
    four_games.play(sheet)
    found = read(sheet.path)
    assert list(found["alone_ms"]) == [
        "none, simultaneous", "ngd, simultaneous", "none, alternating", "ngd, alternating"]  # fmt: skip
    assert found["one_after_the_other_ms"] == pytest.approx(sum(found["alone_ms"].values()), rel=1e-3)
    assert found["times_as_fast"] == pytest.approx(found["one_after_the_other_ms"] / found["together_ms"], rel=1e-3)


def test_a_batch_is_planned_and_tried():
    config = settings.changed(small("digits", "ngd", precision="bfloat16"), {"run": {"engine": "plain"}})
    planned = large_job.plan(config, 1.0)
    tried = large_job.attempt(config, 1.0)
    assert tried["fits"]
    assert 2**10 * tried["gib"] == pytest.approx(planned["methods"]["ngd"]["step_mib"], rel=0.1)
    n = planned["methods"]["ngd"]["largest_batch"]
    assert n & (n - 1) == 0
    assert large_job.plan(config, 0.5)["methods"]["ngd"]["largest_batch"] <= n
    assert not large_job.attempt(config, tried["gib"] / 2)["fits"]


def test_no_memory_is_no_error_but_an_answer(monkeypatch):
    def refuse(*given):
        raise torch.cuda.OutOfMemoryError("planted")

    monkeypatch.setattr(engines, "Played", refuse)
    found = large_job.attempt(small("digits", "ngd"), 1.0)
    assert not found["fits"]
    assert "planted" in found["error"]


def test_sums_over_one_rank_have_the_derivatives_of_none():
    """Mean and biased variance over a batch as torch's own, and so their second derivatives."""
    x = torch.randn(4, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    centred = x - x.mean((0, 2, 3), keepdim=True)
    other = one_rank.curvature(x, x.mean((0, 2, 3)), centred.square().mean((0, 2, 3)))
    assert one_rank.worst(one_rank.alone(x), other) < 1e-12
    assert one_rank.worst(one_rank.alone(x), [t * 1.5 for t in other]) > 0.3


def test_data_are_found(sheet, tmp_path):
    assert settings.images(sheet) == ("digits", "digits")
    cifar = settings.stand_in_cifar(tmp_path / "cifar", 5)
    sheet.asked["data"] = str(cifar)
    name, where = settings.images(sheet)
    config = presets.get(name)
    from logan.training.setup import training_data

    data = training_data(replace(config, data=replace(config.data, data=where), game=replace(config.game, batch=8)))
    assert (len(data), data.channels, data.image_size, data.num_classes) == (25, 3, 32, 10)


def test_a_tar_archive_of_images_is_unpacked(sheet, tmp_path):
    for split in ("train", "test"):
        for label in ("a", "b"):
            (tmp_path / "set" / split / label).mkdir(parents=True)
            Image.new("RGB", (32, 32), "red").save(tmp_path / "set" / split / label / "0.jpg")
    for root in (".", "cifar"):  # with a folder around everything, and without
        with tarfile.open(tmp_path / "images.tar.xz", "w:xz") as archive:
            archive.add(tmp_path / "set", root)
        sheet.asked["data"], sheet.asked["work"] = str(tmp_path / "images.tar.xz"), str(tmp_path / f"work-{root}")
        name, where = settings.images(sheet)
        assert (name, Path(where).name) == ("cifar10", "images" if root == "." else root)
        assert {p.name for p in Path(where).iterdir()} == {"train", "test"}


def test_how_far_runs_are_apart(tmp_path):
    for name, entry, loss in (("a", 2.0, 1.0), ("b", 2.0, 1.0), ("c", 2.5, 1.5), ("d", 2.5, 1.0), ("e", 2.0, 1.5)):
        (tmp_path / name).mkdir()
        save_file({"w": torch.tensor([entry, -4.0])}, tmp_path / name / "network-snapshot-000001.safetensors")
        (tmp_path / name / "stats.jsonl").write_text(json.dumps({"d_loss": loss}) + "\n")
    assert ranks.difference(tmp_path / "a", tmp_path / "b")["equal"]
    apart = ranks.difference(tmp_path / "a", tmp_path / "c")
    assert not apart["equal"]
    assert (apart["weights"], apart["where"], apart["first_loss"]) == (0.125, "w", 0.5)
    assert not ranks.difference(tmp_path / "a", tmp_path / "d")["equal"]
    assert not ranks.difference(tmp_path / "a", tmp_path / "e")["equal"]
