"""What cannot be built or called is said in one line that names the way out."""

import pytest
import torch

from logan import networks
from logan.errors import InputError

from .small import make


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "sndgan"}, "did you mean 'sndcgan'"),
        ({"name": "resnet-9000"}, "mlp, dcgan, sndcgan"),
        ({"activation": "leaky_relu"}, "did you mean 'leaky-relu'"),
        ({"activation": "swish"}, "relu, leaky-relu"),
        ({"image_size": 30}, "14, 16, 28"),
        ({"image_size": 4}, "8, 14"),
        ({"name": "sndcgan", "image_size": 28}, "multiples of 8 from 16"),
        ({"name": "sndcgan", "image_size": 8}, "multiples of 8 from 16"),
        ({"depth": 2}, "'dcgan' has no option `depth`"),
        ({"name": "sndcgan", "depth": 2}, "'sndcgan' has no option `depth`"),
        ({"width": 0}, "`width` is 0"),
        ({"name": "mlp", "depth": 0}, "`depth` is 0"),
        ({"latent_dim": 0}, "`latent_dim` is 0"),
        ({"image_size": -1}, "`image_size` is -1"),
        ({"image_channels": 0}, "`image_channels` is 0"),
        ({"num_classes": -1}, "`num_classes` is -1"),
    ],
)
def test_impossible_requests(changes, words):
    with pytest.raises(InputError) as error:
        networks.create(**{**{"name": "dcgan", "image_size": 16, "latent_dim": 4}, **changes})
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["points", "dcgan", "sndcgan"])
@pytest.mark.parametrize(
    ("num_classes", "labels", "words"),
    [
        (0, torch.zeros(3, dtype=torch.long), "unconditional"),
        (4, None, "conditional on 4 classes"),
        (4, torch.zeros(2, dtype=torch.long), "shape"),
        (4, torch.zeros(3, 4, dtype=torch.long), "shape"),
        (4, torch.zeros(3), "torch.float32"),
    ],
)
def test_labels_that_do_not_fit(kind, num_classes, labels, words):
    G, D = make(kind, num_classes=num_classes)
    images = torch.zeros(3, D.image_channels, D.image_size, D.image_size)
    for network, inputs in ((G, torch.zeros(3, 5)), (D, images)):
        with pytest.raises(ValueError, match=words) as error:
            network(inputs, labels)
        assert "\n" not in str(error.value)


def test_inputs_of_another_shape():
    G, D = make("dcgan")
    with pytest.raises(ValueError, match=r"\(batch, 5\)"):
        G(torch.zeros(3, 6))
    with pytest.raises(ValueError, match=r"\(batch, 1, 16, 16\)"):
        D(torch.zeros(3, 1, 8, 8))
    with pytest.raises(ValueError, match=r"\(batch, 1, 16, 16\)"):
        D(torch.zeros(1, 16, 16))


def test_a_name_without_end_is_cut_short():
    """A run's options, which may be a stranger's, can name anything."""
    with pytest.raises(InputError, match="no network 'aaa") as caught:
        networks.check_name("a" * 5000)
    assert len(str(caught.value)) < 300
