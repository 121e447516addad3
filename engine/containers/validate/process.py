"""The program: hostname, environment, working directory, signals, health check, restart policy."""

import re

from engine.containers import signals
from engine.containers.model import Config, Healthcheck, HostConfig, RestartPolicy, Ulimit
from engine.containers.rotation import rotation
from engine.errors import InvalidArgument, Unsupported

RLIMITS = frozenset(
    "core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending"
    " stack".split()
)
RUNTIMES = ("", "berth")
LOG_DRIVERS = ("", "json-file")

_HOST = re.compile(
    r"[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*"
)
_RESTARTS = ("", "no", "always", "unless-stopped", "on-failure")
_MILLISECOND = 1_000_000


def check(config: Config, host: HostConfig) -> tuple[str, ...]:
    _check_hostname(config.hostname)
    _check_env(config.env)
    if config.working_dir and not config.working_dir.startswith("/"):
        raise InvalidArgument(
            f"the working directory '{config.working_dir}' is invalid, it needs to be an absolute"
            " path"
        )
    if config.stop_signal:
        signals.parse(config.stop_signal)
    check_healthcheck(config.healthcheck)
    check_restart(host.restart_policy)
    if host.auto_remove and host.restart_policy.name not in ("", "no"):
        raise InvalidArgument("can't create 'AutoRemove' container with restart policy")
    for ulimit in host.ulimits:
        check_ulimit(ulimit)
    if host.runtime not in RUNTIMES:
        raise InvalidArgument(f"unknown or invalid runtime name: {host.runtime}")
    return _check_logging(host)


def check_restart(policy: RestartPolicy) -> None:
    """Raises InvalidArgument for an unknown policy or a count that does not go with it."""
    count = policy.maximum_retry_count
    if policy.name not in _RESTARTS:
        raise InvalidArgument(
            f"invalid restart policy: unknown policy '{policy.name}'; use one of 'no', 'always',"
            " 'on-failure', or 'unless-stopped'"
        )
    if count < 0:
        raise InvalidArgument("invalid restart policy: maximum retry count cannot be negative")
    if count and policy.name != "on-failure":
        raise InvalidArgument(
            "invalid restart policy: maximum retry count can only be used with 'on-failure'"
        )


def check_ulimit(ulimit: Ulimit) -> None:
    """-1 is no limit."""
    if ulimit.name not in RLIMITS:
        raise InvalidArgument(f"invalid ulimit type: {ulimit.name}")
    soft, hard = ulimit.soft, ulimit.hard
    if hard != -1 and (soft > hard or soft == -1):
        raise InvalidArgument(
            f"ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"
        )


def check_healthcheck(health: Healthcheck | None) -> None:
    if health is None:
        return
    if health.test and health.test[0] not in ("NONE", "CMD", "CMD-SHELL"):
        raise InvalidArgument(f"unknown healthcheck test type: {health.test[0]}")
    durations = {
        "Interval": health.interval,
        "Timeout": health.timeout,
        "StartPeriod": health.start_period,
        "StartInterval": health.start_interval,
    }
    for name, value in durations.items():
        if value and value < _MILLISECOND:
            raise InvalidArgument(f"{name} in Healthcheck cannot be less than 1ms")
    if health.retries < 0:
        raise InvalidArgument("Retries in Healthcheck cannot be negative")


def _check_hostname(hostname: str) -> None:
    if hostname and (len(hostname) > 63 or not _HOST.fullmatch(hostname)):
        raise InvalidArgument(f"invalid hostname format: {hostname}")


def _check_env(env: tuple[str, ...]) -> None:
    for entry in env:
        if not entry.partition("=")[0]:
            raise InvalidArgument(f"invalid environment variable: {entry}")


def _check_logging(host: HostConfig) -> tuple[str, ...]:
    if host.log_config.type not in LOG_DRIVERS:
        raise Unsupported(
            f"logger: no log driver named '{host.log_config.type}' is registered: berth writes"
            " CRI log files, leave the driver out"
        )
    rotation(host.log_config)
    return ()
