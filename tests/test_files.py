"""Files are whole or not there."""

import pytest

from logan.files import write_atomically


def test_a_write_that_dies_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.txt"

    def dies(partial):
        partial.write_text("half")
        assert path.read_text() == "whole"
        raise OSError("the disk is full")

    write_atomically(path, lambda partial: partial.write_text("whole"))
    with pytest.raises(OSError, match="full"):
        write_atomically(path, dies)
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "whole"
