"""The container's file systems: its root, its mounts, and what of them it may not see or change."""
