"""The in-process event exchange and its filters."""
