"""The container service: one file a verb."""
