"""The quality gate of a .tflite: its audio against the student's."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from pwavenet_tf.audio.metrics import log_spectral_distance
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.export.lite.voice import LiteVoice
from pwavenet_tf.models.inputs import batch_and_frames
from pwavenet_tf.synthesis.student import Synthesizer

# For the trained student of docs/android.md two seeds differ by 11 dB and
# 7.2 dB. The loss must be small against this difference: a twentieth of the
# power, half of the distance. Hiss in pauses, the most audible artefact, shows
# in the distance first.
LOWEST_SNR_DB = 25.0
HIGHEST_DISTANCE_DB = 4.0

# Summed in another order, and amplified by the flows.
_LARGEST_DIFFERENCE = 1e-4
# The rounding of weights to 11 bits of mantissa, with a margin.
LOWEST_SYNTHETIC_SNR_DB = 35.0

_SEED = 0


@dataclasses.dataclass(frozen=True)
class Quality:
    """How close a .tflite is to the float32 student with the same noise."""

    # Power of the student's audio over that of the difference, over all
    # utterances at once.
    snr_db: float
    # Mean of the utterances; see `pwavenet_tf.audio.metrics`.
    log_spectral_distance_db: float
    # Of any sample.
    largest_difference: float
    # Duration of the audio compared.
    seconds: float
    # Real speech, not random features.
    on_speech: bool


def measured_quality(
    lite: LiteVoice,
    synthesizer: Synthesizer,
    speech: Sequence[dict[str, np.ndarray]],
    on_speech: bool = True,
) -> Quality:
    """Synthesizes the same by both and compares the audio.

    `speech` are features, each of one utterance with a batch axis.
    """
    power = noise = largest = 0.0
    distances, samples = [], 0
    for features in tqdm(speech, desc="comparing", disable=None):
        if batch_and_frames(features)[0] != 1:
            raise UserError(
                "speech to compare on must be one utterance after the other, "
                "not batches; give each separately"
            )
        expected = synthesizer(features, _SEED)[0].astype(np.float64)
        actual = lite(features, _SEED)[0].astype(np.float64)
        # Before all comparisons, which are false for NaN.
        if not np.isfinite(expected).all() or not np.isfinite(actual).all():
            raise UserError(
                "not exported: the audio is not finite; is the student's "
                "training finished and healthy?"
            )
        power += np.square(expected).sum()
        noise += np.square(actual - expected).sum()
        largest = max(largest, float(np.abs(actual - expected).max()))
        distances.append(
            log_spectral_distance(expected, actual, synthesizer.contract)
        )
        samples += len(expected)
    tiny = np.finfo(np.float64).tiny
    return Quality(
        snr_db=float(10 * np.log10(max(power, tiny) / max(noise, tiny))),
        log_spectral_distance_db=float(np.mean(distances)),
        largest_difference=largest,
        seconds=samples / synthesizer.contract.sample_rate,
        on_speech=on_speech,
    )


def require_quality(
    lite: LiteVoice,
    synthesizer: Synthesizer,
    speech: Sequence[dict[str, np.ndarray]],
    variant: str,
    on_speech: bool = True,
) -> Quality:
    """Measures a .tflite and refuses one that lost too much.

    On speech it must meet `LOWEST_SNR_DB` and `HIGHEST_DISTANCE_DB`; float32
    must always be equal up to rounding.
    """
    quality = measured_quality(lite, synthesizer, speech, on_speech)
    if variant == "float32":
        good = quality.largest_difference <= _LARGEST_DIFFERENCE
        bound = f"a difference of {_LARGEST_DIFFERENCE:.0e} at most"
    elif on_speech:
        good = (
            quality.snr_db >= LOWEST_SNR_DB
            and quality.log_spectral_distance_db <= HIGHEST_DISTANCE_DB
        )
        bound = (
            f"{LOWEST_SNR_DB:g} dB or more and {HIGHEST_DISTANCE_DB:g} dB or "
            "less"
        )
    else:
        good = quality.snr_db >= LOWEST_SYNTHETIC_SNR_DB
        bound = f"a signal-to-noise ratio of {LOWEST_SYNTHETIC_SNR_DB:g} dB"
    if not good:
        raise UserError(
            f"not exported: as {variant} this student has a signal-to-noise "
            f"ratio of {quality.snr_db:.1f} dB and a log-spectral distance of "
            f"{quality.log_spectral_distance_db:.1f} dB to the student "
            f"(largest difference {quality.largest_difference:.1e}), but "
            f"{bound} is needed; choose another variant, or measure it "
            "on speech like that of the training"
        )
    return quality
