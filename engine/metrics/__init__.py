"""Samples of cgroups and host, with their history."""
