"""Completion as the shells do it: the script is sourced, and asked for candidates."""

import os
import shutil
import subprocess

import pytest

from logan.cli.front import COMMANDS, load_commands
from logan.cli.main import main
from logan.cli.shells import SCRIPTS

ASK = {
    "bash": """
source "$SCRIPT"
COMP_WORDS=({words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_logan
printf '%s\\n' "${{COMPREPLY[@]}}"
""",
    # What zsh's completion system would be given, and then compares with what was typed.
    "zsh": """
function compadd {{ for a in "$@"; do [[ $a != -- && $a == ${{words[CURRENT]#*=}}* ]] && print -r -- "$a"; done }}
function _files {{ for a in ${{words[CURRENT]}}*(N); do print -r -- "$a"; done }}
function compset {{ }}
source "$SCRIPT"
words=({words})
CURRENT=$#words
_logan
""",
    "fish": """
source "$SCRIPT"
complete -C {line}
""",
}


@pytest.fixture(scope="module", params=["bash", "zsh", "fish"])
def shell(request, tmp_path_factory):
    program = os.environ.get(f"LOGAN_TEST_{request.param.upper()}") or shutil.which(request.param)
    if program is None:
        pytest.skip(f"there is no {request.param} here")
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "script").write_text(SCRIPTS[request.param](load_commands()), encoding="utf-8")
    for name in ("photos.zip", "photos of cats.zip", "digits-of-mine"):
        (folder / name).touch()

    def ask(line: str) -> list[str]:
        words = " ".join(f"'{word}'" for word in line.split(" "))
        code = ASK[request.param].format(words=words, line=f"'{line}'")
        command = [program, "-c", code] if request.param != "fish" else [program, "-N", "-c", code]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=folder,
            env=os.environ | {"SCRIPT": str(folder / "script")},
            check=False,
        )
        assert done.stderr == ""
        return [candidate.split("\t")[0] for candidate in done.stdout.splitlines() if candidate]

    ask.name = request.param
    return ask


@pytest.mark.parametrize(
    ("line", "candidates"),
    [
        ("logan tr", ["train"]),
        ("logan data pre", ["prepare"]),
        ("logan bench ", ["step", "profile"]),
        ("logan train --latent ", ["none", "cs", "gd", "ngd"]),
        ("logan train --latent n", ["none", "ngd"]),
        ("logan train --kimg ", []),
        ("logan train --penalty-", ["--penalty-in"]),
        ("logan train --kimg 3 --penalty-", ["--penalty-in"]),
        ("logan train --data photos", ["photos.zip", "photos of cats.zip"]),
        ("logan train --data di", ["digits", "digits-of-mine"]),
        ("logan sample photos.z", ["photos.zip"]),
        ("logan reproduce figure5", ["figure5a", "figure5b"]),
        ("logan compare --methods ng", ["ngd"]),
        ("logan compare --plan", []),
        ("logan reproduce table2 --plan", ["--plan-only"]),
        ("logan completion f", ["fish"]),
        ("logan plan --device-name h1", ["h100"]),
        ("logan data prepare --enl", ["--enlarge"]),
    ],
)
def test_candidates(shell, line, candidates):
    assert sorted(shell(line)) == sorted(candidates)


def test_flags_are_those_of_the_command_alone(shell):
    trained, sampled = set(shell("logan train --")), set(shell("logan sample --"))
    assert {"--latent", "--kimg", "--help", "--help-all"} <= trained
    assert {"--trunc", "--labels", "--force"} <= sampled
    assert not {"--kimg", "--alpha", "--resume"} & sampled
    assert all(flag.startswith("--") and " " not in flag for flag in trained | sampled)


def test_several_values_of_one_flag(shell):
    assert shell("logan train --metrics fid10k is") == ["is10k"]
    assert shell("logan train --metrics fid10k is10k kid") == ["kid10k"]
    assert shell("logan train --kimg 3 --metrics fid10k is") == ["is10k"]
    assert shell("logan train --metrics fid10k --metric-") == ["--metric-latent-steps"]
    assert shell("logan compare --methods ngd no") == ["none"]
    assert "fid10k" not in shell("logan train --metrics fid10k --kimg 3 ")  # another flag ends it


def test_all_commands_are_registered_by_one_script(capsys):
    for name in SCRIPTS:
        assert main(["completion", name]) == 0
        script = capsys.readouterr().out
        assert (
            script.count(
                "complete -F" if name == "bash" else "compdef _logan" if name == "zsh" else "complete -c logan -f\n"
            )
            == 1
        )
        for command in COMMANDS:
            assert command in script


def test_bash_with_an_equals_sign(shell):
    """Bash makes three words of --preset=ri."""
    if shell.name == "bash":
        assert shell("logan train --preset = ri") == ["ring"]
        assert "ring" in shell("logan train --preset =")
    if shell.name in ("zsh", "fish"):
        assert [c.rpartition("=")[2] for c in shell("logan train --preset=ri")] == ["ring"]


def test_another_shell_is_refused(capsys):
    assert main(["completion", "tcsh"]) == 2
    assert "SHELL is one of bash, zsh, fish, not 'tcsh'" in capsys.readouterr().err
