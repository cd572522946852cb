"""The classifier as a detector: an easy problem, learnt in a second; its file; and the one that comes with the package."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from logan import sealed
from logan.errors import InputError
from logan.metrics import classifier
from logan.metrics.classifier import Classifier, ClassifierDetector, load_classifier, save_classifier, train_classifier


def halves(n: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise that is bright in its left half (class 0), its right half (1) or neither (2), as 2 × 8 × 8 images."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 120, (n, 2, 8, 8), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, 3, (n,), generator=generator)
    images[labels == 0, :, :, :4] += 90
    images[labels == 1, :, :, 4:] += 90
    return images, labels


@pytest.fixture
def brief(monkeypatch):
    monkeypatch.setattr(classifier, "IMAGES_SHOWN", 40 * classifier.BATCH)


@pytest.fixture
def untrained() -> ClassifierDetector:
    torch.manual_seed(0)
    return ClassifierDetector(Classifier(2, 8, 3), (2, 8), 0.25)


@pytest.fixture
def file(untrained, tmp_path):
    path = tmp_path / "classifier.safetensors"
    save_classifier(path, untrained)
    return path


def test_training_learns_an_easy_problem(brief):
    images, labels = halves()
    detector = train_classifier(images, labels, 3)
    assert detector.accuracy > 0.95
    assert (detector(images)[1].argmax(1) == labels).double().mean() > 0.95


def test_training_is_deterministic(brief):
    images, labels = halves()
    torch.manual_seed(1)
    first = train_classifier(images, labels, 3)
    torch.manual_seed(2)
    assert train_classifier(images, labels, 3).sha256 == first.sha256


def test_training_takes_one_thread_and_gives_the_others_back(brief):
    """Sums depend on their number, and so would the weights."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    seen = []
    try:
        train_classifier(*halves(), 3, progress=lambda fraction: seen.append(torch.get_num_threads()))
        assert set(seen) == {1}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_training_leaves_the_global_random_state_as_it_was(brief):
    torch.manual_seed(123)
    before = torch.get_rng_state()
    train_classifier(*halves(), 3)
    assert torch.equal(torch.get_rng_state(), before)


def test_accuracy_is_of_every_tenth_image_which_is_not_learnt_from(brief):
    """Wrong labels of the held-out images change the accuracy, and no weight."""
    images, labels = halves()
    honest = train_classifier(images, labels, 3)
    labels[9::10] = (labels[9::10] + 1) % 3
    deceived = train_classifier(images, labels, 3)
    assert deceived.sha256 == honest.sha256
    assert deceived.accuracy < 0.05


def test_training_reports_its_progress(brief):
    fractions: list[float] = []
    train_classifier(*halves(), 3, progress=fractions.append)
    assert fractions == pytest.approx([i / 40 for i in range(1, 41)])


def test_training_works_where_gradients_are_switched_off(brief):
    with torch.no_grad():
        assert train_classifier(*halves(), 3).accuracy > 0.95


@pytest.mark.parametrize(("channels", "size", "classes"), [(1, 4, 2), (3, 7, 5), (1, 28, 10), (3, 32, 4)])
def test_shapes(channels, size, classes):
    images = torch.randint(0, 256, (5, channels, size, size), dtype=torch.uint8)
    features, logits = ClassifierDetector(Classifier(channels, size, classes), (channels, size), 0.0)(images)
    assert (features.shape, logits.shape) == ((5, 128), (5, classes))
    assert features.dtype == logits.dtype == torch.float32


def test_features_do_not_depend_on_the_other_images(untrained):
    images, _ = halves(40)
    features, logits = untrained(images)
    alone = [untrained(image[None]) for image in images]
    torch.testing.assert_close(features, torch.cat([f for f, _ in alone]), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(logits, torch.cat([k for _, k in alone]), rtol=1e-5, atol=1e-6)


def test_images_do_not_see_each_other_in_training_either():
    """No batch norm: it would make training depend on the batches' composition."""
    network, (images, _) = Classifier(2, 8, 3).train(), halves(6)
    torch.testing.assert_close(network(images)[0][:1], network(images[:1])[0], rtol=1e-5, atol=1e-6)


def test_training_moves_images_by_at_most_a_pixel_each_way():
    """All nine moves occur; what comes in over the border repeats it."""
    torch.manual_seed(0)
    x = torch.arange(16, dtype=torch.uint8).view(1, 1, 4, 4)
    moves = {
        (dy, dx): x[:, :, [min(max(i + dy, 0), 3) for i in range(4)]][..., [min(max(i + dx, 0), 3) for i in range(4)]]
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
    }
    seen = []
    for _ in range(200):
        shifted = classifier._shifted(x)
        seen += [move for move, moved in moves.items() if torch.equal(moved, shifted)]
    assert len(seen) == 200
    assert set(seen) == set(moves)


def test_logits_are_the_head_of_the_features(untrained):
    features, logits = untrained(halves(6)[0])
    torch.testing.assert_close(logits, untrained.network.head(features))


def test_detector_is_frozen(untrained):
    assert not any(p.requires_grad for p in untrained.network.parameters())
    assert not untrained.network.training


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 4, 4), (2, 8, 4), (2, 9, 8)])
def test_images_of_another_shape_are_refused(untrained, shape):
    with pytest.raises(InputError, match=f"images of 2 x 8 x 8, not {' x '.join(map(str, shape))}"):
        untrained(torch.zeros(3, *shape, dtype=torch.uint8))


def test_sha256_is_of_the_weights(untrained):
    network = Classifier(2, 8, 3)
    network.load_state_dict(untrained.network.state_dict())
    assert ClassifierDetector(network, (2, 8), 0.0).sha256 == untrained.sha256
    with torch.no_grad():
        network.head.bias[1] += 1e-6
    assert ClassifierDetector(network, (2, 8), 0.0).sha256 != untrained.sha256
    assert len(untrained.sha256) == 64


def test_file_holds_the_whole_detector(untrained, file):
    loaded = load_classifier(file)
    assert (loaded.sha256, loaded.shape, loaded.accuracy) == (untrained.sha256, (2, 8), 0.25)
    images, _ = halves(10)
    assert torch.equal(loaded(images)[0], untrained(images)[0])
    assert torch.equal(loaded(images)[1], untrained(images)[1])


def test_loading_leaves_the_global_random_state_as_it_was(file):
    torch.manual_seed(123)
    before = torch.get_rng_state()
    load_classifier(file)
    assert torch.equal(torch.get_rng_state(), before)


def spoil_nothing_there(path):
    path.unlink()


def spoil_folder(path):
    path.unlink()
    path.mkdir()


def spoil_empty(path):
    path.write_bytes(b"")


def spoil_cut(path):
    path.write_bytes(path.read_bytes()[:-1000])


def spoil_text(path):
    path.write_text("These are not the weights you are looking for.\n" * 100)


def spoil_header(path, text=None, **changes):
    header = {"format": classifier.FORMAT, "channels": 2, "size": 8, "classes": 3, "accuracy": 0.25, **changes}
    sealed.write(path, text or json.dumps({k: v for k, v in header.items() if v is not None}), load_file(path))


def spoil_weights(path, change):
    text, weights = sealed.read(path)
    sealed.write(path, text, {name: change(value) for name, value in weights.items()})


def spoil_seal(path):
    save_file(load_file(path), path, metadata={"logan": sealed.read(path)[0]})


def spoil_bit(path, place):
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 4
    path.write_bytes(content)


SPOILED = {
    "missing": spoil_nothing_there,
    "folder": spoil_folder,
    "empty": spoil_empty,
    "cut": spoil_cut,
    "text": spoil_text,
    "other tensors": lambda path: save_file({"a": torch.zeros(3)}, path),
    "no checksum, as older versions wrote it": spoil_seal,
    **{
        f"a bit at {place:.0%}": lambda path, place=place: spoil_bit(path, place)
        for place in (0.1, 0.3, 0.5, 0.7, 0.999)
    },
    "other format": lambda path: spoil_header(path, format="logan-classifier-0"),
    "a larger network than is there": lambda path: spoil_header(path, channels=64, size=8192, classes=10**6),
    "no format": lambda path: spoil_header(path, format=None),
    "no side": lambda path: spoil_header(path, size=None),
    "no JSON": lambda path: spoil_header(path, text="2 8 3"),
    "a nest": lambda path: spoil_header(path, text="[" * 10**5),
    "words for a side": lambda path: spoil_header(path, size="8"),
    "other classes": lambda path: spoil_header(path, classes=4),
    "too many classes": lambda path: spoil_header(path, classes=10**12),
    "a side of nothing": lambda path: spoil_header(path, size=0),
    "negative": lambda path: spoil_header(path, channels=-2),
    "no accuracy": lambda path: spoil_header(path, accuracy=None),
    "words for accuracy": lambda path: spoil_header(path, accuracy="good"),
    "an accuracy of 2": lambda path: spoil_header(path, accuracy=2.0),
    "an accuracy that is none": lambda path: spoil_header(path, accuracy=float("nan")),
    "NaN": lambda path: spoil_weights(path, lambda x: x * float("nan")),
    "infinite": lambda path: spoil_weights(path, lambda x: x / 0),
    "zeros of integers": lambda path: spoil_weights(path, lambda x: x.to(torch.int64)),
    "in half precision": lambda path: spoil_weights(path, lambda x: x.half()),
    "one column": lambda path: spoil_weights(path, lambda x: x.flatten(1)[:, :1] if x.ndim > 1 else x),
}


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize("how", SPOILED)
def test_bad_file_is_refused_in_one_line_that_names_it(how, file):
    SPOILED[how](file)
    with pytest.raises(InputError) as caught:
        load_classifier(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_networks_that_are_described_and_not_there_take_no_memory(file, monkeypatch):
    spoil_header(file, channels=64, size=8192, classes=10**6)
    monkeypatch.setattr(torch.random, "fork_rng", lambda devices: pytest.fail("it is being made"))
    with pytest.raises(InputError, match="its weights are not those of the network that its header describes"):
        load_classifier(file)


def test_good_header_is_accepted(file, untrained):
    """So that the refusals above have the reasons that they say."""
    spoil_header(file)
    assert load_classifier(file).sha256 == untrained.sha256


@pytest.mark.parametrize("size", [64, 96, 128, 256])
def test_large_images_are_reduced_by_the_first_layer_alone(size):
    network = Classifier(3, size, 5)
    maps = network.body[:3](torch.zeros(2, 3, size, size))
    assert maps.shape[2:] in [(32, 32), (31, 31)]
    features, logits = network(torch.zeros(2, 3, size, size, dtype=torch.uint8))
    assert features.shape == (2, classifier.FEATURES)
    assert logits.shape == (2, 5)


def test_every_pixel_of_a_large_image_is_seen():
    network = Classifier(1, 128, 2).double()
    x = torch.zeros(1, 1, 128, 128, dtype=torch.float64, requires_grad=True)
    network.body[0](x).square().sum().backward()
    assert (x.grad != 0).all()


def test_larger_images_are_shown_less_often(monkeypatch):
    monkeypatch.setattr(classifier, "IMAGES_SHOWN", 30 * classifier.BATCH)
    counts = []
    for size in (32, 64):
        fractions = []
        train_classifier(
            torch.zeros(20, 1, size, size, dtype=torch.uint8), torch.arange(20) % 2, 2, progress=fractions.append
        )
        counts.append(len(fractions))
    assert counts == [30, 10]
