"""The inputs of models, checked with NumPy alone: features, seed, temperature.

A dictionary of features, as `Conditioner` reads them; a mel spectrogram
alone stands for `{"mel": it}`.
"""

import operator
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

import numpy as np

from pwavenet_tf.audio import mel_checks
from pwavenet_tf.core.config import INPUT_ARRAYS, AudioContract, Conditioning
from pwavenet_tf.core.errors import OddInput, UserError

Seed = int | Sequence[int]

# Lowest and highest factor of the speed, and of F0.
FACTORS = (0.5, 2.0)

# Far above any use; beyond it float32 overflows within the flows.
HIGHEST_TEMPERATURE = 100.0

Features = Mapping[str, np.ndarray] | np.ndarray


def require_factors(
    conditioning: Conditioning, rate: float, pitch: float
) -> dict[str, np.ndarray]:
    """Factors of speed and F0 of one row, by name, float32 `(1,)`, checked.

    `conditioning` is the vocoder's, which may read no F0.
    """
    lowest, highest = FACTORS
    factors = {"rate": rate, "pitch": pitch}
    for name, value in factors.items():
        if not lowest <= value <= highest:
            raise UserError(
                f"{name} {value} is out of bounds; give a factor from "
                f"{lowest:g} to {highest:g}"
            )
    if pitch != 1 and not {"pitch", "sinusoids"}.intersection(
        conditioning.inputs
    ):
        raise UserError(
            f"pitch {pitch:g}: the vocoder reads no F0, so its pitch cannot be "
            "changed; leave the pitch at 1, or train the vocoder with "
            "--conditioning=mel,sinusoids"
        )
    return {
        name: np.array([value], np.float32) for name, value in factors.items()
    }


def require_temperature(temperature: float, name: str = "temperature") -> float:
    """A temperature as a float, from 0 to `HIGHEST_TEMPERATURE`, checked."""
    try:
        value = float(temperature)
    except (TypeError, ValueError):
        value = float("nan")
    if not 0.0 <= value <= HIGHEST_TEMPERATURE:
        raise UserError(
            f"{name} is {temperature}, but it must be a number from 0 to "
            f"{HIGHEST_TEMPERATURE:g}; 1 samples from the model itself"
        )
    return value


def require_seed(seed: Seed) -> np.ndarray:
    """A seed, or one for each row, as int64 of rank 0 or 1, checked."""
    try:
        if isinstance(seed, Iterable) and np.ndim(seed):
            return np.array([operator.index(one) for one in seed], np.int64)
        return np.array(operator.index(cast(int, seed)), np.int64)
    except (TypeError, OverflowError) as error:
        raise UserError(
            f"seed is {seed!r}, but it must be a whole number of 64 bits, or "
            "one for each row"
        ) from error


def is_single(features: Features) -> bool:
    """Whether features have no batch axis."""
    if not isinstance(features, Mapping):
        return np.ndim(features) == 2
    series = features.keys() - {"speaker"}
    return any(np.ndim(features[name]) == 2 for name in series)


def require_features(
    features: Features,
    audio: AudioContract,
    conditioning: Conditioning,
    source: str = "",
) -> dict[str, np.ndarray]:
    """Checks features for a model, one utterance's or a batch of them.

    A speaker may be given by name. `source` says in messages where they come
    from.

    Returns:
        Those that the model reads, and all others that have frames, each
        with a batch axis; frames are axis 1.

    Raises:
        UserError: If something is missing, ill-shaped, not finite or unknown,
            or if the mel spectrogram is not on the contract's scale.
    """
    given: dict = dict(features) if isinstance(features, Mapping) else {}
    given = given or {"mel": features}
    single, name = is_single(features), source and f"{source}: "
    checked, widths = {}, conditioning.widths(audio.mels)
    for kind, arrays in INPUT_ARRAYS.items():
        for key in arrays:
            if key not in given:
                if kind in conditioning.inputs:
                    raise UserError(name + _missing(key, conditioning))
            elif key == "speaker":
                if kind in conditioning.inputs:
                    checked[key] = _speakers(
                        given[key], conditioning.speakers, name
                    )
            else:
                value = _frames(given[key], key, widths[key], single, name)
                if key == "mel" and kind in conditioning.inputs:
                    fault = _about_scale(value, audio, name, mel_checks.faults)
                    if fault:
                        raise UserError(fault)
                checked[key] = _as_read(key, value, name)
                if key == "phones" and kind in conditioning.inputs:
                    _require_known(given[key], conditioning.phones, name)
    _require_one_shape(checked, name)
    return checked


def _missing(key: str, conditioning: Conditioning) -> str:
    if key == "speaker":
        return (
            "this model has several speakers; choose one by --speaker, or as "
            f"'speaker' of the features: {', '.join(conditioning.speakers)}"
        )
    if key == "encoding":
        return (
            "this model needs an 'encoding'; compute it from a recording "
            "(model.encode(audio)), or give the recording itself"
        )
    return (
        f"this model needs {key!r} (it was trained with "
        f"{', '.join(conditioning.inputs)}); give it too"
    )


def _frames(
    value: object, key: str, width: int, single: bool, name: str
) -> np.ndarray:
    given = np.asarray(value)
    batched = given[np.newaxis] if single else given
    if batched.ndim != 3 or batched.shape[-1] != width or 0 in batched.shape:
        raise UserError(
            f"{name}{key} must be (frames, {width}) or (batch, frames, "
            f"{width}) for this model, but it is {given.shape}; compute it "
            "with the model's own contract"
        )
    if given.dtype.kind == "c":
        raise UserError(
            f"{name}{key} holds complex numbers, as a Fourier transform does; "
            "compute it from their magnitudes"
        )
    if given.dtype.kind not in "fiu" or not np.isfinite(given).all():
        raise UserError(
            f"{name}{key} holds values that are not finite numbers; compute "
            "it again"
        )
    return batched


def _as_read(key: str, value: np.ndarray, name: str) -> np.ndarray:
    """Features in the type that models read."""
    if key == "phones":
        return value.astype(np.int32)
    with np.errstate(over="ignore"):
        value = value.astype(np.float32)
    if not np.isfinite(value).all():
        raise UserError(
            f"{name}{key} holds values beyond 1e38; compute it again"
        )
    return value


def _about_scale(
    mel: np.ndarray, audio: AudioContract, name: str, check: Callable
) -> str | None:
    """What one of the `mel_checks` has to say of a mel spectrogram's scale."""
    found = mel_checks.extremes(mel, audio)
    low, high = found.lowest.min(), found.highest.max()
    cause = mel_checks.first_cause(check(found, audio))
    return cause and f"{name}mel (from {low:.4g} to {high:.4g}) {cause}"


def warn_of_oddities(
    features: dict[str, np.ndarray],
    audio: AudioContract,
    conditioning: Conditioning,
    source: str = "",
) -> None:
    """Warns by `OddInput` of a mel spectrogram that looks odd, if right.

    The features are of whole utterances, as `require_features` returns them;
    `source` says in the message where they come from.
    """
    if "mel" in conditioning.inputs:
        name, check = source and f"{source}: ", mel_checks.oddities
        if oddity := _about_scale(features["mel"], audio, name, check):
            warnings.warn(oddity, OddInput, stacklevel=3)


def _require_known(ids: np.ndarray, phones: tuple[str, ...], name: str) -> None:
    ids = np.asarray(ids)
    if (ids != np.floor(ids)).any() or not (
        ids.min() >= 0 and ids.max() <= len(phones)
    ):
        raise UserError(
            f"{name}phones must be whole numbers from 0 (none, or unknown) to "
            f"{len(phones)}, places in this model's list from 1 on"
        )


def _speakers(
    value: object, speakers: tuple[str, ...], name: str
) -> np.ndarray:
    given = np.atleast_1d(np.asarray(value))
    ids = np.array(
        [speakers.index(x) if x in speakers else x for x in given.tolist()]
    )
    if (
        not np.issubdtype(ids.dtype, np.integer)
        or ids.ndim != 1
        or ids.min(initial=0) < 0
        or ids.max(initial=0) >= len(speakers)
    ):
        raise UserError(
            f"{name}there is no speaker {given.tolist()[0]!r}; this model "
            f"knows {', '.join(speakers)}"
        )
    return ids.astype(np.int32)


def _require_one_shape(features: dict[str, np.ndarray], name: str) -> None:
    frames = {key: x.shape[:2] for key, x in features.items() if x.ndim == 3}
    if not frames:
        raise UserError(
            f"{name}nothing gives the length of the audio; give a mel "
            "spectrogram or other features of frames"
        )
    rows = {shape[0] for shape in frames.values()}
    rows |= {len(x) for x in features.values() if x.ndim == 1}
    if len(set(frames.values())) > 1 or len(rows) > 1:
        shapes = ", ".join(f"{key} {x.shape}" for key, x in features.items())
        raise UserError(
            f"{name}the features differ in batch or frames ({shapes}); "
            "compute them from one recording"
        )


def batch_and_frames(features: dict[str, np.ndarray]) -> tuple[int, int]:
    """Batch and frames of what `require_features` returned."""
    return next(x.shape[:2] for x in features.values() if x.ndim == 3)


def joined_frames(
    earlier: dict[str, np.ndarray], later: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Appends features of later frames to those of earlier ones, if any."""
    if not earlier:
        return later
    batch, new_batch = (batch_and_frames(one)[0] for one in (earlier, later))
    if earlier.keys() != later.keys() or batch != new_batch:
        raise UserError(
            f"these features ({', '.join(later)}, batch {new_batch}) do not "
            f"match what came before ({', '.join(earlier)}, batch {batch}); "
            "give the same throughout"
        )
    return {
        name: np.concatenate([x, later[name]], axis=1) if x.ndim == 3 else x
        for name, x in earlier.items()
    }


def at_frames(
    features: dict[str, np.ndarray], indices: np.ndarray
) -> dict[str, np.ndarray]:
    """The features of some frames; beyond the ends those of the nearest."""
    indices = np.clip(indices, 0, batch_and_frames(features)[1] - 1)
    return {
        key: x[:, indices] if x.ndim == 3 else x for key, x in features.items()
    }


def joined_rows(
    rows: Sequence[Mapping[str, np.ndarray]],
) -> dict[str, np.ndarray]:
    """One batch of several, of the same features and frames."""
    return {key: np.concatenate([row[key] for row in rows]) for key in rows[0]}


def _random_sinusoids(contract, rows: int, frames: int) -> np.ndarray:
    hertz = np.full((rows, frames), 150.0, np.float32)
    cycles = hertz * contract.hop_length / contract.sample_rate
    phase = np.cumsum(cycles, axis=1) % 1.0
    voicing = np.ones_like(hertz)
    return np.stack([hertz, voicing, phase], axis=-1).astype(np.float32)


def random_features(
    contract: AudioContract, conditioning: Conditioning, rows: int, frames: int
) -> dict[str, np.ndarray]:
    """Random features `(rows, frames, channels)` of all kinds, always equal."""
    random = np.random.default_rng(0)
    phones = len(conditioning.phones)
    speakers = max(1, len(conditioning.speakers))

    def normal(channels):
        shape = (rows, frames, channels)
        return random.standard_normal(shape, np.float32)

    mel = np.clip(normal(contract.mels), *mel_checks.reachable(contract))
    return {
        "mel": mel.astype(np.float32),
        "phones": random.integers(0, 1 + phones, (rows, frames, 3), "int32"),
        "timing": normal(2),
        "pitch": normal(2),
        "sinusoids": _random_sinusoids(contract, rows, frames),
        "encoding": normal(conditioning.encoding_channels),
        "speaker": random.integers(0, speakers, rows, "int32"),
    }
