"""The berth engine: a daemon that runs containers and serves the Docker Engine API."""
