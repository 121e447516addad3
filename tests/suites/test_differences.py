"""The list of differences speaks of tests that exist."""

import ast
from fnmatch import fnmatchcase
from functools import cache

import pytest

from tests.suites import differences


@cache
def existing() -> set[str]:
    """Every `file::function` of the suites."""
    found = set()
    for file in differences.HERE.glob("*/test_*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found.add(f"{file.relative_to(differences.HERE)}::{node.name}")
    return found


@pytest.mark.parametrize("row", differences.rows(), ids=lambda row: row.test)
def test_every_row_is_about_a_test(row: differences.Row) -> None:
    assert row.kind in differences.KINDS
    assert row.runtimes <= {"runc", "berth-runtime"}
    assert row.reason
    assert any(
        fnmatchcase(name, row.test) for test in existing() for name in (test, test.split("::")[0])
    )
