"""Distances between spectra: mel-cepstral and of several resolutions."""

import numpy as np

from pwavenet_tf.evaluation.metrics import FLOOR_DB

# Coefficients 1 to 24: the order that is usual at 16 kHz and above.
CEPSTRAL_ORDER = 24
_CEPSTRAL_BANDS = 80
_CEPSTRAL_WINDOW_SECONDS = 0.025
_CEPSTRAL_HOP_SECONDS = 0.005

# Window and hop in seconds: at 24 kHz 600 and 120, 1,200 and 240, 240 and 50
# samples (1910.11480, table 1).
RESOLUTIONS = (
    (0.025, 0.005),
    (0.05, 0.01),
    (0.01, 50 / 24_000),
)
_MAGNITUDE_FLOOR = 1e-7


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
    another size) do not compare with these.

    Args:
        reference: Audio `(time,)` in [-1, 1).
        audio: Audio of the same shape.
        sample_rate: Hz.
    """
    difference = _mel_cepstrum(reference, sample_rate) - _mel_cepstrum(
        audio, sample_rate
    )
    return cepstral_distance(difference)


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
    compare at other rates. Magnitudes below sqrt(1e-7) are raised to it.

    Args:
        reference: Audio `(time,)` in [-1, 1).
        audio: Audio of the same shape.
        sample_rate: Hz.

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
