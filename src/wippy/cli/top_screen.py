"""`wippy top` on a terminal: a table that renews itself every second, and one process when asked."""

from __future__ import annotations

import contextlib
import curses
import os
import time
from typing import TYPE_CHECKING, Any

from wippy.cli import top_view as view
from wippy.core.errors import NOT_FOUND, Error, invalid

if TYPE_CHECKING:
    from wippy.services.control.client import Control

EVERY = 1.0  # seconds between two looks
MOST_SUMMARY = 5  # lines below the table
ENTER, ESCAPE, BACKSPACE = (10, 13, curses.KEY_ENTER), 27, (8, 127, curses.KEY_BACKSPACE)


def show(control: Control, sort: str, limit: int) -> None:
    """Runs until the user quits. Raises Error(Unavailable) when the runtime ends, Error(Invalid) for a terminal that
    cannot place text."""
    for fixed in ("LINES", "COLUMNS"):  # where they are exported curses would not see the terminal change its size
        os.environ.pop(fixed, None)
    curses.set_escdelay(25)
    try:
        curses.wrapper(lambda window: Screen(window, control, sort, limit).run())
    except curses.error as e:
        raise invalid(f"this terminal cannot show a table ({e}): try --once") from None


class Screen:
    """What the user sees and has chosen."""

    def __init__(self, window: Any, control: Control, sort: str, limit: int) -> None:
        self._window = window
        self._control = control
        self._sort = sort
        self._limit = limit
        self._snapshot: view.Snapshot | None = None
        self._selected = ""
        self._at = 0
        self._details: list[str] | None = None
        self._scroll = 0
        self._looked = 0.0
        with contextlib.suppress(curses.error):  # a terminal need not be able to
            curses.use_default_colors()
        with contextlib.suppress(curses.error):
            curses.curs_set(0)
        window.timeout(100)

    def run(self) -> None:
        self._look()
        while True:
            if time.monotonic() - self._looked >= EVERY:
                self._look()
            self._draw()
            key = self._window.getch()
            if key == ord("q"):
                return
            if key != -1:
                self._press(key)

    def _look(self) -> None:
        data = self._control.ask("overview", sort=self._sort, limit=self._limit)
        self._snapshot = view.Snapshot(data, self._snapshot)
        if self._details is not None:
            self._look_closer()
        self._looked = time.monotonic()

    def _look_closer(self) -> None:
        try:
            found = self._control.ask("process", pid=self._selected)
            self._details = view.details(found, 1000)
        except Error as e:
            if e.kind != NOT_FOUND:
                raise
            self._details = [self._selected, "", "This process has ended."]

    # Keys ----------------------------------------

    def _press(self, key: int) -> None:
        if key == curses.KEY_RESIZE:
            self._window.clear()  # what the terminal shows of the old size is drawn over
        elif key in (curses.KEY_DOWN, ord("j")):
            self._move(1)
        elif key in (curses.KEY_UP, ord("k")):
            self._move(-1)
        elif self._details is not None:
            if key == ESCAPE or key in BACKSPACE or key in ENTER or key == curses.KEY_LEFT:
                self._details = None
        elif key in ENTER:
            self._open()
        elif 0 < key < 256 and chr(key) in view.ORDERS:
            self._sort = view.ORDERS[chr(key)]
            self._look()

    def _move(self, by: int) -> None:
        if self._details is not None:
            self._scroll = max(0, min(self._scroll + by, len(self._details) - 1))
            return
        listed = self._rows()
        if listed:
            self._at = max(0, min(self._at + by, len(listed) - 1))
            self._selected = listed[self._at].pid

    def _open(self) -> None:
        if self._selected:
            self._scroll, self._details = 0, []
            self._look_closer()

    # Drawing ----------------------------------------

    def _rows(self) -> list[view.Row]:
        """The table; the selection stays with its process, or in its place when that has ended."""
        assert self._snapshot is not None
        listed = view.rows(self._snapshot, self._sort, self._width())
        places = {row.pid: at for at, row in enumerate(listed)}
        self._at = places.get(self._selected, max(0, min(self._at, len(listed) - 1)))
        self._selected = listed[self._at].pid if listed else ""
        return listed

    def _width(self) -> int:
        width: int = self._window.getmaxyx()[1]
        return width - 1  # the last cell of the last line cannot be written

    def _draw(self) -> None:
        self._window.erase()
        if self._details is None:
            self._draw_table()
        else:
            self._draw_details(self._details)
        self._window.refresh()

    def _draw_table(self) -> None:
        assert self._snapshot is not None
        height, width = self._window.getmaxyx()[0], self._width()
        below = view.summary(self._snapshot, width, min(MOST_SUMMARY, max(height - 8, 0)))
        first, columns = view.heading(self._snapshot, self._sort, width)
        self._line(0, first, curses.A_BOLD)
        self._line(1, columns.ljust(width), curses.A_REVERSE)
        room = max(height - 2 - len(below) - 1, 1)
        listed = self._rows()
        top = max(0, self._at - room + 1)
        for at, row in enumerate(listed[top : top + room]):
            chosen = top + at == self._at
            self._line(2 + at, (row.text.ljust(width) if chosen else row.text), curses.A_STANDOUT if chosen else 0)
        for at, line in enumerate(below):
            self._line(height - 1 - len(below) + at, line)
        self._line(height - 1, view.cut(view.KEYS, width), curses.A_DIM)

    def _draw_details(self, lines: list[str]) -> None:
        height, width = self._window.getmaxyx()[0], self._width()
        for at, line in enumerate(lines[self._scroll : self._scroll + height - 1]):
            self._line(at, view.cut(line, width), curses.A_BOLD if self._scroll + at == 0 else 0)
        self._line(height - 1, view.cut(view.DETAIL_KEYS, width), curses.A_DIM)

    def _line(self, at: int, text: str, attributes: int = 0) -> None:
        if 0 <= at < self._window.getmaxyx()[0]:
            code = self._window.encoding
            shown = text.encode(code, "replace").decode(code)
            self._window.addnstr(at, 0, shown, self._width(), attributes)
