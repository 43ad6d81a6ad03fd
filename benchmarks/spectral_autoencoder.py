"""An encoding against a spectral autoencoder of the same bottleneck.

    python benchmarks/spectral_autoencoder.py DATA MODEL [STEPS]

DATA is a prepared corpus; MODEL a teacher.keras or a student.keras with an
encoder. The baseline is NSynth's (1704.01279, section 2.2) in small: a
convolutional autoencoder of log magnitudes (Fourier transforms of 1,024
samples every 256), trained here on the training recordings for STEPS steps. It
has the model's numbers a second between its halves; Griffin-Lim finds the
phases. Prints the log-spectral distances of held-out recordings, as decoded by
the model, by the baseline, and by Griffin-Lim alone from the spectrogram
itself.
"""

import sys
from pathlib import Path

import keras
import librosa
import numpy as np

from pwavenet_tf import Corpus
from pwavenet_tf.audio.metrics import log_spectral_distance
from pwavenet_tf.core.config import INPUT_ARRAYS
from pwavenet_tf.models.loading import load_model
from pwavenet_tf.synthesis.student import synthesizer_of

_FFT, _HOP = 1_024, 256
_LOWEST_DB = -100.0
_CHANNELS = 256
_FRAMES, _BATCH = 64, 16
_ITERATIONS = 200


def main(data: str, model: str, steps: str = "3000") -> None:
    """Trains the baseline and prints the distances."""
    corpus, vocoder = Corpus(Path(data)), load_model(Path(model))
    contract, conditioning = vocoder.audio, vocoder.conditioning
    stride = contract.hop_length // _HOP
    baseline = autoencoder(stride, conditioning.encoding_channels)
    spectra = [decibels(x) for _, x, _ in corpus.utterances("training")]
    fit(baseline, spectra, stride, int(steps))
    synthesizer, found = synthesizer_of(vocoder), {}
    for _, audio, features in corpus.utterances("validation"):
        features["encoding"] = vocoder.encode(audio)
        read = {
            name: features[name]
            for kind in conditioning.inputs
            for name in INPUT_ARRAYS[kind]
        }
        spectrum = decibels(audio)
        frames = len(spectrum) // stride * stride
        decoded = np.array(baseline(scaled(spectrum[None, :frames])))[0]
        sounds = {
            "model": synthesizer(read)[: len(audio)],
            "spectral autoencoder": sound(unscaled(decoded)),
            "Griffin-Lim": sound(spectrum),
        }
        for name, one in sounds.items():
            distance = log_spectral_distance(audio, one, contract)
            found.setdefault(name, []).append(distance)
    for name, values in found.items():
        print(f"{name}: {np.mean(values):.2f} dB (sd {np.std(values):.2f})")


def autoencoder(stride: int, bottleneck: int) -> keras.Model:
    """From spectra `(batch, frames, bins)` to themselves, as `scaled`."""

    def convolution(channels=_CHANNELS, **changes):
        usual = {"padding": "same", "activation": "leaky_relu"}
        return keras.layers.Conv1D(channels, 5, **(usual | changes))

    bins = _FFT // 2 + 1
    return keras.Sequential(
        [
            keras.Input((None, bins)),
            *(convolution(), convolution(), convolution(strides=stride)),
            keras.layers.Dense(bottleneck),
            keras.layers.UpSampling1D(stride),
            *(convolution(), convolution(), convolution()),
            keras.layers.Dense(bins),
        ]
    )


def fit(model: keras.Model, spectra: list, stride: int, steps: int) -> None:
    """Trains on random segments of spectra, by the mean squared error."""
    random = np.random.default_rng(0)
    frames = _FRAMES // stride * stride
    spectra = [one for one in spectra if len(one) >= frames]

    def segments():
        while True:
            chosen = random.integers(len(spectra), size=_BATCH)
            batch = np.stack([segment(spectra[index]) for index in chosen])
            yield scaled(batch), scaled(batch)

    def segment(spectrum):
        start = random.integers(len(spectrum) - frames + 1)
        return spectrum[start : start + frames]

    rate = keras.optimizers.schedules.CosineDecay(1e-3, steps)
    model.compile(keras.optimizers.Adam(rate), "mse", jit_compile=True)
    model.fit(segments(), steps_per_epoch=steps, verbose=0)


def decibels(audio: np.ndarray) -> np.ndarray:
    """The magnitudes in dB, `(frames, bins)`."""
    spectrum = np.abs(librosa.stft(audio, n_fft=_FFT, hop_length=_HOP))
    floor = 10 ** (_LOWEST_DB / 20)
    return 20 * np.log10(np.maximum(spectrum / (_FFT / 4), floor)).T


def scaled(spectrum: np.ndarray) -> np.ndarray:
    """Decibels from 0 to 1."""
    return (1 - spectrum / _LOWEST_DB).astype("float32")


def unscaled(values: np.ndarray) -> np.ndarray:
    """The inverse of `scaled`."""
    return (1 - values) * _LOWEST_DB


def sound(spectrum: np.ndarray) -> np.ndarray:
    """Audio of decibels, with phases by Griffin-Lim."""
    magnitude = _FFT / 4 * 10 ** (spectrum.T / 20)
    return librosa.griffinlim(
        magnitude, n_iter=_ITERATIONS, hop_length=_HOP, random_state=0
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
