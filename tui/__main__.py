"""The ``berth`` command: arguments, and which part of the program they need.

Imports nothing heavy before it is known to be needed: ``berth --version`` must be instant.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

DESCRIPTION = "A container engine and the full-screen terminal that drives it."
EPILOG = """without a command: opens the terminal, starting an engine if none answers.
environment: DOCKER_HOST another engine (unix:///path, tcp://host:port);
BERTH_DATA_DIR, BERTH_RUN_DIR where berth's own engine keeps its things."""
Verb = Callable[[argparse.Namespace, Mapping[str, str]], Coroutine[Any, Any, int]]
TO_ENGINE = ("engine", "doctor")
VIEWS = ("containers", "images", "metrics", "node", "pods")


def parser() -> argparse.ArgumentParser:
    """Everything ``berth`` understands."""
    top = argparse.ArgumentParser(
        "berth",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="store_true", help="print berth's version")
    top.add_argument("-H", "--host", metavar="ADDRESS", help="another engine, as in DOCKER_HOST")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("engine", help="run, start, stop or ask for the engine", add_help=False)
    commands.add_parser("doctor", help="say what this machine lacks for containers", add_help=False)
    _add_lists(commands)
    _add_image(commands)
    _add_demo(commands)
    return top


def _add_lists(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    ps = commands.add_parser("ps", help="containers, with their figures, as a table")
    ps.add_argument("-a", "--all", action="store_true", help="stopped ones too")
    get = commands.add_parser("get", help="any view as text or JSON")
    get.add_argument("view", choices=VIEWS)
    form = get.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="JSON, for programs")
    form.add_argument("--table", action="store_true", help="a table, for people (the default)")


def _add_image(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    image = commands.add_parser("image", help="make, load, list and remove images")
    verbs = image.add_subparsers(dest="verb", metavar="VERB", required=True)
    host = verbs.add_parser("from-host", help="make an image of programs of this machine")
    host.add_argument("programs", nargs="+", metavar="PROGRAM")
    host.add_argument("--tag", default="host:latest", metavar="NAME", help="default: host:latest")
    load = verbs.add_parser("load", help="load what `docker save` or skopeo wrote")
    load.add_argument("file", metavar="FILE", help="an archive, or an OCI image layout directory")
    rootfs = verbs.add_parser("import", help="make an image of a root file system's tar")
    rootfs.add_argument("file", metavar="FILE", help="plain, gzip, zstd, bzip2 or xz")
    rootfs.add_argument("name", metavar="NAME")
    rootfs.add_argument(
        *("-c", "--change"),
        action="append",
        default=[],
        metavar="INSTRUCTION",
        help="a Dockerfile instruction, such as 'CMD [\"sh\"]'; may be repeated",
    )
    verbs.add_parser("ls", help="list images")
    remove = verbs.add_parser("rm", help="remove images")
    remove.add_argument("images", nargs="+", metavar="IMAGE")
    remove.add_argument("-f", "--force", action="store_true", help="even when it has other names")


def _add_demo(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    demo = commands.add_parser("demo", help="five live containers, to see every view at work")
    demo.add_argument("--headless", action="store_true", help="check them, print tables, clean up")
    demo.add_argument("--keep", action="store_true", help="with --headless: leave them running")
    demo.add_argument("--clean", action="store_true", help="take the demo's containers away")
    demo.add_argument(
        "--image", metavar="NAME", help="use this image, which has sh, sleep and date"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] in TO_ENGINE:
        return _engine(words)
    options = parser().parse_args(words)
    if options.version:
        return _version()
    if options.host:
        os.environ["DOCKER_HOST"] = options.host
    return _guarded(options)


def _engine(words: list[str]) -> int:
    """Becomes the engine's own command line, which this program never imports."""
    rest = words[1:] if words[0] == "engine" else words
    os.execv(sys.executable, [sys.executable, "-m", "engine", *rest])


def _version() -> int:
    from importlib.metadata import version

    print(f"berth {version('berth')}")
    return 0


def _guarded(options: argparse.Namespace) -> int:
    from tui.clients import ClientError
    from tui.commands.ensure import CannotStart

    try:
        return _run(options)
    except (ClientError, CannotStart, ValueError) as error:
        print(f"berth: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _run(options: argparse.Namespace) -> int:
    if options.command is None:
        return _tui()
    if options.command == "demo":
        return _demo(options)
    from tui.commands import run

    name = f"image_{options.verb}" if options.command == "image" else options.command
    verb: Verb = getattr(run, name.replace("-", "_"))
    return asyncio.run(verb(options, os.environ))


def has_terminal() -> bool:
    """Whether there is somebody to show a screen to: Textual reads stdin and draws on stderr."""
    return all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))


def _tui(notice: str = "") -> int:
    if not has_terminal():
        print(
            "berth: the full screen needs a terminal; without one use `berth ps`, "
            "`berth get VIEW` or `berth demo --headless`",
            file=sys.stderr,
        )
        return 2
    from tui.commands.ensure import ensure_engine

    said = [notice] if notice else []
    answering = asyncio.run(ensure_engine(os.environ, said.append))
    from tui.app import run

    return run(answering.endpoint, notice="\n".join(said))


def _demo(options: argparse.Namespace) -> int:
    from tui.commands import demo

    if options.clean:
        return asyncio.run(demo.clean(os.environ))
    if options.headless or not has_terminal():
        return asyncio.run(demo.headless(os.environ, image=options.image, keep=options.keep))
    notice = asyncio.run(demo.begin(os.environ, image=options.image))
    return _tui(notice)


if __name__ == "__main__":
    sys.exit(main())
