"""The container's log on disk."""

from engine.runtime.launcher import Launcher

from .conftest import Host, bounded, log_text, until


async def test_every_line_is_there_in_order(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["seq", "100000"])
    await monitor.start()
    await bounded(monitor.wait())
    assert log_text(host.log("c1")) == "".join(f"{n}\n" for n in range(1, 100001)).encode()


async def test_streams_are_told_apart(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["sh", "-c", "echo a; echo b >&2"])
    await monitor.start()
    await bounded(monitor.wait())
    records = {line.split(b" ", 1)[1] for line in host.log("c1").read_bytes().splitlines()}
    assert records == {b"stdout F a", b"stderr F b"}


async def test_an_unfinished_line_is_partial(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["printf", "no newline"])
    await monitor.start()
    await bounded(monitor.wait())
    assert host.log("c1").read_bytes().endswith(b" stdout P no newline\n")


async def test_a_prompt_is_seen_before_its_line_ends(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["sh", "-c", "printf 'name? '; sleep 1000"])
    await monitor.start()
    await until(lambda: host.log("c1").read_bytes().endswith(b" stdout P name? \n"))


async def test_rotation_keeps_size_and_lines(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(
        launcher, "c1", ["seq", "20000"], log_max_bytes=100_000, log_max_files=20
    )
    await monitor.start()
    await bounded(monitor.wait())
    path = host.log("c1")
    older = [path.with_name(f"{path.name}.{n}") for n in range(19, 0, -1)]
    files = [each for each in older if each.exists()] + [path]
    assert len(files) > 5
    assert all(each.stat().st_size <= 100_000 for each in files)
    text = b"".join(log_text(each) for each in files)
    assert text == "".join(f"{n}\n" for n in range(1, 20001)).encode()


async def test_rotation_keeps_no_more_files_than_asked(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(
        launcher, "c1", ["seq", "20000"], log_max_bytes=50_000, log_max_files=3
    )
    await monitor.start()
    await bounded(monitor.wait())
    names = {each.name for each in host.log("c1").parent.glob("container.log*")}
    assert names == {"container.log", "container.log.1", "container.log.2"}
    assert log_text(host.log("c1")).endswith(b"\n20000\n")
