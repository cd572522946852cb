"""The ``logan`` command: one thin file per sub-command."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from logan import __version__, errors
from logan.cli.front import COMMANDS, page, unknown_command
from logan.cli.hints import plain_dashes
from logan.cli.streams import only_text, print_what_can_be
from logan.errors import AlarmError, InputError, SaidElsewhereError, with_settings
from logan.interrupts import interrupts, leaving_the_process


def main(argv: Sequence[str] | None = None) -> int:
    """Run a sub-command. Bad input: one line on standard error, exit status 2, no traceback."""
    args = [plain_dashes(arg) for arg in (sys.argv[1:] if argv is None else argv)]
    print_what_can_be(sys.stdout, sys.stderr)
    with only_text():
        return _main(args)


def _main(args: list[str]) -> int:
    before, errors.wording = errors.wording, in_flags
    if args[:1] == ["help"]:  # `logan help train`
        args = [*args[1:2], "--help"]
    try:
        if not args or args[0] in ("-h", "--help", "--help-all"):
            print(page(), flush=True)
            return 0
        if args[0] in ("-V", "--version"):
            print(f"logan {__version__}")
            return 0
        if args[0] not in COMMANDS:
            raise InputError(unknown_command(args))
        with leaving_the_process(b"logan: interrupted\n", 130):
            command = importlib.import_module(f"logan.cli.{args[0]}")
        with interrupts():
            return command.main(args[1:])
    except SaidElsewhereError:
        return 2
    except AlarmError as error:
        if str(error):  # else rank 0 says it
            _print_error(in_flags(str(error)))
        return 3
    except InputError as error:
        return _fail(str(error))
    except BrokenPipeError:  # `logan train --dry-run | head`
        return 0
    except OSError as error:  # a full disk, a missing permission, an impossible file name
        return _fail(f"{error.strerror or error}: {error.filename or 'a file'}; what was on disk before is whole")
    except (MemoryError, RuntimeError) as error:
        if not (isinstance(error, MemoryError) or "allocate memory" in str(error) or "out of memory" in str(error)):
            raise
        if args[0] == "data":
            return _fail("out of memory while images were read; leave the largest out, or free some")
        return _fail("out of memory; try --batch-gpu or --checkpointing, or a smaller --batch, --width or --image-size")
    except KeyboardInterrupt:
        _print_error("interrupted")
        return 130
    finally:
        errors.wording = before
        _flush()


def in_flags(message: str) -> str:
    """What the library says, with its settings as the flags that they are here: `d_steps` as --d-steps."""
    return with_settings(message, lambda name: "--" + name.replace("_", "-"))


def _fail(message: str) -> int:
    line = " ".join(in_flags(message).split()).encode("utf-8", "replace").decode()
    _print_error(f"error: {line}")
    return 2


def _print_error(line: str) -> None:
    """To a terminal that may be gone, or a file on a full disk."""
    try:
        print(f"logan: {line}", file=sys.stderr, flush=True)
    except OSError:
        sys.stderr = None


def _flush() -> None:
    """What a terminal that is gone, or a full disk, does not take is dropped, so that Python does not try once more at its end."""
    for name in ("stdout", "stderr"):
        try:
            getattr(sys, name).flush()
        except (OSError, AttributeError):
            setattr(sys, name, None)


if __name__ == "__main__":
    sys.exit(main())
