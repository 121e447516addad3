"""A user without root and without sub-ids: one id is enough."""

import json
import tarfile
from io import BytesIO

import pytest

from tests.system.conftest import UserOf, begin
from tests.system.unprivileged import IMAGE, TRAP, Unprivileged, owner, pid_of

pytestmark = pytest.mark.root


@pytest.fixture
def single(user_of: UserOf, rootfs_tar: bytes) -> Unprivileged:
    """A user without sub-ids."""
    made = user_of(sub_ids=False)
    begin(made, rootfs_tar)
    return made


def test_one_id_is_enough(single: Unprivileged) -> None:
    tar = BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        entry = tarfile.TarInfo("srv")
        entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, 0o755, 33, 33
        archive.addfile(entry)
    single.docker("import", "-", "others:1", input=tar.getvalue())
    single.docker("run", "-d", "--name", "box", IMAGE, "sh", "-c", TRAP)
    assert owner(pid_of(single, "box")) == single.uid
    assert single.docker("exec", "-t", "box", "id", "-u").stdout.strip() == "0"
    refused = single.docker("run", "--rm", "-u", "33", IMAGE, "true", check=False)
    assert "/etc/subuid" in refused.stderr
    info = json.loads(single.docker("info", "-f", "{{json .Warnings}}").stdout)
    assert any("usermod --add-subuids" in warning for warning in info)
    single.berth("stop")
    single.berth("start")
    single.docker("stop", "box")
    assert single.docker("wait", "box").stdout == "7\n"
