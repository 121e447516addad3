"""An engine is found, or it is said why there is none."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tui.clients import ServerFault
from tui.commands import ensure


async def test_a_slow_engine_is_not_started_a_second_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ensure, "ASK_SECONDS", 0.1)
    held: list[asyncio.StreamWriter] = []
    server = await asyncio.start_unix_server(
        lambda _reader, writer: held.append(writer), tmp_path / "berth.sock"
    )
    said: list[str] = []
    found = await ensure.ensure_engine({"BERTH_RUN_DIR": str(tmp_path)}, said.append)
    for writer in held:
        writer.close()
    server.close()
    await server.wait_closed()
    assert not found.started
    assert said == []


async def test_what_answers_and_is_no_engine_is_named(tmp_path: Path) -> None:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        writer.close()

    async with await asyncio.start_unix_server(answer, tmp_path / "berth.sock"):
        with pytest.raises(ServerFault, match="no JSON"):
            await ensure.ensure_engine({"BERTH_RUN_DIR": str(tmp_path)}, print)


async def test_a_named_engine_that_is_missing_is_not_replaced(tmp_path: Path) -> None:
    environ = {"DOCKER_HOST": f"unix://{tmp_path}/none.sock", "BERTH_RUN_DIR": str(tmp_path)}
    with pytest.raises(ensure.CannotStart, match="start that engine, or unset it"):
        await ensure.ensure_engine(environ, print)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to start an engine")
async def test_an_engine_that_ends_at_once_is_told_without_its_own_prefix() -> None:
    environ = {**os.environ, "BERTH_RUN_DIR": "/proc/nowhere"}
    environ.pop("DOCKER_HOST", None)
    with pytest.raises(ensure.CannotStart, match=r"^the engine did not start: ") as caught:
        await ensure.ensure_engine(environ, print)
    assert "berth: " not in str(caught.value)
    assert "/proc/nowhere" in str(caught.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_a_socket_of_somebody_else_is_left_alone() -> None:
    """A child gives its rights away after its imports, which nobody may be unable to read."""
    run_dir = Path("/tmp") / f"berth-test-nobody-{os.getpid()}"
    run_dir.mkdir(mode=0o755)
    (run_dir / "berth.sock").touch(mode=0o600)
    code = (
        "import asyncio, os, sys, aiohttp, encodings.idna, tui.commands.ensure as ensure\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try:\n"
        "    asyncio.run(ensure.ensure_engine({'BERTH_RUN_DIR': sys.argv[1]}, print))\n"
        "except ensure.CannotStart as error:\n"
        "    sys.exit(str(error))\n"
    )
    try:
        done = _python(code, str(run_dir))
    finally:
        (run_dir / "berth.sock").unlink(missing_ok=True)
        run_dir.rmdir()
    assert done.startswith(str(run_dir))
    assert "run `sudo berth`" in done


def _python(code: str, argument: str) -> str:
    import subprocess

    done = subprocess.run(
        [sys.executable, "-c", code, argument], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    return done.stderr
