"""The checkpoint from which an interrupted run resumes."""

import math
import os
import time
import warnings
from pathlib import Path

import h5py
import keras

from pwavenet_tf.core.checksum import (
    STATED,
    append_checksum,
    require_intact,
    require_kept,
)
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.sizes import require_weights
from pwavenet_tf.training.distribution import written_by_chief

_RANDOM_STATES = "random_states"
_BATCHES = "batches"
# What reading a damaged file raises.
_DAMAGED = (OSError, KeyError, RuntimeError)
# What HDF5 needs for a variable next to its values, about.
_HEADER_BYTES = 2_000

# An interruption loses at most so much work.
SECONDS_BETWEEN = 300.0


def load_checkpoint(model: keras.Model, path: Path) -> int:
    """Puts a run's state back into its model, if there is a checkpoint.

    Args:
        model: Built and compiled as it was when the checkpoint was saved.
        path: The file of a `Checkpoint`.

    Returns:
        How many batches the run has been trained on; 0 without a checkpoint.

    Raises:
        UserError: If the file is damaged, or of another model.
    """
    # One that scales the loss would add its variables once more.
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    batches = batches_of(path)
    if path.exists():
        try:
            require_weights(path, path.stat().st_size, path)
            with warnings.catch_warnings():
                # Keras continues without the optimiser's state, with a warning.
                warnings.filterwarnings("error", message="Skipping variable")
                model.load_weights(path)
            _load_random_states(model, path)
        except (*_DAMAGED, ValueError, UserWarning) as problem:
            raise _does_not_fit(path, problem) from problem
    return batches


def batches_of(path: Path) -> int:
    """How many batches the run that saved a file was trained on; 0 without."""
    if not path.exists():
        return 0
    advice = "remove it to start again"
    found = require_intact(path, advice)
    try:
        with h5py.File(path) as file:
            batches = file[_BATCHES]
            require_kept(found, batches.attrs, path, advice)
            return int(batches[()])
    except _DAMAGED as problem:
        raise _does_not_fit(path, problem) from problem


def _does_not_fit(path: Path, problem: Exception) -> UserError:
    return UserError(
        f"{path}: does not fit this version's model or is damaged "
        f"({str(problem).splitlines()[0]}); remove it to start again"
    )


def _random_states(model: keras.Model) -> list:
    """The states of all random generators, which are none of the weights."""
    weights = {id(weight) for weight in model.weights}
    return [one for one in model.variables if id(one) not in weights]


def _load_random_states(model: keras.Model, path: Path) -> None:
    with h5py.File(path) as file:
        for number, state in enumerate(_random_states(model)):
            state.assign(file[f"{_RANDOM_STATES}/{number}"][()])


def step_of(model: keras.Model) -> int:
    """How many steps a model's optimiser has done, over any devices."""
    return int(keras.ops.convert_to_numpy(model.optimizer.iterations))


def _require_room(model: keras.Model, path: Path) -> None:
    # HDF5 ends the process with a segmentation fault where a disk is full, so
    # the room is reserved and given back before it writes.
    variables = [*model.variables, *model.optimizer.variables]
    size = sum(_HEADER_BYTES + 4 * math.prod(one.shape) for one in variables)
    with path.open("wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)


class Checkpoint(keras.callbacks.Callback):
    """Saves all that a run needs to resume as if it had not been interrupted.

    One file holds the weights, the optimiser's state with the averaged weights
    and the step, and the state of every random generator. It is written under a
    temporary name and renamed, so that there is one complete file at any
    moment. Saved are the last step of each epoch and, in between, a step every
    few minutes.

    Place it before `SwapEMAWeights`, which replaces the weights by their
    averages.

    Args:
        path: The file, its name ending in `.weights.h5`.
        batches: What `load_checkpoint` has returned for it.

    Raises:
        UserError: If the file can't be written; the one before is kept.
    """

    def __init__(self, path: Path, batches: int = 0) -> None:
        super().__init__()
        self.path = Path(path)
        self._saved_at = time.monotonic()
        self._batches = batches

    def on_epoch_begin(self, epoch, logs=None) -> None:
        self._seen = -1

    def on_train_batch_end(self, batch, logs=None) -> None:
        # One call may stand for several batches.
        self._batches += batch - self._seen
        self._seen = batch
        # The last step of an epoch is saved after the validation, which draws
        # random numbers too: a run that skipped it would continue differently.
        last = batch + 1 == self.params["steps"]
        if not last and time.monotonic() - self._saved_at > SECONDS_BETWEEN:
            self._save()

    def on_epoch_end(self, epoch, logs=None) -> None:
        self._save()

    def _save(self) -> None:
        try:
            with written_by_chief(self.path) as temporary:
                _require_room(self.model, temporary)
                self.model.save_weights(temporary)
                states = _random_states(self.model)
                with h5py.File(temporary, "a") as file:
                    for number, state in enumerate(states):
                        values = keras.ops.convert_to_numpy(state)
                        file[f"{_RANDOM_STATES}/{number}"] = values
                    file[_BATCHES] = self._batches
                    file[_BATCHES].attrs.update(STATED)
                append_checksum(temporary)
                # A machine that dies must not leave a name without content.
                with temporary.open("rb") as file:
                    os.fsync(file.fileno())
        except UserError as problem:
            kept = "there is no checkpoint yet"
            if self.path.exists():
                kept = "the checkpoint before it is whole"
            raise UserError(
                f"{problem}; {kept}, start it again to resume from there"
            ) from problem
        self._saved_at = time.monotonic()
