"""Run examples/start.ipynb, and write what it shows into it: ``python examples/run_start.py``.

Its cells run in a folder of their own, which is removed; progress bars are left out of what is kept, and figures are small.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).with_name("start.ipynb")


def run(notebook: Path = NOTEBOOK, timeout: int = 600) -> Any:
    """The notebook with its outputs; raises the error of a cell that fails."""
    content = nbformat.read(notebook, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(content, timeout=timeout, resources={"metadata": {"path": folder}}).execute()
    return content


def lighten(content: Any) -> Any:
    """Without what differs from run to run or machine to machine."""
    content.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    for number, cell in enumerate(content.cells):
        cell.metadata = {}
        cell["id"] = f"cell-{number}"
        for output in cell.get("outputs", ()):
            output.pop("metadata", None) if output.output_type == "stream" else output.update(metadata={})
            if "text" in output:
                output.text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output.text)
    return content


def main() -> int:
    """Write it."""
    nbformat.write(lighten(run()), NOTEBOOK)
    print(f"{NOTEBOOK}: {NOTEBOOK.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
