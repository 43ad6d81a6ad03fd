"""Linear prediction of audio with the spectral envelope of its frames."""

import math

import keras
import numpy as np
from keras import ops

from pwavenet_tf.audio.mel import (
    band_interpolation,
    inverse_normalised,
    log_noise_std,
    log_pre_emphasis,
)
from pwavenet_tf.audio.signal import HALF_BIN, delayed
from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.models.arguments import KeepsArguments

# All of these are a part of the file format.
GRID_POINTS = 257
# White noise of this share of the power, and the standard deviation of a
# Gaussian that widens each peak, keep the recursion well conditioned.
_WHITE_NOISE = 1e-5
_LAG_WINDOW_HZ = 30.0


@keras.saving.register_keras_serializable(package="pwavenet_tf")
class LinearPrediction(KeepsArguments, keras.layers.Layer):
    """Coefficients of linear prediction from a mel spectrogram, no weights.

    As in LPCNet (1810.11846, section 3.1) and LP-WaveNet (1811.11913), a
    network need not learn what the spectral envelope alone predicts:

        y_t = Σ_k a_k y_{t-k} + g u_t,

    where a and the gain g of each frame follow from its envelope by the
    Levinson-Durbin recursion, and u is nearly white, with a variance of about
    1. |k| < 1 for all reflection coefficients, so 1 / A is stable.

    Args:
        audio: The acoustic contract; y is pre-emphasised as it says.
        order: Number of coefficients.

    Call arguments:
        mel: `(batch, frames, mels)`, normalised as the contract says.

    Returns:
        `{"predictor": (batch, frames, order), "log_gain": (batch, frames)}`:
        a_1 first, and ln g, for audio in [-1, 1).
    """

    def __init__(self, audio: AudioContract, order: int, **kwargs) -> None:
        # Envelopes span more than half precision has.
        super().__init__(autocast=False, **{**kwargs, "dtype": "float32"})
        self.audio = AudioContract.from_config(audio)
        self.order = order

    def build(self, mel_shape=None) -> None:
        self.built = True

    def call(self, mel):
        mel = ops.cast(mel, "float32")
        grid = np.linspace(0, self.audio.sample_rate / 2, GRID_POINTS)
        envelope = inverse_normalised(mel, self.audio)
        envelope = ops.matmul(envelope, band_interpolation(self.audio, grid))
        constant = log_pre_emphasis(self.audio, grid)
        constant = constant + log_noise_std(self.audio)
        power = ops.exp(2.0 * (envelope + constant.astype("float32")))
        # Rounding to PCM values adds white noise: so g is never 0.
        power = power + (2.0 * HALF_BIN) ** 2 / 12.0
        # No product of matrices: TensorFloat-32 would round it by more than
        # the white noise that keeps the recursion well conditioned.
        terms = power[..., None] * self._to_autocorrelation()
        predictor, error = levinson_durbin(ops.sum(terms, axis=-2), self.order)
        return {"predictor": predictor, "log_gain": 0.5 * ops.log(error)}

    def _to_autocorrelation(self) -> np.ndarray:
        """Power spectrum to autocorrelation, `(grid points, order + 1)`."""
        count = GRID_POINTS - 1
        both_sides = np.full(GRID_POINTS, 2.0)
        both_sides[[0, -1]] = 1.0
        lags = np.arange(self.order + 1)
        angles = math.pi * np.outer(np.arange(GRID_POINTS), lags) / count
        radians = 2 * math.pi * _LAG_WINDOW_HZ / self.audio.sample_rate
        window = np.exp(-0.5 * (radians * lags) ** 2)
        window[0] += _WHITE_NOISE
        matrix = both_sides[:, None] * np.cos(angles) * window / (2 * count)
        return matrix.astype("float32")

    def located(self, series, predictor, log_gain):
        """The prediction and ln g at each sample, `(batch, time)` each.

        Σ_k a_k y_{t-k}, with zeros before the first sample, from y, `(batch,
        time)`, and what `call` returns.
        """
        shape = ops.shape(series)
        framed = (shape[0], ops.shape(predictor)[1], self.audio.hop_length)
        total = 0.0
        # XLA makes one loop of it, which a matrix product would not be: each
        # sample has coefficients of its own frame.
        for lag in range(1, self.order + 1):
            past = ops.reshape(delayed(series, lag), framed)
            total = total + predictor[:, :, lag - 1 : lag] * past
        log_gain = ops.repeat(log_gain, self.audio.hop_length, axis=1)
        return ops.reshape(total, shape), log_gain

    def compute_output_shape(self, mel_shape):
        return {
            "predictor": (*mel_shape[:-1], self.order),
            "log_gain": tuple(mel_shape[:-1]),
        }


def levinson_durbin(autocorrelation, order: int):
    """Solves the normal equations of linear prediction.

    From the autocorrelation, `(..., order + 1)`, of a positive power spectrum:
    a, `(..., order)`, and the variance of the prediction error, `(...)`.
    """
    coefficients = autocorrelation[..., :0]
    error = autocorrelation[..., :1]
    for lag in range(1, order + 1):
        known = coefficients * autocorrelation[..., lag - 1 : 0 : -1]
        rest = autocorrelation[..., lag : lag + 1]
        if lag > 1:
            rest = rest - ops.sum(known, axis=-1, keepdims=True)
        reflection = rest / error
        coefficients = ops.concatenate(
            [coefficients - reflection * coefficients[..., ::-1], reflection],
            axis=-1,
        )
        error = error * (1.0 - ops.square(reflection))
    return coefficients, error[..., 0]
