"""Exec sessions: the request that makes one and what `inspect` says of it."""

from typing import Any

from engine.containers.model import Exec, ExecConfig
from engine.dockerapi.fields import Fields
from engine.errors import InvalidArgument


def read_exec(fields: Fields) -> ExecConfig:
    """Raises InvalidArgument when there is no command or a field has the wrong type."""
    cmd = fields.texts("Cmd")
    if not cmd:
        raise InvalidArgument("No exec command specified")
    return ExecConfig(
        cmd=cmd,
        user=fields.text("User"),
        tty=fields.flag("Tty"),
        attach_stdin=fields.flag("AttachStdin"),
        attach_stdout=fields.flag("AttachStdout"),
        attach_stderr=fields.flag("AttachStderr"),
        env=fields.texts("Env"),
        working_dir=fields.text("WorkingDir"),
        privileged=fields.flag("Privileged"),
        detach_keys=fields.text("DetachKeys"),
        console_size=fields.pair("ConsoleSize"),
    )


def write_exec(session: Exec) -> dict[str, Any]:
    config = session.config
    return {
        "ID": session.id,
        "Running": session.running,
        "ExitCode": session.exit_code,
        "ProcessConfig": {
            "tty": config.tty,
            "entrypoint": config.cmd[0],
            "arguments": list(config.cmd[1:]),
            "privileged": config.privileged,
            "user": config.user,
        },
        "OpenStdin": config.attach_stdin,
        "OpenStderr": config.attach_stderr,
        "OpenStdout": config.attach_stdout,
        "CanRemove": False,
        "ContainerID": session.container_id,
        "DetachKeys": config.detach_keys,
        "Pid": session.pid,
    }
