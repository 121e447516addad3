"""List-then-watch caches with plain callbacks."""
