"""The Docker Engine API: routes and JSON, one file a resource."""
