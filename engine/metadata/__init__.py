"""SQLite tables and migrations; no logic."""
