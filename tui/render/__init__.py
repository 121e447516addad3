"""Pure functions from objects to cells, one file a kind."""
