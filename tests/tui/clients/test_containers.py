"""Every container verb, on both engines."""

import asyncio
from contextlib import aclosing

import pytest

from tests.tui.clients.conftest import IMAGE, shell
from tui.clients import Client, ClientError, Conflict, NotFound
from tui.models import ContainerState, RunRequest

FOREVER = "trap 'exit 0' TERM; while :; do sleep 60 & wait $!; done"


async def test_a_container_s_life(client: Client, name: str) -> None:
    calls = client.containers
    created = await calls.create(shell(name, FOREVER))
    assert (await calls.inspect(name)).container.state is ContainerState.CREATED
    assert await calls.start(created.id)
    assert not await calls.start(created.id), "a second start is not an error"
    assert (await calls.inspect(created.id[:12])).container.running
    await calls.pause(name)
    assert (await calls.inspect(name)).container.paused
    await calls.unpause(name)
    await calls.restart(name, timeout=5)
    assert (await calls.inspect(name)).container.state is ContainerState.RUNNING
    assert await calls.stop(name, timeout=5)
    assert not await calls.stop(name), "a second stop is not an error"
    stopped = (await calls.inspect(name)).container
    assert (stopped.state, stopped.exit_code) == (ContainerState.EXITED, 0)
    await calls.remove(name)
    with pytest.raises(NotFound, match=f"(?i)no such container: {name}"):
        await calls.inspect(name)


async def test_the_list_has_the_rows_and_can_be_asked_for_some(client: Client, name: str) -> None:
    created = await client.containers.run(shell(name, FOREVER, labels={"berth.pod": "p"}))
    (row,) = await client.containers.list(ids=[created.id])
    assert (row.id, row.name, row.image) == (created.id, name, IMAGE)
    assert row.labels["berth.pod"] == "p"
    assert row.status_text.startswith("Up")
    await client.containers.kill(name)
    assert await client.containers.wait(name) == 137
    assert created.id not in {one.id for one in await client.containers.list(all=False)}
    assert created.id in {one.id for one in await client.containers.list()}


async def test_limits_come_back_as_they_were_asked_for(client: Client, name: str) -> None:
    await client.containers.run(
        shell(name, FOREVER, memory=64 << 20, cpus=0.5, pids=20, restart_policy="on-failure:3")
    )
    found = (await client.containers.inspect(name)).container
    assert (found.limits.memory, found.limits.cpus, found.limits.pids) == (64 << 20, 0.5, 20)
    assert found.restart_policy == "on-failure:3"


async def test_the_exit_code_is_told(client: Client, name: str) -> None:
    await client.containers.run(shell(name, "exit 3"))
    assert await client.containers.wait(name) == 3


async def test_logs_have_their_stream_and_time_and_end_with_the_container(
    client: Client, name: str
) -> None:
    script = "echo one; sleep 0.2; echo two >&2; sleep 0.2; echo three"
    await client.containers.run(shell(name, script))
    async with aclosing(client.containers.logs(name)) as lines:
        found = [line async for line in lines]
    assert [(line.text, line.stream) for line in found] == [
        ("one", "stdout"),
        ("two", "stderr"),
        ("three", "stdout"),
    ]
    times = [line.time for line in found if line.time is not None]
    assert len(times) == 3
    assert times == sorted(times)


async def test_the_tail_is_the_last_lines(client: Client, name: str) -> None:
    await client.containers.run(shell(name, "seq 100"))
    await client.containers.wait(name)
    async with aclosing(client.containers.logs(name, tail=3, follow=False)) as lines:
        assert [line.text async for line in lines] == ["98", "99", "100"]


async def test_a_terminals_log_is_read_as_one(client: Client, name: str) -> None:
    await client.containers.run(shell(name, "echo hello", tty=True))
    await client.containers.wait(name)
    async with aclosing(client.containers.logs(name, follow=False)) as lines:
        assert [line.text async for line in lines] == ["hello"]


async def test_a_long_line_comes_whole(client: Client, name: str) -> None:
    script = "x=x; n=0; while [ $n -lt 16 ]; do x=$x$x; n=$((n+1)); done; echo $x; echo end"
    await client.containers.run(shell(name, script))
    await client.containers.wait(name)
    async with aclosing(client.containers.logs(name, follow=False)) as lines:
        assert [len(line.text) async for line in lines] == [1 << 16, 3]


async def test_stats_show_the_quota_and_the_memory(client: Client, name: str) -> None:
    burner = "trap 'exit 0' TERM; while :; do :; done"
    await client.containers.run(shell(name, burner, cpus=0.3, memory=64 << 20, pids=9))
    async with (
        asyncio.timeout(20),
        aclosing(client.containers.stats_stream(name)) as samples,
    ):
        found = [sample async for sample in _take(samples, 4)]
    last = found[-1]
    assert last.cpu_cores == pytest.approx(0.3, abs=0.06)
    assert last.throttled_percent is not None
    assert last.throttled_percent > 50
    assert (last.memory_limit, last.pids_limit, last.pids) == (64 << 20, 9, 1)
    assert 0 < (last.memory_bytes or 0) < 16 << 20


async def _take(samples, count):  # type: ignore[no-untyped-def]
    async for sample in samples:
        yield sample
        count -= 1
        if not count:
            return


async def test_stats_of_a_stopped_container_are_refused(client: Client, name: str) -> None:
    await client.containers.run(shell(name, "exit 0"))
    await client.containers.wait(name)
    with pytest.raises(ClientError, match="not running"):
        await client.containers.stats(name)


async def test_top_lists_the_processes(client: Client, name: str) -> None:
    await client.containers.run(shell(name, FOREVER))
    processes = await client.containers.top(name)
    assert "PID" in processes.titles
    assert any("sleep 60" in " ".join(row) for row in processes.rows)


async def test_an_exec_takes_input_and_tells_its_exit_code(client: Client, name: str) -> None:
    await client.containers.run(shell(name, FOREVER))
    key = await client.execs.create(
        name, ["sh", "-c", "read x; echo $A $x; echo bad >&2; exit 4"], tty=False, env=["A=b"]
    )
    stream = await client.execs.start(key, tty=False)
    await stream.write(b"foo\n")
    output: dict[int, bytes] = {1: b"", 2: b""}
    async with asyncio.timeout(10):
        while piece := await stream.read():
            output[piece[0]] += piece[1]
    await stream.close()
    state = await client.execs.inspect(key)
    assert output == {1: b"b foo\n", 2: b"bad\n"}
    assert (state.running, state.exit_code) == (False, 4)


async def test_a_terminal_has_the_size_it_is_given(client: Client, name: str) -> None:
    await client.containers.run(shell(name, FOREVER))
    key = await client.execs.create(name, ["sh", "-c", "read x; stty size"])
    stream = await client.execs.start(key)
    await client.execs.resize(key, 33, 101)
    await stream.write(b"go\n")
    output = b""
    async with asyncio.timeout(10):
        while piece := await stream.read():
            output += piece[1]
    await stream.close()
    assert b"33 101" in output


async def test_attach_talks_to_the_containers_own_process(client: Client, name: str) -> None:
    created = await client.containers.create(shell(name, "read x; echo got $x", open_stdin=True))
    stream = await client.containers.attach(created.id, tty=False)
    await client.containers.start(created.id)
    await stream.write(b"it\n")
    async with asyncio.timeout(10):
        assert await stream.read() == (1, b"got it\n")
    await stream.close()


async def test_what_cannot_be_is_refused_in_words(client: Client, name: str) -> None:
    calls = client.containers
    with pytest.raises(NotFound, match=r"(?i)no such image: no-such:1"):
        await calls.run(RunRequest("no-such:1", name=name))
    with pytest.raises(ClientError, match="not found"):
        await calls.run(RunRequest(IMAGE, ("no-such-program",), name=name, network="none"))
    with pytest.raises(NotFound):
        await calls.inspect(name)
    await calls.run(shell(name, FOREVER))
    with pytest.raises(Conflict, match="already in use"):
        await calls.create(shell(name, FOREVER))
    with pytest.raises(Conflict):
        await calls.remove(name)


async def test_an_odd_reference_reaches_no_other_call(client: Client) -> None:
    for odd in ("../../info", "a/b", "?x=1", "%2e%2e", "\x00", "é"):
        with pytest.raises(ClientError):
            await client.containers.inspect(odd)


async def test_rename(client: Client, name: str) -> None:
    created = await client.containers.create(shell(f"{name}-old", FOREVER))
    await client.containers.rename(created.id, name)
    assert (await client.containers.inspect(created.id)).container.name == name
