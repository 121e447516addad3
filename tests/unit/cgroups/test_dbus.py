"""D-Bus values as bytes, and a conversation with a real dbus-daemon."""

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Unavailable
from engine.runtime.cgroups import wireformat
from engine.runtime.cgroups.dbus import BusError, Connection
from tests.conftest import eventually

BUS = "org.freedesktop.DBus"
PATH = "/org/freedesktop/DBus"


@pytest.mark.parametrize(
    ("signature", "values", "data"),
    [
        ("y", (1,), b"\x01"),
        ("yu", (1, 2), b"\x01\0\0\0\x02\0\0\0"),
        ("s", ("foo",), b"\x03\0\0\0foo\0"),
        ("g", ("au",), b"\x02au\0"),
        ("b", (True,), b"\x01\0\0\0"),
        ("au", ([7],), b"\x04\0\0\0\x07\0\0\0"),
        # The padding before the first element is there, and is not counted.
        ("at", ([5],), b"\x08\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0"),
        ("at", ([],), b"\0\0\0\0\0\0\0\0"),
        ("v", (("t", 5),), b"\x01t\0\0\0\0\0\0\x05\0\0\0\0\0\0\0"),
        ("(ys)", ((1, "a"),), b"\x01\0\0\0\x01\0\0\0a\0"),
    ],
)
def test_bytes_are_as_the_specification_has_them(
    signature: str, values: tuple[Any, ...], data: bytes
) -> None:
    assert wireformat.encode(signature, values) == data
    assert wireformat.decode(signature, data) == values


_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=9)
_BASIC = st.one_of(
    st.tuples(st.just("s"), _TEXT),
    st.tuples(st.just("t"), st.integers(0, 2**64 - 1)),
    st.tuples(st.just("n"), st.integers(-(2**15), 2**15 - 1)),
    st.tuples(st.just("b"), st.booleans()),
    st.tuples(st.just("ay"), st.lists(st.integers(0, 255), max_size=9)),
)


@given(st.lists(st.tuples(_TEXT, _BASIC), max_size=5), _TEXT)
def test_what_goes_in_comes_out(properties: list[tuple[str, Any]], name: str) -> None:
    values = (name, [(key, value) for key, value in properties], [])
    data = wireformat.encode("sa(sv)a(sa(sv))", values)
    assert wireformat.decode("sa(sv)a(sa(sv))", data) == values


@given(st.binary(max_size=64), st.sampled_from(["a(yv)", "sa{sv}", "v", "ao", "(tt)g"]))
def test_garbage_is_refused_in_one_way(data: bytes, signature: str) -> None:
    try:
        wireformat.decode(signature, data)
    except Unavailable as error:
        assert "D-Bus sent" in str(error)


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[str]:
    if shutil.which("dbus-daemon") is None:
        pytest.skip("needs dbus-daemon: run scripts/test-packages")
    path = tmp_path / "bus"
    command = ["dbus-daemon", "--session", f"--address=unix:path={path}", "--nofork"]
    daemon = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        eventually(path.exists)
        yield str(path)
    finally:
        daemon.kill()
        daemon.wait()


def test_a_bus_answers(bus: str) -> None:
    with Connection(bus) as connection:
        (names,) = connection.call(BUS, PATH, BUS, "ListNames")
        assert BUS in names
        (owned,) = connection.call(BUS, PATH, BUS, "NameHasOwner", "s", ("org.example.no",))
        assert owned is False


def test_an_error_has_its_name_and_words(bus: str) -> None:
    with (
        Connection(bus) as connection,
        pytest.raises(BusError, match=r"org\.example\.no") as caught,
    ):
        connection.call(BUS, PATH, BUS, "GetNameOwner", "s", ("org.example.no",))
    assert caught.value.name == f"{BUS}.Error.NameHasNoOwner"


def test_a_signal_that_came_before_it_was_waited_for_counts(bus: str) -> None:
    with Connection(bus) as connection:
        connection.watch(BUS, "NameOwnerChanged")
        with Connection(bus):
            connection.call(BUS, PATH, BUS, "ListNames")
            signal = connection.wait(lambda told: told.member == "NameOwnerChanged")
    assert signal.interface == BUS
    assert signal.body[1] == ""


def test_nobody_there_is_said_with_the_place(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=f"no D-Bus at {tmp_path}/none"):
        Connection(f"{tmp_path}/none")


@pytest.mark.parametrize(
    ("greeting", "message"),
    [(b"REJECTED EXTERNAL\r\n", "does not know us: REJECTED"), (b"", "broke off the greeting")],
)
def test_one_that_refuses_us_is_said(tmp_path: Path, greeting: bytes, message: str) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{tmp_path}/bus")
        server.listen()

        def answer() -> None:
            client, _ = server.accept()
            with client:
                client.recv(512)
                client.sendall(greeting)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            with pytest.raises(Unavailable, match=message):
                Connection(f"{tmp_path}/bus")
        finally:
            thread.join()


def test_one_that_never_answers_is_given_up(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{tmp_path}/bus")
        server.listen()
        with pytest.raises(Unavailable, match="no D-Bus"):
            Connection(f"{tmp_path}/bus", bound=0.05)
