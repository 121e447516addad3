"""An image made of this host's own programs: no registry, no network."""

from engine.images.host.make import make_image

__all__ = ["make_image"]
