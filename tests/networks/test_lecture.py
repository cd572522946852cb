"""dcgan and mlp are the lecture's networks: the same weights give the same values."""

import torch
from torch import nn

from logan import networks

nz, ngf, ndf, nc = 10, 4, 4, 3


def lecture_generator():
    return nn.Sequential(
        nn.ConvTranspose2d(nz, ngf * 8, 4, 1, 0, bias=False),
        nn.BatchNorm2d(ngf * 8),
        nn.ReLU(True),
        nn.ConvTranspose2d(ngf * 8, ngf * 4, 4, 2, 1, bias=False),
        nn.BatchNorm2d(ngf * 4),
        nn.ReLU(True),
        nn.ConvTranspose2d(ngf * 4, ngf * 2, 4, 2, 1, bias=False),
        nn.BatchNorm2d(ngf * 2),
        nn.ReLU(True),
        nn.ConvTranspose2d(ngf * 2, ngf, 4, 2, 1, bias=False),
        nn.BatchNorm2d(ngf),
        nn.ReLU(True),
        nn.ConvTranspose2d(ngf, nc, 4, 2, 1, bias=False),
        nn.Tanh(),
    )


def lecture_discriminator():
    return nn.Sequential(
        nn.Conv2d(nc, ndf, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(ndf, ndf * 2, 4, 2, 1, bias=False),
        nn.BatchNorm2d(ndf * 2),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(ndf * 2, ndf * 4, 4, 2, 1, bias=False),
        nn.BatchNorm2d(ndf * 4),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(ndf * 4, ndf * 8, 4, 2, 1, bias=False),
        nn.BatchNorm2d(ndf * 8),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(ndf * 8, 1, 4, 1, 0, bias=False),
        nn.Sigmoid(),
    )


def give_weights(source, target):
    """Copy layer by layer, in order; every shape has to agree."""
    values = list(source.state_dict().values())
    target.load_state_dict(dict(zip(target.state_dict(), values, strict=True)))


def test_dcgan_is_the_lectures():
    torch.manual_seed(0)
    G, D = networks.create("dcgan", image_size=64, latent_dim=nz, width=ngf)
    G_lecture, D_lecture = lecture_generator(), lecture_discriminator()
    give_weights(G_lecture, G)
    give_weights(D_lecture, D)
    for train in (True, False):  # in training mode first, which moves the statistics used in evaluation mode
        for net in (G, D, G_lecture, D_lecture):
            net.train(train)
        z = torch.randn(3, nz)
        images = G_lecture(z[:, :, None, None])
        torch.testing.assert_close(G(z), images)
        torch.testing.assert_close(D(images).sigmoid(), D_lecture(images).flatten())


def test_mlp_is_the_lectures():
    torch.manual_seed(0)
    G, D = networks.create("mlp", image_size=1, image_channels=2, latent_dim=8)
    G_lecture = nn.Sequential(nn.Linear(8, 100), nn.ReLU(), nn.Linear(100, 2))
    D_lecture = nn.Sequential(nn.Linear(2, 100), nn.ReLU(), nn.Linear(100, 1), nn.Sigmoid())
    give_weights(G_lecture, G)
    give_weights(D_lecture, D)
    z = torch.randn(5, 8)
    points = G(z)
    torch.testing.assert_close(points.flatten(1), G_lecture(z))
    torch.testing.assert_close(D(points).sigmoid(), D_lecture(points.flatten(1)).flatten())
