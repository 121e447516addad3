"""One SQLite file of JSON documents, by table and key.

A file that SQLite cannot read is renamed aside and named in a warning, and the engine goes on with
an empty one: a lost record must not keep every other container from its owner. Calls are
synchronous and short (one row, below a millisecond), so they may run on the event loop.
"""

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from engine.errors import Unavailable
from engine.metadata.migrations import migrate
from engine.metadata.reserve import Reserve

Document = dict[str, Any]

_PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=2000")
_ALONE = ("locking_mode=EXCLUSIVE",)
_COMPANIONS = ("", "-wal", "-shm")


class Database:
    """The documents of one engine.

    Args:
        path: the SQLite file; it and its folder are made when they do not exist.

    Attributes:
        warnings: what was found damaged and where it was put, in words for a person.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.warnings: list[str] = []
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._connection = self._open()
        self._reserve = Reserve(path.with_name(f"{path.name}.reserve"))
        self._reserve.renew()

    def table(self, name: str) -> "Table":
        """The documents kept under one name; a new name starts empty."""
        return Table(self, name)

    def get(self, table: str, key: str) -> Document | None:
        rows = self.rows("SELECT document FROM documents WHERE tab=? AND key=?", (table, key))
        return self._decode(table, key, rows[0][0]) if rows else None

    def put(self, table: str, key: str, document: Document) -> None:
        """Raises Unavailable when nothing can be written: no room, no right, a damaged file."""
        text = json.dumps(document, separators=(",", ":"))
        self._write(
            "INSERT INTO documents(tab, key, document) VALUES(?, ?, ?) "
            "ON CONFLICT(tab, key) DO UPDATE SET document=excluded.document",
            (table, key, text),
        )

    def delete(self, table: str, key: str) -> None:
        """Works on a full disk, too: who wants to make room there must be able to remove things."""
        statement = "DELETE FROM documents WHERE tab=? AND key=?"
        try:
            self._write(statement, (table, key))
        except Unavailable:
            if not self._reserve.spend():
                raise
            self._write(statement, (table, key))
            # From its beginning again, so that the next one needs no room at all.
            self.rows("PRAGMA wal_checkpoint(RESTART)")
        self._reserve.renew()

    def items(self, table: str) -> list[tuple[str, Document]]:
        """Every document of a table by key; one that is no JSON object is set aside and named."""
        rows = self.rows("SELECT key, document FROM documents WHERE tab=? ORDER BY key", (table,))
        decoded = ((key, self._decode(table, key, text)) for key, text in rows)
        return [(key, document) for key, document in decoded if document is not None]

    def set_aside(self, table: str, key: str, why: str) -> None:
        """Move a document nobody can use out of its table, and say so in `warnings`."""
        self._write(
            "UPDATE OR REPLACE documents SET tab=? WHERE tab=? AND key=?",
            (f"{table}.damaged", table, key),
        )
        self.warnings.append(f"damaged record {key} of {table} set aside: {why}")

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside happen, or none; not to be nested, and never to be awaited in.

        Raises:
            Unavailable: nothing can be written.
        """
        self._write("BEGIN IMMEDIATE")
        try:
            yield
            self._write("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # a full disk may have ended it already
                self._connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        self._connection.close()

    def _write(self, statement: str, values: Sequence[Any] = ()) -> None:
        try:
            self._connection.execute(statement, values)
        except sqlite3.DatabaseError as error:
            raise Unavailable(f"cannot write to {self.path}: {error}") from error

    def _open(self) -> sqlite3.Connection:
        try:
            return _connect(self.path)
        except sqlite3.OperationalError as error:
            return self._open_alone(error)  # the file itself may be whole
        except sqlite3.DatabaseError as error:
            aside = _set_file_aside(self.path)
            self.warnings.append(
                f"damaged database {self.path} ({error}) set aside as {aside}; starting with none"
            )
            return _connect(self.path)

    def _open_alone(self, reason: sqlite3.OperationalError) -> sqlite3.Connection:
        """Without a file of shared memory beside it, which a full disk has no room for.

        Raises:
            Unavailable: not so either: no room, no right, or in use.
        """
        try:
            connection = _connect(self.path, _ALONE)
        except sqlite3.OperationalError as error:
            raise Unavailable(f"cannot open {self.path}: {error}") from reason
        self.warnings.append(f"{self.path} can be read, and maybe not written: {reason}")
        return connection

    def _decode(self, table: str, key: str, text: str) -> Document | None:
        try:
            document = json.loads(text)
        except (ValueError, TypeError) as error:
            self.set_aside(table, key, str(error))
            return None
        if not isinstance(document, dict):
            self.set_aside(table, key, "not a JSON object")
            return None
        return document


class Table:
    """One table of a `Database`."""

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self.name = name

    def get(self, key: str) -> Document | None:
        return self._database.get(self.name, key)

    def put(self, key: str, document: Document) -> None:
        self._database.put(self.name, key, document)

    def delete(self, key: str) -> None:
        self._database.delete(self.name, key)

    def items(self) -> list[tuple[str, Document]]:
        return self._database.items(self.name)

    def set_aside(self, key: str, why: str) -> None:
        self._database.set_aside(self.name, key, why)


def _connect(path: Path, first: Sequence[str] = ()) -> sqlite3.Connection:
    """A connection to a file that only its owner can read: environments may hold secrets."""
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        for pragma in (*first, *_PRAGMAS):
            connection.execute(f"PRAGMA {pragma}")
        _check(connection)
        migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection) -> None:
    with closing(connection.execute("PRAGMA quick_check(1)")) as cursor:
        verdict = cursor.fetchone()[0]
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict)


def _set_file_aside(path: Path) -> Path:
    aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
    for companion in _COMPANIONS:
        source = path.with_name(path.name + companion)
        if source.exists():
            source.rename(aside.with_name(aside.name + companion))
    return aside
