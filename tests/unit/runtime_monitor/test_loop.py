"""The monitor's event loop and what hangs on it."""

import os

from engine.runtime.monitor.input import LIMIT, Input
from engine.runtime.monitor.loop import READ, Loop


def test_a_handler_removed_in_the_same_round_is_not_called() -> None:
    loop = Loop()
    pipes = [os.pipe() for _ in range(2)]
    called: list[int] = []

    def handler(mine: int, other: int) -> None:
        called.append(mine)
        loop.remove(other)
        loop.stop()

    (first, first_end), (second, second_end) = pipes
    loop.add(first, READ, lambda _: handler(first, second))
    loop.add(second, READ, lambda _: handler(second, first))
    os.write(first_end, b"x")
    os.write(second_end, b"x")
    loop.run()
    assert len(called) == 1
    for fd in (*pipes[0], *pipes[1]):
        os.close(fd)


def test_timers_fire_in_order_and_cancelled_ones_do_not() -> None:
    loop = Loop()
    fired: list[str] = []
    loop.after(0.02, lambda: fired.append("second"))
    loop.after(0.01, lambda: fired.append("first"))
    loop.cancel(loop.after(0.015, lambda: fired.append("never")))
    loop.after(0.03, loop.stop)
    loop.run()
    assert fired == ["first", "second"]


def test_input_takes_partial_writes_and_ends_after_the_last_byte() -> None:
    loop = Loop()
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    stdin = Input(loop, writer)
    data = os.urandom(5 * LIMIT)
    stdin.write(data)
    assert stdin.full
    stdin.write_eof()
    got = bytearray()

    def collect(_events: int) -> None:
        piece = os.read(reader, 10_000)
        got.extend(piece)
        if not piece:
            loop.stop()

    loop.add(reader, READ, collect)
    loop.run()
    assert bytes(got) == data
    os.close(reader)


def test_input_nobody_reads_any_more_is_dropped() -> None:
    loop = Loop()
    reader, writer = os.pipe()
    stdin = Input(loop, writer)
    os.close(reader)
    stdin.write(b"too late")
    assert stdin.closed
