"""Limits and readings of control groups, v1, v2 and hybrid behind one interface."""
