"""state.json and its JSON, which the small verbs read and write without the json package."""

import json
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import NotFound
from engine.ociruntime import parse, record
from engine.ociruntime.record import Record
from engine.ociruntime.store import Store

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_documents_are_what_json_makes_of_them(value: object) -> None:
    for text in (record.encode(value), record.encode(value, "  ")):
        assert json.loads(text) == value
        assert parse.document(text.encode()) == value


@given(st.binary(max_size=40))
def test_what_is_no_document_is_none(data: bytes) -> None:
    try:
        expected = json.loads(data.decode())
    except ValueError:
        expected = None
    assert repr(parse.document(data)) == repr(expected)


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = Record("c", str(tmp_path))
    written.pid, written.pid_start, written.made = os.getpid(), 5, True
    written.annotations, written.cgroup = {"a": "b"}, "x/y"
    written.write()
    read = record.read("c", str(tmp_path))
    assert read is not None
    assert all(getattr(read, name) == getattr(written, name) for name in Record.__slots__)
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600


def test_fields_of_the_wrong_type_are_not_taken(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"pid": "1", "cgroup": 7, "bundle": "/b"}')
    read = record.read("c", str(tmp_path))
    assert read is not None
    assert (read.pid, read.cgroup, read.bundle) == (0, "", "/b")


def test_this_process_lives_and_its_number_alone_does_not_count(tmp_path: Path) -> None:
    kept = Record("c", str(tmp_path))
    kept.made, kept.pid = True, os.getpid()
    assert kept.status() == "stopped"
    kept.pid_start = record.start_time(os.getpid()) or 0
    assert kept.status() == "running"
    kept.boot = "another"
    assert kept.status() == "stopped"


def test_a_container_being_made_is_creating_as_long_as_somebody_makes_it(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    made = store.make("c")
    made.write()
    assert store.find("c").status() == "creating"


def test_what_nobody_makes_any_more_has_stopped(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    Record("c", str(tmp_path / "c")).write()
    assert Store(str(tmp_path)).find("c").status() == "stopped"


def test_no_such_container(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match='container "c" does not exist'):
        Store(str(tmp_path)).find("c")


def test_a_process_that_ends_while_it_is_looked_at_is_not_frozen(tmp_path: Path) -> None:
    """Between the opening of its /proc/PID/cgroup and the reading, in some rounds of many."""
    for _ in range(150):
        pid = os.posix_spawn("/bin/true", ["true"], {})
        reaper = threading.Thread(target=os.waitpid, args=(pid, 0))
        reaper.start()
        kept = Record("one", str(tmp_path))
        kept.pid = pid
        while Path(f"/proc/{pid}").exists():
            assert not kept.is_frozen()
        reaper.join()
