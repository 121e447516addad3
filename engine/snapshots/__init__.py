"""Unpacked layers and writable snapshots: protocol, overlayfs, and the copying fallback."""
