"""How probable a teacher finds a recording."""

import numpy as np
import tensorflow as tf

from pwavenet_tf.distributions import MixtureOfLogistics
from pwavenet_tf.synthesis import Windows
from pwavenet_tf.teacher import WaveNet

_CHUNK_FRAMES = 80


class Likelihood:
    """Exact negative log-likelihood under a teacher, in constant memory."""

    def __init__(self, teacher: WaveNet) -> None:
        self._teacher = teacher
        self._windows = Windows.of(teacher, _CHUNK_FRAMES)
        self._log_prob = tf.function(self._window_log_prob)

    def nats_per_sample(self, audio: np.ndarray, mel: np.ndarray) -> float:
        """Mean of -ln p(x_t | x_<t, mel) over a recording.

        Args:
            audio: 16-bit levels `(time,)` in [-1, 1).
            mel: Its mel spectrogram `(frames, mels)`, normalised.
        """
        hop, windows = self._teacher.audio.hop_length, self._windows
        padded = np.pad(audio, (0, len(mel) * hop - len(audio)))
        hops = padded.reshape(-1, hop)
        total = 0.0
        for index in range(windows.count(len(mel))):
            wanted, start = index * windows.chunk, windows.start(index)
            places = np.arange(start, start + windows.length)
            places = np.minimum(places, len(mel) - 1)
            log_prob = self._log_prob(
                tf.constant(hops[places].reshape(1, -1)),
                tf.constant(mel[np.newaxis, places]),
            ).numpy()
            first = (wanted - start) * hop
            last = first + min(windows.chunk * hop, len(audio) - wanted * hop)
            total -= log_prob[0, first:last].sum(dtype=np.float64)
        return total / len(audio)

    def _window_log_prob(self, audio, mel):
        parameters = self._teacher({"audio": audio, "mel": mel})
        return MixtureOfLogistics(parameters).log_prob(audio)
