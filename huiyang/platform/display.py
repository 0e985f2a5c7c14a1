"""Shows the steps of a long command: live bars at a terminal, one line a step where output goes to a file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from huiyang.progress import Progress


class Display:
    """A context; steps of several threads may be shown at once."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Bars(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[detail]}"),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    @contextmanager
    def step(self, title: str) -> Iterator[Progress]:
        """Shows a step while its block runs, and yields what it reports its progress to."""
        started = time.monotonic()
        task = self._bars.add_task(title, total=None, detail="")

        def report(what: str, done: float, total: float = 1, /) -> None:
            # Never quite full: the step ends when its block does.
            self._bars.update(task, total=1.0, completed=min(done / total if total else 0, 0.999), detail=what)

        if not self._console.is_terminal:
            self._console.print(f"{title} …", highlight=False)
        try:
            yield report
        except BaseException:
            self._bars.update(task, detail="[red]failed")
            raise
        self._bars.update(task, total=1.0, completed=1.0, detail="")
        if not self._console.is_terminal:
            self._console.print(f"{title}: {time.monotonic() - started:.0f} s", highlight=False)

    def skip(self, title: str) -> None:
        """Shows a step that had been done before."""
        self._bars.add_task(title, total=1, completed=1, detail="done before")
        if not self._console.is_terminal:
            self._console.print(f"{title}: done before", highlight=False)
