"""The machine and the software that a benchmark ran on."""

import importlib.metadata
import os
import platform
from pathlib import Path

from pwavenet_tf.core.version import __version__

_CPUINFO = Path("/proc/cpuinfo")
# What makes matrix products fast, by the flags of Linux.
_INSTRUCTIONS = {
    "AVX2": ("avx2",),
    "AVX-512F": ("avx512f",),
    "VNNI": ("avx512_vnni", "avx_vnni"),
    "AVX512_BF16": ("avx512_bf16",),
    "AMX": ("amx_tile",),
}
_PACKAGES = ("tensorflow", "keras", "tensorflow_probability", "numpy")


def cores() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine() -> dict[str, str | int]:
    """The hardware: what a comparison of two benchmarks compares first."""
    text = _CPUINFO.read_text("utf-8") if _CPUINFO.exists() else ""
    processor, instructions = processor_of(text)
    found: dict[str, str | int] = {
        "processor": processor or platform.processor() or platform.machine(),
        "cores": cores(),
        "instructions": ", ".join(instructions),
    }
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", ()):
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        found["memory"] = f"{pages / 2**30:.1f} GiB"
    return found


def processor_of(cpuinfo: str) -> tuple[str, list[str]]:
    """Model and instruction sets of the first core in Linux's description.

    Args:
        cpuinfo: The content of `/proc/cpuinfo`.
    """
    lines = (line.partition(":") for line in cpuinfo.splitlines()[::-1])
    fields = {name.strip(): value.strip() for name, _, value in lines}
    flags = set(fields.get("flags", "").split())
    known = [
        name for name, of in _INSTRUCTIONS.items() if flags.intersection(of)
    ]
    return fields.get("model name", ""), known


def versions() -> dict[str, str]:
    """Of Python, this package and what it computes with."""
    packages = {name: importlib.metadata.version(name) for name in _PACKAGES}
    python = {"python": platform.python_version()}
    return python | {"pwavenet_tf": __version__} | packages
