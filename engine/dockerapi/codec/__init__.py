"""JSON of the Docker Engine API to and from the engine's own data: one file a document."""
