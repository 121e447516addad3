"""Where an engine may be."""

import os
from pathlib import Path

import pytest

from tui.clients import Endpoint, default_endpoint


@pytest.mark.parametrize(
    ("text", "canonical", "local"),
    [
        ("unix:///run/x.sock", "unix:///run/x.sock", True),
        ("tcp://10.0.0.1:2376", "tcp://10.0.0.1:2376", False),
        ("http://engine.example", "tcp://engine.example:2375", False),
        ("tcp://[::1]:99", "tcp://[::1]:99", False),
    ],
)
def test_the_forms_of_docker_host(text: str, canonical: str, local: bool) -> None:
    endpoint = Endpoint.parse(text)
    assert (str(endpoint), endpoint.local) == (canonical, local)


@pytest.mark.parametrize(
    "text", ["", "/run/x.sock", "unix://x.sock", "ssh://host", "tcp://", "tcp://h:port", "tcp://[x"]
)
def test_a_form_that_cannot_be_used_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="cannot use engine address"):
        Endpoint.parse(text)


def test_docker_host_wins_over_berths_own_socket() -> None:
    environ = {"DOCKER_HOST": "tcp://h:1", "BERTH_RUN_DIR": "/x"}
    assert str(default_endpoint(environ)) == "tcp://h:1"
    assert str(default_endpoint({"BERTH_RUN_DIR": "/x"})) == "unix:///x/berth.sock"


@pytest.mark.skipif(os.geteuid() != 0, reason="the default is root's own")
def test_the_default_is_berths_socket() -> None:
    assert str(default_endpoint({"DOCKER_HOST": " "})) == "unix:///run/berth/berth.sock"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be somebody else")
def test_a_run_directory_that_somebody_else_made_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    uid = 4_000_000 + os.getpid()
    monkeypatch.setattr("tui.clients.endpoint.os.geteuid", lambda: uid)
    monkeypatch.setattr("tui.clients.endpoint.os.access", lambda *_: False)
    assert str(default_endpoint({})) == f"unix:///tmp/berth-{uid}/berth/berth.sock"
    squatted = Path(f"/tmp/berth-{uid}")
    squatted.mkdir()
    try:
        with pytest.raises(ValueError, match=r"belongs to somebody else: set XDG_RUNTIME_DIR"):
            default_endpoint({})
    finally:
        squatted.rmdir()
