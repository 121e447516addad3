"""The command line: global flags, the verbs with theirs, help; each verb is loaded on demand."""

import sys

from engine.errors import EngineError, InvalidArgument
from engine.ociruntime import options
from engine.ociruntime.options import Option, Options
from engine.ociruntime.report import Report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Runner(Protocol):
        """What a verb's module has."""

        def run(self, call: "Call") -> int: ...


VERSION = "0.1.0"
PROGRAM = "berth-runtime"

GLOBAL = (
    Option("debug", bool, "accepted for compatibility; errors and warnings are always logged"),
    Option("log", str, "write errors and warnings to this file (default: stderr)"),
    Option("log-format", str, 'format of the log: "text" (default) or "json"'),
    Option("root", str, "directory for the state of containers, on a tmpfs"),
    Option("criu", str, "accepted for compatibility; checkpoints are not supported"),
    Option("systemd-cgroup", bool, 'linux.cgroupsPath has the form "slice:prefix:name"'),
    Option("cgroup-manager", str, 'as crun has it: "cgroupfs", "systemd", or "disabled" for none'),
    Option("rootless", str, 'ignore cgroup permission errors: "true", "false" or "auto"'),
    Option("help", bool, "show help", "h"),
    Option("version", bool, "print the version", "v"),
)

_HELP = Option("help", bool, "show help", "h")
_CONSOLE = Option("console-socket", str, "unix socket that is sent the pseudo terminal's master")
_PID_FILE = Option("pid-file", str, "write the process id to this file")
_PRESERVE = Option("preserve-fds", int, "pass N further descriptors (stdio + $LISTEN_FDS + N)")
_BUNDLE = Option("bundle", str, "the bundle's directory (default: the current one)", "b")
_DETACH = Option("detach", bool, "do not wait for the process", "d")
_CREATE = (
    _BUNDLE,
    _CONSOLE,
    _PID_FILE,
    Option("no-pivot", bool, "use chroot instead of pivot_root, for a root on a ramdisk"),
    Option("no-new-keyring", bool, "keep the caller's session keyring"),
    _PRESERVE,
)
_RUN = (
    *_CREATE,
    _DETACH,
    Option("keep", bool, "do not delete the container after it exits"),
    Option("no-subreaper", bool, "do not adopt the container's orphans"),
)
_EXEC = (
    _CONSOLE,
    Option("cwd", str, "working directory in the container"),
    Option("env", list, "set an environment variable", "e"),
    Option("tty", bool, "allocate a pseudo terminal", "t"),
    Option("user", str, "<uid>[:<gid>]", "u"),
    Option("additional-gids", list, "an additional group id", "g"),
    Option("process", str, "a file with the process to run", "p"),
    _DETACH,
    _PID_FILE,
    Option("process-label", str, "the SELinux label of the process"),
    Option("apparmor", str, "the AppArmor profile of the process"),
    Option("no-new-privs", bool, "set no_new_privs for the process"),
    Option("cap", list, "a capability to add to all sets of the process", "c"),
    _PRESERVE,
    Option("cgroup", list, "run in an existing sub-cgroup: [<controller>:]<path>"),
    Option("ignore-paused", bool, "also in a paused container"),
)
_UPDATE = (
    Option("resources", str, "a file with linux.resources as JSON, or - for stdin", "r"),
    Option("blkio-weight", int, "weight of block I/O, 10 to 1000"),
    Option("cpu-period", str, "CFS period in microseconds"),
    Option("cpu-quota", str, "CFS quota in microseconds of a period"),
    Option("cpu-share", str, "weight of CPU time"),
    Option("cpu-rt-period", str, "real-time period in microseconds"),
    Option("cpu-rt-runtime", str, "real-time quota in microseconds of a period"),
    Option("cpu-burst", str, "CFS burst in microseconds"),
    Option("cpu-idle", str, "1 for the idle scheduling policy"),
    Option("cpuset-cpus", str, "CPUs to use"),
    Option("cpuset-mems", str, "memory nodes to use"),
    Option("memory", str, "memory limit in bytes"),
    Option("memory-reservation", str, "soft limit in bytes"),
    Option("memory-swap", str, "memory and swap in bytes; -1 is unlimited"),
    Option("pids-limit", str, "how many processes; -1 is unlimited"),
)
_FORMAT = Option("format", str, 'select one of: "table" or "json"', "f")


class Verb:
    """One word of the command line. Arguments: how many at least, how many at most (-1: any)."""

    __slots__ = ("arguments", "least", "mixed", "module", "most", "options", "summary")

    def __init__(
        self,
        module: str,
        summary: str,
        arguments: str,
        count: "tuple[int, int]",
        known: "tuple[Option, ...]" = (),
        *,
        mixed: bool = True,
    ) -> None:
        self.module = module
        self.summary = summary
        self.arguments = arguments
        self.least, self.most = count
        self.options = (*known, _HELP)
        self.mixed = mixed


_ID = "<container-id>"
_ONE = (1, 1)
VERBS = {
    "create": Verb("create", "create a container", _ID, _ONE, _CREATE),
    "delete": Verb(
        "delete",
        "delete what a container holds",
        _ID,
        _ONE,
        (Option("force", bool, "kill it first if it runs; no container is no error", "f"),),
    ),
    "events": Verb(
        "events",
        "show a container's use of resources, and its OOM kills",
        _ID,
        _ONE,
        (
            Option("interval", str, "time between two readings (default: 5s)"),
            Option("stats", bool, "show one reading, and end"),
        ),
    ),
    "exec": Verb(
        "exec",
        "run a further process in a container",
        f"{_ID} <command> [argument ...]",
        (1, -1),
        _EXEC,
        mixed=False,
    ),
    "features": Verb("features", "show what is supported, as JSON", "", (0, 0)),
    "kill": Verb(
        "kill",
        "send a signal (default: SIGTERM) to a container's first process",
        f"{_ID} [signal]",
        (1, 2),
        (Option("all", bool, "to every process of the container", "a"),),
    ),
    "list": Verb(
        "listing",
        "list the containers of this root",
        "",
        (0, 0),
        (_FORMAT, Option("quiet", bool, "only the ids", "q")),
    ),
    "pause": Verb("pause", "stop every process of a container", _ID, _ONE),
    "ps": Verb(
        "ps",
        "show a container's processes",
        f"{_ID} [ps options]",
        (1, -1),
        (_FORMAT,),
        mixed=False,
    ),
    "resume": Verb("resume", "let a paused container's processes go on", _ID, _ONE),
    "run": Verb("run", "create a container and run it", _ID, _ONE, _RUN),
    "spec": Verb(
        "spec",
        "write a config.json to start from",
        "",
        (0, 0),
        (_BUNDLE, Option("rootless", bool, "for a container of a user without root")),
    ),
    "start": Verb("start", "run the program of a created container", _ID, _ONE),
    "state": Verb("state", "show a container's state", _ID, _ONE),
    "update": Verb("update", "change a container's limits", _ID, _ONE, _UPDATE),
}


def _module(verb: str) -> "Runner":
    """The module of a verb."""
    name = f"engine.ociruntime.verbs.{VERBS[verb].module}"
    __import__(name)
    found: Runner = sys.modules[name]
    return found


class Call:
    """One call: the global flags, the verb's flags, and where to report to."""

    __slots__ = ("common", "options", "report", "verb")

    def __init__(self, verb: str, common: Options, chosen: Options, report: Report) -> None:
        self.verb = verb
        self.common = common
        self.options = chosen
        self.report = report

    @property
    def container_id(self) -> str:
        return self.options.arguments[0]


def run(words: "list[str]") -> int:
    """Do what the words say; the exit code. An error is reported, and 1 unless a verb differs."""
    report = Report("", "text")
    try:
        common = options.parse(words, GLOBAL, mixed=False)
        report = _report(common)
        call = _call(common, report)
    except InvalidArgument as error:
        report.error(str(error))
        return 1
    if call is None:
        return 0
    try:
        return int(_module(call.verb).run(call))
    except EngineError as error:
        return _failed(call, str(error))
    except OSError as error:
        return _failed(call, describe(error))


def _version() -> None:
    from engine.ociruntime.record import OCI_VERSION

    print(f"{PROGRAM} version {VERSION}\nspec: {OCI_VERSION}")


def _failed(call: Call, text: str) -> int:
    prefix = _PREFIXES.get(call.verb, "")
    call.report.error(f"{prefix}{text}")
    return 255 if call.verb == "exec" else 1


_PREFIXES = {
    "create": f"{PROGRAM} create failed: ",
    "run": f"{PROGRAM} run failed: ",
    "exec": "exec failed: ",
}


def describe(error: OSError) -> str:
    """The kernel's words with the path, without Python's decoration."""
    text = error.strerror or str(error)
    return text if error.filename is None else f"{error.filename}: {text.lower()}"


def _report(common: Options) -> Report:
    form = common.text("log-format") or "text"
    if form not in {"text", "json"}:
        raise InvalidArgument(f"unknown log-format {form!r}")
    return Report(common.text("log"), form)


def _call(common: Options, report: Report) -> Call | None:
    """The call to make; None when help was what was wanted."""
    words = common.arguments
    if common.flag("version"):
        _version()
        return None
    if not words or words[0] in {"help", "h"} or common.flag("help"):
        _help(words[1:] if words and not common.flag("help") else [])
        return None
    name, verb = words[0], VERBS.get(words[0])
    if verb is None:
        raise InvalidArgument(f"no such command: {name}")
    chosen = options.parse(words[1:], verb.options, mixed=verb.mixed)
    if chosen.flag("help"):
        _help([name])
        return None
    _check_count(name, verb, len(chosen.arguments))
    return Call(name, common, chosen, report)


def _check_count(name: str, verb: Verb, count: int) -> None:
    if count < verb.least:
        raise InvalidArgument(f'"{name}" requires a minimum of {verb.least} argument(s)')
    if verb.most >= 0 and count > verb.most:
        raise InvalidArgument(f'"{name}" requires a maximum of {verb.most} argument(s)')


def _help(words: "list[str]") -> None:
    if words and words[0] in VERBS:
        verb = VERBS[words[0]]
        print(f"{PROGRAM} {words[0]} - {verb.summary}\n")
        print(f"usage: {PROGRAM} [global options] {words[0]} [options] {verb.arguments}\n")
        print(f"options:\n{options.describe(verb.options)}", end="")
        return
    print(f"{PROGRAM} - runs containers from OCI bundles\n")
    print(f"usage: {PROGRAM} [global options] command [options] [arguments]\n\ncommands:")
    for name, verb in VERBS.items():
        print(f"   {name:<10}  {verb.summary}")
    print(f"\nglobal options:\n{options.describe(GLOBAL)}", end="")
