"""What the palette and the command line can do."""
