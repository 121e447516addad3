"""Who lives in a namespace."""

import os


def inhabitants(namespace: int, kind: str) -> list[int]:
    """The living processes whose namespace of this kind is the one that the descriptor holds."""
    inode, found = os.fstat(namespace).st_ino, []
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                link = os.readlink(f"/proc/{name}/ns/{kind}")
                alive = _is_alive(name)
            except OSError:
                continue  # gone, or somebody else's
            if alive and link == f"{kind}:[{inode}]":
                found.append(int(name))
    return found


def _is_alive(name: str) -> bool:
    """Not dead and waiting for pid 1 to see it."""
    with open(f"/proc/{name}/stat", "rb") as file:
        return file.read().rpartition(b") ")[2][:1] not in {b"Z", b"X"}
