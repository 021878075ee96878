"""Small parts of the app: sentences, buttons, and rows that come and go. Taught in notebook 06."""

from __future__ import annotations

import html
from collections.abc import Callable

import ipywidgets as widgets

from textsep_lab.session.request import MAX_QUERIES, Query
from textsep_lab.signal.timegate import Window, check_windows


def button(label: str, clicked: Callable[[], None], *classes: str, tip: str = "") -> widgets.Button:
    """Return a button that calls `clicked`."""
    made = widgets.Button(description=label, tooltip=tip or label)
    for name in classes:
        made.add_class(name)
    made.on_click(lambda _: clicked())
    return made


def box(*children: widgets.Widget, name: str) -> widgets.Box:
    """Return a box whose layout is left to the style sheet, under a class of that name."""
    made = widgets.Box(children)
    made.add_class(name)
    return made


def heading(text: str) -> widgets.HTML:
    """Return the title of a panel."""
    return widgets.HTML(f'<h3 class="title">{html.escape(text)}</h3>')


class Notice(widgets.HTML):
    """A sentence for the person: what went wrong, or what is to be known."""

    def fail(self, said: str) -> None:
        """Say what went wrong."""
        self.value = f'<p class="failed" role="alert">{html.escape(said)}</p>' if said else ""

    def tell(self, said: str) -> None:
        """Say something else."""
        self.value = f'<p class="told" role="status">{html.escape(said)}</p>' if said else ""


class WindowRows(widgets.VBox):
    """Start and end of each window in numbers.

    Args:
        changed: is called with the windows when numbers were changed to something that works.
    """

    def __init__(self, changed: Callable[[list[Window]], None]) -> None:
        self._changed, self.duration, self._windows = changed, 0.0, []
        self._filling = False
        self._rows, self.notice = box(name="rows"), Notice()
        add = button("Add a window", self._add, "quiet")
        whole = button("Whole recording", lambda: changed([]), "quiet")
        super().__init__([self._rows, self.notice, box(add, whole, name="suggestions")])

    def show(self, windows: list[Window]) -> None:
        """Show windows that were set elsewhere."""
        self.notice.fail("")
        self._windows = [tuple(window) for window in windows]
        if len(windows) != len(self._rows.children):
            self._rows.children = [self._row(k) for k in range(len(windows))]
        self._filling = True
        for row, window in zip(self._rows.children, self._windows, strict=True):
            for field, seconds in zip(row.children[:2], window, strict=True):
                field.value = round(seconds, 3)
        self._filling = False

    def _row(self, k: int) -> widgets.Box:
        fields = [
            widgets.FloatText(description=name, step=0.05, continuous_update=False)
            for name in ("from", "to")
        ]
        for field in fields:
            field.observe(lambda _: self._read(), "value")
        without = button("×", lambda: self._drop(k), "icon", tip="Remove this window")
        return box(*fields, widgets.Label("s"), without, name="window-row")

    def _add(self) -> None:
        length = self.duration
        start = self._windows[-1][1] + 0.25 if self._windows else 0.2 * length
        if start + 0.1 >= length:
            self.notice.fail("There is no room after the last window: move it first.")
            return
        end = min(start + max(0.5, 0.2 * length), length)
        self._changed([*self._windows, (start, end)])

    def _drop(self, k: int) -> None:
        self._changed(self._windows[:k] + self._windows[k + 1 :])

    def _read(self) -> None:
        if self._filling:
            return
        pairs = [tuple(field.value for field in row.children[:2]) for row in self._rows.children]
        try:
            windows = check_windows(pairs, self.duration)
        except ValueError as error:
            self.notice.fail(str(error))
            return
        self._changed(windows)


class QueryRows(widgets.VBox):
    """The sounds that are asked for, each to keep or to remove.

    Args:
        changed: is called when anything is typed or chosen.
        entered: is called when Enter is pressed.
    """

    def __init__(self, changed: Callable[[], None], entered: Callable[[], None]) -> None:
        self._changed, self._entered = changed, entered
        self._rows = box(name="rows")
        self._more = button("Add a sound", self._add, "quiet", tip="Ask for several at once")
        super().__init__([self._rows, self._more])
        self._set([self._row(Query(""))])

    @property
    def queries(self) -> tuple[Query, ...]:
        """What is asked; rows without text are left out, unless there is nothing else."""
        all_rows = [Query(*(field.value for field in row.children[:2])) for row in self._list]
        return tuple(query for query in all_rows if query.text.strip()) or (all_rows[0],)

    @property
    def _list(self) -> list[widgets.Box]:
        return list(self._rows.children)

    def show(self, queries: tuple[Query, ...]) -> None:
        """Show other queries."""
        self._set([self._row(query) for query in queries])
        self._changed()

    def _set(self, rows: list[widgets.Box]) -> None:
        self._rows.children = rows
        for row in rows:  # the last one stays
            row.children[2].layout.display = "" if len(rows) > 1 else "none"
        self._more.disabled = len(rows) >= MAX_QUERIES

    def _add(self) -> None:
        self._set([*self._list, self._row(Query("", "remove"))])
        self._changed()

    def _row(self, query: Query) -> widgets.Box:
        text = widgets.Text(query.text, placeholder="a sound, such as dog barking")
        mode = widgets.ToggleButtons(options=[("Keep", "keep"), ("Remove", "remove")])
        mode.value = query.mode
        for field in (text, mode):
            field.observe(lambda _: self._changed(), "value")
        text.on_msg(lambda _, said, __: said.get("event") == "submit" and self._entered())
        without = button("×", lambda: self._drop(row), "icon", tip="Leave this sound out")
        row = box(text, mode, without, name="query-row")
        return row

    def _drop(self, row: widgets.Box) -> None:
        self._set([other for other in self._list if other is not row])
        self._changed()
