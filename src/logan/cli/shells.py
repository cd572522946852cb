"""Completion scripts: what may follow, as each shell has to be told.

All three find the command among the words before the cursor, the last flag, and how many words stand after that; then one
``case`` says what comes next. Nothing is run while a person types, so nothing is slow.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from logan.cli.command import Command
from logan.cli.flags import Flag
from logan.cli.help import in_short

Commands = Mapping[str, Sequence[Command[Any]]]
"""By the word after logan: one command, or the several below it."""


@dataclass(frozen=True)
class Place:
    """A place in a command line, and what may stand there.

    Attributes:
        pattern: of "COMMAND FLAG N", for the N-th word after the flag.
        words: what may be typed.
        files: or a file.
    """

    pattern: str
    words: tuple[str, ...]
    files: bool


def places(commands: Commands) -> Iterable[Place]:
    """Where values stand, from the special to the general."""
    tops = tuple(commands)
    for command in (c for several in commands.values() for c in several):
        flags = command.flags()
        for flag in flags:
            if flag.positional or (flag.switch and not flag.takes):
                continue
            last = "*" if flag.many and (flag.words or flag.is_path) else "1"
            yield Place(f'"{command.name} --{flag.name} "{last}', flag.words, flag.is_path)
        positional = [flag for flag in flags if flag.positional]
        words = tuple(word for flag in positional for word in flag.words)
        names = () if positional else tuple(f"--{flag.name}" for flag in flags)
        yield Place(f'"{command.name} "*', words or names, any(flag.is_path for flag in positional))
    for name, several in commands.items():
        if len(several) > 1:
            yield Place(f'"{name} "*', tuple(c.name.split()[-1] for c in several), False)
    yield Place('"help "*', tops, False)
    yield Place('" "*', (*tops, "help"), False)


def _flags_by_command(commands: Commands) -> Iterable[tuple[str, str]]:
    for command in (c for several in commands.values() for c in several):
        names = [f"--{flag.name}" for flag in command.flags() if not flag.positional]
        yield command.name, " ".join([*names, "--help", "--help-all"])


def _nested(commands: Commands) -> str:
    return "|".join(name for name, several in commands.items() if len(several) > 1) or "-"


def _cases(commands: Commands, act: Callable[[Place], str]) -> str:
    return "\n".join(f"        {place.pattern}) {act(place)} ;;" for place in places(commands))


def bash(commands: Commands) -> str:
    """For bash, from 3.2 on, which macOS has."""
    flags = "\n".join(f'            "{name}") words="{names}" ;;' for name, names in _flags_by_command(commands))
    cases = _cases(commands, lambda p: f"words={shlex.quote(' '.join(p.words))} files={'1' if p.files else ''}")
    return f"""\
# Completion of logan for bash: eval "$(logan completion bash)"
_logan() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} command="" flag="" words="" files="" n=0 i word
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${{COMP_WORDS[i]}}
        case $word in -*) break ;; esac
        command="${{command:+$command }}$word"
        case $word in {_nested(commands)}) ;; *) break ;; esac
    done
    for ((i = COMP_CWORD - 1; i > 0; i--)); do
        word=${{COMP_WORDS[i]}}
        [[ $word == "=" ]] && continue  # bash makes three words of --flag=value
        n=$((n + 1))
        [[ $word == --* ]] && {{ flag=$word; break; }}
    done
    [[ $cur == "=" ]] && cur=""
    COMPREPLY=()
    if [[ $cur == -* ]]; then
        case $command in
{flags}
            *) words="--help --version" ;;
        esac
    else
        case "$command $flag $n" in
{cases}
        esac
    fi
    while IFS= read -r word; do [[ -n $word ]] && COMPREPLY+=("$word"); done < <(compgen -W "$words" -- "$cur")
    if [[ -n $files ]]; then
        compopt -o filenames 2>/dev/null
        while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$cur")
    fi
}}
complete -F _logan logan
"""


def zsh(commands: Commands) -> str:
    """For zsh."""
    flags = "\n".join(f'            "{name}") compadd -- {names} ;;' for name, names in _flags_by_command(commands))

    def act(place: Place) -> str:
        added = f"compadd -- {' '.join(map(shlex.quote, place.words))}" if place.words else ""
        return "; ".join(part for part in (added, "_files" if place.files else "") if part) or ":"

    return f"""\
#compdef logan
# Completion of logan for zsh: source <(logan completion zsh), after compinit
_logan() {{
    local cur=${{words[CURRENT]}} command="" flag="" word
    local -i n=0 i
    for ((i = 2; i < CURRENT; i++)); do
        word=${{words[i]}}
        case $word in -*) break ;; esac
        command="${{command:+$command }}$word"
        case $word in {_nested(commands)}) ;; *) break ;; esac
    done
    for ((i = CURRENT - 1; i > 1; i--)); do
        n=$((n + 1))
        word=${{words[i]}}
        [[ $word == --* ]] && {{ flag=$word; break; }}
    done
    if [[ $cur == --*=* ]]; then
        flag=${{cur%%=*}} n=1
        compset -P '*='
        cur=""
    fi
    if [[ $cur == -* ]]; then
        case $command in
{flags}
            *) compadd -- --help --version ;;
        esac
    else
        case "$command $flag $n" in
{_cases(commands, act)}
        esac
    fi
}}
(( $+functions[compdef] )) && compdef _logan logan
"""


def fish(commands: Commands) -> str:
    """For fish, which shows what a flag does beside it."""
    lines = [
        "# Completion of logan for fish: logan completion fish > ~/.config/fish/completions/logan.fish",
        "function __logan_command",
        "    set -l found",
        "    for word in (commandline -opc)[2..-1]",
        "        string match -q -- '-*' $word; and break",
        "        set -a found $word",
        f"        contains -- $word {_nested(commands).replace('|', ' ')}; or break",
        "    end",
        '    echo "$found"',
        "end",
        "# The command and the last flag, behind which a value stands already.",
        "function __logan_after",
        "    set -l last",
        "    set -l values 0",
        "    for word in (commandline -opc)[2..-1]",
        "        if string match -q -- '--*' $word",
        "            set last $word",
        "            set values 0",
        "        else",
        "            set values (math $values + 1)",
        "        end",
        "    end",
        "    test $values -gt 0; or set last",
        "    echo (__logan_command) $last",
        "end",
        "complete -c logan -f",
        _fish_words("", [(name, several[0].about if several else "") for name, several in commands.items()]),
    ]
    for name, several in commands.items():
        if len(several) > 1:
            lines.append(_fish_words(name, [(c.name.split()[-1], c.about) for c in several]))
        for command in several:
            for flag in command.flags():
                lines.append(_fish_flag(command, flag))
                if flag.many and not flag.positional and (flag.words or flag.is_path):
                    lines.append(_fish_more_values(command, flag))
            lines += [f"{_fish_at(command.name)} -l {flag}" for flag in ("help", "help-all")]
    return "\n".join([*lines, ""])


def _fish_at(command: str) -> str:
    return f"complete -c logan -n 'test (__logan_command) = \"{command}\"'"


def _fish_words(at: str, words: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"{_fish_at(at)} -a {word} -d {_fish_quoted(about)}" for word, about in words)


def _fish_flag(command: Command[Any], flag: Flag) -> str:
    line, words = _fish_at(command.name), _fish_quoted(" ".join(flag.words))
    if flag.positional:
        return f"{line} {'-F' if flag.is_path else ''} {f'-a {words}' if flag.words else ''}"
    if flag.switch and not flag.takes:
        return f"{line} -l {flag.name} -d {_fish_quoted(flag.about)}"
    value = "-r -F" if flag.is_path else "-x"
    return f"{line} -l {flag.name} {value} {f'-a {words}' if flag.words else ''} -d {_fish_quoted(flag.about)}"


def _fish_more_values(command: Command[Any], flag: Flag) -> str:
    """Of a flag that takes several: fish completes the first itself, and takes those behind it for words without a flag."""
    at = f"complete -c logan -n 'test (__logan_after) = \"{command.name} --{flag.name}\"'"
    words = _fish_quoted(" ".join(flag.words))
    return f"{at} {'-F' if flag.is_path else ''} {f'-a {words}' if flag.words else ''}"


def _fish_quoted(text: str) -> str:
    short = in_short(text.partition("\n\n")[0].replace("\n", " "))
    return "'" + short.replace("\\", "\\\\").replace("'", "\\'") + "'"


SCRIPTS: dict[str, Callable[[Commands], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
