"""Progress where there is no terminal: lines, each complete by itself."""

import io
import sys

import pytest

from pwavenet_tf.core import progress
from pwavenet_tf.core.progress import Bar


class Clock:
    """A clock that work moves on."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def slowly(count: int, clock: Clock, first: float, each: float):
    """A list's elements, the first of which takes longer."""
    for number in range(count):
        clock.now += each if number else first
        yield number


def test_a_line_every_half_minute_has_speed_and_time_left(
    clock, capsys
) -> None:
    """The first part, with its compilation, does not count as speed."""
    work = slowly(13, clock, first=25.0, each=10.0)
    assert list(Bar(work, desc="score", total=13, unit="file")) == list(
        range(13)
    )
    shown = capsys.readouterr()
    assert shown.out == "" and "\r" not in shown.err
    # At 35, 65, 95, 125 s, with ten seconds for a file.
    assert shown.err.splitlines() == [
        "score: 2 of 13 files, 0.1 files/s, 2 min left",
        "score: 5 of 13 files, 0.1 files/s, 1 min left",
        "score: 8 of 13 files, 0.1 files/s, 50 s left",
        "score: 11 of 13 files, 0.1 files/s, 20 s left",
    ]


def test_what_was_done_before_is_no_speed(clock, capsys) -> None:
    with Bar(desc="training", total=4_000, unit="step", initial=1_000) as bar:
        for _ in range(2):
            clock.now += 20.0
            bar.set_postfix_str("nats 5.1", refresh=False)
            bar.update(1_000)
    assert capsys.readouterr().err.splitlines() == [
        "training: 3,000 of 4,000 steps, nats 5.1, 50 steps/s, 20 s left"
    ]


def test_short_work_and_work_without_a_screen_are_silent(
    clock, capsys, monkeypatch
) -> None:
    assert list(Bar([1, 2], desc="short")) == [1, 2]
    monkeypatch.setattr(sys, "stderr", None)
    assert len(list(Bar(slowly(3, clock, 40.0, 40.0)))) == 3
    monkeypatch.undo()
    assert capsys.readouterr().err == ""


def test_on_a_terminal_it_is_the_bar(monkeypatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    assert list(Bar([1, 2], desc="score", file=screen)) == [1, 2]
    assert "\r" in screen.getvalue() and "2/2" in screen.getvalue()
