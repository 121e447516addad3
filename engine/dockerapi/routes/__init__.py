"""Handlers: one file a resource of the Docker Engine API reference."""
