"""What runs inside the new container, up to the execve of its program."""
