"""Text to the clipboard of the terminal a person sits at, also over SSH (OSC 52)."""

from textual.widget import Widget

from tui.render import units

# Terminals cut the sequence short or drop it: xterm and tmux at about 100,000 base64 characters.
MOST_BYTES = 74_000


def copy(node: Widget, text: str, what: str) -> None:
    """Copy and say so; say instead why not when there is nothing, or no terminal would take it.

    ``what`` is as it stands in a sentence: ``the id of web``.
    """
    if not text:
        node.app.notify("Nothing to copy", severity="warning", timeout=3)
        return
    text = text.encode("utf-8", "replace").decode()
    size = len(text.encode())
    if size > MOST_BYTES:
        node.app.notify(
            f"{what[0].upper()}{what[1:]}: {units.size(size)} are more than terminals take "
            f"({units.size(MOST_BYTES)}).",
            title="Not copied",
            severity="warning",
        )
        return
    node.app.copy_to_clipboard(text)
    node.app.notify(f"Copied {what}", timeout=3)
