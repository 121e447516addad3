"""Config: what runs. Read from a create request, written by inspect of containers and images."""

from typing import Any

from engine.containers.model import Config, Healthcheck
from engine.dockerapi.fields import Fields
from engine.oci.image import ProcessDefaults


def read_config(fields: Fields) -> Config:
    return Config(
        image=fields.text("Image"),
        hostname=fields.text("Hostname"),
        domainname=fields.text("Domainname"),
        user=fields.text("User"),
        tty=fields.flag("Tty"),
        open_stdin=fields.flag("OpenStdin"),
        stdin_once=fields.flag("StdinOnce"),
        attach_stdin=fields.flag("AttachStdin"),
        attach_stdout=fields.flag("AttachStdout"),
        attach_stderr=fields.flag("AttachStderr"),
        env=fields.texts("Env"),
        cmd=fields.optional_texts("Cmd"),
        entrypoint=fields.optional_texts("Entrypoint"),
        working_dir=fields.text("WorkingDir"),
        labels=fields.mapping("Labels"),
        exposed_ports=fields.keys("ExposedPorts"),
        volumes=fields.keys("Volumes"),
        stop_signal=fields.text("StopSignal"),
        stop_timeout=fields.optional_integer("StopTimeout"),
        healthcheck=_read_healthcheck(fields),
        shell=fields.optional_texts("Shell"),
        on_build=fields.texts("OnBuild"),
        network_disabled=fields.flag("NetworkDisabled"),
    )


def write_config(config: Config) -> dict[str, Any]:
    """Config as `inspect` of a container shows it."""
    document: dict[str, Any] = {
        "Hostname": config.hostname,
        "Domainname": config.domainname,
        "User": config.user,
        "AttachStdin": config.attach_stdin,
        "AttachStdout": config.attach_stdout,
        "AttachStderr": config.attach_stderr,
        "ExposedPorts": _set_of(config.exposed_ports),
        "Tty": config.tty,
        "OpenStdin": config.open_stdin,
        "StdinOnce": config.stdin_once,
        "Env": list(config.env),
        "Cmd": _list_or_null(config.cmd),
        "Healthcheck": _write_healthcheck(config.healthcheck),
        "Image": config.image,
        "Volumes": _set_of(config.volumes) or None,
        "WorkingDir": config.working_dir,
        "Entrypoint": _list_or_null(config.entrypoint),
        "NetworkDisabled": config.network_disabled,
        "OnBuild": list(config.on_build) or None,
        "Labels": dict(config.labels),
        "StopSignal": config.stop_signal,
        "StopTimeout": config.stop_timeout,
        "Shell": _list_or_null(config.shell),
    }
    return _without(document, _OPTIONAL)


def write_defaults(config: ProcessDefaults) -> dict[str, Any]:
    """Config as `inspect` of an image shows it; the wire has all keys, the OCI document few."""
    document: dict[str, Any] = {
        "Hostname": "",
        "Domainname": "",
        "User": config.user,
        "AttachStdin": False,
        "AttachStdout": False,
        "AttachStderr": False,
        "ExposedPorts": _set_of(config.exposed_ports),
        "Tty": False,
        "OpenStdin": False,
        "StdinOnce": False,
        "Env": list(config.env),
        "Cmd": _list_or_null(config.cmd),
        "Healthcheck": config.healthcheck,
        "Image": "",
        "Volumes": _set_of(config.volumes) or None,
        "WorkingDir": config.working_dir,
        "Entrypoint": _list_or_null(config.entrypoint),
        "OnBuild": list(config.on_build) or None,
        "Labels": dict(config.labels) or None,
        "StopSignal": config.stop_signal or "",
        "Shell": _list_or_null(config.shell),
    }
    return _without(document, _OPTIONAL)


# Keys that the reference leaves out when they hold nothing.
_OPTIONAL = ("ExposedPorts", "Healthcheck", "NetworkDisabled", "StopSignal", "StopTimeout", "Shell")


def _without(document: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    unset: tuple[Any, ...] = (None, "", False, {})
    return {
        key: value
        for key, value in document.items()
        if key not in names or all(value is not item and value != item for item in unset)
    }


def _read_healthcheck(fields: Fields) -> Healthcheck | None:
    if "Healthcheck" not in fields:
        return None
    check = fields.object("Healthcheck")
    return Healthcheck(
        test=check.texts("Test"),
        interval=check.integer("Interval"),
        timeout=check.integer("Timeout"),
        retries=check.integer("Retries"),
        start_period=check.integer("StartPeriod"),
        start_interval=check.integer("StartInterval"),
    )


def _write_healthcheck(check: Healthcheck | None) -> dict[str, Any] | None:
    if check is None:
        return None
    document = {
        "Test": list(check.test),
        "Interval": check.interval,
        "Timeout": check.timeout,
        "Retries": check.retries,
        "StartPeriod": check.start_period,
        "StartInterval": check.start_interval,
    }
    return {key: value for key, value in document.items() if value}


def _set_of(names: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    return {name: {} for name in names}


def _list_or_null(value: tuple[str, ...] | None) -> list[str] | None:
    return None if value is None else list(value)
