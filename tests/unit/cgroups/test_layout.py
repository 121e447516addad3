"""Finding the hierarchies, on every arrangement distributions and containers use."""

from pathlib import Path

from engine.runtime.cgroups import detect

V2_ROOT = "0::/\n"


class Machine:
    """A /proc/self and mount points made of plain files and directories."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "fs"
        self.proc = folder / "proc"
        self.root.mkdir()
        self.proc.mkdir()
        self._mounts: list[str] = []
        self.own("")

    def mount(self, kind: str, place: str, options: str, *, root: str = "/") -> Path:
        point = self.root / place
        point.mkdir(exist_ok=True, parents=True)
        escaped = str(point).replace(" ", "\\040")
        line = f"30 20 0:25 {root} {escaped} rw,nosuid shared:9 - {kind} cgroup {options}"
        self._mounts.append(line)
        text = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n" + "\n".join(self._mounts) + "\n"
        (self.proc / "mountinfo").write_text(text)
        return point

    def own(self, text: str) -> None:
        (self.proc / "cgroup").write_text(text)

    def detect(self):  # type: ignore[no-untyped-def]
        return detect(str(self.root), proc=str(self.proc))


def test_v2_alone(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    point = machine.mount("cgroup2", ".", "rw,nsdelegate")
    (point / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    machine.own(V2_ROOT)
    layout = machine.detect()
    assert layout.mode == "v2"
    assert layout.unified is not None
    assert layout.find("memory") == layout.unified
    assert layout.find("cpuacct") is None


def test_v1_with_controllers_mounted_together(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.mount("cgroup", "cpu,cpuacct", "rw,cpu,cpuacct")
    machine.mount("cgroup", "memory", "rw,memory")
    machine.own("3:cpu,cpuacct:/\n2:memory:/user\n")
    layout = machine.detect()
    assert layout.mode == "v1"
    assert layout.find("cpu") == layout.find("cpuacct")
    assert layout.find("memory").mount_point.endswith("/memory")
    assert layout.unified is None


def test_hybrid_prefers_v1_for_controllers(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.mount("cgroup", "pids", "rw,pids")
    machine.mount("cgroup", "systemd", "rw,xattr,release_agent=/x,name=systemd")
    point = machine.mount("cgroup2", "unified", "rw")
    (point / "cgroup.controllers").write_text("\n")
    machine.own("2:pids:/\n1:name=systemd:/\n0::/\n")
    layout = machine.detect()
    assert layout.mode == "hybrid"
    assert layout.find("pids").version == 1
    assert {"name=systemd"} in [set(h.controllers) for h in layout.hierarchies]


def test_nothing_mounted(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    (machine.proc / "mountinfo").write_text("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n")
    layout = machine.detect()
    assert layout.mode == "none"
    assert layout.find("memory") is None


def test_a_mount_seen_twice_counts_once(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    first = machine.mount("cgroup", "memory", "rw,memory")
    machine.mount("cgroup", "again", "rw,memory")
    machine.own("2:memory:/\n")
    assert [h.mount_point for h in machine.detect().hierarchies] == [str(first)]


def test_mounts_elsewhere_are_used_when_there_are_none_at_the_usual_place(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.mount("cgroup", "pids", "rw,pids")
    machine.own("2:pids:/\n")
    layout = detect("/nowhere", proc=str(machine.proc))
    assert layout.find("pids").mount_point == f"{machine.root}/pids"


def test_a_mount_point_with_a_space(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.mount("cgroup", "my pids", "rw,pids")
    machine.own("2:pids:/\n")
    assert machine.detect().find("pids").mount_point.endswith("/my pids")
