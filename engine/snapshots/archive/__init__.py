"""Tar streams from strangers: headers, decompression, extraction under one directory."""
