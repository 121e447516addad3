"""What a container is: its configuration, its limits and its state.

Plain data in the engine's own names; the Docker API's keys live in `engine.dockerapi`. Times are
nanoseconds since the epoch, 0 for never. Sizes are bytes. `None` or 0 in a limit means no limit,
as in the Docker Engine API.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """Docker's seven container states."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    REMOVING = "removing"
    EXITED = "exited"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """HEALTHCHECK of an image or a container; durations in nanoseconds, 0 inherits."""

    test: tuple[str, ...] = ()
    interval: int = 0
    timeout: int = 0
    retries: int = 0
    start_period: int = 0
    start_interval: int = 0


@dataclass(frozen=True, slots=True)
class Config:
    """What runs: portable between hosts."""

    image: str = ""
    hostname: str = ""
    domainname: str = ""
    user: str = ""
    tty: bool = False
    open_stdin: bool = False
    stdin_once: bool = False
    attach_stdin: bool = False
    attach_stdout: bool = False
    attach_stderr: bool = False
    env: tuple[str, ...] = ()
    cmd: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    working_dir: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    stop_signal: str = ""
    stop_timeout: int | None = None
    healthcheck: Healthcheck | None = None
    shell: tuple[str, ...] | None = None
    on_build: tuple[str, ...] = ()
    network_disabled: bool = False


@dataclass(frozen=True, slots=True)
class DeviceRate:
    """One `--device-read-bps` or `--device-write-iops`: bytes or operations per second."""

    path: str
    rate: int


@dataclass(frozen=True, slots=True)
class Resources:
    """cgroup limits, in Docker's units."""

    memory: int = 0
    memory_swap: int = 0
    memory_reservation: int = 0
    memory_swappiness: int | None = None
    oom_kill_disable: bool = False
    nano_cpus: int = 0
    cpu_period: int = 0
    cpu_quota: int = 0
    cpu_shares: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    pids_limit: int | None = None
    blkio_weight: int = 0
    device_read_bps: tuple[DeviceRate, ...] = ()
    device_write_bps: tuple[DeviceRate, ...] = ()
    device_read_iops: tuple[DeviceRate, ...] = ()
    device_write_iops: tuple[DeviceRate, ...] = ()


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """`no`, `always`, `unless-stopped` or `on-failure` with a bound (0 for none)."""

    name: str = "no"
    maximum_retry_count: int = 0


@dataclass(frozen=True, slots=True)
class Ulimit:
    name: str
    soft: int
    hard: int


@dataclass(frozen=True, slots=True)
class Device:
    path_on_host: str
    path_in_container: str
    permissions: str = "rwm"


@dataclass(frozen=True, slots=True)
class MountPoint:
    """One entry of HostConfig.Mounts; `type` is bind, tmpfs or volume."""

    type: str
    target: str
    source: str = ""
    read_only: bool = False
    propagation: str = ""
    tmpfs_size: int = 0
    tmpfs_mode: int = 0


@dataclass(frozen=True, slots=True)
class PortBinding:
    """One published port; `port` is `80/tcp`, empty host values mean any."""

    port: str
    host_ip: str = ""
    host_port: str = ""


@dataclass(frozen=True, slots=True)
class LogConfig:
    type: str = ""
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HostConfig:
    """How this host runs it."""

    resources: Resources = field(default_factory=Resources)
    restart_policy: RestartPolicy = field(default_factory=RestartPolicy)
    binds: tuple[str, ...] = ()
    mounts: tuple[MountPoint, ...] = ()
    tmpfs: dict[str, str] = field(default_factory=dict)
    network_mode: str = "default"
    port_bindings: tuple[PortBinding, ...] = ()
    publish_all_ports: bool = False
    auto_remove: bool = False
    privileged: bool = False
    readonly_rootfs: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    group_add: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    pid_mode: str = ""
    ipc_mode: str = ""
    uts_mode: str = ""
    userns_mode: str = ""
    cgroupns_mode: str = ""
    cgroup_parent: str = ""
    shm_size: int = 64 * 1024 * 1024
    ulimits: tuple[Ulimit, ...] = ()
    sysctls: dict[str, str] = field(default_factory=dict)
    devices: tuple[Device, ...] = ()
    init: bool | None = None
    oom_score_adj: int = 0
    masked_paths: tuple[str, ...] | None = None
    readonly_paths: tuple[str, ...] | None = None
    log_config: LogConfig = field(default_factory=LogConfig)
    volumes_from: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    runtime: str = ""
    console_size: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class HealthLog:
    started_at: int
    finished_at: int
    exit_code: int
    output: str


@dataclass(frozen=True, slots=True)
class Health:
    """`status` is starting, healthy or unhealthy."""

    status: str
    failing_streak: int = 0
    log: tuple[HealthLog, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """The life of a container up to now; replaced as a whole, never edited."""

    status: Status = Status.CREATED
    pid: int = 0
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    started_at: int = 0
    finished_at: int = 0
    health: Health | None = None
    stopped_by_user: bool = False


@dataclass(frozen=True, slots=True)
class Container:
    """One container as it stands: what `inspect` shows."""

    id: str
    name: str
    created_at: int
    config: Config
    host_config: HostConfig
    image_id: str
    path: str
    args: tuple[str, ...]
    state: State = field(default_factory=State)
    restart_count: int = 0
    driver: str = "overlay2"
    platform: str = "linux"
    log_path: str = ""
    hostname_path: str = ""
    hosts_path: str = ""
    resolv_conf_path: str = ""
    exec_ids: tuple[str, ...] = ()
    mounts: tuple[MountPoint, ...] = ()


@dataclass(frozen=True, slots=True)
class ExecConfig:
    """What `docker exec` asks for."""

    cmd: tuple[str, ...]
    user: str = ""
    tty: bool = False
    attach_stdin: bool = False
    attach_stdout: bool = False
    attach_stderr: bool = False
    env: tuple[str, ...] = ()
    working_dir: str = ""
    privileged: bool = False
    detach_keys: str = ""
    console_size: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Exec:
    """One exec session; `exit_code` is None until it is known."""

    id: str
    container_id: str
    config: ExecConfig
    running: bool = False
    pid: int = 0
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class Created:
    id: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WaitResult:
    code: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class LogOptions:
    stdout: bool = True
    stderr: bool = True
    follow: bool = False
    tail: int | None = None
    since_ns: int = 0
    until_ns: int = 0


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line with its newline, or a partial line without; `stream` is 1 stdout, 2 stderr."""

    time_ns: int
    stream: int
    data: bytes


@dataclass(frozen=True, slots=True)
class AttachOptions:
    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    stream: bool = False
    logs: bool = False


@dataclass(frozen=True, slots=True)
class Top:
    titles: tuple[str, ...]
    processes: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes in the writable layer, and in the whole root file system."""

    rw: int
    rootfs: int


@dataclass(frozen=True, slots=True)
class Pruned:
    ids: tuple[str, ...]
    reclaimed: int


Document = dict[str, Any]
