"""What forbids user namespaces on a machine, and the command that allows them."""

from pathlib import Path

_SYSCTLS = (
    ("kernel/unprivileged_userns_clone", "0", "1"),  # Debian before 11
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),  # Ubuntu from 23.10 on
    ("user/max_user_namespaces", "0", "28633"),  # RHEL 7, and who copied its advice
    ("user/max_mnt_namespaces", "0", "28633"),
)


def find(root: Path = Path("/proc/sys")) -> str:
    """The first obstacle with its remedy; empty when none is known."""
    if not Path("/proc/self/ns/user").exists():
        return "this kernel has none: boot one with CONFIG_USER_NS"
    for name, forbidding, allowing in _SYSCTLS:
        if _value(root / name) == forbidding:
            setting = name.replace("/", ".")
            return f"{setting} is {forbidding}: sudo sysctl -w {setting}={allowing}"
    return ""


def _value(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""  # not a setting of this kernel
