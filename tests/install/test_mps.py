"""A Mac's GPU: taken by itself where it is, and never given float64, which it has not. MPS itself has not been run."""

from __future__ import annotations

import re

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from logan.devices import choose_device, in_float64
from logan.guide import Flow, Langevin, Latent, Metropolis, Transport, chain, contract
from logan.metrics import distances, manifold, modes
from logan.prior import _within
from logan.side_effects import same_random_numbers_next
from tests.install.project import ROOT

WITH_FLOAT64 = {
    "analysis/alignment.py": "in_float64",
    "analysis/movement.py": "numpy",
    "analysis/spectrum.py": "numpy, and tensors that are on the CPU",
    "bench/device_rules.py": "refuses it",
    "data/mixtures.py": "drawn on the CPU",
    "devices.py": "in_float64 itself",
    "distributed/batch_norm.py": "several ranks, which MPS has not",
    "distributed/world.py": "the same",
    "fast/few_channels.py": "named, not made",
    "fast/multiply_add.py": "the same",
    "fast/proof.py": "the same",
    "fast/vectors.py": "the same",
    **dict.fromkeys(
        [
            f"guide/{name}.py"
            for name in ("calibration", "draws", "langevin", "metropolis", "priors", "reject", "transport")
        ],
        "guides compute on the CPU where the networks are on MPS",
    ),
    "guide/contract.py": "says where guides compute",
    "latent.py": "named in a docstring",
    "metrics/classifier.py": "on the CPU",
    "metrics/distances.py": "in_float64",
    "metrics/manifold.py": "in_float64, and on the CPU",
    "metrics/modes.py": "on the CPU",
    "prior.py": "in_float64",
    "report/look_sections.py": "on the CPU, where a look is taken",
    "sampling/guidance.py": "on the CPU",
    "sampling/latent_files.py": "named in a docstring",
    "sampling/projection.py": "named in a docstring",
    "report/neighbours.py": "on the CPU, where images are compared",
    "training/report_sums.py": "on the CPU for MPS",
    "training/script.py": "whole steps, which are for CUDA",
    "training/trust.py": "float32 for MPS",
    "training/vitals.py": "in_float64",
}
"""Files that speak of it, and why that does no harm on MPS."""


@pytest.mark.parametrize(
    ("cuda", "mps", "chosen"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_auto_takes_the_fastest_that_there_is(monkeypatch, cuda, mps, chosen):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert choose_device("auto") == torch.device(chosen)
    assert choose_device("cpu") == torch.device("cpu")


def test_float64_is_on_the_cpu_instead():
    x = torch.tensor([1 / 3])
    assert in_float64(x).dtype == torch.float64
    assert in_float64(x).item() == x.item()
    with FakeTensorMode():
        for kind, where in (("mps", "cpu"), ("cuda", "cuda"), ("cpu", "cpu")):
            wide = in_float64(torch.empty(3, device=kind))
            assert (wide.device.type, wide.dtype) == (where, torch.float64)


class Refused(torch.utils._python_dispatch.TorchDispatchMode):
    """What MPS would refuse."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for x in result if isinstance(result, tuple | list) else (result,):
            if isinstance(x, torch.Tensor) and (x.device.type, x.dtype) == ("mps", torch.float64):
                raise TypeError(f"{func} gives float64 on MPS")
        return result


def truncated(x):
    drawn = _within(x, 1.0)
    assert (drawn.device.type, drawn.dtype) == ("mps", torch.float32)  # back where the latents were
    return drawn


@pytest.mark.parametrize(
    "compute",
    [
        truncated,
        lambda x: distances._kernel(in_float64(x), in_float64(x)),
        lambda x: modes.torch.cdist(x.flatten(1).cpu().double(), x.flatten(1).cpu().double()),
    ],
)
def test_nothing_computes_float64_there(compute):
    with FakeTensorMode(), Refused():
        compute(torch.empty(5, 4, device="mps"))


@pytest.mark.parametrize("prior", ["uniform", "normal", "sphere"])
@pytest.mark.parametrize(
    "guide",
    [
        Latent(steps=2),
        Langevin(steps=2),
        Langevin(steps=2, metropolis=True),
        Flow(steps=2),
        Transport(lipschitz=1.0),
        Metropolis(steps=2),
    ],
    ids=lambda g: g.name,
)
def test_guides_compute_on_the_cpu_and_networks_there(guide, prior, monkeypatch):
    """All but `reject`, whose number of draws depends on numbers, which fake tensors have not."""
    monkeypatch.setattr(contract, "_check_within", lambda z, prior: None)  # these look at numbers too
    monkeypatch.setattr(contract, "check_scores", lambda *scores: None)
    monkeypatch.setattr(torch.mps, "get_rng_state", lambda: 0)
    monkeypatch.setattr(torch.mps, "set_rng_state", lambda state: None)
    monkeypatch.setattr(  # autograd itself would ask for the device
        chain,
        "gradient_of_scores",
        lambda f, x, dtype, create_graph: (f(x.detach().to(dtype)), torch.zeros_like(x.detach())),
    )
    asked = []

    def score(x):
        asked.append((x.device.type, x.dtype))
        return x.sum(1)

    with FakeTensorMode(allow_non_fake_inputs=True), Refused():
        found = guide(torch.nn.Identity(), score, torch.empty(5, 4, device="mps"), prior=prior)
    assert set(asked) == {("mps", torch.float32)}
    assert (found.z.device.type, found.z.dtype) == ("mps", torch.float32)


def test_the_rule_is_played():
    with FakeTensorMode(), Refused(), pytest.raises(TypeError, match="float64 on MPS"):
        torch.empty(3, device="mps").double()


def test_scores_take_features_wherever_they_are(monkeypatch):
    """Each of the functions that people call asks :func:`in_float64`, and none makes float64 by itself."""
    seen = []
    for module in (distances, manifold):
        monkeypatch.setattr(module, "in_float64", lambda x: (seen.append(1), x.double())[1])
    real, fake = torch.randn(12, 3), torch.randn(12, 3)
    distances.FrechetStatistics.of(real)
    assert len(seen) == 1
    distances.kid(real, fake)
    assert len(seen) == 1 + 2 * distances.KID_SUBSETS
    distances.inception_score(real)
    manifold.precision_recall(real, fake)
    manifold.density_coverage(real, fake)
    assert len(seen) == 2 + 2 * distances.KID_SUBSETS + 4


def test_who_speaks_of_float64_is_known():
    """A new place is to be looked at: does it compute on the device?"""
    src = ROOT / "src" / "logan"
    found = {
        path.relative_to(src).as_posix()
        for path in src.rglob("*.py")
        if re.search(r"\.double\(|float64|torch\.double", path.read_text(encoding="utf-8"))
    }
    assert found - WITH_FLOAT64.keys() == set()
    assert WITH_FLOAT64.keys() - found == set()


def test_random_numbers_of_mps_are_put_back(monkeypatch):
    """``torch.random.fork_rng`` cannot do that."""
    state = [0]
    monkeypatch.setattr(torch.mps, "get_rng_state", lambda: state[0])
    monkeypatch.setattr(torch.mps, "set_rng_state", lambda value: state.__setitem__(0, value))
    with same_random_numbers_next(torch.device("mps")):
        state[0] = 7
        torch.rand(1)
    assert state == [0]
    with pytest.raises(KeyError), same_random_numbers_next(torch.device("mps"), torch.device("cpu")):
        raise KeyError(state.__setitem__(0, 7))
    assert state == [0]
    with same_random_numbers_next(torch.device("cpu")):
        state[0] = 7
    assert state == [7]
