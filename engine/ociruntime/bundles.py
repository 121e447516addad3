"""Reading a bundle's config.json, and making what it says relative to the bundle absolute."""

import os
from typing import Any

from engine.errors import InvalidArgument, NotFound
from engine.ociruntime.parse import document


def load(bundle: str) -> dict[str, Any]:
    """The configuration. Raises NotFound or InvalidArgument."""
    path = f"{bundle}/config.json"
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        raise NotFound("JSON specification file config.json not found") from None
    return parse(data, path)


def parse(data: bytes, path: str) -> dict[str, Any]:
    """A JSON object. Raises InvalidArgument with `path`."""
    value = document(data)
    if isinstance(value, dict):
        return value
    import json  # which can say what is wrong with it, and takes its time to load

    try:
        json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"{path}: not JSON: {error}") from error
    raise InvalidArgument(f"{path}: must be an object")


def resolve(config: dict[str, Any], bundle: str) -> dict[str, Any]:
    """The same with root.path and the sources of bind mounts as absolute paths.

    What is of the wrong type is left for the compiler to refuse by name.
    """
    resolved = dict(config)
    root = config.get("root")
    if isinstance(root, dict) and isinstance(root.get("path"), str) and root["path"]:
        path = os.path.realpath(os.path.join(bundle, root["path"]))
        if not os.path.isdir(path):
            raise InvalidArgument(f"root.path: {path!r} is not a directory")
        resolved["root"] = root | {"path": path}
    if isinstance(config.get("mounts"), list):
        resolved["mounts"] = [_mount(each, bundle) for each in config["mounts"]]
    return resolved


def _mount(mount: Any, bundle: str) -> Any:
    if not isinstance(mount, dict) or not isinstance(mount.get("source"), str):
        return mount
    options = mount.get("options") or ()
    bind = mount.get("type") == "bind" or "bind" in options or "rbind" in options
    if not bind or not mount["source"]:
        return mount
    return mount | {"source": os.path.normpath(os.path.join(bundle, mount["source"]))}
