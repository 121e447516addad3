"""Keymap and preferences."""
