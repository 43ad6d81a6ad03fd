"""All that a run needs to resume as if it had not ended, in one file."""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.files import atomic_write
from pwavenet_tf.core.sizes import load_arrays
from pwavenet_tf.training.run_folder import is_earlier_default

# Lists of arrays, in the order of the model's and the optimiser's variables.
GROUPS = ("trainable", "random_states", "optimizer", "averages")
_PROGRESS = "progress"


@dataclasses.dataclass
class Progress:
    """How far a run of a model with this `fingerprint` has come.

    The share of the run that is done is 1 when it has ended. There are
    `run_steps` since its learning rate last rose from the start, and steps,
    clips and minutes of training since the first start.
    """

    model: str
    share: float = 0.0
    run_steps: int = 0
    steps: int = 0
    clips: int = 0
    minutes: float = 0.0


def fingerprint(model) -> str:
    """What makes weights fit: the model's class and all its settings."""
    # Keras numbers the models of a process in their names.
    config = {k: v for k, v in model.get_config().items() if k != "name"}
    config["conditioning"] = {
        name: value
        for name, value in config["conditioning"].items()
        if not is_earlier_default(name, value)
    }
    settings = json.dumps(config, sort_keys=True, default=repr)
    named = f"{type(model).__name__} {settings}"
    return hashlib.sha256(named.encode()).hexdigest()


def save_state(path: Path, state: dict, progress: Progress) -> None:
    """Writes an `.npz` file under a temporary name and renames it.

    The state is a list of NumPy arrays for each of `GROUPS`.
    """
    arrays = {
        f"{group}/{number}": value
        for group in GROUPS
        for number, value in enumerate(state[group])
    }
    content = json.dumps(dataclasses.asdict(progress))
    with atomic_write(path) as temporary:
        np.savez(temporary, **arrays, **{_PROGRESS: np.array(content)})


def load_state(path: Path, fresh: dict, model: str) -> tuple[dict, Progress]:
    """Reads what `save_state` wrote.

    The state of a fresh run has the same shapes, its model the `fingerprint`.
    """
    try:
        arrays = load_arrays(path)
        progress = Progress(**json.loads(str(arrays[_PROGRESS])))
        state = {
            group: [
                arrays[f"{group}/{number}"]
                for number in range(len(fresh[group]))
            ]
            for group in GROUPS
        }
        count = len(arrays) - 1
    except (OSError, ValueError, LookupError, TypeError) as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise UserError(
            f"{path}: is damaged or of another version ({reason}); remove it "
            "to begin again, or name another --out"
        ) from error
    found = [value.shape for group in GROUPS for value in state[group]]
    wanted = [np.shape(value) for group in GROUPS for value in fresh[group]]
    if progress.model != model or found != wanted or count != len(found):
        raise UserError(
            f"{path}: is of a model with other settings, or was trained in "
            "another precision or on other data; train as before, or name "
            "another --out"
        )
    return state, progress
