"""Puts an image of host programs together. Blocking: runs in a thread."""

import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.content import Store
from engine.errors import InvalidArgument
from engine.images import rootfs
from engine.images.candidate import Candidate
from engine.images.host import layer, programs, python, skeleton
from engine.images.host.contents import Contents
from engine.images.host.elf import Elf
from engine.images.host.libraries import CACHE, Libraries
from engine.images.host.programs import STANDARD, Program
from engine.oci import media_types
from engine.oci.descriptor import Descriptor
from engine.oci.image import ProcessDefaults
from engine.oci.reference import Reference

_PATH = ":".join(STANDARD)
_BUSYBOX = "busybox"
_TIMEOUT = 10.0
# Opened by name at run time, so no program's header tells of them.
_BY_NAME = ("libnss_files.so.2", "libnss_dns.so.2", "libgcc_s.so.1")

# Interpreters with a library of their own, which only they know the whole of.
_MODULAR = re.compile(r"(perl|ruby|tclsh|guile|lua)[\d.]*")

Say = Callable[[str], None]


def make_image(names: Sequence[str], reference: Reference, store: Store, say: Say) -> Candidate:
    """Copy the programs with their libraries into a one-layer image.

    Raises InvalidArgument naming a program that is missing or cannot be used.
    """
    if not names:
        raise InvalidArgument("no program given: name at least one, such as sh")
    found = [programs.find(name) for name in names]
    collector = Collector(say)
    for program in found:
        say(f"{program.name}: {program.real}")
        collector.add(program)
    collector.add_toolbox([program.name for program in found])
    skeleton.add(collector.contents)
    descriptor = _store(collector.contents, store)
    say(f"layer {descriptor.digest.short}: {descriptor.size} bytes")
    defaults = ProcessDefaults(
        env=(f"PATH={_PATH}", "LANG=C.UTF-8"), cmd=(found[0].name,), working_dir="/"
    )
    return rootfs.make(
        store,
        descriptor,
        defaults,
        reference,
        comment="Imported from the host",
        created_by="berth image from-host " + " ".join(names),
    )


class Collector:
    """Gathers programs and what they need."""

    def __init__(self, say: Say) -> None:
        self.contents = Contents()
        self._libraries = Libraries()
        self._say = say
        self._done: set[Path] = set()

    def add(self, program: Program) -> None:
        """A program, its interpreters and its libraries, reachable by its name in PATH."""
        self.contents.add_host(program.real)
        if str(program.path.parent) in STANDARD:
            self.contents.add_host(program.path)
        else:
            self.contents.add_link(f"usr/local/bin/{program.name}", str(program.real))
        for interpreter in program.interpreters:
            self.add(interpreter)
        if not program.is_script and program.real not in self._done:
            self._done.add(program.real)
            self._add_libraries(program.real)
            if python.is_python(program.real):
                self._add_python(program.real)
            elif _MODULAR.fullmatch(program.real.name):
                self._say(
                    f"{program.name}: its modules are not copied; a script that loads one fails"
                )

    def add_toolbox(self, names: Sequence[str]) -> None:
        """busybox comes along where it is static; its applets only when it was asked for."""
        try:
            program = programs.find(_BUSYBOX)
        except InvalidArgument:
            return
        file = self._libraries.read(program.real)
        if file is not None and file.is_static:
            self.add(program)
        if _BUSYBOX in names:
            self._add_applets(program)

    def _add_applets(self, program: Program) -> None:
        """Beside busybox, where no copied program has the name."""
        beside = str(program.real.parent)[1:]
        command = [str(program.real), "--list"]
        done = subprocess.run(
            command, capture_output=True, timeout=_TIMEOUT, check=False, text=True
        )
        for applet in done.stdout.split():
            if "/" not in applet:
                self.contents.add_link(f"{beside}/{applet}", program.real.name)

    def _add_libraries(self, path: Path) -> list[str]:
        file = self._libraries.read(path)
        if file is None:
            return []
        if file.interpreter:
            self.contents.add_host(Path(file.interpreter))
            self._add_by_name(file)
        found, missing = self._libraries.closure(path)
        for library in found:
            self.contents.add_host(library)
        for name in missing:
            self._say(f"{path}: library {name} is not on this host")
        return missing

    def _add_by_name(self, file: Elf) -> None:
        if CACHE.is_file():
            self.contents.add_host(CACHE)
        for name in _BY_NAME:
            library = self._libraries.find(name, file)
            if library is not None:
                self.contents.add_host(library)
                self._add_closure(library)

    def _add_closure(self, path: Path) -> None:
        for library in self._libraries.closure(path)[0]:
            self.contents.add_host(library)

    def _add_python(self, interpreter: Path) -> None:
        files = python.library(interpreter)
        self._say(f"{interpreter.name}: standard library, {len(files)} files")
        for path in files:
            self.contents.add_host(path)
            if ".so" in path.suffixes:
                self._add_libraries(path)


def _store(contents: Contents, store: Store) -> Descriptor:
    with store.writer() as writer:
        layer.write(contents, writer)
        return Descriptor(media_types.LAYER, writer.commit(), writer.size)
