"""Students beside other vocoders: parameters, operations and speed.

    python benchmarks/vocoders.py PYTHON

PYTHON is that of an environment with `vocoders-requirements.txt`; Python itself
that of one with this package and its extra `tflite`. A process in each builds
its vocoders, untrained, and runs them when it is told to, one at a time and all
in turn, so that other work on the machine disturbs all alike. Prints a table.
"""

import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

THREADS = 2
# Of sound, in seconds.
LENGTHS = (1, 10)
_LEAST_ROUNDS, _MOST_ROUNDS, _SECONDS = 3, 9, 60.0

_HEADER = (
    "vocoder",
    "route",
    "kHz",
    "parameters, millions",
    "GFLOP for a second of sound",
    *(
        title
        for length in LENGTHS
        for title in (f"{length} s of sound, ms", "× real time")
    ),
)


@dataclasses.dataclass(frozen=True)
class Case:
    """A way to run a vocoder.

    Attributes:
        vocoder: Its name.
        route: What runs it.
        rate: Samples of its sound in a second.
        parameters: How many it has.
        operations: Floating-point operations for a second of sound.
        prepare: Returns for a number of seconds what synthesizes these and
            returns how many samples they have become.
    """

    vocoder: str
    route: str
    rate: int
    parameters: int
    operations: float
    prepare: Callable[[int], Callable[[], int]] | None


def serve(make_cases: Callable[[], Sequence[Case]]) -> None:
    """Describes cases in a line; then for each line that asks, runs one.

    A line asks with the case's index and a number of seconds. The answer is the
    time that the synthesis took, and the seconds of sound.
    """
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    # Whatever a library prints is not an answer.
    os.dup2(2, 1)
    cases, prepared = make_cases(), {}
    described = [dataclasses.replace(one, prepare=None) for one in cases]
    print(json.dumps([vars(one) for one in described]), file=answers)
    for line in sys.stdin:
        index, length = json.loads(line)
        if (index, length) not in prepared:
            prepared[index, length] = cases[index].prepare(length)
        started = time.perf_counter()
        samples = prepared[index, length]()
        taken = time.perf_counter() - started
        print(json.dumps([taken, samples / cases[index].rate]), file=answers)


class Worker:
    """A process that `serve`s cases.

    Args:
        python: The Python to run.
        script: What it runs.

    Attributes:
        cases: Its cases, without `prepare`.
    """

    def __init__(self, python: str, script: Path) -> None:
        self._process = subprocess.Popen(
            [python, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"TF_NUM_INTRAOP_THREADS": str(THREADS)},
        )
        self.cases = [Case(**one) for one in self._read()]

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_) -> None:
        self._process.communicate()

    def run(self, index: int, length: int) -> tuple[float, float]:
        """The time that a case took, and the seconds of its sound."""
        self._process.stdin.write(json.dumps([index, length]) + "\n")
        self._process.stdin.flush()
        taken, sound = self._read()
        return taken, sound

    def _read(self) -> list:
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args} has ended")
        return json.loads(line)


Runs = list[tuple[float, float]]


def measure(workers: Sequence[Worker]) -> list[tuple[Case, list[Runs]]]:
    """Each case with its runs of each length."""
    every = [
        (worker, index, case)
        for worker in workers
        for index, case in enumerate(worker.cases)
    ]
    # All is compiled before anything is measured.
    for worker, index, case in every:
        for length in LENGTHS:
            taken, _ = worker.run(index, length)
            _note(f"{case.vocoder}, {case.route}, first: {taken:.2f} s")
    found: list[list[Runs]] = [[[] for _ in LENGTHS] for _ in every]
    for which, length in enumerate(LENGTHS):
        started = time.monotonic()
        for number in range(1, 1 + _MOST_ROUNDS):
            spent = time.monotonic() - started
            if number > _LEAST_ROUNDS and spent > _SECONDS:
                break
            _note(f"{length} s of sound, round {number}")
            for (worker, index, _), runs in zip(every, found, strict=True):
                runs[which].append(worker.run(index, length))
    return [(case, runs) for (*_, case), runs in zip(every, found, strict=True)]


def table(measured: Sequence[tuple[Case, list[Runs]]]) -> str:
    """The figures in Markdown."""
    lines = [_HEADER, ["---"] * len(_HEADER)]
    for case, runs in measured:
        lines.append(
            [
                case.vocoder,
                case.route,
                f"{case.rate / 1e3:g}",
                f"{case.parameters / 1e6:.2f}",
                f"{case.operations / 1e9:.1f}",
                *(text for one in runs for text in _speed(one)),
            ]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _speed(runs: Runs) -> tuple[str, str]:
    """Median, least and most of the times; the speed by the median."""
    times = [1e3 * taken for taken, _ in runs]
    middle = statistics.median(times)
    speed = statistics.median(sound / taken for taken, sound in runs)
    return (
        f"{middle:.0f} ({min(times):.0f} to {max(times):.0f})",
        f"{speed:.2g}",
    )


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(python: str) -> None:
    """Measures and prints the table."""
    folder = Path(__file__).parent
    with (
        Worker(python, folder / "vocoders_torch.py") as theirs,
        Worker(sys.executable, folder / "vocoders_students.py") as ours,
    ):
        print(table(measure([theirs, ours])))


if __name__ == "__main__":
    main(*sys.argv[1:])
