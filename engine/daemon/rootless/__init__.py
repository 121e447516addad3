"""The engine of a user without root: a user namespace of its own, and what it lacks in there."""
