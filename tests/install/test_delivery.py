"""Dockerfile and workflows name what is there, and are what Docker and GitHub read."""

from __future__ import annotations

import fnmatch
import re
import shlex

import pytest
import yaml

from tests.install.project import PROJECT, ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def instructions() -> list[tuple[str, str]]:
    """Of the Dockerfile, lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [tuple(line.split(maxsplit=1)) for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def test_docker_copies_what_is_there_and_not_kept_out():
    """``.dockerignore`` keeps all out but what it lists."""
    let_in = {
        line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line.startswith("!")
    }
    copied = [name for kind, rest in instructions() if kind == "COPY" for name in rest.split()[:-1]]
    assert set(copied) == let_in
    for name in copied:
        assert (ROOT / name).exists(), name


def test_docker_copies_what_the_build_reads():
    copied = [name for kind, rest in instructions() if kind == "COPY" for name in rest.split()[:-1]]
    for name in [PROJECT["readme"], "pyproject.toml", "src/logan", *PROJECT["license-files"]]:
        assert any(name == one or name.startswith(f"{one}/") for one in copied), name


def test_docker_runs_what_the_package_brings():
    kinds = dict(instructions())
    assert kinds["ENTRYPOINT"] == '["logan"]'
    assert "logan" in PROJECT["scripts"]
    arguments = dict(re.findall(r"^ARG (\w+)=(.*)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(arguments["EXTRAS"].split(",")) <= set(PROJECT["optional-dependencies"])
    assert (
        arguments["TORCH"]
        == re.search(r"^TORCH +\?= torch==([\d.]+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    )
    minor = arguments["PYTHON"]
    assert f"Programming Language :: Python :: {minor}" in PROJECT["classifiers"]


def test_docker_ends_as_nobody_special():
    users = [rest for kind, rest in instructions() if kind == "USER"]
    assert users
    assert users[-1].isdecimal()
    assert int(users[-1]) >= 1000


def test_workflows_are_found():
    assert {path.name for path in WORKFLOWS} == {"ci.yml", "release.yml"}


def loaded(path):
    value = yaml.safe_load(path.read_text(encoding="utf-8"))
    value["on"] = value.pop(True, value.get("on"))  # YAML 1.1 takes the word for a truth
    return value


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_the_form_that_github_reads(path):
    flow = loaded(path)
    assert set(flow) <= {"name", "on", "permissions", "concurrency", "env", "jobs"}
    assert flow["on"]
    assert flow["permissions"] == {"contents": "read"}  # jobs ask for more by themselves
    for name, job in flow["jobs"].items():
        assert set(job) <= {
            "name", "needs", "runs-on", "strategy", "timeout-minutes", "environment", "permissions", "steps"
        }, name  # fmt: skip
        needs = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
        assert set(needs) <= set(flow["jobs"])
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step), (name, step)
            assert set(step) <= {"name", "uses", "run", "with", "env"}, (name, step)
            if "uses" in step:
                assert re.fullmatch(r"[\w-]+/[\w-]+@[\w./-]+", step["uses"]), step


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_runs_what_is_there(path):
    for job in loaded(path)["jobs"].values():
        for step in job["steps"]:
            for line in step.get("run", "").splitlines():
                words = shlex.split(re.sub(r"\$\{\{.*?\}\}", "x", line))
                if words[0] == "make":
                    assert set(words[1:]) <= TARGETS, line
                for word in words:
                    if "constraints" in word:
                        assert (ROOT / word).exists(), line
            depends = step.get("with", {}).get("cache-dependency-path")
            assert depends is None or (ROOT / depends).exists()


def test_every_python_and_system_is_tried():
    matrix = loaded(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["test"]["strategy"]["matrix"]
    named = [
        m[1] for c in PROJECT["classifiers"] if (m := re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", c))
    ]
    assert matrix["python"] == named
    for system in ("ubuntu", "macos", "windows"):
        assert fnmatch.filter(matrix["os"], f"{system}-*")


def test_publishing_has_no_password():
    """And only the job that publishes may ask for a token."""
    jobs = loaded(ROOT / ".github" / "workflows" / "release.yml")["jobs"]
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert "secrets." not in (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    assert jobs["publish"]["needs"] == "build"
