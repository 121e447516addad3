"""What a check finds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `doctor`. `fix` is empty when nothing is wrong.

    `needed`: without it no container can run. Otherwise something works less well.
    """

    name: str
    found: str
    fix: str = ""
    needed: bool = False

    @property
    def passed(self) -> bool:
        return not self.fix

    def __str__(self) -> str:
        if self.passed:
            return f"ok    {self.name}: {self.found}"
        kind = "FAIL " if self.needed else "warn "
        return f"{kind} {self.name}: {self.found} -> {self.fix}"

    @property
    def warning(self) -> str:
        """The same for the engine's list of warnings."""
        return f"{self.name}: {self.found}; {self.fix}"
