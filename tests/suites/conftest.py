"""Fixtures of the suites that run on berth's launcher and on OCI runtimes.

A test that takes `host` runs once a runtime, unless DIFFERENCES.md says that it is not asked.
"""

import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from engine.runtime import forkserver
from engine.runtime.launcher import Launcher
from tests.conftest import SLOWDOWN

from . import differences
from .host import Host, hosting, leaving_nothing, make_rootfs, missing
from .oci import Runtime

RUNTIMES: dict[str, Runtime | None] = {"berth": None, "runc": Runtime("runc", ("runc",))}
if find_spec("engine.ociruntime"):
    RUNTIMES["berth-runtime"] = Runtime(
        "berth-runtime", (sys.executable, "-m", "engine.ociruntime")
    )
# berth-runtime starts an interpreter for each command, and what it does in a container is the
# launcher's own code: the rest of the suites is left to `make soak`.
QUICK = {f"runtime_lifecycle/test_{name}.py" for name in ("life", "exec", "spec_hooks")}
# For whoever works on one of them: BERTH_TEST_RUNTIMES=berth,runc
CHOSEN = os.environ.get("BERTH_TEST_RUNTIMES", ",".join(RUNTIMES)).split(",")


# An emulated machine under load needs longer than any host that runs containers.
forkserver.READY_BOUND *= SLOWDOWN
forkserver.SEND_BOUND *= SLOWDOWN
forkserver.END_BOUND *= SLOWDOWN


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "runtime" not in metafunc.fixturenames:
        return
    file = Path(metafunc.module.__file__).relative_to(differences.HERE)
    test = f"{file}::{metafunc.function.__name__}"
    params = [
        param for name in RUNTIMES if name in CHOSEN and (param := _param(test, name)) is not None
    ]
    metafunc.parametrize("runtime", params, indirect=True)


def _param(test: str, name: str) -> object:
    row = differences.find(test, name)
    if row is not None and row.kind == "not asked":
        return None
    marks = [pytest.mark.root]
    if _is_slow(test.partition("::")[0], name):
        marks.append(pytest.mark.slow)
    if missing() or (name == "runc" and shutil.which("runc") is None):
        marks.append(pytest.mark.skip(reason=missing() or "needs runc: run scripts/test-packages"))
    elif row is not None:
        marks.append(pytest.mark.xfail(reason=row.reason, strict=True))
    return pytest.param(name, marks=marks, id=name)


def _is_slow(file: str, name: str) -> bool:
    if file.startswith("cgroups/"):
        return name != "berth"
    return name == "berth-runtime" and file not in QUICK


@pytest.fixture
def runtime(request: pytest.FixtureRequest) -> Runtime | None:
    return RUNTIMES[request.param]


@pytest.fixture(scope="session")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_rootfs(tmp_path_factory.mktemp("rootfs"))


@pytest.fixture
def cgroup_parent() -> Iterator[str]:
    yield from leaving_nothing(f"berth-test-{os.getpid()}")


@pytest.fixture
async def host(
    tmp_path: Path, rootfs: Path, cgroup_parent: str, runtime: Runtime | None
) -> AsyncIterator[Host]:
    """Fails the test when a monitor, a bundle or (see `cgroup_parent`) a cgroup is left over."""
    async with hosting(tmp_path, rootfs, cgroup_parent, runtime) as host:
        yield host


@pytest.fixture
async def launcher(host: Host) -> Launcher:
    return await host.launcher()
