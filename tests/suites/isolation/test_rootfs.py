"""A root file system whose author is the attacker: links where the runtime mounts and makes files.

Whatever a runtime does with such a root, refuse it or follow the link inside, nothing on the host
may be touched and nothing of the host be seen. `victim` is a directory of the host that every
link leads to; CVE-2021-30465, CVE-2019-19921, CVE-2023-27561, CVE-2025-31133, CVE-2025-52565.
"""

import asyncio
from pathlib import Path

import pytest

from tests.suites.host import Config

from .box import Box, program
from .image import Image, bind, outcome

CORE_PATTERN = "/proc/sys/kernel/core_pattern"


SEARCH = """
seen = []
skipped = {"proc", "sys", "usr", "lib", "lib64", ".pyenv"}
def reads(path):
    if not os.path.isfile(path):
        return ""
    with open(path) as file:
        return file.read(30)
for directory, directories, files in os.walk("/"):
    directories[:] = set(directories) - skipped
    seen += [directory] if "secret" in files and reads(directory + "/secret") else []
print("found", seen, reads(PLACE + "/secret"), flush=True)
"""


def search(place: str) -> list[str]:
    return program(f"PLACE = {place!r}" + SEARCH)


def assert_nothing_found(said: str) -> None:
    assert said.startswith("refused") or said == "found []", said


@pytest.mark.parametrize("climbing", [False, True], ids=["absolute", "climbing"])
@pytest.mark.parametrize("place", ["/proc", "/sys", "/dev/shm", "/vol", "/deep/vol", "/etc"])
async def test_a_mount_does_not_follow_a_link_out(
    box: Box, image: Image, place: str, climbing: bool, tmp_path: Path
) -> None:
    await assert_mounts_stay_inside(box, image, place, tmp_path / "given", climbing=climbing)


@pytest.mark.parametrize("climbing", [False, True], ids=["absolute", "climbing"])
async def test_a_dev_that_is_a_link_is_filled_inside(
    box: Box, image: Image, climbing: bool, tmp_path: Path
) -> None:
    await assert_mounts_stay_inside(box, image, "/dev", tmp_path / "given", climbing=climbing)


async def assert_mounts_stay_inside(
    box: Box, image: Image, place: str, given: Path, *, climbing: bool
) -> None:
    image.link(place, image.victim, climbing=climbing)
    assert (image.root / place.lstrip("/")).resolve() == image.victim  # for whoever is naive
    given.mkdir()
    (given / "hosts").write_text("127.0.0.1 box\n")
    config = box.config(search(place))
    binds = {"/vol": "", "/deep/vol/below": "", "/etc/hosts": "/hosts"}
    config["mounts"] += [bind(to, f"{given}{what}") for to, what in binds.items()]
    assert_nothing_found(await outcome(box, image, config))


async def test_a_link_is_followed_by_whoever_is_naive(image: Image, tmp_path: Path) -> None:
    """The attack works on mount(8): in a mount namespace of its own, it lands on the victim."""
    image.link("/vol", image.victim, climbing=True)
    (tmp_path / "given").mkdir()
    script = f"mount --bind {tmp_path}/given {image.root}/vol && ls {image.victim}"
    child = await asyncio.create_subprocess_exec(
        "unshare", "-m", "sh", "-c", script, stdout=asyncio.subprocess.PIPE
    )
    listed, _ = await child.communicate()
    assert (child.returncode, listed) == (0, b"")


@pytest.mark.parametrize(
    "place", ["/work/dir", "/dev/null", "/dev/fd", "/dev/ptmx", "/dev/console"]
)
@pytest.mark.parametrize("kind", ["file", "directory"])
async def test_what_the_runtime_makes_is_not_made_outside(
    box: Box, image: Image, place: str, kind: str
) -> None:
    """Working directory, device nodes, links and console in a /dev that the image brings."""
    image.link(place, image.victim / ("secret" if kind == "file" else "made"), climbing=True)
    config = box.config(search("/work/dir"))
    config["mounts"] = [each for each in config["mounts"] if each["destination"] != "/dev"]
    config["process"]["cwd"] = "/work/dir"
    config["process"]["terminal"] = place == "/dev/console"
    config["linux"]["devices"] = [{"path": "/dev/made", "type": "c", "major": 1, "minor": 3}]
    assert_nothing_found(await outcome(box, image, config))


async def test_masks_and_read_only_paths_stay_inside(box: Box, image: Image) -> None:
    image.link("/masked", image.victim / "secret", climbing=True)
    image.link("/fixed", image.victim, climbing=True)
    config = box.config(search("/fixed"))
    config["linux"]["maskedPaths"] += ["/masked"]
    config["linux"]["readonlyPaths"] += ["/fixed"]
    assert_nothing_found(await outcome(box, image, config))


MASK = """
for path in ("/proc/keys", "/proc/interrupts"):
    with open(path) as file:
        print([file.read(100)], flush=True)
"""


def hostile_dev(directory: Path, **links: str) -> Config:
    """A volume for /dev with links where the runtime expects devices."""
    dev = directory / "dev"
    dev.mkdir()
    for name, target in links.items():
        (dev / name).symlink_to(target)
    return {"destination": "/dev", "type": "bind", "source": str(dev), "options": ["bind"]}


async def test_a_mask_is_the_real_null_device(box: Box, image: Image, tmp_path: Path) -> None:
    """CVE-2025-31133: /dev/null as a link would put the kernel's setting, writable, for a mask."""
    config = box.config(program(MASK))
    config["mounts"] = [
        each for each in config["mounts"] if not each["destination"].startswith("/dev")
    ]
    config["mounts"].append(hostile_dev(tmp_path, null=CORE_PATTERN))
    config["linux"]["maskedPaths"] = ["/proc/keys", "/proc/interrupts"]
    said = await outcome(box, image, config)
    assert said.startswith("refused") or said.splitlines() == ["['']"] * 2, said


CONSOLE = """
with open("/proc/self/mountinfo") as file:
    print("mounted", [w for line in file if (w := line.split()[4]).startswith("/proc")])
"""


@pytest.mark.parametrize("target", [CORE_PATTERN, "/proc/sysrq-trigger", "/proc/1", "/proc/keys"])
async def test_the_console_is_not_mounted_into_proc(
    box: Box, image: Image, tmp_path: Path, target: str
) -> None:
    """CVE-2025-52565: a mount there could undo what is masked or read-only."""
    config = box.config(program(CONSOLE))
    plain, _ = await Box(box.host, box.launcher, image.root).finish(config)
    config["process"]["terminal"] = True
    config["mounts"] = [
        m for m in config["mounts"] if m["destination"] not in ("/dev", "/dev/shm", "/dev/mqueue")
    ]
    pts = next(each for each in config["mounts"] if each["destination"] == "/dev/pts")
    config["mounts"].remove(pts)
    config["mounts"] += [hostile_dev(tmp_path, console=target, ptmx="pts/ptmx"), pts]
    said = await outcome(box, image, config)
    assert said.startswith("refused") or said == plain, said


async def test_a_proc_that_is_none_is_not_written_to(
    box: Box, image: Image, tmp_path: Path
) -> None:
    """CVE-2025-52881, CVE-2019-16884: settings would go where the attacker's /proc leads."""
    fake = tmp_path / "fake"
    (fake / "sys/net/ipv4").mkdir(parents=True)
    setting = fake / "sys/net/ipv4/ip_unprivileged_port_start"
    setting.symlink_to(image.victim / "secret")
    (fake / "self/attr").mkdir(parents=True)
    (fake / "self/attr/exec").write_text("")
    (fake / "self/oom_score_adj").write_text("")
    config = box.config(["cat", "/proc/self/attr/exec", "/proc/self/oom_score_adj"])
    config["mounts"].append(
        {"destination": "/proc", "type": "bind", "source": str(fake), "options": ["bind"]}
    )
    config["linux"]["sysctl"] = {"net.ipv4.ip_unprivileged_port_start": "77"}
    config["process"]["oomScoreAdj"] = 500
    said = await outcome(box, image, config)
    assert said.startswith("refused") or said == ""


INTO_PROC = ["/proc/self/attr", "/proc/1/ns", "/proc/sys/kernel"]


@pytest.mark.parametrize("target", INTO_PROC)
@pytest.mark.parametrize("by_link", [False, True], ids=["asked", "by a link"])
async def test_nothing_can_be_bound_into_proc(
    box: Box, image: Image, target: str, by_link: bool, tmp_path: Path
) -> None:
    """It would stand for what the runtime or an exec is about to use (CVE-2019-16884)."""
    image.link("/vol", target)
    config = box.config(["true"])
    config["mounts"].append(bind("/vol" if by_link else target, tmp_path))
    assert (await outcome(box, image, config)).startswith("refused")


@pytest.mark.parametrize("target", INTO_PROC)
@pytest.mark.parametrize("by_link", [False, True], ids=["asked", "by a link"])
async def test_no_file_system_can_be_mounted_into_proc(
    box: Box, image: Image, target: str, by_link: bool
) -> None:
    image.link("/vol", target)
    config = box.config(["true"])
    target = "/vol" if by_link else target
    config["mounts"].append({"destination": target, "type": "tmpfs", "source": "none"})
    assert (await outcome(box, image, config)).startswith("refused")
