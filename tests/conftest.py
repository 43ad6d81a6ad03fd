"""What all tests share: a quiet TensorFlow, fixed seeds, the shared data."""

import os
import random
import sys
from pathlib import Path

import hypothesis
import numpy as np
import pytest

pytest_plugins = ["tiny_run"]

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# A compiled function's first call takes seconds, its next ones milliseconds.
hypothesis.settings.register_profile(
    "repeatable", deadline=None, derandomize=True
)
hypothesis.settings.load_profile("repeatable")


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
