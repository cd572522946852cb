"""`own_gan.py` with latent optimisation (Wu et al. 2019) added, in six changed lines.

python examples/own_gan_latent.py --steps 6000 --seed 0
"""

import argparse
import math

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

import logan

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=6000)
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
torch.manual_seed(args.seed)

BATCH, LATENT, WIDTH, STD = 256, 8, 128, 0.04
ANGLES = torch.arange(8) * math.pi / 4
CENTRES = 2 * torch.stack([ANGLES.cos(), ANGLES.sin()], dim=1)

G = nn.Sequential(
    nn.Linear(LATENT, WIDTH),
    nn.ReLU(),
    nn.Linear(WIDTH, WIDTH),
    nn.ReLU(),
    nn.Linear(WIDTH, 2),
)
D = nn.Sequential(
    spectral_norm(nn.Linear(2, WIDTH)),
    nn.LeakyReLU(0.2),
    spectral_norm(nn.Linear(WIDTH, WIDTH)),
    nn.LeakyReLU(0.2),
    spectral_norm(nn.Linear(WIDTH, 1)),
    nn.Flatten(0),
)
g_optimiser = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.999))
d_optimiser = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.5, 0.999))
latent_step = logan.LatentStep(method="ngd", alpha=0.9, beta=0.1, portion=0.7, penalty=0.1)

for step in range(1, args.steps + 1):
    real = CENTRES[torch.randint(8, (BATCH,))] + STD * torch.randn(BATCH, 2)

    z = torch.rand(BATCH, LATENT) * 2 - 1
    moved = latent_step(lambda z: D(G(z)), z)
    d_loss = torch.relu(1 - D(real)).mean() + torch.relu(1 + D(G(moved.z))).mean()
    d_optimiser.zero_grad()
    d_loss.backward()
    d_optimiser.step()

    z = torch.rand(BATCH, LATENT) * 2 - 1
    moved = latent_step(lambda z: D(G(z)), z)
    g_loss = -D(G(moved.z)).mean() + moved.penalty
    g_optimiser.zero_grad()
    g_loss.backward()
    g_optimiser.step()

    if step % 500 == 0 or step == args.steps:
        with torch.no_grad():
            distance, nearest = torch.cdist(G(torch.rand(2000, LATENT) * 2 - 1), CENTRES).min(1)
        good = distance < 3 * STD
        modes = (torch.bincount(nearest[good], minlength=8) >= 10).sum().item()
        print(f"step {step}: {modes} of 8 modes, {good.float().mean():.0%} of samples on a mode")
