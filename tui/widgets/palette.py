"""Tone names to terminal styles, for widgets that paint their own lines.

A tone says what a thing means (``ok``, ``warn``, ``bad``, …); the theme says how that looks. State
is never told by colour alone: the renderers put a glyph or a word beside it.
"""

from functools import lru_cache

from rich.style import Style
from textual.dom import DOMNode

from tui.widgets.themes import TONES


@lru_cache(maxsize=256)
def _style(foreground: str, background: str, bold: bool) -> Style:
    return Style(color=foreground or None, bgcolor=background or None, bold=bold or None)


def colour(node: DOMNode, name: str) -> str:
    """The theme's colour for a tone or a theme variable; the plain text colour when unknown."""
    variables = node.app.theme_variables
    return variables.get(TONES.get(name, name)) or variables.get("foreground", "#ffffff")


def tone(node: DOMNode, name: str, *, on: str = "", bold: bool = False) -> Style:
    """Style of a tone, on the theme variable ``on`` as background where one is given."""
    return _style(colour(node, name), colour(node, on) if on else "", bold)
