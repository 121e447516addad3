"""Pure functions from objects to cells and lines, one file a kind.

Styles are names (``ok``, ``warn``, …); which colour that is, the screens decide. No text that
leaves here can make a terminal do anything but show it.
"""
