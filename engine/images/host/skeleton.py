"""What a shell on a terminal expects besides programs: users, directories, terminfo, a locale."""

from pathlib import Path

from engine.errors import InvalidArgument
from engine.images.host.contents import Contents

_DIRECTORIES = {
    "dev": 0o755,
    "etc": 0o755,
    "home": 0o755,
    "proc": 0o555,
    "root": 0o700,
    "run": 0o755,
    "sys": 0o555,
    "tmp": 0o1777,
    "usr/local/bin": 0o755,
    "var/log": 0o755,
    "var/tmp": 0o1777,
}
_FILES = {
    "etc/passwd": (
        "root:x:0:0:root:/root:/bin/sh\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    ),
    "etc/group": "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n",
    "etc/hosts": "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n",
    "etc/hostname": "",
    "etc/resolv.conf": "",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
_TERMINALS = (
    "xterm", "xterm-256color", "screen", "screen-256color", "tmux", "tmux-256color", "linux",
    "vt100", "ansi", "dumb",
)  # fmt: skip
_TERMINFO = ("/etc/terminfo", "/lib/terminfo", "/usr/lib/terminfo", "/usr/share/terminfo")
_LOCALES = ("/usr/lib/locale/C.utf8", "/usr/lib/locale/C.UTF-8")
_OS_RELEASE = Path("/etc/os-release")
_MERGED = ("/bin", "/sbin", "/lib", "/lib64")


def add(contents: Contents) -> None:
    """Fill in all of it; what the host does not have is left out."""
    for merged in map(Path, _MERGED):
        if merged.is_symlink():
            contents.add_host(merged)
    for name, mode in _DIRECTORIES.items():
        contents.add_directory(name, mode)
    for name, text in _FILES.items():
        contents.add_text(name, text)
    for path in (*_terminals(), *_locale()):
        contents.add_host(path)
    _add_os_release(contents)


def _add_os_release(contents: Contents) -> None:
    try:
        contents.add_host(_OS_RELEASE)
    except InvalidArgument:
        contents.add_text("etc/os-release", 'ID=linux\nNAME="Linux"\nPRETTY_NAME="Linux"\n')


def _terminals() -> list[Path]:
    """The first directory that knows a terminal; some hosts name the folders in hex."""
    found = []
    for name in _TERMINALS:
        places = (
            Path(root) / folder / name
            for root in _TERMINFO
            for folder in (name[0], f"{ord(name[0]):x}")
        )
        path = next((place for place in places if place.is_file()), None)
        if path is not None:
            found.append(path)
    return found


def _locale() -> list[Path]:
    for directory in map(Path, _LOCALES):
        if directory.is_dir():
            return sorted(path for path in directory.rglob("*") if path.is_file())
    return []
