"""A check box that shows its state by a mark and not by colour alone."""

from textual.widgets import Checkbox


class Tick(Checkbox):
    """Empty, or ticked."""

    BUTTON_INNER = " "

    def watch_value(self) -> None:
        """The mark comes and goes."""
        self.BUTTON_INNER = "✓" if self.value else " "
        self.refresh()
        super().watch_value()
