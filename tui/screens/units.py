"""How graphs write figures on their axes: shorter than in tables."""

from tui.render import units


def cores(value: float) -> str:
    """``0.5``, ``1.25``, ``2``, ``<0.01``."""
    if 0 < value < 0.005:
        return "<0.01"
    return f"{value:.2f}".rstrip("0").rstrip(".") if value < 10 else f"{value:.0f}"


def size(value: float) -> str:
    """``64 MiB``, without the space where the axis is narrow."""
    return units.size(value).replace(" ", "").replace("iB", "").replace(".0", "")


def rate(value: float) -> str:
    """Bytes a second as short as `size`."""
    return f"{size(value)}/s" if value >= 0.5 else "0"
