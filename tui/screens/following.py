"""How informers reach the screen: their callbacks only leave a word, handlers do the rest."""

from collections.abc import Callable

from textual.dom import DOMNode


def soon(node: DOMNode, call: Callable[[], None]) -> Callable[..., None]:
    """A callback for informers that never raises into them.

    ``call`` runs in the node's own message loop, once for any number of words left until then,
    and not at all while the node is hidden or has left the screen.
    """
    waiting = False

    def run() -> None:
        nonlocal waiting
        waiting = False
        if node.is_attached and node.display:  # not while it is being taken off the screen
            call()

    def told(*_: object) -> None:
        nonlocal waiting
        if not waiting and node.is_attached:
            waiting = node.call_later(run)

    return told
