"""Whether a .tflite still sounds like its student."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from pwavenet_tf.audio.metrics import log_spectral_distance
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.export.lite.voice import LiteVoice
from pwavenet_tf.models.inputs import batch_and_frames
from pwavenet_tf.synthesis.student import Synthesizer

# Of the trained student that docs/android.md tells of, another seed is at
# 11 dB and 7.2 dB. What is lost must be small against what the voice leaves
# to chance: a twentieth of the power, half of the distance.
# Hiss in the pauses, which the ear resents most, shows in the distance first.
LOWEST_SNR_DB = 25.0
HIGHEST_DISTANCE_DB = 4.0

# Summed in another order, and amplified by the flows.
_LARGEST_DIFFERENCE = 1e-4
# What 11 bits of mantissa leave of any weight, with a margin.
LOWEST_SYNTHETIC_SNR_DB = 35.0

_SEED = 0


@dataclasses.dataclass(frozen=True)
class Quality:
    """How close a .tflite is to the float32 student with the same noise.

    Attributes:
        snr_db: Power of the student's sound over that of the difference, dB,
            over all utterances at once.
        log_spectral_distance_db: Between the two, dB, mean of the utterances;
            see `pwavenet_tf.audio.metrics`.
        largest_difference: Of any sample.
        seconds: How much was spoken.
        on_speech: Whether on real speech; on random features otherwise.
    """

    snr_db: float
    log_spectral_distance_db: float
    largest_difference: float
    seconds: float
    on_speech: bool


def measured_quality(
    lite: LiteVoice,
    voice: Synthesizer,
    speech: Sequence[dict[str, np.ndarray]],
    on_speech: bool = True,
) -> Quality:
    """Lets both voices speak the same and compares them.

    Args:
        lite: The exported voice.
        voice: The student, float32.
        speech: Features, each of one utterance with a batch axis.
        on_speech: What to note of them.

    Raises:
        UserError: If the exported voice makes sound that is not finite, or
            an utterance is none.
    """
    power = noise = largest = 0.0
    distances, samples = [], 0
    for features in tqdm(speech, desc="comparing", disable=None):
        if batch_and_frames(features)[0] != 1:
            raise UserError(
                "speech to compare on must be one utterance after the other, "
                "not batches; give each apart"
            )
        expected = voice(features, _SEED)[0].astype(np.float64)
        found = lite(features, _SEED)[0].astype(np.float64)
        # Ahead of all figures: a comparison with NaN is always false.
        if not np.isfinite(expected).all() or not np.isfinite(found).all():
            raise UserError(
                "not exported: the voice makes sound that is not finite; is "
                "the student's training finished and sound?"
            )
        power += np.square(expected).sum()
        noise += np.square(found - expected).sum()
        largest = max(largest, float(np.abs(found - expected).max()))
        distances.append(log_spectral_distance(expected, found, voice.contract))
        samples += len(expected)
    tiny = np.finfo(np.float64).tiny
    return Quality(
        snr_db=float(10 * np.log10(max(power, tiny) / max(noise, tiny))),
        log_spectral_distance_db=float(np.mean(distances)),
        largest_difference=largest,
        seconds=samples / voice.contract.sample_rate,
        on_speech=on_speech,
    )


def require_quality(
    lite: LiteVoice,
    voice: Synthesizer,
    speech: Sequence[dict[str, np.ndarray]],
    variant: str,
    on_speech: bool = True,
) -> Quality:
    """Measures a .tflite and refuses one that lost too much.

    On speech it must keep `LOWEST_SNR_DB` and `HIGHEST_DISTANCE_DB`; float32
    must be equal but for rounding anywhere.

    Args:
        lite: The exported voice.
        voice: The student, float32.
        speech: As `measured_quality` takes it.
        variant: What was made; see `export_tflite`.
        on_speech: Whether `speech` is speech.

    Raises:
        UserError: If it is not as good; it says the figures.
    """
    found = measured_quality(lite, voice, speech, on_speech)
    if variant == "float32":
        good = found.largest_difference <= _LARGEST_DIFFERENCE
        bound = f"a difference of {_LARGEST_DIFFERENCE:.0e} at most"
    elif on_speech:
        good = (
            found.snr_db >= LOWEST_SNR_DB
            and found.log_spectral_distance_db <= HIGHEST_DISTANCE_DB
        )
        bound = (
            f"{LOWEST_SNR_DB:g} dB or more and {HIGHEST_DISTANCE_DB:g} dB or "
            "less"
        )
    else:
        good = found.snr_db >= LOWEST_SYNTHETIC_SNR_DB
        bound = f"a signal-to-noise ratio of {LOWEST_SYNTHETIC_SNR_DB:g} dB"
    if not good:
        raise UserError(
            f"not exported: as {variant} this voice has a signal-to-noise "
            f"ratio of {found.snr_db:.1f} dB and a log-spectral distance of "
            f"{found.log_spectral_distance_db:.1f} dB to the student "
            f"(largest difference {found.largest_difference:.1e}), but "
            f"{bound} is needed; choose another variant, or judge it on "
            "speech like that which the voice was trained on"
        )
    return found
