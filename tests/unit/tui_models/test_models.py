"""What the models derive."""

from tui.models import (
    NO_POD,
    Container,
    ContainerState,
    Event,
    Image,
    RunRequest,
    Sample,
    group_pods,
)

RUNNING = ContainerState.RUNNING


def one(name: str, state: ContainerState = RUNNING, **labels: str) -> Container:
    renamed = {key.replace("_", "."): value for key, value in labels.items()}
    return Container(id=name, name=name, image="i", state=state, labels=renamed, restarts=1)


def test_pods_go_by_berths_label_then_by_compose_project_and_the_rest_last() -> None:
    groups = group_pods(
        [
            one("z"),
            one("b", berth_pod="shop"),
            one("a", com_docker_compose_project="blog"),
            one("c", ContainerState.EXITED, berth_pod="shop"),
        ]
    )
    assert [group.name for group in groups] == ["blog", "shop", NO_POD]
    shop = groups[1]
    assert [item.name for item in shop.containers] == ["b", "c"]
    assert (shop.ready, shop.restarts) == (1, 2)


def test_an_unknown_state_keeps_the_row() -> None:
    assert ContainerState.of("hibernating") is ContainerState.UNKNOWN
    assert ContainerState.of("Running") is RUNNING


def test_percentages_need_a_limit() -> None:
    assert Sample(1.0, cpu_cores=0.25).cpu_percent is None
    assert Sample(1.0, cpu_cores=0.25, cpu_limit=0.5).cpu_percent == 50
    assert Sample(1.0, memory_bytes=32, memory_limit=64).memory_percent == 50


def test_an_event_s_verb_is_the_action_without_its_detail() -> None:
    event = Event("container", "exec_start: sh -c x", "abc", 1.0, {"name": "web"})
    assert (event.verb, event.name) == ("exec_start", "web")
    assert Event("image", "delete", "sha256:" + "ab" * 32, 1.0).name == "ab" * 6


def test_an_image_without_a_name_is_called_by_its_id() -> None:
    image = Image("sha256:" + "cd" * 32)
    assert image.dangling
    assert image.name == "cd" * 6


def test_a_run_is_told_as_the_docker_line_that_does_the_same() -> None:
    request = RunRequest(
        "img:1",
        ("sh", "-c", "echo $X"),
        name="web",
        memory=64 << 20,
        cpus=0.5,
        env=("A=b c",),
        restart_policy="on-failure",
        labels={"k": "v"},
    )
    assert request.command_line() == (
        "docker run -d -m 64m --cpus 0.5 -e 'A=b c' --name web --restart on-failure "
        "--label k=v img:1 sh -c 'echo $X'"
    )
