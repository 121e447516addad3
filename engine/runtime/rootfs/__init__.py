"""Mounts, pivot_root, masked and read-only paths."""
