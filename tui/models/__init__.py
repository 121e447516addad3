"""Plain data that every floor may know."""
