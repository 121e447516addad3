import asyncio
import time

import pytest

from engine.errors import InvalidArgument, Unavailable
from engine.events import Event, Exchange, Filters, Subscription
from engine.events.exchange import HISTORY, QUEUE


def event(action: str, time_ns: int = 0, **attributes: str) -> Event:
    return Event("container", action, "abc123", attributes, time_ns or time.time_ns())


async def taken(subscription: Subscription, count: int) -> list[str]:
    async with asyncio.timeout(5):
        return [(await anext(subscription)).action for _ in range(count)]


async def test_everybody_gets_what_comes_after_subscribing() -> None:
    exchange = Exchange()
    exchange.publish(event("early"))
    first, second = exchange.subscribe(), exchange.subscribe()
    exchange.publish(event("start"))
    assert await taken(first, 1) == await taken(second, 1) == ["start"]


async def test_since_replays_what_is_remembered() -> None:
    exchange = Exchange()
    for number in range(HISTORY + 10):
        exchange.publish(event(str(number), time_ns=number + 1))
    all_of_it = exchange.subscribe(since_ns=0, until_ns=time.time_ns())
    assert len([e async for e in all_of_it]) == HISTORY
    late = exchange.subscribe(since_ns=HISTORY + 9, until_ns=time.time_ns())
    assert [e.action async for e in late] == [str(HISTORY + 8), str(HISTORY + 9)]


async def test_until_ends_the_subscription() -> None:
    exchange = Exchange()
    subscription = exchange.subscribe(until_ns=time.time_ns() + 50_000_000)
    exchange.publish(event("in time"))
    async with asyncio.timeout(5):
        assert [e.action async for e in subscription] == ["in time"]


async def test_a_slow_subscriber_is_dropped_and_told() -> None:
    exchange = Exchange()
    slow = exchange.subscribe()
    for number in range(QUEUE + 5):
        exchange.publish(event(str(number)))
    assert len(await taken(slow, QUEUE)) == QUEUE
    with pytest.raises(Unavailable, match="too slow"):
        await anext(slow)


async def test_closing_ends_after_what_was_queued() -> None:
    exchange = Exchange()
    subscription = exchange.subscribe()
    exchange.publish(event("last"))
    exchange.close()
    exchange.publish(event("lost"))
    assert [e.action async for e in subscription] == ["last"]


async def test_a_waiting_subscriber_is_woken() -> None:
    exchange = Exchange()
    subscription = exchange.subscribe()
    waiting = asyncio.create_task(taken(subscription, 1))
    await asyncio.sleep(0)
    exchange.publish(event("now"))
    assert await waiting == ["now"]


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        ({}, True),
        ({"type": ("container",)}, True),
        ({"type": ("image",)}, False),
        ({"type": ("image", "container")}, True),
        ({"event": ("exec_create",)}, True),
        ({"event": ("exec_create: sh",)}, True),
        ({"event": ("exec",)}, False),
        ({"container": ("abc",)}, True),
        ({"container": ("web",)}, True),
        ({"container": ("/web",)}, True),
        ({"container": ("we",)}, False),
        ({"label": ("a",)}, True),
        ({"label": ("a=b", "c")}, False),
        ({"label": ("a=x",)}, False),
        ({"image": ("box",)}, True),
        ({"image": ("box:latest",)}, True),
        ({"image": ("other",)}, False),
        ({"scope": ("swarm",)}, False),
        ({"type": ("container",), "event": ("die",)}, False),
    ],
)
def test_filters(wanted: dict[str, tuple[str, ...]], matches: bool) -> None:
    made = event("exec_create: sh", name="web", image="box:latest", a="b")
    assert Filters(wanted).match(made) is matches


def test_an_unknown_filter_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="invalid filter 'colour'"):
        Filters({"colour": ("red",)})
