import sqlite3
from pathlib import Path

import pytest

from engine.errors import Unavailable
from engine.metadata import Database
from engine.metadata.migrations import NewerLayout


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sub" / "engine.db"


def test_keeps_documents_by_table_and_key(path: Path) -> None:
    database = Database(path)
    database.table("a").put("k", {"n": 1})
    database.table("a").put("k", {"n": 2})
    database.table("b").put("k", {"n": 3})
    assert database.table("a").get("k") == {"n": 2}
    assert database.table("b").items() == [("k", {"n": 3})]
    database.table("a").delete("k")
    assert database.table("a").get("k") is None
    database.close()


def test_documents_survive_a_reopen(path: Path) -> None:
    first = Database(path)
    first.put("t", "k", {"text": "é"})
    first.close()
    second = Database(path)
    assert second.get("t", "k") == {"text": "é"}
    assert second.warnings == []
    second.close()


def test_a_transaction_happens_as_a_whole(path: Path) -> None:
    database = Database(path)
    with pytest.raises(KeyError), database.transaction():
        database.put("t", "k", {})
        raise KeyError
    assert database.get("t", "k") is None
    with database.transaction():
        database.put("t", "k", {})
    assert database.get("t", "k") == {}
    database.close()


@pytest.mark.parametrize("damage", [b"garbage" * 4096, b"SQLite format 3\0" + b"\xff" * 8192])
def test_a_damaged_file_is_set_aside_and_named(path: Path, damage: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(damage)
    database = Database(path)
    database.put("t", "k", {})
    (aside,) = path.parent.glob("engine.db.damaged-*")
    assert aside.read_bytes() == damage
    assert str(aside) in database.warnings[0]
    database.close()


@pytest.mark.parametrize("text", ["{", "[1]", '"text"'])
def test_a_damaged_document_is_set_aside_and_the_rest_is_read(path: Path, text: str) -> None:
    database = Database(path)
    database.put("t", "good", {"a": 1})
    database.put("t", "bad", {})
    _write(path, text)
    assert database.table("t").items() == [("good", {"a": 1})]
    assert "bad" in database.warnings[0]
    assert database.get("t", "bad") is None
    database.close()


def test_a_file_of_a_later_berth_is_left_alone(path: Path) -> None:
    Database(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(NewerLayout, match="99 is newer"):
        Database(path)


def _write(path: Path, text: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("UPDATE documents SET document=? WHERE key='bad'", (text,))
    connection.commit()
    connection.close()


def test_only_its_owner_can_read_it(path: Path) -> None:
    database = Database(path)
    database.put("t", "k", {})
    for file in path.parent.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file
    database.close()


def test_a_write_that_is_refused_is_said(path: Path) -> None:
    database = Database(path)
    with database.transaction():
        other = Database(path)
        other.rows("PRAGMA busy_timeout=1")
        with pytest.raises(Unavailable, match=r"cannot write to .*: database is locked"):
            other.put("t", "k", {})
        other.close()
    database.close()


def test_a_file_that_is_damaged_while_in_use_is_said(path: Path) -> None:
    database = Database(path)
    for number in range(200):
        database.put("t", str(number), {"text": "x" * 1000})
    database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    database.rows("PRAGMA shrink_memory")  # so that the file is read again
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * (path.stat().st_size - 100))
    with pytest.raises(Unavailable, match="malformed"):
        for number in range(200):
            database.put("t", f"{number}-", {"text": "y" * 1000})
    database.close()
