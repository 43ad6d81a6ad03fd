"""Apache Beam: loaded on demand, and a job run on the chosen runner.

Only the two `beam` modules, of corpus and synthesis, need Apache Beam.
"""

import argparse
import contextlib
import dataclasses
import importlib.util
import io
import logging
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.files import atomic_write
from pwavenet_tf.core.imports import hold_back_stderr

_WORKERS_LOG_LEVEL = "default_sdk_harness_log_level"


def import_beam() -> None:
    """Imports Apache Beam without its warnings about missing extras."""
    if importlib.util.find_spec("apache_beam") is None:
        raise UserError(
            "runners are Apache Beam's, which is not installed; "
            "pip install 'pwavenet_tf[beam]'"
        )
    with hold_back_stderr():
        import apache_beam  # noqa: F401


if TYPE_CHECKING:
    import apache_beam
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.runner import PipelineResult


@dataclasses.dataclass(frozen=True)
class Runner:
    """Where a job runs: a Beam runner, its options `--name=value` each."""

    name: str = "DirectRunner"
    options: tuple[str, ...] = ()


def run_job(
    runner: Runner,
    inputs: Path,
    lines: Iterable[str],
    transform: "apache_beam.PTransform",
    progress: "Progress",
) -> None:
    """Applies a transform to lines of text, and waits until it is done.

    The lines, ASCII, are passed in the file `inputs`, which every worker must
    be able to read: a job that carried a large corpus itself would be refused.
    The transform is from a collection of lines to nothing.

    Raises:
        UserError: If there is no such runner, an option is wrong, or the
            transform raised one.
    """
    import apache_beam as beam

    with _errors_only():
        pipeline = _pipeline(runner)
        _ = (
            pipeline
            | "Inputs" >> beam.Create([str(inputs)])
            | "Lines" >> beam.FlatMap(_read_lines)
            | "Spread" >> beam.Reshuffle()
            | "Work" >> transform
        )
        try:
            with (
                atomic_write(inputs) as temporary,
                open(temporary, "w") as file,
            ):
                file.writelines(f"{line}\n" for line in lines)
            with _interruption_kept(), _worker_errors(), progress.shown():
                _start(pipeline, runner).wait_until_finish()
        finally:
            inputs.unlink(missing_ok=True)
            # Where nothing was done its folder is empty.
            with contextlib.suppress(OSError):
                inputs.parent.rmdir()


@dataclasses.dataclass(frozen=True)
class Progress:
    """A progress bar of the files that `count` counts, whoever writes them."""

    description: str
    total: int
    count: Callable[[], int]

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Shows the bar for the duration of a `with` block."""
        from pwavenet_tf.core.progress import Bar

        print(
            f"{self.description}: {self.total:,} files; the workers take "
            "about 20 s to start",
            flush=True,
        )
        done = threading.Event()
        with Bar(desc=self.description, total=self.total, unit="file") as bar:

            def watch() -> None:
                stopped = False
                while not stopped:
                    stopped = done.wait(1.0)
                    bar.update(self.count() - bar.n)

            watcher = threading.Thread(target=watch)
            watcher.start()
            try:
                yield
            finally:
                done.set()
                watcher.join()


def _pipeline(runner: Runner) -> "apache_beam.Pipeline":
    import apache_beam as beam

    options = _options(runner)
    try:
        return beam.Pipeline(options=options)
    except (ValueError, ImportError, AttributeError) as fault:
        raise _unusable(runner, fault) from fault


def _start(
    pipeline: "apache_beam.Pipeline", runner: Runner
) -> "PipelineResult":
    import grpc

    try:
        return pipeline.run()
    except (
        RuntimeError,
        ValueError,
        OSError,
        subprocess.SubprocessError,
        grpc.RpcError,
        grpc.FutureTimeoutError,
    ) as fault:
        # That one needs nothing to start, and works here: the work failed.
        if _is_direct(runner):
            raise
        raise _unusable(runner, fault) from fault


def _is_direct(runner: Runner) -> bool:
    return "direct" in runner.name.lower()


def _unusable(runner: Runner, fault: Exception) -> UserError:
    message = " ".join(str(fault).split()) or "it does not answer"
    return UserError(
        f"--runner={runner.name} cannot be used ({message}); DirectRunner "
        "runs on this machine"
    )


def _options(runner: Runner) -> "PipelineOptions":
    from apache_beam.options.pipeline_options import (
        PipelineOptions,
        TypeOptions,
    )

    given = list(runner.options)
    unknown = [one for one in given if one.partition("=")[0] == "--runner"]

    def find_unknown(parser: argparse.ArgumentParser) -> None:
        unknown.extend(parser.parse_known_args(given)[1])

    if not any(_WORKERS_LOG_LEVEL in option for option in given):
        given.append(f"--{_WORKERS_LOG_LEVEL}=ERROR")
    output = io.StringIO()
    try:
        with contextlib.redirect_stderr(output):
            options = PipelineOptions(given, runner=runner.name)
            options.get_all_options(add_extra_args_fn=find_unknown)
    except SystemExit as fault:
        message = output.getvalue().strip().splitlines()[-1]
        raise UserError(
            f"--runner_options: {message.partition('error: ')[2]}"
        ) from fault
    if unknown:
        raise UserError(
            f"--runner_options: {unknown[0]} is none of Beam's options other "
            "than --runner; write each as --name=value"
        )
    if _is_direct(runner):
        # Or else Beam looks for another runner to stand in for it, a program
        # that it downloads. Our jobs have no triggers.
        options.view_as(TypeOptions).allow_unsafe_triggers = True
    return options


def _read_lines(path: str) -> Iterator[str]:
    with open(path) as file:
        yield from (line.rstrip("\n") for line in file)


@contextlib.contextmanager
def _errors_only() -> Iterator[None]:
    """Suppresses Beam's warnings, and its logs of errors that it raises."""
    levels = {"": logging.ERROR, "apache_beam.runners": logging.CRITICAL}
    before = {name: logging.getLogger(name).level for name in levels}
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


@contextlib.contextmanager
def _interruption_kept() -> Iterator[None]:
    """Raises an interruption at the end, whatever became of it on the way.

    One that arrives while a library calls Python is only printed, and Beam
    makes another exception of it.
    """
    interruption: KeyboardInterrupt | None = None

    def interrupt(number, frame):
        nonlocal interruption
        try:
            before[number](number, frame)
        except KeyboardInterrupt as error:
            interruption = error
            raise

    before: dict = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if callable(handler := signal.getsignal(number)):
                before[number] = handler
                signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if interruption is not None:
            raise interruption


@contextlib.contextmanager
def _worker_errors() -> Iterator[None]:
    """Raises a worker's `UserError` without the text that Beam adds."""
    try:
        yield
    except Exception as error:
        if isinstance(error, UserError):
            message = str(error)
        # From another process it comes as the text of its traceback.
        elif messages := re.findall(
            r"^\S*\bUserError: (.*)$", str(error), re.M
        ):
            message = messages[-1]
        else:
            raise
        raise UserError(message.partition(" [while running")[0]) from error
