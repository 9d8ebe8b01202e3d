"""What a person sees and does: the chosen model, the keys, a log in place of the tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from rich.text import Text

from llmgen.top.actions import Acting
from llmgen.top.frame import Selection, frame, ordered, printable_line
from llmgen.top.moment import LiveModel, Moment

KEYS: Final = "up/down choose   l load   u unload   o logs   q quit"
LOG_KEYS: Final = "up/down scroll   o or esc back   q quit"
_STEPS: Final = {"up": -1, "k": -1, "down": 1, "j": 1, "page up": -10, "page down": 10}
# Starts something in another thread.
Begin = Callable[[Callable[[], None]], None]


class Screen:
    """The state of one `top`; ``begin`` runs what takes long, so that keys are heard meanwhile."""

    def __init__(self, acting: Acting, begin: Begin) -> None:
        """Nothing was seen yet."""
        self.moment: Moment | None = None
        self.note = ""
        self._acting, self._begin = acting, begin
        self._chosen, self._confirmed, self._is_at_work = "", "", False
        self._log: list[str] | None = None
        self._back = 0

    def show(self, moment: Moment) -> None:
        """Another look; a log that is open is read again."""
        self.moment = moment
        names = [item.name for item in ordered(moment)]
        if self._chosen not in names:
            self._chosen = names[0] if names else ""
        if self._log is not None:
            self._read_log()

    def press(self, key: str) -> bool:
        """Whether it goes on after this key."""
        confirmed, self._confirmed = self._confirmed, ""
        if key == "q":
            return False
        if self._log is not None:
            self._in_log(key)
            return True
        match key:
            case "l":
                self._act("loading", self._acting.load)
            case "u":
                self._unload(confirmed)
            case "o" | "enter":
                self._log, self._back = ["reading ..."], 0
                self._read_log()
            case _:
                self._choose(key)
        return True

    def lines(self, width: int, height: int) -> list[Text]:
        """The screen at this size."""
        if self.moment is None:
            said = self.note or "looking at the stack ..."
            return [printable_line(Text(said), width)][:height]
        if self._log is not None:
            return self._log_lines(width, height)
        shown = Selection(self._chosen, self.note, KEYS)
        return frame(self.moment, shown, width, height)

    def _choose(self, key: str) -> None:
        names = [item.name for item in ordered(self.moment)] if self.moment else []
        if not names:
            return
        at = names.index(self._chosen) if self._chosen in names else 0
        ends = {"home": 0, "end": len(names) - 1}
        if key in _STEPS or key in ends:
            at = ends.get(key, at + _STEPS.get(key, 0))
            self._chosen, self.note = names[max(0, min(at, len(names) - 1))], ""

    def _model(self) -> LiveModel | None:
        models = self.moment.models if self.moment else ()
        return next((item for item in models if item.name == self._chosen), None)

    def _unload(self, confirmed: str) -> None:
        """A request that is being answered would be cut, so that has to be meant."""
        item = self._model()
        if item is not None and item.row.busy and confirmed != item.name:
            self._confirmed = item.name
            self.note = f"{item.name} is answering; u again cuts that off"
            return
        self._act("unloading", self._acting.unload)

    def _act(self, doing: str, verb: Callable[[str], str]) -> None:
        name = self._chosen
        if not name or self._is_at_work:
            return
        self._is_at_work, self.note = True, f"{doing} {name} ..."

        def work() -> None:
            try:
                self.note = verb(name)
            finally:
                self._is_at_work = False

        self._begin(work)

    def _read_log(self) -> None:
        name = self._chosen

        def work() -> None:
            found = self._acting.log(name)
            if self._log is not None and name == self._chosen:
                self._log = found

        self._begin(work)

    def _in_log(self, key: str) -> None:
        if key in ("o", "escape", "enter"):
            self._log = None
        elif key in _STEPS:
            self._back = max(0, self._back - _STEPS[key])

    def _log_lines(self, width: int, height: int) -> list[Text]:
        known = self._log or []
        room = max(1, height - 2)
        end = max(min(len(known), room), len(known) - self._back)
        self._back = len(known) - end
        lines = [Text(f"log of {self._chosen}", style="bold")]
        lines += [Text(line) for line in known[max(0, end - room) : end]]
        lines += [Text() for _ in range(height - 1 - len(lines))]
        return [printable_line(line, width) for line in [*lines, Text(LOG_KEYS)][:height]]
