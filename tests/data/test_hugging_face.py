"""Sets of Hugging Face that lack something, with a stand-in for ``datasets``; whole ones are in test_prepare.py."""

import io
import sys
from types import ModuleType, SimpleNamespace

import pytest
from PIL import Image

from logan.data import open_data
from logan.data.dataset import BrokenImage
from logan.data.hugging_face import Rows, open_hugging_face
from logan.data.prepare import prepare
from logan.errors import InputError


class StandIn:
    """As much of ``datasets.Dataset`` as is used."""

    def __init__(self, datasets, images, labels):
        self.columns = {"image": images, "label": labels}
        self.features = {"image": datasets.Image(), "label": datasets.ClassLabel()}

    def cast_column(self, column, feature):
        return self

    def __len__(self):
        return len(self.columns["image"])

    def __getitem__(self, key):
        return self.columns[key] if isinstance(key, str) else {k: v[key] for k, v in self.columns.items()}


@pytest.fixture
def holds(monkeypatch):
    """Lets any name on the Hub stand for these rows."""

    def put(images, labels):
        datasets = ModuleType("datasets")
        datasets.Image = type("Image", (), {"__init__": lambda self, decode=True: None})
        datasets.ClassLabel = type("ClassLabel", (), {"names": ["zebra", "ant"]})
        datasets.load_dataset = lambda name, split: StandIn(datasets, images, labels)
        monkeypatch.setitem(sys.modules, "datasets", datasets)

    return put


def png():
    data = io.BytesIO()
    Image.new("RGB", (8, 8)).save(data, format="png")
    return data.getvalue()


EMPTY = [None, {"bytes": None, "path": None}]


@pytest.mark.parametrize("value", EMPTY)
def test_a_row_without_an_image_is_a_broken_one(value):
    with pytest.raises(BrokenImage, match="00000001: the row has no image"):
        Rows([{"image": {"bytes": b"x", "path": None}}, {"image": value}], "image").read("00000001")


def test_rows_with_a_path(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    rows = [{"image": {"bytes": None, "path": str(tmp_path / n)}} for n in ("a.png", "b.png")]
    assert Rows(rows, "image").read("00000000") == b"x"
    with pytest.raises(BrokenImage, match="b.png: cannot be read"):
        Rows(rows, "image").read("00000001")


def test_rows_without_an_image_are_left_out_by_name(holds, tmp_path):
    holds([EMPTY[0], {"bytes": png(), "path": None}, EMPTY[1]], [0, 1, 0])
    made = prepare("hf:some/set", tmp_path / "o.zip", size=8)
    assert (made.images, made.left_out) == (1, [f"0000000{i}: the row has no image" for i in (0, 2)])
    assert open_data(str(tmp_path / "o.zip")).labels.tolist() == [1]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, None, None], r"rows without a class \(the first is row 1\): filter them out"),
        ([0, -1, 1], "images without a class"),
        ([], "has no rows: take another `split`"),
    ],
)
def test_rows_without_a_class(holds, labels, message):
    holds([{"bytes": png(), "path": None}] * len(labels), labels)
    with pytest.raises(InputError, match=message):
        open_hugging_face("some/set", "train")


def test_a_pipe_is_not_waited_for(tmp_path):
    (tmp_path / "a.png").mkdir()
    with pytest.raises(BrokenImage, match="a.png: is not a file"):
        Rows([{"image": {"bytes": None, "path": str(tmp_path / "a.png")}}], "image").read("00000000")


def test_no_set_runs_a_script_of_its_own(holds):
    holds([{"bytes": png(), "path": None}], [0])
    sys.modules["datasets"].config = SimpleNamespace(HF_DATASETS_TRUST_REMOTE_CODE=True)
    open_hugging_face("some/set", "train")
    assert sys.modules["datasets"].config.HF_DATASETS_TRUST_REMOTE_CODE is False


def test_an_image_of_a_row_that_is_a_bomb(tmp_path):
    with open(tmp_path / "a.png", "wb") as file:
        file.truncate(2**40)
    with pytest.raises(BrokenImage, match="a.png: 1024 GiB, and of such a file 256 MiB are read"):
        Rows([{"image": {"bytes": None, "path": str(tmp_path / "a.png")}}], "image").read("00000000")
