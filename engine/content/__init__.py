"""Blobs by digest in an OCI image layout: ingest, verify, read."""

from engine.content.store import Store
from engine.content.writer import Writer

__all__ = ["Store", "Writer"]
