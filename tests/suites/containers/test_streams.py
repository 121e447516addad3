"""attach, logs and exec: what goes in and comes out."""

import asyncio

import pytest

from engine.containers.model import AttachOptions, ExecConfig, Status
from engine.errors import CommandNotFound, Conflict, InvalidArgument, NotFound, NotRunning
from tests.suites.containers.world import BOUND, FOREVER, World, drain

BOTH = AttachOptions(stdout=True, stderr=True, stream=True)


async def test_an_attach_before_the_start_misses_nothing(world: World) -> None:
    key = await world.create("sh", "-c", "echo out; echo err >&2")
    streams = [await world.containers.attach(key, BOTH) for _ in range(3)]
    reading = [asyncio.create_task(drain(stream)) for stream in streams]
    await world.containers.start(key)
    for output in await asyncio.gather(*reading):
        assert sorted(output.split()) == [b"err", b"out"]


async def test_input_written_before_the_start_arrives(world: World) -> None:
    key = await world.create("cat", open_stdin=True, stdin_once=True, attach_stdin=True)
    options = AttachOptions(stdin=True, stdout=True, stream=True)
    stream = await world.containers.attach(key, options)
    writing = asyncio.create_task(_say(stream, b"hello"))
    await world.containers.start(key)
    assert await drain(stream) == b"hello"
    await asyncio.wait_for(writing, BOUND)


async def test_an_attach_to_what_never_starts_ends(world: World) -> None:
    key = await world.create("no-such-program")
    stream = await world.containers.attach(key, BOTH)
    with pytest.raises(CommandNotFound):
        await world.containers.start(key)
    assert await drain(stream) == b""


async def test_an_attach_to_what_is_removed_ends(world: World) -> None:
    key = await world.create()
    stream = await world.containers.attach(key, BOTH)
    await world.containers.remove(key)
    assert await drain(stream) == b""


async def test_attach_with_logs_begins_with_the_past(world: World) -> None:
    key = await world.run(
        "sh", "-c", "echo past; trap 'echo last; exit' TERM; while :; do sleep 0.05; done"
    )
    async for _ in world.log(key, follow=True):
        break
    reading = asyncio.create_task(world.attached(key, logs=True))
    async for event in world.events.subscribe(since_ns=0):
        if event.action == "attach":
            break
    await world.containers.stop(key)
    assert await reading == b"past\nlast\n"


async def test_logs_keep_both_streams_apart(world: World) -> None:
    await world.finished("sh", "-c", "echo out; echo err >&2")
    assert await world.output("web", stderr=False) == b"out\n"
    assert await world.output("web", stdout=False) == b"err\n"


async def test_logs_end_where_the_output_ended(world: World) -> None:
    await world.finished("printf", "no newline")
    assert await world.output("web") == b"no newline"


async def test_logs_of_what_never_ran_are_empty(world: World) -> None:
    key = await world.create()
    assert await world.output(key) == b""
    assert await world.output(key, follow=True) == b""


async def test_tail_gives_the_last_lines(world: World) -> None:
    await world.finished("seq", "1", "1000")
    assert await world.output("web", tail=2) == b"999\n1000\n"
    assert await world.output("web", tail=0) == b""


async def test_following_ends_with_the_container_and_everything_said(world: World) -> None:
    key = await world.run("sh", "-c", "for i in $(seq 200); do echo $i; done; sleep 0.2; echo end")
    output = await asyncio.wait_for(world.output(key, follow=True), BOUND)
    assert output.split() == [*(str(n).encode() for n in range(1, 201)), b"end"]


async def test_logs_go_on_over_a_restart(world: World) -> None:
    await world.finished("echo", "line")
    again = world.containers.wait("web", "next-exit")
    await world.containers.start("web")
    await asyncio.wait_for(again, BOUND)
    assert await world.output("web") == b"line\nline\n"


async def test_since_leaves_out_what_came_before(world: World) -> None:
    await world.finished("echo", "old")
    between = world.containers.get("web").state.finished_at
    again = world.containers.wait("web", "next-exit")
    await world.containers.start("web")
    await asyncio.wait_for(again, BOUND)
    assert await world.output("web", since_ns=between) == b"line\n".replace(b"line", b"old")
    assert await world.output("web", until_ns=between) == b"old\n"


async def test_exec_runs_beside_and_its_code_is_known_at_the_end(world: World) -> None:
    key = await world.run(*FOREVER)
    exec_id = _exec(world, key, "sh", "-c", "echo beside; exit 9")
    stream = await world.containers.exec_start(exec_id)
    assert await drain(stream) == b"beside\n"
    session = world.containers.exec_inspect(exec_id)
    assert (session.running, session.exit_code) == (False, 9)
    actions = await world.actions()
    assert actions[-3:] == [
        "exec_create: sh -c echo beside; exit 9",
        "exec_start: sh -c echo beside; exit 9",
        "exec_die",
    ]


async def test_exec_takes_input_until_its_end(world: World) -> None:
    key = await world.run(*FOREVER)
    stream = await world.containers.exec_start(_exec(world, key, "cat", attach_stdin=True))
    await _say(stream, b"typed")
    assert await drain(stream) == b"typed"


async def test_a_detached_exec_gives_no_stream(world: World) -> None:
    key = await world.run(*FOREVER)
    exec_id = _exec(world, key, "true")
    assert await world.containers.exec_start(exec_id, detach=True) is None
    inspect = world.containers.exec_inspect
    await world.until(lambda: inspect(exec_id).exit_code is not None, "the exit code")
    assert inspect(exec_id).exit_code == 0


async def test_exec_runs_once(world: World) -> None:
    key = await world.run(*FOREVER)
    exec_id = _exec(world, key, "true")
    await drain(await world.containers.exec_start(exec_id))
    with pytest.raises(Conflict, match="has already run"):
        await world.containers.exec_start(exec_id)


async def test_exec_of_a_missing_program_is_127(world: World) -> None:
    key = await world.run(*FOREVER)
    exec_id = _exec(world, key, "no-such-program")
    with pytest.raises(CommandNotFound, match="executable file not found"):
        await world.containers.exec_start(exec_id)
    assert world.containers.exec_inspect(exec_id).exit_code == 127


async def test_exec_needs_a_running_container_and_a_command(world: World) -> None:
    key = await world.create()
    with pytest.raises(NotRunning, match="is not running"):
        _exec(world, key, "true")
    with pytest.raises(NotFound, match="No such exec instance: x"):
        world.containers.exec_inspect("x")
    await world.containers.start(key)
    with pytest.raises(InvalidArgument, match="No exec command specified"):
        _exec(world, key)
    await world.containers.pause(key)
    assert world.containers.get(key).state.status is Status.PAUSED
    with pytest.raises(Conflict, match="is paused, unpause the container before exec"):
        _exec(world, key, "true")


def _exec(world: World, key: str, *cmd: str, attach_stdin: bool = False) -> str:
    return world.containers.exec_create(key, ExecConfig(cmd=cmd, attach_stdin=attach_stdin))


async def _say(stream: object, data: bytes) -> None:
    await stream.write(data)  # type: ignore[attr-defined]
    await stream.write_eof()  # type: ignore[attr-defined]
