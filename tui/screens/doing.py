"""From an action to the engine: the question before, the work in a worker, the word after."""

import re
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from textual import on
from textual.message import Message
from textual.widget import Widget

from tui.clients import ClientError
from tui.dialogs.ask import Ask
from tui.dialogs.confirm import Confirm
from tui.dialogs.from_host import FromHost
from tui.dialogs.load_file import LoadFile
from tui.dialogs.progress import Progress
from tui.dialogs.result import Results
from tui.dialogs.run_form import RunForm
from tui.informers import Hub
from tui.models import ActionResult, Container, Image, RunRequest, parse
from tui.screens import verbs
from tui.screens.copying import copy
from tui.screens.shell import attach, shell

_LONG_ID = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")


class Targets(Protocol):
    """What a screen offers to work on."""

    hub: Hub

    def containers(self) -> list[Container]:
        """The marked ones, else the selected one."""
        ...

    def images(self) -> list[Image]:
        """The marked ones, else the selected one."""
        ...

    def clear_marks(self) -> None:
        """After an action on many."""
        ...


class Doing(Widget):
    """Invisible; owns the workers, so that they end with the screen that began them."""

    DEFAULT_CSS = "Doing { display: none; }"

    class Finished(Message):
        """An action on one or many has ended."""

        def __init__(self, title: str, results: Sequence[ActionResult]) -> None:
            super().__init__()
            self.title = title
            self.results = results

    def __init__(self, targets: Targets) -> None:
        super().__init__()
        self.targets = targets
        self.hub = targets.hub
        self.table: dict[str, Callable[[], Any]] = {
            "container.toggle": partial(self._verb, verbs.toggle, "Start or stop"),
            "container.restart": partial(self._verb, verbs.restart, "Restart"),
            "container.pause": partial(self._verb, verbs.pause, "Pause"),
            "container.kill": self._ask_kill,
            "container.remove": self._ask_remove,
            "container.rename": self._ask_name,
            "container.copy": self._copy_container,
            "container.shell": lambda: self._session(shell),
            "container.attach": lambda: self._session(attach),
            "image.run": self._open_run_form,
            "image.remove": self._ask_remove_image,
            "image.tag": self._ask_tag,
            "image.copy": self._copy_image,
            "image.load": self._ask_file,
            "image.from_host": self._ask_programs,
            "list.refresh": self._refresh,
        }

    def act(self, action: str) -> bool:
        """Do it; False when it is not done here."""
        call = self.table.get(action)
        if call is not None:
            call()
        return call is not None

    def cancel(self) -> bool:
        """No longer wait for what was asked last; False when nothing is waited for.

        What has not been sent yet is not sent; a request under way is the engine's to finish.
        """
        here = [work for work in self.workers if work.node is self and work.is_running]
        if not here:
            return False
        for work in here:
            work.cancel()
        words = ", ".join(dict.fromkeys(work.group for work in here))
        self.app.notify("The engine may still finish what it has begun.", title=f"{words}: left")
        return True

    def _refresh(self) -> None:
        self.hub.refresh()
        self.app.notify("The lists were asked for again.", timeout=2)

    # -- containers ---------------------------------------------------------------------------

    def _verb(self, verb: verbs.Verb, title: str) -> None:
        held = self.targets.containers()
        self.run_worker(self._each(verb, title, held), group=title)
        self.targets.clear_marks()

    async def _each(self, verb: verbs.Verb, title: str, held: Sequence[Container]) -> None:
        results = await verbs.each(self.hub.client, verb, held)
        self.post_message(self.Finished(title, results))

    @on(Finished)
    def _finished(self, message: Finished) -> None:
        message.stop()
        results = message.results
        if len(results) > 1:
            self.app.push_screen(Results(message.title, results))
        for result in results if len(results) == 1 else ():
            self._say(result)

    def _say(self, result: ActionResult) -> None:
        if result.ok:
            self.app.notify(f"{result.target} {result.message}", timeout=3)
        else:
            title = f"{result.target}: not {result.action}"
            message = short_ids(result.message)
            self.app.notify(message, title=title, severity="error", timeout=10)
        for warning in result.warnings:
            self.app.notify(warning, title=result.target, severity="warning", timeout=8)

    def _ask_kill(self) -> None:
        held = [item for item in self.targets.containers() if item.running]
        if not held:
            self.app.notify("Nothing that is marked runs.", severity="warning")
            return
        dialog = Confirm(
            "Kill",
            f"Send SIGKILL to {_these(held)}?",
            verb="Kill",
            items=_names(held),
            consequence="It cannot finish what it is doing. Stop (^t) asks it first.",
        )
        self._confirm(dialog, partial(self._run, verbs.kill, "Kill", held))

    def _ask_remove(self) -> None:
        held = self.targets.containers()
        running = [item for item in held if item.running]
        lost = "Its log and everything written inside it are lost."
        if running:
            lost = f"{_these(running).capitalize()} running and will be killed first. {lost}"
            lost = lost.replace("running and", "running, and", 1)
        dialog = Confirm(
            "Remove", f"Remove {_these(held)}?", verb="Remove", items=_names(held), consequence=lost
        )
        self._confirm(dialog, partial(self._run, verbs.remove, "Remove", held))

    def _confirm(self, dialog: Confirm, then: Callable[[], None]) -> None:
        self.app.push_screen(dialog, lambda answer: then() if answer else None)

    def _run(self, verb: verbs.Verb, title: str, held: Sequence[Container]) -> None:
        self.run_worker(self._each(verb, title, held), group=title)
        self.targets.clear_marks()

    def _one(self) -> Container | None:
        held = self.targets.containers()
        return held[0] if held else None

    def _ask_name(self) -> None:
        held = self._one()
        if held is None:
            return

        async def send(name: str) -> str:
            result = await verbs.rename(self.hub.client, held, name)
            return "" if result.ok else result.message

        dialog = Ask(
            "Rename",
            f"New name of {held.name}",
            value=held.name,
            verb="Rename",
            check=_name_problem,
            send=send,
        )
        self.app.push_screen(dialog, self._renamed)

    def _renamed(self, name: str | None) -> None:
        if name:
            self.app.notify(f"It is called {name} now.", timeout=3)

    def _copy_container(self) -> None:
        held = self._one()
        if held is not None:
            copy(self, held.id, f"The id of {held.name}")

    def _session(self, work: Callable[[Widget, Hub, Container], Any]) -> None:
        held = self._one()
        if held is not None:
            self.run_worker(work(self, self.hub, held), group="session", exclusive=True)

    # -- images -------------------------------------------------------------------------------

    def _image(self) -> Image | None:
        held = self.targets.images()
        return held[0] if held else None

    def _open_run_form(self) -> None:
        held = self._image()
        if held is None:
            return

        async def send(request: RunRequest) -> str:
            result = await verbs.run(self.hub.client, request)
            if not result.ok:
                return result.message
            self.post_message(self.Finished("Run", [result]))
            return ""

        self.app.push_screen(RunForm(held.name, send))

    def _ask_tag(self) -> None:
        held = self._image()
        if held is None:
            return

        async def send(reference: str) -> str:
            result = await verbs.tag_image(self.hub.client, held, reference)
            return "" if result.ok else result.message

        def check(text: str) -> str:
            return "" if text.strip() else "write a name such as shop/web:2"

        dialog = Ask(
            "Tag", f"Another name for {held.name}", value="", verb="Tag", check=check, send=send
        )
        self.app.push_screen(dialog)

    def _ask_remove_image(self) -> None:
        held = self.targets.images()
        dialog = Confirm(
            "Remove image",
            f"Remove {held[0].name if len(held) == 1 else f'{len(held)} images'}?",
            verb="Remove",
            items=_image_names(held),
            consequence=self._image_users(held),
            option="force, also when a stopped container uses it",
        )
        self.app.push_screen(dialog, partial(self._remove_images, held))

    def _image_users(self, held: Sequence[Image]) -> str:
        ids = {item.id for item in held}
        users = [item for item in self.hub.containers.items.values() if item.image_id in ids]
        if not users:
            return "No container uses it." if len(held) == 1 else "No container uses them."
        return "In use by " + ", ".join(item.name for item in users[:8])

    def _remove_images(self, held: Sequence[Image], answer: str | None) -> None:
        if answer:
            work = self._each_image(held, force=answer == "option")
            self.run_worker(work, group="remove image")
            self.targets.clear_marks()

    async def _each_image(self, held: Sequence[Image], *, force: bool) -> None:
        client = self.hub.client
        results = [await verbs.remove_image(client, image, force=force) for image in held]
        self.post_message(self.Finished("Remove image", results))

    def _copy_image(self) -> None:
        held = self._image()
        if held is not None:
            copy(self, held.id, f"The id of {held.name}")

    def _ask_file(self) -> None:
        self.app.push_screen(LoadFile(), self._load)

    def _load(self, answer: tuple[Path, str] | None) -> None:
        if answer is None:
            return
        path, reference = answer
        images = self.hub.client.images

        def job() -> AsyncIterator[str]:
            return images.import_rootfs(path, reference) if reference else images.load(path)

        self._progress(f"Load {path.name}", job)

    def _ask_programs(self) -> None:
        self.app.push_screen(FromHost(), self._import)

    def _import(self, answer: tuple[tuple[str, ...], str] | None) -> None:
        if answer is not None:
            programs, reference = answer
            job = partial(self.hub.client.berth.from_host, programs, reference)
            self._progress("Import from this host", job)

    def _progress(self, title: str, job: Callable[[], AsyncIterator[str]]) -> None:
        self.app.push_screen(Progress(title, job, errors=(ClientError,)), self._progressed)

    def _progressed(self, last: str | None) -> None:
        if last:
            self.app.notify(last, title="Done", timeout=6)


def short_ids(text: str) -> str:
    """Engines name containers by 64 digits; 12 are as good, and fit."""
    return _LONG_ID.sub(r"\1", text)


def _these(held: Sequence[Container]) -> str:
    return held[0].name if len(held) == 1 else f"{len(held)} containers"


def _names(held: Sequence[Container]) -> list[str]:
    return [f"{item.name}  {item.image}  {item.state.value}" for item in held]


def _image_names(held: Sequence[Image]) -> list[str]:
    return [", ".join(item.references) or item.short_id for item in held]


def _name_problem(text: str) -> str:
    try:
        return "" if parse.parse_name(text) else "write a name"
    except ValueError as error:
        return str(error)
