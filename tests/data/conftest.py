"""A folder as ImageNet's is."""

import pytest

from tests.data.imagenet_like import imagenet, write_folder


@pytest.fixture
def folder(tmp_path):
    write_folder(tmp_path / "ILSVRC" / "Data" / "CLS-LOC" / "train", imagenet())
    (tmp_path / "ILSVRC" / "Annotations").mkdir()
    (tmp_path / "ILSVRC" / "Annotations" / "x.xml").write_text("<a/>")
    return tmp_path / "ILSVRC"
