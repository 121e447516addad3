"""Limits and readings of control groups, v1, v2 and hybrid behind one interface.

    layout = detect()
    group = Manager(layout, "berth/<id>")
    group.create(); warnings = group.apply(Resources.from_oci(...)); group.attach(pid)

Imported by the monitor, so nothing here may load asyncio, threading, json or dataclasses.
"""

from engine.runtime.cgroups.layout import Hierarchy, Layout, detect
from engine.runtime.cgroups.manager import Manager
from engine.runtime.cgroups.placement import owned
from engine.runtime.cgroups.resources import DeviceRule, Rate, Rdma, Resources, Weight
from engine.runtime.cgroups.stats import (
    BlockStats,
    CpuStats,
    MemoryStats,
    PidsStats,
    Pressure,
    Stall,
    Stats,
)

__all__ = [
    "BlockStats",
    "CpuStats",
    "DeviceRule",
    "Hierarchy",
    "Layout",
    "Manager",
    "MemoryStats",
    "PidsStats",
    "Pressure",
    "Rate",
    "Rdma",
    "Resources",
    "Stall",
    "Stats",
    "Weight",
    "detect",
    "owned",
]
