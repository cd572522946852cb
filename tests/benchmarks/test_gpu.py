"""``benchmarks/gpu.py``: nothing that ends a part loses what was measured before it, the time is kept, and every part works."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import tarfile
import time
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from on_gpu import (
    aims,
    anatomy,
    conduct,
    drawing,
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
from on_gpu.parts import PARTS, WHOLE, Part, limit
from on_gpu.sheet import DONE, FAILED, NOT_PLAYED, Sheet, finite, read
from PIL import Image
from safetensors.torch import save_file
from torch.autograd import DeviceType

from logan.bench.steps import Played
from logan.config import presets
from logan.errors import InputError

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PLANTED = {
    "good": "def play(sheet):\n    print('warning: mind this')\n    sheet.put(value=sheet.asked['given'])\n",
    "crash": "import os, signal\ndef play(sheet):\n    sheet.put(value=1)\n    os.kill(os.getpid(), signal.SIGSEGV)\n",
    "leaves": "import os\ndef play(sheet):\n    sheet.add('rows', 1)\n    os._exit(0)\n",
    "raises": "def play(sheet):\n    sheet.add('rows', 1)\n    sheet.add('rows', 2)\n    raise ValueError('planted')\n",
    "hang": "import subprocess, time\ndef play(sheet):\n    beside = subprocess.Popen(['sleep', '300'])\n"
    "    sheet.put(value=2, beside=beside.pid)\n    time.sleep(300)\n",
    "lacking": "import no_such_package\ndef play(sheet):\n    pass\n",
    "renamed": "import logan.no_such_room\ndef play(sheet):\n    pass\n",
    "broken": "raise RuntimeError('cannot be loaded')\n",
    "refuses": "from on_gpu.sheet import NotPlayedError\ndef play(sheet):\n    raise NotPlayedError('no such device')\n",
}


@pytest.fixture
def gpu():
    spec = importlib.util.spec_from_file_location("gpu", BENCHMARKS / "gpu.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def planted(tmp_path):
    """Plays planted parts: names with their limits."""
    out, modules = tmp_path / "out", tmp_path / "modules"
    (out / "parts").mkdir(parents=True)
    modules.mkdir()
    for name, text in PLANTED.items():
        (modules / f"planted_{name}.py").write_text(text)
    paths = (BENCHMARKS, modules, BENCHMARKS.parent / "src")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))}

    def play(limits, minutes=1.0, after=lambda found: None, progress=lambda *where: None):
        parts = [Part(name, name, f"planted_{name}", seconds * WHOLE / minutes) for name, seconds in limits.items()]
        asked = {"out": str(out), "work": str(tmp_path), "tiny": False, "given": 7}
        found = conduct.play_all(parts, asked, minutes, environment, progress, after)
        on_disk = {name: read(out / "parts" / f"{name}.json") for name in limits}
        assert on_disk == found
        return found

    return play


@pytest.fixture
def sheet(tmp_path):
    (tmp_path / "work").mkdir()
    asked = {"out": str(tmp_path), "work": str(tmp_path / "work"), "tiny": True, "data": None, "methods": None}
    return Sheet(tmp_path / "part.json", asked, 100)


def test_whatever_ends_a_part_loses_nothing(planted):
    seen = []
    limits = dict.fromkeys(PLANTED, 20.0) | {"hang": 1.5}
    found = planted(limits, after=lambda so_far: seen.append(list(so_far)))
    assert found["good"]["status"] == DONE
    assert found["good"]["value"] == 7
    assert found["good"]["notices"] == ["warning: mind this"]
    assert (found["crash"]["status"], found["crash"]["reason"], found["crash"]["value"]) == (FAILED, "signal 11", 1)
    assert (found["leaves"]["status"], found["leaves"]["reason"], found["leaves"]["rows"]) == (
        FAILED,
        "exit status 0",
        [1],
    )
    assert (found["raises"]["status"], found["raises"]["reason"]) == (FAILED, "ValueError: planted")
    assert found["raises"]["rows"] == [1, 2]
    assert found["raises"]["last_lines"][-1] == "ValueError: planted"
    assert (found["hang"]["status"], found["hang"]["value"]) == ("stopped at its limit of 2 s", 2)
    assert (found["lacking"]["status"], found["lacking"]["reason"][:15]) == (NOT_PLAYED, "no_such_package")
    assert found["renamed"]["status"] == FAILED
    assert (found["broken"]["status"], found["broken"]["reason"]) == (FAILED, "RuntimeError: cannot be loaded")
    assert (found["refuses"]["status"], found["refuses"]["reason"]) == (NOT_PLAYED, "no such device")
    assert seen == [list(limits)[: n + 1] for n in range(len(limits))]
    assert _ended(found["hang"]["beside"])


def _ended(pid: int) -> bool:
    """What a stopped part has started is stopped with it."""
    for _ in range(50):
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.1)
    return False


def test_an_interruption_loses_nothing_either(planted, tmp_path):
    def progress(number, spent, limit, left):
        if number == 1 and spent > 1.5:
            raise KeyboardInterrupt

    seen = {}
    with pytest.raises(KeyboardInterrupt):
        planted({"good": 20.0, "hang": 20.0, "raises": 20.0}, progress=progress, after=seen.update)
    assert seen["hang"]["status"] == conduct.INTERRUPTED
    left = {path.stem: read(path) for path in (tmp_path / "out" / "parts").glob("*.json")}
    assert {name: f["status"] for name, f in left.items()} == {"good": DONE, "hang": conduct.INTERRUPTED}
    assert left["hang"]["value"] == 2
    assert _ended(left["hang"]["beside"])


def test_the_time_is_kept(planted):
    started = time.monotonic()
    found = planted({"hang": 1000.0, "good": 20.0, "raises": 20.0}, minutes=0.1)
    assert time.monotonic() - started < 6
    assert found["hang"]["status"].startswith("stopped at its limit")
    assert [found[name]["reason"] for name in ("good", "raises")] == ["no time was left"] * 2


def test_limits_grow_with_the_minutes():
    part = Part("a", "a", "a", 90)
    assert limit(part, 9, 1000) == 90
    assert limit(part, 3, 1000) == 30
    assert limit(part, 3, 12) == 12
    assert limit(part, 3, 1000, tiny=True) == 360
    assert limit(Part("a", "a", "a", math.inf), 3, 17) == 17
    assert PARTS[-1].seconds == math.inf
    assert sum(part.seconds for part in PARTS[:-1]) < 0.81 * 60 * WHOLE  # so that the last one gets a turn


def test_a_sheet_is_whole_json_after_every_figure(sheet):
    sheet.put(a=math.nan, b=(1, math.inf), c={"d": 1.23456789})
    sheet.add("rows", {"x": Path("y")})
    assert json.loads(sheet.path.read_text()) == {
        "status": "running", "a": None, "b": [1, None], "c": {"d": 1.23457}, "rows": [{"x": "y"}]}  # fmt: skip
    assert finite([0.1, {"k": -math.inf}]) == [0.1, {"k": None}]
    assert read(sheet.path.with_name("nothing.json")) == {}


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


def test_what_compiles_for_minutes_keeps_nothing_waiting():
    found = engines.in_order(["plain", "recorded", "compiled", "cuda-graph", "compiled-graph"])
    assert found == [
        *(("recorded", "bfloat16"), ("recorded", "float32"), ("cuda-graph", "bfloat16"), ("cuda-graph", "float32")),
        *(("plain", "bfloat16"), ("plain", "float32"), ("compiled-graph", "bfloat16"), ("compiled", "bfloat16")),
        *(("compiled-graph", "float32"), ("compiled", "float32")),
    ]


def test_rates_are_freed_of_what_comes_before(sheet, monkeypatch):
    """Runs that take 2 s and 1 ms a step are of 1,000 steps per second."""
    lengths = []

    def timed(sheet, config, kimg):
        lengths.append(kimg)
        return 2 + kimg * 1000 / config.game.batch / 1000, 123.0

    monkeypatch.setattr(loop_rates, "_timed", timed)
    found = loop_rates.rate(sheet, presets.get("digits"), 8.0)
    assert found["steps_per_second"] == pytest.approx(1000)
    assert lengths[-1] * 1000 / 64 / 1000 == pytest.approx(8, rel=0.2)
    assert found["log_steps_per_second"] == pytest.approx(123 / 64)
    assert "steps_per_second" not in loop_rates.rate(sheet, presets.get("digits"), 0.0)


def test_aims_beside_what_was_measured():
    row = {
        "precision": "bfloat16",
        "latent": "ngd",
        "engine": "compiled",
        "ms": 2.3,
        "ready_seconds": 130,
        "over_best_baseline": 2,
    }
    found = {
        "steps": {"rows": [row, row | {"engine": "plain", "ms": 9.0, "over_best_baseline": 8}]},
        "loop": {"rows": [{"preset": "digits", "latent": "ngd", "steps_per_second": 4000}]},
        "together": {"times_as_fast": 1.7},
        "biggan": {"rows": [{"latent": "ngd", "ms": 1.0, "kernels": 4000}]},
    }
    held = {a["aim"]: (a["measured"], a["holds"]) for a in aims.beside(found)}
    assert held["SN-DCGAN, LOGAN step of the fastest engine"] == (2.3, True)
    assert held["SN-DCGAN, LOGAN over the best step without"] == (2, True)
    assert held["SN-DCGAN, LOGAN step in the training loop"] == (None, None)
    assert held["digits in the training loop"] == (4000, False)
    assert held["four games together, over one after the other"] == (1.7, True)
    assert held["BigGAN-deep 128, kernels per LOGAN step"] == (4000, True)
    assert held["BigGAN-deep 128, batch 32, LOGAN's share of peak"] == (None, None)
    assert held["compiling a step of SN-DCGAN"] == (130, False)
    assert all(a["holds"] is None for a in aims.beside(found, tiny=True))
    assert all(a["measured"] is None for a in aims.beside({}))


def test_a_report_of_parts_that_have_not_come_far(tmp_path):
    found = {
        part.name: {"part": part.name, "status": FAILED, "reason": "a\nb", "last_lines": ["x | y"]} for part in PARTS
    }
    written.save(tmp_path, PARTS, found, 9, 100, False)
    text = (tmp_path / "report.md").read_text()
    assert all(f"## {part.title}" in text for part in PARTS)
    assert "failed: a\n" in text
    written.save(tmp_path, PARTS, {"tests": found["tests"]}, 9, 1, False)
    assert json.loads((tmp_path / "report.json").read_text())["parts"]["table2"] == "not yet"


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
    monkeypatch.setenv("PYTHONPATH", str(BENCHMARKS))
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


def test_curves_and_pictures(tmp_path):
    rows = [
        {"method": m, "steps": s, "fid10k": 10.0 / s, "is10k": None, "d_loss": math.nan}
        for m in ("none", "none:update=alternating")
        for s in (1, 2)
    ]
    drawing.save_curves(tmp_path / "curves.png", rows)
    assert Image.open(tmp_path / "curves.png").width > 1000
    assert drawing.named("ngd:update=alternating") == "ngd, alternating"
    Image.new("RGB", (100, 100)).save(tmp_path / "a.png")
    drawing.save_pictures(tmp_path / "pictures.png", {"a": tmp_path / "a.png", "b": tmp_path / "a.png"}, 7)
    assert Image.open(tmp_path / "pictures.png").width > 600


def test_a_second_call_adds_to_the_report(gpu, tmp_path, monkeypatch, capsys):
    """Parts of an earlier call into the same folder stay in it, and the report says so; a part that is played again does not."""
    (tmp_path / "parts").mkdir()
    for name in ("together", "tests"):
        (tmp_path / "parts" / f"{name}.json").write_text(json.dumps({"status": DONE, "took_seconds": 7, "passed": 3}))
    monkeypatch.setattr("sys.argv", ["gpu.py", "--only", "tests", "--minutes", "0.051", "--out", str(tmp_path)])
    assert gpu.main() == 0
    lines = (tmp_path / "report.md").read_text().splitlines()
    assert "| together | Four games at once | done, in an earlier call | 7 |  |" in lines
    assert "| tests | Tests that need a GPU | not played | – | no time was left |" in lines
    capsys.readouterr()


def test_results_stay_small(gpu, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gpu, "MOST_BYTES", 1000)
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "large.log").write_bytes(b"x" * 900)
    (tmp_path / "report.md").write_bytes(b"x" * 300)
    gpu.keep_small(tmp_path)
    assert [p.name for p in tmp_path.rglob("*.*")] == ["report.md"]
    assert "large.log" in capsys.readouterr().err


def test_packages_that_were_brought_along(gpu, tmp_path):
    for name in ("brought_along", "numpy"):
        with zipfile.ZipFile(tmp_path / f"{name}-1-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}/__init__.py", "")
            wheel.writestr(f"{name}-1.dist-info/METADATA", "")
    (folder,) = gpu.unpacked(tmp_path, tmp_path / "packages")
    assert (folder / "brought_along" / "__init__.py").exists()
    assert not (folder / "numpy").exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--minutes 0", "--minutes must be"),
        ("--data no/such/folder", "no such file or folder"),
        ("--only everything", "invalid choice"),
    ],
)
def test_bad_input(gpu, flags, said, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["gpu.py", *flags.split()])
    with pytest.raises(SystemExit) as stop:
        gpu.main()
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


def play_tiny(gpu, out, monkeypatch, *flags):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr("sys.argv", ["gpu.py", "--tiny", "--out", str(out), *flags])
    code = gpu.main()
    text = (out / "report.md").read_text()
    assert code == 0, text
    assert "not complete enough" not in text
    files = [p for p in out.rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) < 16 * 2**20
    assert len(list(out.iterdir())) <= 8
    assert all(len(p.relative_to(out).parts) <= 2 for p in files)
    return {p.stem: read(p) for p in (out / "parts").glob("*.json")}


def test_table2_in_tiny_form(gpu, tmp_path, monkeypatch, capsys):
    flags = "--only table2 --methods none mean --engine plain".split()
    found = play_tiny(gpu, tmp_path / "out", monkeypatch, *flags)["table2"]
    assert found["status"] == DONE
    assert [(r["method"], r["steps"]) for r in found["rows"]] == [(m, s) for s in (20, 40) for m in ("none", "mean")]
    assert all(r["fid100"] > 0 and r["is100"] >= 1 for r in found["rows"])
    assert [r["method"] for r in found["with_latent_steps"]] == ["mean"]
    assert found["detector"]["accuracy"] > 0.9
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "report.md",
        "report.json",
        "curves.png",
        "pictures.png",
        "parts",
    }
    said = capsys.readouterr().err
    assert "[1/1] table2" in said
    assert "left" in said


@pytest.mark.slow
def test_everything_in_tiny_form(gpu, tmp_path, monkeypatch, capsys):
    found = play_tiny(gpu, tmp_path / "out", monkeypatch)
    assert found.keys() == {part.name for part in PARTS}
    assert all(f["status"] == DONE for name, f in found.items() if name != "tests")
    steps = found["steps"]["rows"]
    assert {(r["engine"], r["precision"], r["latent"]) for r in steps} >= {
        (e, "bfloat16", k) for e in ("plain", "recorded") for k in ("none", "ngd")}  # fmt: skip
    assert all(r["ms"] > 0 and r["over_best_baseline"] > 0 for r in steps)
    for step in found["kernels"]["steps"]:
        assert sum(g["share"] for g in step["groups"]) == pytest.approx(1, abs=1e-4)
        assert any(g["group"].startswith("convolution") for g in step["groups"])
    assert {r["preset"] for r in found["loop"]["rows"] if r["log_steps_per_second"] > 0} == {
        "digits",
        "ring",
        "cifar10",
    }
    assert len(found["together"]["alone_ms"]) == 4
    assert found["together"]["times_as_fast"] > 0
    biggan = found["biggan"]
    for measured in biggan["rows"]:
        planned = biggan["plan"]["methods"][measured["latent"]]
        assert measured["gflop"] == pytest.approx(planned["gflop"], rel=1e-3)
        assert measured["peak_mib"] == pytest.approx(planned["step_mib"], rel=0.1)
    assert biggan["largest"]["does_not_fit"] == 2 * biggan["largest"]["fits"]
    assert found["ranks"]["torchrun_against_alone"]["equal"]
    assert found["ranks"]["group"]["difference"] < 1e-10
    assert {r["method"] for r in found["table2"]["rows"]} >= {"none", "ngd", "mean", "ngd:update=alternating"}
    capsys.readouterr()


def test_the_page_states_the_limits():
    page = (BENCHMARKS.parent / "docs" / "speed.md").read_text()
    for part in PARTS:
        seconds = "the rest" if math.isinf(part.seconds) else f"{part.seconds:g}"
        assert f"| `{part.name}` | {seconds} |" in page
