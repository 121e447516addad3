"""Sampling of containers and host, and ten minutes of history."""

from engine.metrics.prometheus import CONTENT_TYPE
from engine.metrics.sampler import Sampler, Sweep

__all__ = ["CONTENT_TYPE", "Sampler", "Sweep"]
