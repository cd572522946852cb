"""DINOv2 against a forward pass written anew, on small networks with random weights in the official files' layout."""

import hashlib

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file

from logan.errors import InputError
from logan.metrics import dinov2
from logan.metrics.dinov2 import DinoV2Detector

WIDTH, BLOCKS = 128, 2


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A size that is quickly computed, beside the three that are published."""
    monkeypatch.setitem(dinov2.SIZES, "tiny", (WIDTH, BLOCKS))


def official(registers: int = 0, grid: int = 37, width: int = WIDTH, blocks: int = BLOCKS) -> dict[str, torch.Tensor]:
    """Names and shapes of the official state dicts; nothing is at its neutral value."""
    g = torch.Generator().manual_seed(0)
    shapes = {
        "cls_token": (1, 1, width), "pos_embed": (1, 1 + grid**2, width), "mask_token": (1, width),
        "patch_embed.proj.weight": (width, 3, 14, 14), "patch_embed.proj.bias": (width,),
        "norm.weight": (width,), "norm.bias": (width,),
    }  # fmt: skip
    if registers:
        shapes["register_tokens"] = (1, registers, width)
    for i in range(blocks):
        own = {
            "norm1.weight": (width,), "norm1.bias": (width,), "attn.qkv.weight": (3 * width, width), "attn.qkv.bias": (3 * width,),
            "attn.proj.weight": (width, width), "attn.proj.bias": (width,), "ls1.gamma": (width,),
            "norm2.weight": (width,), "norm2.bias": (width,), "mlp.fc1.weight": (4 * width, width), "mlp.fc1.bias": (4 * width,),
            "mlp.fc2.weight": (width, 4 * width), "mlp.fc2.bias": (width,), "ls2.gamma": (width,),
        }  # fmt: skip
        shapes |= {f"blocks.{i}.{name}": shape for name, shape in own.items()}
    return {name: torch.randn(shape, generator=g) * (0.3 if len(shape) < 3 else 0.1) for name, shape in shapes.items()}


def saved(path, state):
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return path


def by_plain_functions(state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The class token after the last norm, in float64; heads of 64 channels one after another."""
    w = {name: value.double() for name, value in state.items()}
    width, tokens = w["cls_token"].shape[-1], [w["cls_token"].expand(len(x), -1, -1)]

    def linear(x, name):
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(x, name):
        centred = x - x.mean(-1, keepdim=True)
        return (
            centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt() * w[f"{name}.weight"] + w[f"{name}.bias"]
        )

    for row in range(16):  # a patch is a row of the convolution's kernel
        for column in range(16):
            patch = x[:, :, 14 * row : 14 * row + 14, 14 * column : 14 * column + 14].double().flatten(1)
            tokens.append((patch @ w["patch_embed.proj.weight"].flatten(1).T + w["patch_embed.proj.bias"])[:, None])
    positions, registers = w["pos_embed"], w.get("register_tokens")
    grid = round((positions.shape[1] - 1) ** 0.5)
    if grid != 16:
        square = positions[:, 1:].reshape(1, grid, grid, width).permute(0, 3, 1, 2)
        if registers is None:
            square = F.interpolate(square, scale_factor=(16.1 / grid, 16.1 / grid), mode="bicubic")
        else:
            square = F.interpolate(square, size=(16, 16), mode="bicubic", antialias=True)
        positions = torch.cat([positions[:, :1], square.permute(0, 2, 3, 1).reshape(1, 256, width)], 1)
    x = torch.cat(tokens, 1) + positions
    if registers is not None:
        x = torch.cat([x[:, :1], registers.expand(len(x), -1, -1), x[:, 1:]], 1)
    for i in range(BLOCKS):
        b = f"blocks.{i}."
        qkv, heads = linear(norm(x, b + "norm1"), b + "attn.qkv"), []
        for first in range(0, width, 64):
            q, k, v = (qkv[..., part * width + first : part * width + first + 64] for part in range(3))
            heads.append((q @ k.mT / 8).softmax(-1) @ v)
        x = x + linear(torch.cat(heads, -1), b + "attn.proj") * w[b + "ls1.gamma"]
        inner = linear(norm(x, b + "norm2"), b + "mlp.fc1")
        inner = inner * 0.5 * (1 + torch.erf(inner / 2**0.5))
        x = x + linear(inner, b + "mlp.fc2") * w[b + "ls2.gamma"]
    return norm(x[:, 0], "norm")


def prepared(pixels: torch.Tensor) -> torch.Tensor:
    """Stein et al.'s ``clean_resize``: Pillow's bicubic of each channel as floats, clipped; then ImageNet's mean and deviation."""

    def channel(x):
        return np.asarray(Image.fromarray(x.numpy().astype(np.float32)).resize((224, 224), Image.Resampling.BICUBIC))

    x = torch.stack([torch.stack([torch.from_numpy(channel(c).copy()) for c in image]) for image in pixels])
    mean, std = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    return (x.clamp(0, 255) / 255 - mean) / std


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randint(256, (3, 3, 50, 50), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(("registers", "grid"), [(0, 37), (4, 37), (0, 16), (4, 16)])
def test_features_are_those_of_an_independent_forward_pass(tmp_path, images, registers, grid, suffix):
    state = official(registers, grid)
    detector = DinoV2Detector(saved(tmp_path / f"w{suffix}", state))
    features, logits = detector(images)
    expected = by_plain_functions(state, prepared(images))
    torch.testing.assert_close(features.double(), expected, atol=2e-4, rtol=2e-4)
    assert logits.shape == (3, 0)
    assert detector.name == "dinov2-tiny" + ("-reg4" if registers else "")


def test_what_it_is(tmp_path):
    path = saved(tmp_path / "w.pth", official())
    detector = DinoV2Detector(str(path))
    assert detector.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert detector.size == path.stat().st_size
    assert f"`detector_weights` {path}@{detector.sha256}" in detector.notice


def test_an_official_file_needs_no_notice(tmp_path, monkeypatch):
    path = saved(tmp_path / "w.pth", official())
    monkeypatch.setitem(dinov2.PUBLISHED, "tiny", hashlib.sha256(path.read_bytes()).hexdigest())
    assert DinoV2Detector(path).notice == ""


def test_an_images_features_do_not_depend_on_its_batch(tmp_path, images):
    detector = DinoV2Detector(saved(tmp_path / "w.pth", official()))
    many = images.repeat(4, 1, 1, 1)  # more than go through the network together
    parts = torch.cat([detector(image[None])[0] for image in many])
    torch.testing.assert_close(detector(many)[0], parts, atol=1e-4, rtol=1e-4)


def test_autocast_around_it_changes_nothing(tmp_path, images):
    detector = DinoV2Detector(saved(tmp_path / "w.pth", official()))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = detector(images)[0]
    assert torch.equal(found, detector(images)[0])


def test_grey_and_half_precision_weights(tmp_path, images):
    state = {name: value.half() for name, value in official().items()}
    detector = DinoV2Detector(saved(tmp_path / "w.safetensors", state))
    grey = images[:, :1]
    found = detector(grey)[0]
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, detector(grey.repeat(1, 3, 1, 1))[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("since_version_5", [False, True])
@pytest.mark.parametrize("registers", [0, 4])
def test_the_names_of_transformers_are_understood(tmp_path, images, registers, since_version_5):
    """As ``model.safetensors`` of facebook/dinov2-… has them, and as the package calls them in memory since."""
    state, theirs = official(registers), {}
    query, key, value, out = (
        ("attention.q_proj", "attention.k_proj", "attention.v_proj", "attention.o_proj")
        if since_version_5
        else (*(f"attention.attention.{x}" for x in ("query", "key", "value")), "attention.output.dense")
    )
    fixed = {
        "cls_token": "embeddings.cls_token", "mask_token": "embeddings.mask_token", "register_tokens": "embeddings.register_tokens",
        "pos_embed": "embeddings.position_embeddings", "norm.weight": "layernorm.weight", "norm.bias": "layernorm.bias",
        "patch_embed.proj.weight": "embeddings.patch_embeddings.projection.weight",
        "patch_embed.proj.bias": "embeddings.patch_embeddings.projection.bias",
    }  # fmt: skip
    for name, tensor in state.items():
        if name in fixed:
            theirs[fixed[name]] = tensor
            continue
        _, i, rest = name.split(".", 2)
        rest = rest.replace("attn.proj", out).replace("ls1.gamma", "layer_scale1.lambda1")
        rest = rest.replace("ls2.gamma", "layer_scale2.lambda1")
        if "qkv" in rest:
            for layer, part in zip((query, key, value), tensor.chunk(3), strict=True):
                theirs[f"encoder.layer.{i}.{rest.replace('attn.qkv', layer)}"] = part.clone()
        else:
            theirs[f"encoder.layer.{i}.{rest}"] = tensor
    found = DinoV2Detector(saved(tmp_path / "theirs.safetensors", theirs))(images)[0]
    assert torch.equal(found, DinoV2Detector(saved(tmp_path / "w.pth", state))(images)[0])


@pytest.mark.slow
@pytest.mark.parametrize(("name", "width", "blocks", "count"), [
    ("vits14", 384, 12, 22_056_576), ("vitb14", 768, 12, 86_580_480),
])  # fmt: skip
def test_published_sizes(tmp_path, name, width, blocks, count):
    """Numbers of weights that the official files hold, of which the mask token is left out here."""
    detector = DinoV2Detector(saved(tmp_path / "w.pth", official(0, 37, width, blocks)))
    assert detector.name == f"dinov2-{name}"
    assert sum(p.numel() for p in detector.network.parameters()) + width == count


def wrong(state: dict[str, torch.Tensor], what: str) -> object:
    if what == "no state":
        return [1, 2]
    if what == "a layer too many":
        state["blocks.7.norm1.weight"] = torch.zeros(WIDTH)
    if what == "a weight missing":
        del state["blocks.1.mlp.fc1.bias"]
    if what == "no class token":
        del state["cls_token"]
    if what == "odd shape":
        state["cls_token"] = torch.zeros(())
    if what == "another width":
        return official(width=192)
    if what == "not finite":
        state["norm.bias"][3] = torch.nan
    if what == "huge by strides":
        state["norm.bias"] = torch.zeros(1).expand(2**40)
    if what == "huge by positions":
        state["pos_embed"] = torch.zeros(1, 1, 1).expand(1, 1 + 70**2, WIDTH)
    if what == "a classifier's":
        state["head.weight"] = torch.zeros(10, WIDTH)
    return state


@pytest.mark.parametrize("what", ["no state", "a layer too many", "a weight missing", "no class token", "odd shape",
                                  "another width", "not finite", "huge by strides",
                                  "huge by positions", "a classifier's"])  # fmt: skip
def test_other_networks_are_refused(tmp_path, what):
    torch.save(wrong(official(), what), tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"w\.pth holds (no DINOv2 network|something else)"):
        DinoV2Detector(tmp_path / "w.pth")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"hello" * 100])
def test_damaged_files_are_refused(tmp_path, suffix, content):
    (tmp_path / f"w{suffix}").write_bytes(content)
    with pytest.raises(InputError, match="is damaged, or no file of weights"):
        DinoV2Detector(tmp_path / f"w{suffix}")


def test_a_pickle_that_runs_code_does_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"cls_token": Evil()}, tmp_path / "w.pth")
    with pytest.raises(InputError, match="is damaged, or no file of weights"):
        DinoV2Detector(tmp_path / "w.pth")
    assert not (tmp_path / "ran").exists()


def test_no_file_is_fetched_by_itself(tmp_path):
    with pytest.raises(InputError, match="needs `detector_weights` FILE, such as https://.*nothing is fetched"):
        DinoV2Detector(None)
    with pytest.raises(InputError, match=r"w\.pth does not exist"):
        DinoV2Detector(tmp_path / "w.pth")


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("registers", [0, 4])
def test_a_gpu_finds_the_same(tmp_path, images, registers):
    path, device = saved(tmp_path / "w.pth", official(registers)), torch.device("cuda")
    found = DinoV2Detector(path).to(device)(images.to(device))[0]
    torch.testing.assert_close(found.cpu(), DinoV2Detector(path)(images)[0], atol=1e-3, rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("registers", [0, 4])
def test_against_transformers(tmp_path, images, registers):
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": WIDTH, "num_hidden_layers": BLOCKS, "num_attention_heads": 2, "patch_size": 14}
    # without registers, positions are interpolated there by other sizes than in the official code: on 16 x 16 neither does it
    sizes["image_size"] = 518 if registers else 224
    kind = "Dinov2WithRegisters" if registers else "Dinov2"
    extra = {"num_register_tokens": registers} if registers else {}
    network = getattr(transformers, f"{kind}Model")(getattr(transformers, f"{kind}Config")(**sizes, **extra)).eval()
    for p in network.parameters():
        p.data.add_(0.05 * torch.randn_like(p))
    detector = DinoV2Detector(
        saved(tmp_path / "w.safetensors", {k: v.contiguous() for k, v in network.state_dict().items()})
    )
    with torch.no_grad():
        expected = network(prepared(images)).last_hidden_state[:, 0]
    torch.testing.assert_close(detector(images)[0], expected, atol=1e-3, rtol=1e-3)
