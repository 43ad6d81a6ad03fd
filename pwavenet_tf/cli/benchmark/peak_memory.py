"""Memory of a computation, and untrained models to measure with.

A peak can only be read off a process that has done nothing else: so a module
that measures one runs itself again, and that process prints what it saw.
"""

import json
import math
import os
import pathlib
import resource
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from pwavenet_tf.core.training_config import Preset
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.models.teachers import Teacher, teacher_of

_LINUX_RESET = pathlib.Path("/proc/self/clear_refs")
_LINUX_STATUS = pathlib.Path("/proc/self/status")

# About as many as a language has.
_PHONES = tuple(f"phone {number}" for number in range(1, 46))
_SPEAKERS = ("one",)


def figures_apart(
    module: str, *arguments: str, memory: bool = True
) -> dict[str, Any]:
    """Runs a module that ends in `print_figures`; returns what it printed.

    Where `memory` is measured, time is not what it would be otherwise.
    """
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # glibc then hands every freed tensor back to the system, so that no
        # memory from before can be used again without being seen; but to get
        # it again takes a fifth of a student's time.
        env=os.environ
        | ({"MALLOC_MMAP_THRESHOLD_": "65536"} if memory else {}),
    )
    return json.loads(done.stdout.splitlines()[-1])


def print_figures(**figures: object) -> None:
    """Hands figures to the process that called `figures_apart`."""
    print(json.dumps(figures))


def peak_from_here() -> int:
    """Resets the peak to the memory in use, where the system can do that."""
    if _LINUX_RESET.exists():
        _LINUX_RESET.write_text("5")
    return peak()


def peak() -> int:
    """The most memory that this process has held so far, in bytes."""
    if _LINUX_STATUS.exists():
        status = _LINUX_STATUS.read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1_024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def peak_growth(run: Callable) -> int:
    """By how many bytes a computation raises the peak."""
    before = peak_from_here()
    run()
    return peak() - before


def random_teacher(preset: Preset) -> Teacher:
    """An untrained teacher of a preset."""
    conditioning = preset.conditioning.of_corpus(_PHONES, _SPEAKERS, 150.0)
    teacher = teacher_of(preset, conditioning=conditioning)
    teacher.build()
    return teacher


def random_student(preset: Preset) -> ParallelWaveNet:
    """An untrained student of a preset."""
    student = ParallelWaveNet.from_preset(preset)
    student.build()
    return student


def frames_of(model: Teacher | ParallelWaveNet, seconds: float) -> int:
    """Frames that last so long."""
    return math.ceil(seconds * model.audio.sample_rate / model.audio.hop_length)
