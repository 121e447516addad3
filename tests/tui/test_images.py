"""Images and the run form, by keys, on a live engine."""

import json
import uuid
from pathlib import Path

import pytest
from textual.widgets import Input

from tests.system.daemons import Daemon
from tests.tui.drive import IMAGE, Driver, driving
from tui.dialogs.run_form import RunForm
from tui.screens.image import ImageScreen
from tui.screens.main import MainScreen


async def at_image(drive: Driver, name: str = IMAGE) -> None:
    """In the images pane, on this image."""
    await drive.press("2")
    await drive.shows("REFERENCE", name)
    assert isinstance(drive.app.screen, MainScreen)
    found = await drive.until(
        lambda: [i for i in drive.hub.images.items.values() if name in i.references], "image"
    )
    assert drive.table().move_to(found[0].id)
    await drive.pilot.pause()


async def fill(drive: Driver, field: str, text: str) -> None:
    """Paste into one field of the form."""
    found = drive.app.screen.query_one(f"#{field}", Input)
    drive.app.screen.set_focus(found)
    found.value = text
    await drive.pilot.pause()


async def test_form_runs_a_container_with_its_limits(drive: Driver, live: Daemon) -> None:
    name = f"form-{uuid.uuid4().hex[:6]}"
    await at_image(drive)
    await drive.press("n")
    assert isinstance(drive.app.screen, RunForm)
    await fill(drive, "name", name)
    await fill(drive, "command", "sleep 1000")
    await fill(drive, "memory", "64m")
    await fill(drive, "cpus", "0.5")
    await fill(drive, "pids", "20")
    await fill(drive, "env", "GREETING=hello")
    await drive.shows("docker run -d -m 64m --cpus 0.5")
    await drive.press("enter")
    await drive.until(lambda: (c := drive.container(name)) and c.running, "runs")
    data = live.inspect(name)
    live.docker("rm", "-f", name)
    host = data["HostConfig"]
    assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (64 << 20, 500_000_000, 20)
    assert "GREETING=hello" in data["Config"]["Env"]
    assert data["Config"]["Cmd"] == ["sleep", "1000"]
    assert host["NetworkMode"] == "none"


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        ("memory", "lots", "not a size"),
        ("memory", "1m", "memory limit too small"),
        ("cpus", "-1", "CPU limit out of range"),
        ("pids", "0", "not a process limit"),
        ("env", "NOVALUE", "not an environment variable"),
        ("command", "sh -c 'x", "a quote is not"),
        ("name", "/x", "not a container name"),
    ],
)
async def test_form_names_the_field_before_anything_is_sent(
    field: str, text: str, said: str, tmp_path: Path
) -> None:
    async with driving(tmp_path / "none.sock", (100, 40), connected=False) as drive:
        sent: list[object] = []

        async def send(request: object) -> str:
            sent.append(request)
            return ""

        await drive.app.push_screen(RunForm("box:1", send))
        await fill(drive, field, text)
        await drive.press("enter")
        await drive.shows(said)
        focused = drive.app.screen.focused
        assert focused is not None
        assert focused.id == field
        assert not sent


async def test_form_shows_the_engines_refusal_and_stays(drive: Driver, box: str) -> None:
    await at_image(drive)
    await drive.press("n")
    await fill(drive, "name", box)
    await fill(drive, "command", "sleep 1")
    await drive.press("enter")
    await drive.shows("already in use")
    assert isinstance(drive.app.screen, RunForm)
    await drive.press("escape")


async def test_form_leaves_nothing_behind_when_the_command_is_missing(
    drive: Driver, live: Daemon
) -> None:
    name = f"form-{uuid.uuid4().hex[:6]}"
    await at_image(drive)
    await drive.press("n")
    await fill(drive, "name", name)
    await fill(drive, "command", "no-such-program")
    await drive.press("enter")
    await drive.shows("executable file not found")
    await drive.press("escape")
    assert live.docker("inspect", name, check=False).returncode != 0


async def test_tag_inspect_and_remove(drive: Driver, live: Daemon) -> None:
    tag = f"shop/web:{uuid.uuid4().hex[:6]}"
    await at_image(drive)
    await drive.press("t")
    await drive.write(tag)
    await drive.press("enter")
    images = drive.hub.images.items
    await drive.until(lambda: any(tag in i.references for i in images.values()), "tagged")
    await drive.press("d")
    await drive.until(lambda: isinstance(drive.app.screen, ImageScreen), "opens")
    await drive.shows("History", "Layers", tag)
    await drive.press("y")
    await drive.shows('"Id"')
    await drive.press("escape")
    live.docker("rmi", tag)
    await drive.until(lambda: not any(tag in i.references for i in images.values()), "untagged")


async def test_load_a_file_then_remove_it_after_the_question(
    drive: Driver, live: Daemon, tmp_path: Path
) -> None:
    reference = f"loaded:{uuid.uuid4().hex[:6]}"
    archive = tmp_path / "image.tar"
    live.docker("tag", IMAGE, reference)
    if live.kind == "dockerd":
        live.docker("save", "-o", str(archive), reference)
    else:
        archive.write_bytes(docker_archive(reference))
    live.docker("rmi", reference)
    await drive.press("2", "L")
    await fill(drive, "path", str(archive))
    await drive.press("enter")
    images = drive.hub.images.items
    await drive.until(lambda: any(reference in i.references for i in images.values()), "loaded")
    live.docker("rmi", "-f", reference)


async def test_a_bad_file_says_what_is_wrong(drive: Driver, tmp_path: Path) -> None:
    bad = tmp_path / "bad.tar"
    bad.write_bytes(b"this is no archive")
    await drive.press("2", "L")
    await fill(drive, "path", str(tmp_path / "missing.tar"))
    await drive.press("enter")
    await drive.shows("no such file")
    await fill(drive, "path", str(bad))
    await drive.press("enter")
    await drive.shows("✕", "Close")
    await drive.press("escape")


async def test_remove_of_an_image_in_use_tells_its_users(
    drive: Driver, live: Daemon, box: str
) -> None:
    await at_image(drive)
    await drive.press("delete")
    await drive.shows("In use by", box)
    await drive.press("escape")
    assert live.docker("image", "inspect", IMAGE, check=False).returncode == 0


async def test_import_from_the_host_works_offline(drive: Driver, live: Daemon) -> None:
    await drive.press("2", "H")
    if live.kind == "dockerd":
        await drive.notified("only a berth engine can")
        return
    reference = f"host:{uuid.uuid4().hex[:6]}"
    await fill(drive, "programs", "sh ls cat")
    await fill(drive, "reference", reference)
    await drive.press("enter")
    images = drive.hub.images.items
    await drive.until(lambda: any(reference in i.references for i in images.values()), "made", 60)
    live.docker("rmi", "-f", reference)


def docker_archive(reference: str) -> bytes:
    """What ``docker save`` writes, as small as can be."""
    import hashlib
    import io
    import tarfile

    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("hello"), io.BytesIO())
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        }
    ).encode()
    name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = [{"Config": name, "RepoTags": [reference], "Layers": ["layer.tar"]}]
    files = {
        "manifest.json": json.dumps(manifest).encode(),
        name: config,
        "layer.tar": layer.getvalue(),
    }
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, data in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return archive.getvalue()
