"""Progress on the screen: a bar on a terminal, lines in a log or a notebook."""

import sys
import time
from collections.abc import Iterable, Iterator

from tqdm import tqdm

SECONDS_BETWEEN = 30.0


class Bar(tqdm):
    """`tqdm`, and a line every half minute where there is no terminal.

    A line tells how far the work is, how fast, and how much time is left. Work
    of less than half a minute has none.

    The arguments are `tqdm`'s; `unit` is in the singular.
    """

    def __init__(
        self,
        iterable: Iterable | None = None,
        desc: str = "done",
        *,
        unit: str = "it",
        **named,
    ) -> None:
        # Standard error is None where there is no console at all.
        self._in_lines = sys.stderr is None or not sys.stderr.isatty()
        named |= {"unit": unit, "disable": self._in_lines}
        super().__init__(iterable, desc, **named)
        if self._in_lines:
            # What `tqdm` leaves out if it is disabled.
            self.desc, self.unit, self.postfix = desc, unit, ""
            self._shown = time.monotonic()
            # The first part may hold a compilation: speed counts from its end.
            self._first: tuple[float, float] | None = None

    def __iter__(self) -> Iterator:
        if not self._in_lines:
            yield from super().__iter__()
            return
        for one in self.iterable:
            yield one
            self.update()

    def update(self, n: float | None = 1) -> bool | None:
        """Counts so much more work, and shows it when it is time."""
        if not self._in_lines:
            return super().update(n)
        self.n += n
        now = time.monotonic()
        if n and self._first is None:
            self._first = self.n, now
        if now - self._shown < SECONDS_BETWEEN:
            return False
        self._shown = now
        if sys.stderr is not None:
            print(self._line(now), file=sys.stderr, flush=True)
        return True

    def _line(self, now: float) -> str:
        total = f" of {self.total:,}" if self.total else ""
        words = [f"{self.desc}: {self.n:,}{total} {self.unit}s"]
        if self.postfix:
            words.append(self.postfix)
        counted, begun = self._first or (self.n, now)
        if self.n > counted:
            speed = (self.n - counted) / (now - begun)
            words.append(f"{speed:,.3g} {self.unit}s/s")
            if self.total:
                left = duration((self.total - self.n) / speed)
                words.append(f"{left} left")
        return ", ".join(words)


def duration(seconds: float) -> str:
    """In the largest unit of which there is one: `40 s`, `25 min`, `3.2 h`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3_600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:.1f} h"
