"""What a person or a log file sees of a long command."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from huiyang.platform.display import Display


def test_a_file_gets_one_line_at_a_steps_start_and_end() -> None:
    text = io.StringIO()
    with Display(Console(file=text)) as display:
        with display.step("migration") as progress:
            progress("elders", 0.5)
        display.skip("refresh")
    lines = text.getvalue().splitlines()
    assert lines == ["migration …", "migration: 0 s", "refresh: done before"]


def test_a_failed_step_is_not_shown_as_done() -> None:
    text = io.StringIO()
    with pytest.raises(RuntimeError), Display(Console(file=text)) as display, display.step("migration"):
        raise RuntimeError
    assert text.getvalue().splitlines() == ["migration …"]


def test_a_terminal_sees_what_is_being_done() -> None:
    text = io.StringIO()
    with Display(Console(file=text, force_terminal=True, width=120)) as display, display.step("migration") as progress:
        progress("vital signs", 0.25)
        display._bars.refresh()
    assert "vital signs" in text.getvalue()
    assert "✓" in text.getvalue()
