"""Typed OCI documents: data only, no I/O."""
