"""`import logan` is light, and every public room can be reached from it."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import logan


def test_every_room_is_reachable_and_none_is_imported_before_it_is_asked_for():
    code = (
        "import sys, logan\n"
        "assert 'torch' not in sys.modules, 'import logan imports torch'\n"
        "for name in dir(logan):\n"
        "    assert getattr(logan, name) is not None, name\n"
        "assert {'networks', 'losses', 'metrics', 'presets', 'dynamics', 'sampling'} <= set(dir(logan))\n"
        "assert logan.presets.get('ring').data.data == 'ring'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_is_an_attribute_error():
    assert not hasattr(logan, "nonsense")


def test_no_file_name_stands_for_two_things():
    names = Counter(path.name for path in Path(logan.__file__).parent.rglob("*.py"))
    assert [name for name, count in names.items() if count > 1] == ["__init__.py"]
