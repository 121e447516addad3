"""``berth demo``: five live containers that give every view something real to show."""

from tui.commands.demo.play import begin, clean, headless

__all__ = ["begin", "clean", "headless"]
