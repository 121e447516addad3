"""update: other limits, or another restart policy, for a container that exists."""

import asyncio
import dataclasses
from typing import Any

from engine.containers.context import Context
from engine.containers.live import Live
from engine.containers.model import Resources, RestartPolicy, Status
from engine.containers.spec.resources import resources as to_oci
from engine.containers.validate.limits import check_resources
from engine.containers.validate.process import check_restart
from engine.errors import Conflict, InvalidArgument


async def update(
    context: Context, live: Live, wanted: Resources, policy: RestartPolicy | None
) -> list[str]:
    """See `Containers.update`."""
    if policy is not None and policy.name:
        check_restart(policy)
        if live.record.host_config.auto_remove and policy.name != "no":
            raise InvalidArgument(
                "Restart policy cannot be updated because AutoRemove is enabled for the container"
            )
    async with live.lock:
        _check(live)
        limits = merged(live.record.host_config.resources, wanted)
        warnings = list(check_resources(limits, context.host))
        document = await asyncio.to_thread(to_oci, limits)
        before = live.record.host_config
        _record(context, live, limits, policy)
        if live.monitor is not None and live.running and limits != before.resources:
            try:
                warnings += await live.monitor.update(document)
            except BaseException:
                context.change(live, copied=True, host_config=before)
                raise
    context.publish(live, "update")
    return warnings


def merged(now: Resources, wanted: Resources) -> Resources:
    """The limits there are, with those that were given in their place.

    One way of limiting CPU time replaces the other: the kernel knows only the quota.
    """
    changes: dict[str, Any] = {
        field.name: value
        for field in dataclasses.fields(wanted)
        if (value := getattr(wanted, field.name)) not in (None, 0, "", (), False)
    }
    if wanted.pids_limit is not None:
        changes["pids_limit"] = wanted.pids_limit
    if wanted.nano_cpus:
        changes |= {"cpu_quota": wanted.cpu_quota, "cpu_period": wanted.cpu_period}
    elif wanted.cpu_quota or wanted.cpu_period:
        changes["nano_cpus"] = 0
    limits = dataclasses.replace(now, **changes)
    _check_swap(limits, wanted)
    return limits


def _check_swap(limits: Resources, wanted: Resources) -> None:
    if wanted.memory and not wanted.memory_swap and 0 < limits.memory_swap < limits.memory:
        raise InvalidArgument(
            "Memory limit should be smaller than already set memoryswap limit, update the"
            " memoryswap at the same time"
        )


def _check(live: Live) -> None:
    if live.status in (Status.REMOVING, Status.DEAD):
        raise Conflict(f"container {live.id} is marked for removal and cannot be updated")


def _record(context: Context, live: Live, limits: Resources, policy: RestartPolicy | None) -> None:
    changes: dict[str, Any] = {"resources": limits}
    if policy is not None and policy.name:
        changes["restart_policy"] = policy
    host = dataclasses.replace(live.record.host_config, **changes)
    context.require(live, host_config=host)
    if context.sampler is not None:
        context.sampler.refresh(live.id)
