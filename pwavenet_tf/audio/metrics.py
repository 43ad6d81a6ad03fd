"""Objective measures of generated audio, and the Griffin-Lim baseline."""

import numpy as np

from pwavenet_tf.audio.mel import inverse_normalised
from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.errors import UserError

# Above the noise of 16-bit rounding (-122 dB in each bin of the nano
# contract), below the noise of a quiet room: what is inaudible is ignored.
FLOOR_DB = -100.0


def log_spectral_distance(
    reference: np.ndarray, audio: np.ndarray, contract: AudioContract
) -> float:
    """The log-spectral distance between two recordings, in dB.

    Both are cut to the shorter one and framed as `AudioContract` defines it.
    With P and Q the power spectra of a frame, where 1 (0 dB) is the peak of a
    full-scale sine and everything below `FLOOR_DB` is raised to it:

        mean over frames of sqrt(mean over bins of (10 log10(P / Q))**2)

    It is 0 for equal inputs, and 6.02 for one of twice the amplitude as long
    as no bin touches the floor. It ignores phase but not delay: compare
    audio that was made from the reference's own mel spectrogram. Both are
    `(time,)` in [-1, 1).

    Raises:
        UserError: If either is empty, not `(time,)`, or not finite.
    """
    reference = checked_audio(reference, "the reference")
    audio = checked_audio(audio, "the audio")
    samples = min(len(reference), len(audio))
    theirs = spectrum_db(reference[:samples], contract)
    difference = theirs - spectrum_db(audio[:samples], contract)
    return float(np.sqrt(np.square(difference).mean(axis=0)).mean())


def spectrum_db(audio: np.ndarray, contract: AudioContract) -> np.ndarray:
    """Power spectra in dB, floored at `FLOOR_DB`: `(bins, frames)`.

    0 dB is the peak of a full-scale sine. Audio of any length above zero has
    at least one frame; the last one is completed with zeros.
    """
    import librosa

    frames = contract.frames(len(audio))
    left = (contract.fft_length - contract.hop_length) // 2
    covered = (frames - 1) * contract.hop_length + contract.fft_length
    padded = np.pad(
        np.asarray(audio, np.float64), (left, covered - left - len(audio))
    )
    spectrum = librosa.stft(
        padded,
        n_fft=contract.fft_length,
        hop_length=contract.hop_length,
        win_length=contract.window_length,
        window="hann",
        center=False,
    )
    # A full-scale sine peaks at half the window's sum; the periodic Hann
    # window sums to half its length.
    power = np.square(np.abs(spectrum) / (contract.window_length / 4))
    return 10 * np.log10(np.maximum(power, 10 ** (FLOOR_DB / 10)))


def level(audio: np.ndarray) -> dict[str, float]:
    """How loud the audio is: the health check of a student.

    A student that is too quiet has a standard deviation far below the
    recordings'; a mean other than 0 is an offset. All are 0 for silence. The
    audio is `(time,)` in [-1, 1).

    Raises:
        UserError: If it is empty, not `(time,)`, or not finite.
    """
    audio = checked_audio(audio, "the audio")
    return {
        "mean": float(audio.mean()),
        "standard_deviation": float(audio.std()),
        "mean_absolute": float(np.abs(audio).mean()),
    }


def griffin_lim(
    mel: np.ndarray, contract: AudioContract, iterations: int = 60
) -> np.ndarray:
    """Audio from a mel spectrogram without any model: the baseline.

    Magnitudes by non-negative least squares, phases by the fast Griffin-Lim
    algorithm from a fixed random start: the same input gives the same audio.
    The mel of silence gives near silence.

    The log mel spectrogram, `(frames, mels)`, is normalised if the contract has
    statistics; the audio is float32 `(frames * hop_length,)`, and its peaks may
    exceed 1.

    Raises:
        UserError: If it has no frame, another width, or is not finite.
    """
    import librosa

    mel = np.asarray(mel, np.float64)
    if mel.ndim != 2 or mel.shape[1] != contract.mels or not len(mel):
        raise UserError(
            f"Griffin-Lim: the mel spectrogram has the shape {mel.shape}; "
            f"give (frames, {contract.mels}) with at least one frame"
        )
    if not np.isfinite(mel).all():
        raise UserError(
            "Griffin-Lim: the mel spectrogram has values that are not finite; "
            "compute it from the audio again"
        )
    mel = inverse_normalised(mel, contract)
    magnitude = librosa.feature.inverse.mel_to_stft(
        np.exp(mel.T),
        sr=contract.sample_rate,
        n_fft=contract.fft_length,
        power=1.0,
        fmin=contract.lowest_hz,
        fmax=contract.highest_hz,
    )
    padded = librosa.griffinlim(
        magnitude,
        n_iter=iterations,
        hop_length=contract.hop_length,
        win_length=contract.window_length,
        window="hann",
        center=False,
        random_state=0,
    )
    left = (contract.fft_length - contract.hop_length) // 2
    audio = padded[left : left + len(mel) * contract.hop_length]
    return audio.astype(np.float32)


def checked_audio(audio: np.ndarray, name: str) -> np.ndarray:
    """Audio `(time,)` in float64.

    Raises:
        UserError: If it is empty, not `(time,)`, or not finite.
    """
    audio = np.asarray(audio, np.float64)
    if audio.ndim != 1 or not audio.size:
        raise UserError(
            f"{name} has the shape {audio.shape}; give (time,) with at least "
            "one sample"
        )
    if not np.isfinite(audio).all():
        raise UserError(
            f"{name} has samples that are not finite: the model that made it "
            "has diverged; take an earlier checkpoint"
        )
    return audio
