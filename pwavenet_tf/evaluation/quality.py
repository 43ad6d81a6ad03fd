"""How close generated audio is to its recording: every measure at once."""

import functools
import math

import numpy as np

from pwavenet_tf.audio.metrics import (
    FLOOR_DB,
    checked_audio,
    log_spectral_distance,
)
from pwavenet_tf.audio.pitch import pitch_track
from pwavenet_tf.audio.sound_measures import sound_measures
from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.evaluation.perceptual_measures import (
    INSTALL,
    library,
    pesq_wide_band,
    stoi,
)

# Coefficients 1 to 24: the order that is usual at 16 kHz and above.
CEPSTRAL_ORDER = 24
_CEPSTRAL_BANDS = 80
_CEPSTRAL_WINDOW_SECONDS = 0.025
_CEPSTRAL_HOP_SECONDS = 0.005

# Window and hop in seconds: at 24 kHz 600 and 120, 1,200 and 240, 240 and 50
# samples (1910.11480, table 1).
RESOLUTIONS = ((0.025, 0.005), (0.05, 0.01), (0.01, 50 / 24_000))
_MAGNITUDE_FLOOR = 1e-7

# Those that `fast` leaves out: tracking pitch takes most of the time.
PITCH_MEASURES = ("f0_error", "voicing_error")

# Octave bands by their nominal centres in Hz (IEC 61260); the exact ones are
# octaves from 1 kHz.
_NOMINAL = (63, 125, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000)
OCTAVES = {
    str(nominal): (1_000 * 2.0 ** (place - 4.5), 1_000 * 2.0 ** (place - 3.5))
    for place, nominal in enumerate(_NOMINAL)
}


def mel_cepstral_distortion(
    reference: np.ndarray, audio: np.ndarray, sample_rate: int
) -> float:
    """Mel-cepstral distortion (Kubichek, 1993) in dB.

        mean over frames of (10 / ln 10) sqrt(2 Σ_{d=1}^{24} (c_d - c'_d)²)

    where ln A_b = Σ_d c_d cos(π d (b + 1/2) / 80) is the cosine series of the
    log amplitudes in 80 mel bands (Slaney) from 0 Hz to half the sample rate.
    So it is the root mean square difference, in dB, of the two spectral
    envelopes on the mel scale, without their mean c_0, the level. Hann windows
    of 25 ms every 5 ms; all frames count, pauses too; nothing is warped in
    time (no DTW), since the audio is aligned as it is. Bands below `FLOOR_DB`
    are raised to it.

    Figures from other definitions of the cepstrum (SPTK's, WORLD's, MFCC of
    another size) do not compare with these. Both are `(time,)` in [-1, 1).
    """
    ours, theirs = (
        _mel_cepstrum(one, sample_rate) for one in (reference, audio)
    )
    return cepstral_distance(ours - theirs)


def cepstral_distance(difference: np.ndarray) -> float:
    """Mean of (10 / ln 10) sqrt(2 Σ d²) over frames, `(order, frames)`."""
    each = np.sqrt(2.0 * np.square(difference).sum(axis=0))
    return float(10.0 / np.log(10.0) * each.mean())


def _mel_cepstrum(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """c_1 to c_24 of each frame, `(24, frames)`."""
    import librosa
    import scipy.fft

    window = round(_CEPSTRAL_WINDOW_SECONDS * sample_rate)
    # The lowest bands are some 40 Hz wide: each must hold a bin.
    fft_length = _power_of_two(0.064 * sample_rate)
    magnitude = _magnitudes(
        audio, window, round(_CEPSTRAL_HOP_SECONDS * sample_rate), fft_length
    )
    bands = librosa.filters.mel(
        sr=sample_rate, n_fft=fft_length, n_mels=_CEPSTRAL_BANDS, norm=None
    )
    amplitude = bands @ magnitude / bands.sum(axis=1, keepdims=True)
    # 0 dB is the peak of a full-scale sine, as in `spectrum_db`.
    floor = 10.0 ** (FLOOR_DB / 20.0) * window / 4
    logarithm = np.log(np.maximum(amplitude, floor))
    # SciPy's transform has the factor 2; over 80 bands the series has 2 / 80.
    series = scipy.fft.dct(logarithm, type=2, axis=0) / _CEPSTRAL_BANDS
    return series[1 : CEPSTRAL_ORDER + 1]


def multi_resolution_stft_distance(
    reference: np.ndarray, audio: np.ndarray, sample_rate: int
) -> float:
    """Multi-resolution STFT distance (Parallel WaveGAN, 1910.11480, eq. 3-6).

    With S and S' the magnitudes of reference and audio, the mean over three
    resolutions of

        ‖S - S'‖_F / ‖S‖_F + mean |ln S - ln S'|

    Resolutions are in seconds, so that they are the paper's at 24 kHz and
    compare at other rates. Magnitudes below sqrt(1e-7) are raised to it. Both
    are `(time,)` in [-1, 1).

    Returns:
        A pure number; 0 for equal audio. NaN for a silent reference.
    """
    if not reference.any():
        return float("nan")
    found = []
    for window_seconds, hop_seconds in RESOLUTIONS:
        window = round(window_seconds * sample_rate)
        framing = (
            window,
            round(hop_seconds * sample_rate),
            _power_of_two(1.5 * window),
        )
        ours, theirs = (
            np.maximum(_magnitudes(one, *framing), np.sqrt(_MAGNITUDE_FLOOR))
            for one in (reference, audio)
        )
        convergence = np.linalg.norm(ours - theirs) / np.linalg.norm(ours)
        logarithm = np.abs(np.log(ours) - np.log(theirs)).mean()
        found.append(convergence + logarithm)
    return float(np.mean(found))


def _magnitudes(
    audio: np.ndarray, window: int, hop: int, fft_length: int
) -> np.ndarray:
    """|STFT| `(bins, frames)`; Hann window, frames centred, zeros outside."""
    import librosa

    # librosa's own centring warns of audio shorter than a window.
    return np.abs(
        librosa.stft(
            np.pad(audio, fft_length // 2),
            n_fft=fft_length,
            hop_length=hop,
            win_length=window,
            window="hann",
            center=False,
        )
    )


def _power_of_two(samples: float) -> int:
    """The smallest power of two that is not less."""
    return 1 << max(0, int(np.ceil(np.log2(samples))))


class Quality:
    """Measures any number of audios against one recording: `measure_all`."""

    def __init__(
        self, reference: np.ndarray, sample_rate: int, fast: bool = False
    ) -> None:
        self._reference = checked_audio(reference, "the recording")
        self._sample_rate = sample_rate
        self._fast = fast
        self._framing = framing(sample_rate)

    def __call__(self, audio: np.ndarray) -> dict[str, float]:
        """As `measure_all`."""
        audio = checked_audio(audio, "the audio")
        samples = len(self._reference)
        audio = np.pad(audio, (0, max(0, samples - len(audio))))[:samples]
        pair = (self._reference, audio, self._sample_rate)
        pitch = {}
        if not self._fast:
            same = np.array_equal(audio, self._reference)
            own = self._pitch if same else self._track(audio)
            pitch = pitch_errors(self._pitch, own)
        return {
            "pesq_wide_band": pesq_wide_band(*pair),
            "stoi": stoi(*pair),
            "extended_stoi": stoi(*pair, extended=True),
            "mel_cepstral_distortion": mel_cepstral_distortion(*pair),
            **pitch,
            "log_spectral_distance": log_spectral_distance(
                self._reference, audio, self._framing
            ),
            "multi_resolution_stft": multi_resolution_stft_distance(*pair),
            **level_differences(*pair),
        }

    @functools.cached_property
    def _pitch(self) -> np.ndarray:
        return self._track(self._reference)

    def _track(self, audio: np.ndarray) -> np.ndarray:
        return pitch_track(audio.astype(np.float32), self._framing)


def measure_all(
    reference: np.ndarray,
    audio: np.ndarray,
    sample_rate: int,
    fast: bool = False,
) -> dict[str, float]:
    """All measures of audio against the recording that it should equal.

    The two must be aligned in time. Longer audio is cut to the recording's
    length, shorter audio is completed with zeros. The same input gives the
    same figures.

    Args:
        reference: The recording, `(time,)` in [-1, 1).
        audio: What is measured, `(time,)`.
        sample_rate: Hz of both, 8,000 or more.
        fast: Leave out `f0_error` and `voicing_error`, which take most of
            the time.

    Returns:
        NaN where a measure is not defined, as for silence, or its library
        is missing (see `missing_measures`):

        - `pesq_wide_band`: see `pesq_wide_band`.
        - `stoi`, `extended_stoi`: see `stoi`.
        - `mel_cepstral_distortion`: see `mel_cepstral_distortion`.
        - `f0_error`, `voicing_error`: see `pitch_errors`.
        - `log_spectral_distance`: dB, see `log_spectral_distance`; windows
          of 50 ms every 12.5 ms.
        - `multi_resolution_stft`: see `multi_resolution_stft_distance`.
        - `level_difference`, `pause_noise`, `octave_difference`,
          `octave_63` and up: see `level_differences`.

    Raises:
        UserError: If either is empty, not `(time,)`, or not finite.
    """
    return Quality(reference, sample_rate, fast)(audio)


def missing_measures() -> dict[str, str]:
    """Measures whose library is not installed, and how to get it."""
    if library("pesq") is None:
        return {"pesq_wide_band": INSTALL}
    return {}


def framing(sample_rate: int) -> AudioContract:
    """Windows of 50 ms every 12.5 ms at any rate, as most presets have."""
    window = round(0.05 * sample_rate)
    return AudioContract(
        sample_rate=sample_rate,
        hop_length=round(0.0125 * sample_rate),
        window_length=window,
        fft_length=1 << (window - 1).bit_length(),
        highest_hz=sample_rate / 2,
    )


def pitch_errors(reference: np.ndarray, pitch: np.ndarray) -> dict[str, float]:
    """Differences of F0 and voicing, of two results of `pitch_track`.

    Returns:
        `f0_error`: the root mean square difference of F0 in cents (1,200 are
        an octave) over frames that are voiced in both, NaN where there are
        none. `voicing_error`: the share of all frames where one is voiced and
        the other is not.
    """
    both = (reference[:, 1] > 0) & (pitch[:, 1] > 0)
    cents = 1_200 / math.log(2) * (pitch[both, 0] - reference[both, 0])
    differs = reference[:, 1] != pitch[:, 1]
    return {
        "f0_error": float(np.sqrt(np.square(cents, dtype=np.float64).mean()))
        if both.any()
        else math.nan,
        "voicing_error": float(differs.mean()),
    }


def level_differences(
    reference: np.ndarray, audio: np.ndarray, sample_rate: int
) -> dict[str, float]:
    """Levels of audio `(time,)` over those of the recording, all in dB.

    Returns:
        `level_difference`: the level of all samples, without their mean, over
        the recording's. `pause_noise`: the same, as a mean over the tenth of
        the frames (64 ms) where the recording is quietest. `octave_63` and up:
        the same in each octave band that begins below half the sample rate,
        as a mean over all frames. `octave_difference`: the mean of their
        absolute values. What lies more than 60 dB below the recording's level
        is taken to be there, in frames and bands.
    """
    found = sound_measures([audio], [reference], sample_rate, OCTAVES)

    def over_recording(name: str) -> float:
        return found[name] - found[f"recorded_{name}"]

    octaves = {
        f"octave_{name}": over_recording(f"band_{name}_db")
        for name in OCTAVES
        if f"band_{name}_db" in found
    }
    return {
        "level_difference": over_recording("level_db"),
        "pause_noise": over_recording("pauses_db"),
        "octave_difference": float(np.mean(np.abs(list(octaves.values())))),
    } | octaves
