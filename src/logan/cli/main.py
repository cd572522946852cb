"""The ``logan`` command: one thin file per sub-command."""

from __future__ import annotations

import errno
import importlib
import sys
from collections.abc import Sequence

from logan import __version__
from logan.errors import InputError, did_you_mean

COMMANDS = {
    "train": "train a GAN with latent optimisation, or go on with a run",
    "sample": "draw images from a trained generator",
}

DISK_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a sub-command. Bad input: one line on standard error, exit status 2, no traceback."""
    args = list(sys.argv[1:] if argv is None else argv)
    try:
        if not args or args[0] in ("-h", "--help"):
            print(_help())
            return 0
        if args[0] == "--version":
            print(f"logan {__version__}")
            return 0
        if args[0] not in COMMANDS:
            hint = did_you_mean(args[0], list(COMMANDS))
            raise InputError(f"unknown command {args[0]!r}{hint}; commands: {', '.join(COMMANDS)}")
        return importlib.import_module(f"logan.cli.{args[0]}").main(args[1:])
    except InputError as error:
        print(f"logan: error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # `logan train --dry-run | head`
        return 0
    except OSError as error:
        if error.errno not in DISK_TROUBLE:
            raise
        print(
            f"logan: error: cannot write ({error}); what was on disk is whole: make room and --resume", file=sys.stderr
        )
        return 2
    except KeyboardInterrupt:
        print("logan: interrupted", file=sys.stderr)
        return 130


def _help() -> str:
    rows = "\n".join(f"  {name:<10} {what}" for name, what in COMMANDS.items())
    return f"logan {__version__}: latent optimisation for GANs\n\nlogan COMMAND --help\n\n{rows}"


if __name__ == "__main__":
    sys.exit(main())
