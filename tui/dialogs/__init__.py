"""Modal questions. Each returns a value and does nothing itself."""
