"""What `pwavenet --help` and `pwavenet COMMAND --help` print."""

import inspect
import shlex
import textwrap
from collections.abc import Mapping
from functools import partial
from types import ModuleType

from absl import flags

_WIDTH = 79
_INDENT = 20

_OVERVIEW = """\
Parallel WaveNet: learn a voice from recordings, then synthesize speech fast.

Two commands to begin with:

  pwavenet demo --out=runs/demo     runs the whole pipeline in eight minutes
  pwavenet prepare --help           how to begin with your own recordings

The pipeline, in order. Each command states what it needs and what comes next:

{pipeline}

Further commands:

{further}

pwavenet COMMAND --help explains a command. In Python: help("pwavenet_tf").
"""

_FURTHER = ("ablate", "benchmark", "demo", "export-corpus", "train-jax")


def overview(commands: Mapping[str, ModuleType]) -> str:
    """The help of `pwavenet`: every command with its summary, in order."""
    lines = {
        name: f"  {name:<15} {(module.__doc__ or '').splitlines()[0]}"
        for name, module in commands.items()
    }
    return _OVERVIEW.format(
        pipeline="\n".join(
            line for name, line in lines.items() if name not in _FURTHER
        ),
        further="\n".join(lines[name] for name in _FURTHER),
    ).rstrip()


def command_help(
    name: str, command: ModuleType, flag_values: flags.FlagValues
) -> str:
    """The help of one command: its docstring and its flags."""
    shown = [_flag_help(flag_values[flag]) for flag in flag_values]
    meaning = inspect.cleandoc(command.__doc__ or "")
    return "\n".join([f"pwavenet {name}\n\n{meaning}\n\nFlags:", *shown])


def print_next(name: str, **values: object) -> None:
    """Prints the command to go on with, as a shell takes it.

    A flag whose value is None is left out.
    """
    given = [f"--{flag}={x}" for flag, x in values.items() if x is not None]
    print(f"  {shlex.join(['pwavenet', name, *given])}")


def missing(forms: Mapping[str, str]) -> str:
    """A message about flags that are missing, by their values' placeholders."""
    named = " and ".join(f"--{flag}" for flag in forms)
    verb = "are" if len(forms) > 1 else "is"
    fix = " ".join(f"--{flag}={form}" for flag, form in forms.items())
    return f"{named} {verb} missing; add {fix}"


def placeholder(flag: flags.Flag) -> str:
    """The placeholder of the flag's value in its help, `DIR` for instance."""
    return flag.help.split(": ", 1)[0]


def _flag_help(flag: flags.Flag) -> str:
    indent = " " * _INDENT
    fill = partial(textwrap.fill, width=_WIDTH, subsequent_indent=indent)
    # Broken after a bar, if there are many values.
    form = f"  --{flag.name}={placeholder(flag)}".replace("|", "| ")
    form = fill(form, break_on_hyphens=False).replace("| ", "|")
    # absl appends a remark of its own to a repeated flag's help.
    meaning = flag.help.split(": ", 1)[1].split(";\n", 1)[0]
    if flag.default is not None:
        meaning += f" Default: {flag.default}."
    text = fill(meaning, initial_indent=indent)
    if len(form) < _INDENT:
        return form + text[len(form) :]
    return f"{form}\n{text}"
