"""What `pwavenet --help` and `pwavenet COMMAND --help` print."""

import inspect
import shlex
import textwrap
from collections.abc import Mapping
from types import ModuleType

from absl import flags

_WIDTH = 79
_INDENT = 20

_OVERVIEW = """\
Parallel WaveNet: learn a voice from recordings, then synthesize speech fast.

{start}

The pipeline, in order. Each command states what it needs and what comes next:

{pipeline}

Further commands:

{further}

pwavenet COMMAND --help explains a command. In Python: help("pwavenet_tf").
"""

_START = """\
Two commands to begin with:

  pwavenet demo --out=runs/demo     runs the whole pipeline in eight minutes
  pwavenet prepare --help           how to begin with your own recordings"""

_FURTHER = ("ablate", "benchmark", "demo", "export-corpus", "train-jax")


def overview(commands: Mapping[str, ModuleType]) -> str:
    """The help of `pwavenet`: every command with its summary, in order."""
    lines = {
        name: f"  {name:<15} {(module.__doc__ or '').splitlines()[0]}"
        for name, module in commands.items()
    }
    return _OVERVIEW.format(
        start=_START,
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
    return "\n\n".join(
        [
            f"pwavenet {name}",
            inspect.cleandoc(command.__doc__ or ""),
            "Flags:\n" + "\n".join(shown),
        ]
    )


def next_command(name: str, **values: object) -> str:
    """The line of a command, as a shell takes it whatever its paths hold.

    Args:
        name: Of the command.
        values: Of its flags; those that are None are left out.
    """
    given = [
        f"--{flag}={value}"
        for flag, value in values.items()
        if value is not None
    ]
    return f"  {shlex.join(['pwavenet', name, *given])}"


def placeholder(flag: flags.Flag) -> str:
    """The placeholder of the flag's value in its help, `DIR` for instance."""
    return flag.help.split(": ", 1)[0]


def _flag_help(flag: flags.Flag) -> str:
    # Broken after a bar, if there are many values.
    form = textwrap.fill(
        f"  --{flag.name}={placeholder(flag)}".replace("|", "| "),
        _WIDTH,
        subsequent_indent=" " * _INDENT,
        break_on_hyphens=False,
    ).replace("| ", "|")
    # absl appends a remark of its own to a repeated flag's help.
    meaning = flag.help.split(": ", 1)[1].split(";\n", 1)[0]
    if flag.default is not None:
        meaning += f" Default: {flag.default}."
    text = textwrap.fill(
        meaning,
        _WIDTH,
        initial_indent=" " * _INDENT,
        subsequent_indent=" " * _INDENT,
    )
    if len(form) < _INDENT:
        return form + text[len(form) :]
    return f"{form}\n{text}"
