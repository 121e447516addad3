"""`python -m engine`: run, start, stop, status, doctor."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from engine.daemon.options import Options, add_arguments, from_arguments
from engine.errors import EngineError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status. What goes wrong is one line on standard error."""
    parser = _parser()
    parsed = parser.parse_args(arguments)
    try:
        return _COMMANDS[parsed.command][1](from_arguments(parsed))
    except EngineError as error:
        print(f"berth: {error}", file=sys.stderr)
    except OSError as error:
        words = error.strerror or error
        print(
            f"berth: {error.filename}: {words}" if error.filename else f"berth: {words}",
            file=sys.stderr,
        )
    return 1


def _run(options: Options) -> int:
    from engine.daemon import log, serve

    log.configure(options.log_level)
    if os.geteuid() == 0:
        return serve.run(options)
    from engine.daemon.rootless import enter

    entered = enter.enter(options)
    return serve.run(options, entered.warnings, entered.keeper)


def _start(options: Options) -> int:
    from engine.daemon import background

    return background.start(options)


def _stop(options: Options) -> int:
    from engine.daemon import background

    return background.stop(options)


def _status(options: Options) -> int:
    from engine.daemon import background

    return background.status(options)


def _doctor(options: Options) -> int:
    from engine.daemon import doctor

    return doctor.doctor(options)


_COMMANDS: dict[str, tuple[str, Callable[[Options], int]]] = {
    "run": ("run the engine in the foreground", _run),
    "start": ("start the engine in the background, unless it runs", _start),
    "stop": ("stop the engine; its containers keep running", _stop),
    "status": ("say what runs", _status),
    "doctor": ("say what this machine lacks, and how to get it", _doctor),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="berth engine", description="The berth engine.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (words, _) in _COMMANDS.items():
        add_arguments(commands.add_parser(name, help=words, description=words))
    return parser


if __name__ == "__main__":
    sys.exit(main())
