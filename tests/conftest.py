"""What all tests share: a quiet, quick TensorFlow, fixed seeds, the data.

Two workers share two cores, so that each keeps to one thread. XLA compiles a
tiny graph for seconds and then runs it once: it is left out, except in tests
marked `xla`, whose claim it is.
"""

import functools
import os
import random
import sys
from pathlib import Path

import hypothesis
import numpy as np
import pytest

pytest_plugins = ["shared_files", "tiny_run"]

for _name, _value in {
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_backend_optimization_level=1",
}.items():
    os.environ.setdefault(_name, _value)

# A compiled function's first call takes seconds, its next ones milliseconds.
hypothesis.settings.register_profile(
    "repeatable", deadline=None, derandomize=True
)
hypothesis.settings.load_profile("repeatable")


def pytest_collection_modifyitems(items) -> None:
    """Marks as `network` what needs a trained teacher and student."""
    for item in items:
        if {"tiny_run", "other_run"}.intersection(item.fixturenames):
            item.add_marker("network")


_xla = False


def _leave_xla_out() -> None:
    """Makes `tf.function` ignore `jit_compile` outside tests marked `xla`."""
    import tensorflow as tf

    function = tf.function

    @functools.wraps(function)
    def without_xla(*args, jit_compile=None, **kwargs):
        return function(*args, jit_compile=jit_compile and _xla, **kwargs)

    tf.function = without_xla


def pytest_configure(config) -> None:
    """Prepares TensorFlow, which the controller of workers does not need."""
    divides = config.getoption("numprocesses", None)
    if not divides or hasattr(config, "workerinput"):
        _leave_xla_out()


@pytest.fixture(autouse=True)
def xla(request) -> None:
    """Lets XLA compile in tests that are marked so, and in slow ones."""
    global _xla
    markers = map(request.node.get_closest_marker, ("xla", "slow"))
    _xla = any(markers)


@pytest.fixture(autouse=True)
def fixed_seeds() -> None:
    """Gives every test the same random numbers, whichever run before it."""
    random.seed(0)
    np.random.seed(0)
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(0)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real recordings beside the repository."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real recordings are absent: there is no ../shared/data")
    return folder
