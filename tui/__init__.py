"""The full-screen terminal: a client of the Docker Engine API."""
