"""The groups of settings of a run: frozen dataclasses, whose attribute docstrings are the command line's help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MAX_SEED = 2**62
"""Seeds up to here leave room for the seeds that are derived from them."""


@dataclass(frozen=True)
class DataConfig:
    """Where the real images come from."""

    data: str = "digits"
    """digits, ring, grid, or a path: a folder or zip of images, MNIST-style idx files, CIFAR-10's own files."""
    image_size: int | None = None
    """Pixels per side that the networks work at; None takes the data's own."""
    channels: Literal[1, 3] | None = None
    """1 for grey, 3 for colour; None takes the data's own."""
    pad: int = 0
    """Black pixels added on every side (2 makes 28x28 into 32x32)."""
    mirror: bool = False
    """Flip each real image left to right with probability one half."""
    conditional: bool = False
    """Give the class labels to G and D."""
    skip_broken: bool = False
    """Leave out images that cannot be read instead of stopping."""
    skip_small: bool = False
    """Leave out images that are smaller than the wanted size instead of stopping."""
    workers: int = 2
    """Processes that decode images, for sets too large to be held in memory."""


@dataclass(frozen=True)
class NetworkConfig:
    """The two networks."""

    network: str = "dcgan"
    """mlp, dcgan, sndcgan, sngan, sagan, biggan or biggan-deep."""
    latent_dim: int = 128
    """Dimensions of z."""
    prior: Literal["uniform", "normal"] = "uniform"
    """z from U(-1, 1), the paper's choice (section 5.1), or from N(0, 1)."""
    width: int | None = None
    """Channels (or units) of the narrowest layer; None takes the published width."""
    depth: int | None = None
    """Hidden layers, for mlp; None takes the published depth."""
    activation: Literal["relu", "leaky-relu", "leaky-relu-0.1"] | None = None
    """One non-linearity for all layers of both networks; None takes the published ones."""
    spectral_norm: bool | None = None
    """Spectral normalisation of D, and of G in sagan, biggan and biggan-deep; None takes the published choice."""


@dataclass(frozen=True)
class LatentConfig:
    """The latent step (Algorithm 1 of the paper)."""

    latent: Literal["none", "cs", "gd", "ngd"] = "ngd"
    """none: the ordinary GAN; cs: CS-GAN's learned steps on the sphere; gd: gradient descent (eq. 4); ngd: natural
    gradient descent (eq. 12)."""
    alpha: float = 0.9
    """Step size of the latent step (cs learns its own)."""
    beta: float = 0.1
    """Damping of natural gradient descent; it should be of the order of the squared norm of z's gradient."""
    portion: float = 0.7
    """Share of z's dimensions that are optimised."""
    penalty: float = 3.0
    """Weight of the penalty on the squared length of the move."""
    penalty_in: Literal["generator", "both"] = "generator"
    """Whose loss the penalty enters."""
    subset: Literal["leading", "random"] = "leading"
    """Which dimensions are optimised: the first ones, or others at every step."""
    bounds: Literal["auto", "clip", "none", "sphere"] = "auto"
    """clip to [-1, 1], none, or project to the unit sphere; auto: clip for a uniform prior, none for a normal one."""
    latent_steps: int = 1
    """Gradient steps per latent step."""
    stop_gradient: Literal["none", "generator", "discriminator", "both"] = "none"
    """The player whose second-order term is removed: the ablations of Figure 5b."""
    latent_every: int = 1
    """Take the latent step in every so many-th game step only; the others are ordinary GAN steps. Not in the paper."""
    latent_share: float = 1.0
    """Move only this share of each batch's latents, and leave the others where they are. Not in the paper."""


@dataclass(frozen=True)
class GameConfig:
    """Losses, optimisers and the order of updates."""

    loss: Literal["hinge", "wasserstein", "non-saturating", "minimax"] = "hinge"
    """The adversarial loss."""
    update: Literal["simultaneous", "alternating"] = "simultaneous"
    """Both players from one z (Algorithm 1), or D and G in turns with draws of their own."""
    d_steps: int = 1
    """Updates of D per update of G, when alternating."""
    dynamics: Literal[
        "plain",
        "sga",
        "sga-aligned",
        "three-player",
        "consensus",
        "unrolled",
        "extragradient",
        "optimistic",
        "gradient-penalty",
    ] = "plain"
    """How both gradients are adjusted, or the steps taken: symplectic gradient adjustment (eq. 5-6; with sign alignment; of
    the three players of eq. 17-18), consensus optimisation, unrolled GANs (eq. 22-25), extragradient, optimistic updates,
    ODE-GAN's gradient penalty."""
    dynamics_strength: float | None = None
    """Lambda of sga and three-player, gamma of consensus, alpha of unrolled, weight of gradient-penalty; None takes the
    method's own."""
    unroll: int = 5
    """Steps of D that G looks ahead, for unrolled."""
    unroll_g: int = 0
    """Steps of G that D looks ahead, for unrolled."""
    g_lr: float = 2e-4
    """Adam's learning rate for G."""
    d_lr: float = 2e-4
    """Adam's learning rate for D."""
    adam_betas: tuple[float, float] = (0.5, 0.999)
    """Adam's decay rates."""
    batch: int = 64
    """Images per step, on all devices together."""
    batch_gpu: int | None = None
    """Images that a device has in memory at a time; the gradients of more are accumulated. None: its whole part of the batch."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Type that the networks compute in; the latent step and the optimisers stay in float32."""
    ema_kimg: float = 10.0
    """Half-life of the moving average of G, in thousands of images; 0 takes G as it is."""


@dataclass(frozen=True)
class RunConfig:
    """Length, logs and snapshots."""

    kimg: int = 1000
    """Length of the training in thousands of real images."""
    tick: int = 4
    """Thousands of images between two lines of the log."""
    snap: int = 10
    """Ticks between two snapshots."""
    seed: int = 0
    """Seed of everything random."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps ..."""
    threads: int = 0
    """CPU threads; 0 leaves it to torch. A resumed run is bit-identical only with the same number."""
    engine: Literal["auto", "plain", "recorded", "compiled", "cuda-graph", "compiled-graph"] = "auto"
    """How a step is computed: as it is written (plain), recorded once and played back, the recording compiled by
    torch.compile, whole steps captured in a CUDA graph, or both. Same results up to rounding. auto: compiled-graph on
    CUDA, else recorded; what does not work falls back, and says so."""
    memory_format: Literal["auto", "contiguous", "channels-last"] = "auto"
    """Order of the numbers in images and convolutions. auto: channels-last, the faster one (docs/speed.md)."""
    checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, more time, same results. For sngan, sagan, biggan and
    biggan-deep; the engine is then plain."""
    deterministic: bool = False
    """Only kernels that give the same bits every time, so that a resumed run is exact on CUDA too; slower there. A CPU's do
    anyway, but for a few: an operation that has no such form stops the run with its name."""
    on_alarm: Literal["warn", "stop", "back"] = "warn"
    """When a run shows signs of failing (docs/alarms.md): say so; stop with the state saved and exit status 3; or go back to the
    best healthy state with smaller learning rates."""
    alarm_snapshots: int = 5
    """Snapshots in a row at which the score is far worse than the best, until that is an alarm."""
    back_factor: float = 0.5
    """What both learning rates are multiplied by each time that a run goes back."""
    most_backs: int = 3
    """How often a run goes back; the next alarm stops it."""


Detectors = Literal["auto", "classifier", "efficientnet-lite0", "dinov2", "inception"]


@dataclass(frozen=True)
class ScoreConfig:
    """What is measured at every snapshot, and by the probe. It never changes the training."""

    metrics: tuple[str, ...] = ()
    """Kind and number of generated images: fid10k kid10k is10k pr10k, or modes10k for mixtures; none for nothing."""
    detector: Detectors = "auto"
    """Whose features are compared: auto takes a classifier trained on the set's own labels, and without labels efficientnet-lite0
    (extra: detector); dinov2 from a file of yours; or the Inception network of 2015."""
    detector_weights: str | None = None
    """The detector's weights, as FILE or FILE@SHA256: DINOv2's, a classifier's, or Inception's (None: torch's download cache)."""
    score_every: int = 0
    """Score every so many-th snapshot, and the last. 0: as often as takes about a tenth of the operations of training, and ten
    times a run at least."""
    metric_latent_steps: int = 0
    """Steps of latent optimisation before an image is scored. The paper: 10 on CIFAR-10, none on ImageNet."""

    probe: int = 0
    """Steps from one look at the game's dynamics to the next, written to stats.jsonl; 0 for none (docs/dynamics.md)."""
    probe_eigenvalues: int = 0
    """How many leading eigenvalues of the game's Jacobian each look computes (extra: analysis). It takes as long as
    hundreds of steps, even in small networks."""
