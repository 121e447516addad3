"""SQLite tables and migrations. No logic: a room keeps JSON documents here and reads them."""

from engine.metadata.database import Database, Table

__all__ = ["Database", "Table"]
