"""AppArmor profiles and SELinux labels: passed on where the kernel has them, refused elsewhere."""

from engine.errors import InvalidArgument, Unsupported
from engine.runtime.fields import Fields

_APPARMOR = "/sys/module/apparmor/parameters/enabled"
_SELINUX = "/sys/fs/selinux/enforce"


def process_labels(process: Fields) -> tuple[str, str]:
    """(AppArmor profile, SELinux label). Raises Unsupported for one that nothing could apply."""
    profile, label = process.text("apparmorProfile"), process.text("selinuxLabel")
    if profile == "unconfined" and not _has_apparmor():
        profile = ""  # which is what it already is
    if profile and not _has_apparmor():
        text = f"{process.path}.apparmorProfile: this host has no AppArmor to apply {profile!r}"
        raise Unsupported(text)
    return profile, _checked(label, f"{process.path}.selinuxLabel")


def mount_label(linux: Fields) -> str:
    """The SELinux context of fresh mounts; raises as above."""
    label = linux.text("mountLabel")
    if '"' in label:
        raise InvalidArgument(f"linux.mountLabel: must not have quotes, got {label!r}")
    return _checked(label, "linux.mountLabel")


def _checked(label: str, path: str) -> str:
    if label and not _has_selinux():
        raise Unsupported(f"{path}: this host has no SELinux to apply {label!r}")
    return label


def _has_apparmor() -> bool:
    return _read(_APPARMOR).startswith("Y")


def _has_selinux() -> bool:
    return bool(_read(_SELINUX))


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except OSError:
        return ""  # not this kernel, or not shown to us
