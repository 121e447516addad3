"""What happened: the in-process exchange behind `docker events`, and its filters."""

from engine.events.event import Event
from engine.events.exchange import Exchange, Subscription
from engine.events.filters import Filters

__all__ = ["Event", "Exchange", "Filters", "Subscription"]
