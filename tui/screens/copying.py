"""Text to the clipboard of the terminal a person sits at, also over SSH (OSC 52)."""

from textual.widget import Widget

from tui.render import units

# Terminals cut the sequence short or drop it: xterm and tmux at about 100,000 base64 characters.
MOST_BYTES = 74_000


def copy(node: Widget, text: str, what: str) -> None:
    """Copy and say so; say instead that nothing was copied when no terminal would take it."""
    text = text.encode("utf-8", "replace").decode()
    size = len(text.encode())
    if size > MOST_BYTES:
        node.app.notify(
            f"{what}: {units.size(size)} are more than terminals take ({units.size(MOST_BYTES)}).",
            title="Not copied",
            severity="warning",
        )
        return
    node.app.copy_to_clipboard(text)
    node.app.notify(what, title="Copied", timeout=3)
