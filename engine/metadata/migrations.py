"""How the file's layout grew; `PRAGMA user_version` counts the steps that were done."""

import sqlite3

STEPS = (
    "CREATE TABLE documents(tab TEXT NOT NULL, key TEXT NOT NULL, document TEXT NOT NULL, "
    "PRIMARY KEY(tab, key)) WITHOUT ROWID",
)


class NewerLayout(RuntimeError):
    """The file was written by a later berth; reading it as ours could lose what it holds."""


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file to the layout of this berth.

    Raises:
        NewerLayout: the file is newer than this berth.
    """
    done: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if done > len(STEPS):
        raise NewerLayout(f"database layout {done} is newer than this berth's {len(STEPS)}")
    for number, step in enumerate(STEPS[done:], start=done + 1):
        connection.execute("BEGIN")
        connection.execute(step)
        connection.execute(f"PRAGMA user_version={number}")
        connection.execute("COMMIT")
