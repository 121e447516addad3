"""The fork server: one thread, everything imported before the first fork."""
