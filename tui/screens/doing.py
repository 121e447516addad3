"""From an action to the engine: the question before, the work in a worker, the word after."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from textual.widget import Widget

from tui.actions import Subject
from tui.clients import Client, ClientError
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

GROUP = "asked of the engine"


class Targets(Protocol):
    """What a screen offers to work on."""

    hub: Hub

    def containers(self) -> list[Container]:
        """The marked ones, else the selected one."""
        ...

    def images(self) -> list[Image]:
        """The marked ones, else the selected one."""
        ...

    def subject(self) -> Subject:
        """What is selected, whatever is marked: for actions on one."""
        ...

    def clear_marks(self) -> None:
        """After an action on many."""
        ...


class Doing(Widget):
    """Invisible. Its work belongs to the app: it goes on when its screen is left, and is told."""

    DEFAULT_CSS = "Doing { display: none; }"

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
        here = [work for work in self.workers if work.group == GROUP and work.is_running]
        if not here:
            return False
        for work in here:
            work.cancel()
        words = ", ".join(work.name for work in here)
        self.app.notify(f"{words}: the engine may still finish it.", title="No longer waiting")
        return True

    def _refresh(self) -> None:
        self.hub.refresh()
        self.app.notify("Refreshed", timeout=2)

    # -- containers ---------------------------------------------------------------------------

    def _verb(self, verb: verbs.Verb, title: str) -> None:
        busy = self.hub.underway.word
        self._run(verb, title, [item for item in self.targets.containers() if not busy(item.id)])

    def _run(self, verb: verbs.Verb, title: str, held: Sequence[Container]) -> None:
        if held:
            word = verbs.word_of(verb, held[0]).capitalize() if len(held) == 1 else title
            self._work(self._each(verb, title, held), f"{word} {_these(held)}")
        self.targets.clear_marks()

    def _work(self, work: Awaitable[None], name: str) -> None:
        self.app.run_worker(work, name=name, group=GROUP)

    async def _each(self, verb: verbs.Verb, title: str, held: Sequence[Container]) -> None:
        async def told(client: Client, item: Container) -> ActionResult:
            with self.hub.underway.doing(item.id, verbs.word_of(verb, item)):
                return await verb(client, item)

        self._finished(title, await verbs.each(self.hub.client, told, held))

    def _finished(self, title: str, results: Sequence[ActionResult]) -> None:
        if len(results) > 1:
            self.app.push_screen(Results(title, results))
        for result in results if len(results) == 1 else ():
            self._say(result)

    def _say(self, result: ActionResult) -> None:
        if result.ok:
            self.app.notify(f"{result.action.capitalize()} {result.target}", timeout=3)
        else:
            title = f"{result.target}: not {result.action}"
            self.app.notify(result.message, title=title, severity="error", timeout=10)
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
        dialog = Confirm(
            "Remove",
            f"Remove {_these(held)}?",
            verb="Remove",
            items=_names(held),
            consequence=_lost(held),
        )
        self._confirm(dialog, partial(self._run, verbs.remove, "Remove", held))

    def _confirm(self, dialog: Confirm, then: Callable[[], None]) -> None:
        self.app.push_screen(dialog, lambda answer: then() if answer else None)

    def _one(self) -> Container | None:
        return self.targets.subject().container

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
        self.app.push_screen(
            dialog, lambda name: self._done(f"Renamed {held.name} to {name}", name)
        )

    def _done(self, words: str, answer: str | None) -> None:
        """Say it, unless the dialog was left."""
        if answer:
            self.app.notify(words, timeout=4)

    def _copy_container(self) -> None:
        held = self._one()
        if held is not None:
            copy(self, held.id, f"the id of {held.name}")

    def _session(self, work: Callable[[Widget, Hub, Container], Any]) -> None:
        held = self._one()
        if held is not None:
            self.run_worker(work(self, self.hub, held), group="session", exclusive=True)

    # -- images -------------------------------------------------------------------------------

    def _image(self) -> Image | None:
        return self.targets.subject().image

    def _open_run_form(self) -> None:
        held = self._image()
        if held is None:
            return

        async def send(request: RunRequest) -> str:
            result = await verbs.run(self.hub.client, request)
            if not result.ok:
                return result.message
            self._say(result)
            return ""

        self.app.push_screen(RunForm(held.name, send))

    def _ask_tag(self) -> None:
        held = self._image()
        if held is None:
            return

        async def send(reference: str) -> str:
            result = await verbs.tag_image(self.hub.client, held, reference)
            return "" if result.ok else result.message

        dialog = Ask(
            "Tag",
            f"Another name for {held.name}",
            value="",
            verb="Tag",
            check=_reference_problem,
            send=send,
        )
        self.app.push_screen(dialog, lambda name: self._done(f"Tagged {held.name} as {name}", name))

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
            names = held[0].name if len(held) == 1 else f"{len(held)} images"
            self._work(self._each_image(held, force=answer == "option"), f"Remove {names}")
            self.targets.clear_marks()

    async def _each_image(self, held: Sequence[Image], *, force: bool) -> None:
        client = self.hub.client
        results = [await verbs.remove_image(client, image, force=force) for image in held]
        self._finished("Remove image", results)

    def _copy_image(self) -> None:
        held = self._image()
        if held is not None:
            copy(self, held.id, f"the id of {held.name}")

    def _ask_file(self) -> None:
        self.app.push_screen(LoadFile(), self._load)

    def _load(self, answer: tuple[Path, str] | None) -> None:
        if answer is None:
            return
        path, reference = answer
        images = self.hub.client.images

        def job() -> AsyncIterator[str]:
            return images.import_rootfs(path, reference) if reference else images.load(path)

        if reference:
            self._progress(f"Import {path.name}", job, lambda _: f"Imported {reference}")
        else:
            self._progress(f"Load {path.name}", job, lambda said: f"Loaded {_loaded(said, path)}")

    def _ask_programs(self) -> None:
        self.app.push_screen(FromHost(), self._import)

    def _import(self, answer: tuple[tuple[str, ...], str] | None) -> None:
        if answer is not None:
            programs, reference = answer
            job = partial(self.hub.client.berth.from_host, programs, reference)
            self._progress("Import from this host", job, lambda _: f"Imported {reference}")

    def _progress(
        self, title: str, job: Callable[[], AsyncIterator[str]], words: Callable[[str], str]
    ) -> None:
        """Show the job's own lines; ``words`` make of its last one what is said at the end."""
        dialog = Progress(title, job, errors=(ClientError,))

        def ended(last: str | None) -> None:
            if last is not None:
                self.app.notify(words(last), timeout=6)
            elif not dialog.failed:
                self.app.notify(f"{title.split(maxsplit=1)[0]} cancelled", timeout=6)

        self.app.push_screen(dialog, ended)


def _loaded(said: str, path: Path) -> str:
    """The image's name, of the engine's ``Loaded image: host:latest``; else the file's."""
    _, colon, name = said.partition(": ")
    return verbs.short_ids(name).removeprefix("sha256:") if colon else path.name


def _lost(held: Sequence[Container]) -> str:
    """What the removal of these costs."""
    running = [item.name for item in held if item.running]
    if len(held) == 1:
        lost = "Its log and everything written inside it are lost."
        return f"{held[0].name} is running and will be killed first. {lost}" if running else lost
    lost = "Their logs and everything written inside them are lost."
    count = "1 of them is" if len(running) == 1 else f"{len(running)} of them are"
    return f"{count} running and will be killed first. {lost}" if running else lost


def _these(held: Sequence[Container]) -> str:
    return held[0].name if len(held) == 1 else f"{len(held)} containers"


def _names(held: Sequence[Container]) -> list[str]:
    return [f"{item.name}  {item.image}  {item.state.value}" for item in held]


def _image_names(held: Sequence[Image]) -> list[str]:
    return [", ".join(item.references) or item.short_id for item in held]


def _reference_problem(text: str) -> str:
    try:
        parse.parse_reference(text)
    except ValueError as error:
        return str(error) if text.strip() else "write a name such as shop/web:2"
    return ""


def _name_problem(text: str) -> str:
    try:
        return "" if parse.parse_name(text) else "write a name"
    except ValueError as error:
        return str(error)
