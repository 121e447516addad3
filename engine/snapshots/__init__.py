"""File-system snapshots of image layers; returns mounts and never mounts."""
