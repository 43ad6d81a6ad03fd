"""The command line: `pwavenet COMMAND --flag=value`.

A user's mistake ends in one line on standard error and exit status 2; a
fault of this code shows its traceback. TensorFlow is loaded only once a
command is sure to run.
"""

import contextlib
import difflib
import errno
import functools
import importlib
import logging
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

import absl.logging
from absl import flags

from pwavenet_tf.cli import usage
from pwavenet_tf.core.errors import OddInput, UserError
from pwavenet_tf.core.files import UNFINISHED, remove_unfinished
from pwavenet_tf.core.imports import LOG_LEVEL, import_tensorflow
from pwavenet_tf.core.locks import run_lock
from pwavenet_tf.core.version import __version__

COMMANDS = (
    "download",
    "audit",
    "prepare",
    "train-teacher",
    "train-phones",
    "train-acoustic",
    "train-student",
    "distill",
    "voices",
    "say",
    "synthesize",
    "synthesize-batch",
    "evaluate",
    "export",
    "ablate",
    "benchmark",
    "demo",
    "export-corpus",
    "train-jax",
)

_HELP = {"help", "--help", "-help", "-h"}
# As of a program that SIGPIPE has ended.
_CLOSED_PIPE = 128 + 13
_STORAGE_FAULTS = tuple(
    os.strerror(getattr(errno, name))
    for name in ("ENOSPC", "EDQUOT", "EFBIG", "EACCES", "EROFS")
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command, by default this process's, and returns the exit status.

    It is 0 if all went well, 2 after a user's mistake or if a file could not be
    read or written, 130 after an interruption from the keyboard, 141 if nobody
    reads the output any more, 143 after SIGTERM.
    """
    try:
        return _status(arguments)
    except BrokenPipeError:
        return _CLOSED_PIPE
    finally:
        # Or else the interpreter complains when it ends.
        for stream in filter(None, (sys.stdout, sys.stderr)):
            try:
                stream.flush()
            except OSError:
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())


def _status(arguments: Sequence[str] | None) -> int:
    given = sys.argv[1:] if arguments is None else arguments
    name, *rest = given or ["help"]
    if name in _HELP and rest:
        name, rest = rest[0], ["--help"]
    try:
        if name in _HELP:
            print(usage.overview({one: _load(one) for one in COMMANDS}))
        elif name == "--version":
            print(f"pwavenet {__version__}")
        else:
            with _termination_raised():
                _run(name, rest)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except UserError as error:
        return _complain(name, str(error))
    except OSError as error:
        return _complain(name, _storage_message(error))
    except _Terminated:
        _complain(name, "terminated")
        return 128 + signal.SIGTERM
    except KeyboardInterrupt:
        _complain(name, "interrupted")
        return 128 + signal.SIGINT
    except Exception as error:
        # TensorFlow has exceptions of its own for what the disk refuses.
        if any(f"; {fault}" in str(error) for fault in _STORAGE_FAULTS):
            message = str(error).splitlines()[0]
            # Its marks of the operation mean nothing to the user.
            message = re.sub(r"\{\{.*?\}\}|\[Op:\w+\]", "", message)
            return _complain(name, message)
        raise
    return 0


def _run(name: str, arguments: list[str]) -> None:
    if name not in COMMANDS:
        raise UserError(_unknown_command(name))
    command = _load(name)
    values = flags.FlagValues()
    values.set_gnu_getopt(True)
    command.define_flags(values)
    for flag in values:
        if not isinstance(values[flag], flags.MultiFlag):
            _require_one_value(values[flag])
    if _HELP.intersection(arguments):
        print(usage.command_help(name, command, values))
        return
    _parse(name, values, _with_flag(command, arguments))
    with _place_locked(values):
        if _needs_tensorflow(command, values):
            import_tensorflow()
            if os.environ.get(LOG_LEVEL) != "0":
                absl.logging.set_verbosity(absl.logging.ERROR)
                logging.getLogger("tensorflow").setLevel(logging.ERROR)
        with warnings.catch_warnings():
            show = warnings.showwarning
            warnings.showwarning = functools.partial(_show_warning, name, show)
            command.run(values)


def _show_warning(
    name: str, show: Callable, message: Warning | str, category: type, *rest
) -> None:
    """Odd input in one line, as errors are; whatever else as Python does."""
    if issubclass(category, OddInput):
        print(f"pwavenet {name}: warning: {message}", file=sys.stderr)
    else:
        show(message, category, *rest)


class _Terminated(KeyboardInterrupt):
    """SIGTERM, as an exception, so that everything is cleaned up."""


@contextlib.contextmanager
def _termination_raised() -> Iterator[None]:
    def terminate(number, frame):
        raise _Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _place_locked(values: flags.FlagValues) -> Iterator[None]:
    """Keeps --out for this run, and clears away what a killed one left."""
    place = values["out"].value if "out" in values else None
    # The workers of one run, which TF_CONFIG lists, share its folder.
    if place in (None, "-") or os.environ.get("TF_CONFIG"):
        yield
        return
    out = Path(place).resolve()
    with run_lock(out):
        for folder, pattern in (
            *((out.parent, UNFINISHED), (out, UNFINISHED)),
            (out, f"*/{UNFINISHED}"),
        ):
            remove_unfinished(list(folder.glob(pattern)))
        yield


def _require_one_value(flag: flags.Flag) -> None:
    """Makes a flag refuse a second value, of which absl takes the last."""
    parse = flag.parse

    def parse_once(argument: object) -> None:
        first, given = flag.value, flag.present
        parse(argument)
        if given and flag.value != first:
            raise UserError(
                f"--{flag.name} is given twice, as {first} and {flag.value}; "
                "leave one of them out"
            )

    flag.parse = parse_once


def _needs_tensorflow(command: ModuleType, values: flags.FlagValues) -> bool:
    """What the command states, for these flags or for all."""
    if hasattr(command, "needs_tensorflow"):
        return command.needs_tensorflow(values)
    return getattr(command, "NEEDS_TENSORFLOW", True)


def _with_flag(command: ModuleType, arguments: list[str]) -> list[str]:
    """A command's one word that stands without a flag, given its flag."""
    flag = getattr(command, "WORD", None)
    if flag is None or not arguments or arguments[0].startswith("-"):
        return arguments
    return [f"--{flag}={arguments[0]}", *arguments[1:]]


def _load(name: str) -> ModuleType:
    return importlib.import_module(
        f"pwavenet_tf.cli.commands.{name.replace('-', '_')}"
    )


def _parse(name: str, values: flags.FlagValues, arguments: list[str]) -> None:
    try:
        unused = values(["pwavenet", *arguments])[1:]
    except flags.UnrecognizedFlagError as error:
        known = ", ".join(f"--{flag}" for flag in values)
        fix = _nearest(error.flagname, values, "--", f"there are {known}")
        raise UserError(f"there is no flag --{error.flagname}; {fix}") from None
    except flags.Error as error:
        raise UserError(_flag_message(name, values, str(error))) from None
    if unused:
        raise UserError(
            f"{unused[0]!r} is not a flag; write each value as --flag=value"
        )


def _unknown_command(name: str) -> str:
    if name.startswith("-"):
        return "a command comes first, then its flags; see pwavenet --help"
    fix = _nearest(name, COMMANDS, "pwavenet ", "see pwavenet --help")
    return f"there is no such command; {fix}"


def _flag_message(name: str, values: flags.FlagValues, message: str) -> str:
    forms = {flag: usage.placeholder(values[flag]) for flag in values}
    if missing := re.findall(r"Flag --(\w+) must have a value", message):
        return usage.missing({flag: forms[flag] for flag in missing})
    if valueless := re.match(r"Missing value for flag -+(\w+)", message):
        flag = valueless[1]
        return f"--{flag} has no value; write --{flag}={forms[flag]}"
    wrong = re.match(r"flag --(\w+)=(.*?): ", message, re.DOTALL)
    if wrong is None:
        return f"{message}; see pwavenet {name} --help"
    flag, value = wrong.groups()
    parser = values[flag].parser
    choices = getattr(parser, "enum_values", [])
    expected = parser.syntactic_help or f"one of {', '.join(choices)}"
    fix = _nearest(value, choices, f"--{flag}=", f"see pwavenet {name} --help")
    return f"--{flag}={value} is not {expected}; {fix}"


def _nearest(word: str, known: Iterable[str], before: str, else_: str) -> str:
    """Asks whether the most similar word, behind another text, was meant."""
    near = difflib.get_close_matches(word.replace("_", "-"), known, n=1)
    return f"did you mean {before}{near[0]}?" if near else else_


def _storage_message(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename else ""
    fix = (
        "make room and run it again"
        if error.errno in (errno.ENOSPC, errno.EDQUOT)
        else "check the path and its permissions"
    )
    return f"{place}{error.strerror or error}; {fix}"


def _complain(name: str, message: str) -> int:
    command = "pwavenet" if name.startswith("-") else f"pwavenet {name}"
    # A progress bar may have left its line unfinished.
    start = "\n" if sys.stderr.isatty() else ""
    print(f"{start}{command}: {' '.join(message.split())}", file=sys.stderr)
    return 2
