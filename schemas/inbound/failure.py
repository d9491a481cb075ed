"""Why a whole file is refused (rules FILE-001 to FILE-007, FILE-015)."""

from dataclasses import dataclass


@dataclass(eq=False)
class FileFailure(Exception):
    """The rule, what is wrong, what to do, the line where there is one."""

    code: str
    message: str
    advice: str
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.code}: {self.message} {self.advice}"
