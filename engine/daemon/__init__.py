"""The composition root: options, sockets, wiring, signals and shutdown order."""
