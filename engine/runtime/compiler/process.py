"""`process`, of a container or of an exec session, with what of the container it is confined by."""

from collections.abc import Mapping
from typing import Any

from engine.errors import InvalidArgument
from engine.runtime import capabilities, plan, rlimits, syscalls
from engine.runtime.fields import Fields

from . import labels, scheduling
from .namespaces import LARGEST_ID

_SETS = ("bounding", "effective", "permitted", "inheritable", "ambient")
_NOTHING = plan.ProcessExtras()


def compile_process(
    process: Any, config: Mapping[str, Any], warnings: list[str], called: tuple[str, str]
) -> plan.ExecPlan:
    """The process of `config`, under its seccomp policy. See `plan.compile`."""
    if process is None:
        raise InvalidArgument("process: missing")
    linux = Fields(config).object("linux")
    policy = linux.object("seccomp")
    program, flags = _seccomp(policy)
    return _compile(process, warnings, _shared(Fields(config), linux, called))._replace(
        seccomp=program, seccomp_flags=flags
    )


def compile_session(
    process: Any, warnings: list[str], config: Mapping[str, Any], called: tuple[str, str]
) -> plan.ExecPlan:
    """See `plan.compile_exec`."""
    if process is None:
        raise InvalidArgument("process: missing")
    fields = Fields(config)
    shared = _shared(fields, fields.object("linux"), called) if config else _NOTHING
    before, after = scheduling.affinity(Fields(process, "process"))
    return _compile(process, warnings, shared._replace(cpus_before=before, cpus=after))


def _compile(process: Any, warnings: list[str], shared: plan.ProcessExtras) -> plan.ExecPlan:
    fields = Fields(process, "process")
    user, size = fields.object("user"), fields.object("consoleSize")
    extras = _extras(fields, shared)
    return plan.ExecPlan(
        args=_args(fields),
        env=_env(fields),
        cwd=fields.absolute("cwd"),
        uid=user.number("uid", 0, 0, LARGEST_ID),
        gid=user.number("gid", 0, 0, LARGEST_ID),
        groups=tuple(user.numbers("additionalGids", 0, LARGEST_ID)),
        umask=user.number("umask", 0o022, 0, 0o777),
        terminal=fields.boolean("terminal"),
        rows=size.number("height", 0, 0, 65535),
        columns=size.number("width", 0, 0, 65535),
        no_new_privileges=fields.boolean("noNewPrivileges"),
        capabilities=_capabilities(fields, warnings),
        rlimits=_rlimits(fields, warnings),
        oom_score_adj=_oom_score(fields),
        seccomp=b"",
        seccomp_flags=0,
        extras=() if extras == _NOTHING else extras,
    )


def _args(fields: Fields) -> tuple[str, ...]:
    args = tuple(fields.texts("args"))
    if not args:
        raise InvalidArgument("process.args: must have at least one element")
    if not args[0]:
        raise InvalidArgument("process.args[0]: must not be empty")
    return args


def _env(fields: Fields) -> tuple[str, ...]:
    entries = tuple(fields.texts("env"))
    for index, entry in enumerate(entries):
        if entry.startswith("="):
            raise InvalidArgument(f"process.env[{index}]: must be NAME=value, got {entry!r}")
    return entries


def _capabilities(fields: Fields, warnings: list[str]) -> plan.Capabilities:
    """config.md: a capability that means nothing here is told, and is no reason to fail."""
    sets = fields.object("capabilities")
    masks = []
    for name in _SETS:
        names = sets.texts(name)
        known = [each for each in names if each in capabilities.BITS]
        for each in dict.fromkeys(names):
            if each not in capabilities.BITS:
                warnings.append(f"{sets.path}.{name}: unknown capability {each!r} is left out")
        masks.append(capabilities.mask(known))
    return plan.Capabilities(*masks)


def _rlimits(fields: Fields, warnings: list[str]) -> tuple[rlimits.Limit, ...]:
    limits = []
    privileged = bool(syscalls.capget()[0] & capabilities.SYS_RESOURCE)
    for each in fields.objects("rlimits"):
        kind = rlimits.number(each.text("type"))
        if kind is None:
            raise InvalidArgument(f"{each.path}.type: unknown limit {each.text('type')!r}")
        soft, hard = _limit(each, "soft"), _limit(each, "hard")
        if hard != rlimits.UNLIMITED and (soft == rlimits.UNLIMITED or soft > hard):
            raise InvalidArgument(f"{each.path}.soft: {soft} is above the hard limit {hard}")
        limits.append(
            rlimits.clamp((kind, soft, hard), rlimits.ceiling(kind, privileged), warnings)
        )
    kinds = [kind for kind, _, _ in limits]
    if len(set(kinds)) != len(kinds):
        raise InvalidArgument("process.rlimits: a limit is given twice")
    return tuple(limits)


def _limit(fields: Fields, name: str) -> int:
    value = fields.needed(name, -1, 2**64 - 1)
    return rlimits.UNLIMITED if value >= 2**63 else value


def _oom_score(fields: Fields) -> int | None:
    if fields.value.get("oomScoreAdj") is None:
        return None
    return fields.number("oomScoreAdj", 0, -1000, 1000)


def _seccomp(policy: Fields) -> tuple[bytes, int]:
    if not policy.value:
        return b"", 0
    from engine.runtime import seccomp  # heavy, and many processes never have a policy

    return seccomp.compile(policy.value), seccomp.filter_flags(policy.value)


# --- what few ask for --------------------------------------------------------------------------


def _extras(fields: Fields, shared: plan.ProcessExtras) -> plan.ProcessExtras:
    scheduling.affinity(fields)  # also of a container's process, which does not use it
    apparmor, selinux = labels.process_labels(fields)
    return shared._replace(
        io_priority=scheduling.io_priority(fields),
        scheduler=scheduling.scheduler(fields),
        apparmor=apparmor,
        selinux=selinux,
    )


def _shared(config: Fields, linux: Fields, called: tuple[str, str]) -> plan.ProcessExtras:
    """What holds for every process of the container."""
    return plan.ProcessExtras(
        personality=scheduling.personality(linux),
        listener=_listener(config, linux.object("seccomp"), called),
    )


def _listener(config: Fields, policy: Fields, called: tuple[str, str]) -> plan.Listener | tuple[()]:
    if not policy.value:
        return ()
    from engine.runtime import seccomp

    if not seccomp.notifies(policy.value):
        return ()
    path = policy.absolute("listenerPath")
    metadata = policy.text("listenerMetadata")
    annotations = tuple(config.words("annotations").items())
    return plan.Listener(path, metadata, *called, annotations)
