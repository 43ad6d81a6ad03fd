"""The folder of a run: begin, resume, or start from another model's weights."""

import contextlib
import dataclasses
import hashlib
import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path

import keras
import numpy as np

from pwavenet_tf.core.config import (
    NSYNTH_DILATIONS,
    AudioContract,
    Conditioning,
)
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.files import write_json
from pwavenet_tf.training.callbacks.checkpoint import batches_of
from pwavenet_tf.training.distribution import is_chief

_DIGEST = "sha256:"
# A value longer than this is not quoted in a message.
_QUOTED = 40
# What may change between two starts of one run.
_FREE = ("steps", "report_every")
_UNREADABLE = (AttributeError, OSError, ValueError, KeyError, TypeError)
# What takes no --initial.
_FRESH = "phones"
# Settings added later, with the value that earlier runs had.
_LATER = {
    "harmonics": 8,
    "prediction_order": 0,
    "source_points": 1,
    "encoding_channels": 16,
    "encoder_channels": 128,
    "encoder_dilations": NSYNTH_DILATIONS,
}

# Neither sizes nor inputs of the model.
_PASSED_OVER = ("name", "dtype", "trainable", "seed", "audio", "conditioning")
# A list longer than this is not quoted in a message.
_LONGEST = 60

_PREPARE = (
    "prepare the data with --statistics_of=FILE, FILE being that model, which "
    "gives it the model's own statistics"
)


def is_earlier_default(name: str, value) -> bool:
    """Whether a setting has what runs had before it was a setting."""
    return name in _LATER and _LATER[name] == value


def fingerprint(*settings) -> str:
    """A digest of arrays, and of whatever else has a complete `repr`."""
    digest = hashlib.sha256()
    for one in settings:
        is_array = isinstance(one, np.ndarray)
        digest.update(one.tobytes() if is_array else repr(one).encode())
    return digest.hexdigest()


def digest_of(*settings) -> str:
    """The `fingerprint` as a value of an identity; not quoted in messages."""
    return _DIGEST + fingerprint(*settings)


def identity(*settings, **values) -> dict[str, str]:
    """What must stay the same for a run to be continued, by name.

    All fields of dataclasses but for the number of steps and the interval of
    reports, and further values, or digests from `digest_of`.
    """
    fields = {
        field.name: getattr(one, field.name)
        for one in settings
        for field in dataclasses.fields(one)
        if field.name not in _FREE
        and not is_earlier_default(field.name, getattr(one, field.name))
    }
    return {
        name: value
        if isinstance(value, str) and value.startswith(_DIGEST)
        else repr(value)
        for name, value in (fields | values).items()
    }


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """A run's model file and, next to it, what the run continues from.

    `MODEL.backup/` holds the checkpoint, with the optimiser's state, and
    `run.json`, which records what the run depends on and its length. It stays
    when the run has finished, so that the run can be continued. The steps are
    those of the whole run.
    """

    target: Path
    identity: Mapping[str, str]
    steps: int

    @property
    def backup(self) -> Path:
        return self.target.with_name(f"{self.target.stem}.backup")

    @property
    def checkpoint(self) -> Path:
        return self.backup / "latest.weights.h5"

    def check(self) -> None:
        """Refuses a run that can neither begin nor continue; writes nothing.

        Raises:
            UserError: If there is a model without a checkpoint, if the
                checkpoint is damaged or belongs to another run, or if the run
                has finished already.
        """
        if not self.checkpoint.exists():
            if self.target.exists():
                raise UserError(
                    f"{self.target} is there already, without the checkpoint "
                    f"to continue it from ({self.checkpoint}); choose another "
                    f"--out{self._start_over()}"
                )
            return
        done, begun = batches_of(self.checkpoint), self.begun()
        # An older checkpoint without a record.
        if begun is None:
            return
        planned, before = begun
        finished = done >= planned
        if changed := _changes(before, self.identity):
            raise UserError(
                f"{self.backup}: belongs to "
                f"{'a finished' if finished else 'an interrupted'} run with "
                f"other settings: {', '.join(changed)}; give the same to "
                f"continue it, or choose another --out{self._start_over()}"
            )
        if not finished and self.steps != planned:
            raise UserError(
                f"{self.backup}: belongs to a run of {planned:,} steps that "
                f"was interrupted after {done:,}; finish it with "
                f"--steps={planned} first, then more --steps continue it"
            )
        written = self.target.exists()
        if finished and (self.steps < done or (self.steps == done and written)):
            raise UserError(
                f"{self.target if written else self.backup}: the run has "
                f"finished after {done:,} steps; continue it with --steps "
                f"above {done}, or choose another --out{self._start_over()}"
            )

    def begin(self) -> None:
        """Notes what the run depends on, before its first step."""
        self.check()
        if not is_chief():
            return
        content = {"steps": self.steps, "identity": dict(self.identity)}
        checksum = {"checksum": fingerprint(content)}
        write_json(self._mark, content | checksum)

    @property
    def _mark(self) -> Path:
        return self.backup / "run.json"

    def begun(self) -> tuple[int, dict[str, str]] | None:
        """Steps and identity of the run that began here."""
        try:
            content = json.loads(self._mark.read_text("utf-8"))
            # Files from before have none.
            checksum = content.pop("checksum", None)
            if checksum not in (None, fingerprint(content)):
                raise ValueError("it is damaged: its checksum does not match")
            return int(content["steps"]), dict(content["identity"])
        except FileNotFoundError:
            return None
        except _UNREADABLE as problem:
            raise UserError(
                f"{self._mark}: cannot be read ({problem}); choose another "
                "--out, or remove the folder to train again"
            ) from problem

    def _start_over(self) -> str:
        # It always starts from random weights.
        if not self.target.exists() or self.target.stem == _FRESH:
            return ""
        return f", to which --initial={self.target} brings its weights"


def as_begun(target: Path, settings, **earlier):
    """Settings with a preset's earlier values, by field, if a run began so.

    Presets change. A run continues with what it began with, where no flag sets
    it.
    """
    begun = RunFolder(target, {}, 0).begun()
    if begun is None:
        return settings
    then = identity(dataclasses.replace(settings, **earlier))
    values = {
        name: value
        for name, value in earlier.items()
        if begun[1].get(name) == then.get(name)
    }
    return dataclasses.replace(settings, **values)


def open_run(target: Path, steps: int, *settings, **values) -> RunFolder:
    """The folder of a run of this `identity`, if it can begin or continue."""
    run = RunFolder(target, identity(*settings, **values), steps)
    run.check()
    return run


def _changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The names of what differs, with short values."""
    return [
        _change(name, before.get(name, "none"), now.get(name, "none"))
        for name in {**now, **before}
        if before.get(name) != now.get(name)
    ]


def _change(name: str, before: str, now: str) -> str:
    if before.startswith(_DIGEST) or now.startswith(_DIGEST):
        return name.replace("_", " ")
    quoted = len(before + now) <= _QUOTED
    return f"{name} ({before} before, {now} now)" if quoted else name


def weights_of(**models: keras.Model | None) -> dict[str, str]:
    """A digest of each model's weights, where there is one, for `identity`."""
    return {
        name: digest_of(*model.get_weights())
        for name, model in models.items()
        if model is not None
    }


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draws the initial weights of what is built inside from a seed.

    Keras's initializers take their seeds from Python's `random`, whose state
    is put back afterwards.
    """
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


def start_from(model: keras.Model, initial: keras.Model) -> None:
    """Gives a new model, built for the data, the weights of a trained one.

    Kind, sizes, contract and conditioning must be the same.
    """
    if type(model) is not type(initial):
        raise UserError(
            f"the initial model is a {type(initial).__name__}, not a "
            f"{type(model).__name__}; name a model of the same kind"
        )
    _require_same_audio(model.audio, initial.audio)
    _require_same_conditioning(model.conditioning, initial.conditioning)
    if sizes := _differences(model.get_config(), initial.get_config()):
        raise UserError(
            f"the initial model has other sizes: {', '.join(sizes.values())}; "
            "train with the settings that it was trained with"
        )
    model.set_weights(initial.get_weights())


def _require_same_audio(mine: AudioContract, theirs: AudioContract) -> None:
    if found := mine.differences(theirs):
        statistics = all(one.startswith("mel_") for one in found)
        raise UserError(
            "the data and the initial model do not share one acoustic "
            f"contract: {', '.join(found)}; "
            + (_PREPARE if statistics else "prepare the data with its preset")
        )


def _require_same_conditioning(
    mine: Conditioning, theirs: Conditioning
) -> None:
    if found := _differences(vars(mine), vars(theirs)):
        of_corpus = set(found) <= {"phones", "speakers", "mean_pitch_hz"}
        raise UserError(
            "the data and the initial model differ in their conditioning: "
            f"{', '.join(found.values())}; "
            + (_PREPARE if of_corpus else "train with the model's own")
        )


def _differences(mine: Mapping, theirs: Mapping) -> dict[str, str]:
    """What differs, by name, in words: both values where they are short."""
    found = {}
    for name, value in mine.items():
        if name not in _PASSED_OVER and value != theirs.get(name):
            words = f"{value!r} against {theirs.get(name)!r}"
            found[name] = (
                f"{name} ({words})" if len(words) <= _LONGEST else name
            )
    return found
