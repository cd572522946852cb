"""Classes from a file: ``logan data prepare --labels``."""

import numpy as np
import pytest
import torch

from logan.data.labels_file import take_labels
from logan.data.layout import Layout
from logan.errors import InputError


@pytest.fixture
def classes(tmp_path):
    """The class of each image, as a file of this text gives it."""

    def taken(text, *names):
        path = tmp_path / "labels.txt"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        layout = Layout(sorted(names))
        take_labels(layout, path)
        assert layout.labels.dtype == torch.int64
        assert layout.class_names == sorted(set(layout.class_names))
        return {n: layout.class_names[k] for n, k in zip(layout.names, layout.labels.tolist(), strict=True)}

    return taken


@pytest.mark.parametrize(
    ("line", "image", "label"),
    [
        ("1.png,cat", "1.png", "cat"),
        ("1.png, cat ", "1.png", "cat"),
        ("1.png\tcat", "1.png", "cat"),
        ("1.png cat", "1.png", "cat"),
        ("1,cat", "1.png", "cat"),
        ("1.png,cat", "1.JPEG", "cat"),  # converted since
        ("1.png,golden retriever", "1.png", "golden retriever"),
        ("1.png\tgolden retriever", "1.png", "golden retriever"),
        ("1.png golden retriever", "1.png", "golden retriever"),
        ('1.png, "retriever, golden"', "1.png", "retriever, golden"),
        ("1.png\tretriever, golden", "1.png", "retriever, golden"),
        ("1.png,cat,0.9", "1.png", "cat"),
        ('1.png,5" disk', "1.png", '5" disk'),
        ("my photo.png,cat", "my photo.png", "cat"),
        ("my photo\tcat", "my photo.png", "cat"),
        ('"a,b.png",cat', "a,b.png", "cat"),
        ("v.1 cat", "v.1", "cat"),
        ("v.1 cat", "v.1.png", "cat"),
        ("v.1.png,cat", "v.1.png", "cat"),
        ("1.png,n01751748 111 108 230 190", "1.png", "n01751748"),
        ("1.png,n01751748 1 2 3 4 n01751748 5 6 7 8 ", "1.png", "n01751748"),
        ("1 n01751748 1 2 3 4", "1.png", "n01751748"),
        ("1.png,n01751748 sea snake", "1.png", "n01751748 sea snake"),
        ("1.png,route 66", "1.png", "route 66"),
        ("./a/1.png,cat", "a/1.png", "cat"),
        ("a\\1.png,cat", "a/1.png", "cat"),
        ("/home/me/a/1.png,cat", "a/1.png", "cat"),
        ("1.png,cat", "val/1.png", "cat"),
        (b"\xef\xbb\xbf1.png,cat\r\n", "1.png", "cat"),
        (b"2.png,dog\r1.png,cat\r", "1.png", "cat"),
    ],
)
def test_a_line(classes, line, image, label):
    assert classes(line, image) == {image: label}


def test_classes_that_share_their_first_word_stay_apart(classes):
    found = classes("1.png,golden retriever\n2.png,golden eagle\n", "1.png", "2.png")
    assert found == {"1.png": "golden retriever", "2.png": "golden eagle"}


@pytest.mark.parametrize("text", ["a/1.png,cat\nb/1.png,dog", "a/1,cat\nb/1,dog", "x/a/1.png,cat\nx/b/1.png,dog"])
@pytest.mark.parametrize("folder", ["", "val/"])
def test_one_name_in_two_folders(classes, text, folder):
    names = [f"{folder}a/1.png", f"{folder}b/1.png"]
    assert classes(text, *names) == dict(zip(names, ("cat", "dog"), strict=True))


def test_one_name_with_two_suffixes(classes):
    assert classes("1.png,cat\n1.jpg,dog", "1.png", "1.jpg") == {"1.png": "cat", "1.jpg": "dog"}
    assert classes("1.png,cat\n1.jpg,dog", "1.png") == {"1.png": "cat"}
    assert classes("a/1,cat\n1,dog", "a/1.png", "1.png") == {"a/1.png": "cat", "1.png": "dog"}


def test_other_lines_do_no_harm(classes):
    text = "ImageId,PredictionString\n\n7.png,dog\n1.png,\n1.png,cat\n1.png,cat\n"
    assert classes(text, "1.png") == {"1.png": "cat"}


@pytest.mark.parametrize(
    ("text", "images", "message"),
    [
        (
            "1.png,cat",
            ["a/1.png", "b/1.png"],
            r"line 1 \(name '1.png', class 'cat'\) fits both a/1.png and b/1.png; give each a line",
        ),
        ("1,cat", ["1.jpg", "1.png"], "fits both 1.jpg and 1.png"),
        ("a/1.png,cat", ["a/1.png", "b/1.png"], "fits both a/1.png and b/1.png"),
        (
            "a/1.png,cat\nb/1.png,dog",
            ["1.png"],
            r"line 1 \(name 'a/1.png', .*\) and line 2 \(name 'b/1.png', .*\) fit 1.png; give it a single line",
        ),
        ("1.png,cat\n1.png,dog", ["1.png"], "both line 1 .* and line 2 .* fit 1.png"),
        ("1.png,cat", ["1.png", "2.png"], "has no class for 2.png; .* line 1 was read as the name '1.png' and the"),
        (
            "2.png,dog\n1.png,",
            ["1.png", "2.png"],
            "no class for 1.png; .* line 2 was read as the name '1.png' and no class",
        ),
        ("1.png;cat", ["1.png"], "with a comma, a tab or else the first space .* the name '1.png;cat' and no class"),
        ("my photo.png cat", ["my photo.png"], "the name 'my' and the class 'photo.png cat'"),
        ("v.1 cat", ["v.png"], "has no class for v.png"),
        ("", ["1.png"], "has no class for 1.png; it is empty"),
        ('2.png,dog\n1.png,"cat\n' + "3.png,dog\n" * 20_000, ["1.png"], "line 2 cannot be read .* mend its quotes"),
        ("1.png," + "c" * 200_000, ["1.png"], "line 1 cannot be read .*field limit"),
        ("1.png " + "c" * 9999 + "\n1.png cat", ["1.png"], "both line 1 .*….* and line 2 .* fit 1.png"),
        (b"\xff\xfe1", ["1.png"], "it is not text"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(classes, text, images, message):
    with pytest.raises(InputError, match=message) as caught:
        classes(text, *images)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_file_that_is_no_list(classes, monkeypatch):
    monkeypatch.setattr("logan.data.labels_file.MOST_TEXT", 10)
    with pytest.raises(
        InputError, match=r"labels.txt: larger than the 10 bytes that are read of such a file; a line is"
    ):
        classes("1.png,cat\n\n", "1.png")


def test_numbers_of_thousands_of_digits(classes, tmp_path):
    savemat = pytest.importorskip("scipy.io", reason="scipy is not installed").savemat
    kinds = [("ILSVRC2012_ID", object), ("WNID", object)]
    savemat(tmp_path / "meta.mat", {"synsets": np.array([(1, "n1")] * 2, dtype=kinds).reshape(-1, 1)})
    assert classes("1\n", "a.png") == {"a.png": "n1"}
    with pytest.raises(InputError, match="has the number 99999999999999999999, which meta.mat does not know"):
        classes("9" * 5000, "a.png")


def test_a_meta_mat_that_is_a_bomb(classes, tmp_path):
    with open(tmp_path / "meta.mat", "wb") as file:
        file.truncate(2**30)
    with pytest.raises(InputError, match="meta.mat is larger than the 8 MiB that are read of it"):
        classes("1\n", "a.png")
