"""What is asked of a served student, as graphs.

Every tensor has the batch first, and no row depends on another: requests
that a server puts into one batch get the answers that they would get alone.
"""

import json

import tensorflow as tf

from pwavenet_tf.corpus.features import log_mel_spectrogram
from pwavenet_tf.export.graphs.checks import finite, required, required_lengths
from pwavenet_tf.export.graphs.features import (
    at_frames,
    checked_features,
    feature_specs,
    noise_settings,
    numbers_of,
    only_own,
)
from pwavenet_tf.export.graphs.pieces import CHUNK_FRAMES, concatenated
from pwavenet_tf.export.graphs.stream import state_zeros, streamed
from pwavenet_tf.noise import positional_uniforms
from pwavenet_tf.synthesis import Synthesizer

_MEL_CHUNK_FRAMES = 2_048

# Only tensors become defaults of a SavedModel; Python numbers are lost.
_WHOLE = tf.constant([-1], tf.int64)
_SEED = tf.constant([0], tf.int64)
_TEMPERATURE = tf.constant([1.0])
_ONE_ROW = tf.constant([0], tf.int64)
_GOES_ON = tf.constant([False])


class Signatures(tf.Module):
    """The signatures of a student's SavedModel.

    Inputs that need not be given have a default of one row, and one row
    serves all; so it does wherever it is given.

    Args:
        student: The student.
        card: What `describe` answers with.
    """

    def __init__(self, student, card: dict) -> None:
        super().__init__()
        self._voice = Synthesizer(student)
        self._contract = student.audio
        self._card = json.dumps(card, sort_keys=True)
        # What tf.saved_model.save is to find; it knows no Keras variables.
        self.weights = [variable.value for variable in student.variables]
        features = feature_specs(student)
        lengths = tf.TensorSpec((None,), tf.int64, "lengths")
        said = [
            features,
            lengths,
            tf.TensorSpec((None,), tf.int64, "seed"),
            tf.TensorSpec((None,), tf.float32, "temperature"),
        ]
        audio = tf.TensorSpec((None, None), tf.float32, "audio")
        self.synthesize = tf.function(self._synthesize, said)
        self.mel_spectrogram = tf.function(
            self._mel_spectrogram, [audio, lengths]
        )
        self.describe = tf.function(
            self._describe, [tf.TensorSpec((None,), tf.int64, "row")]
        )
        self.stream = _stream_function(self._voice, said)

    def all(self) -> dict[str, tf.types.experimental.PolymorphicFunction]:
        """By their names in the SavedModel."""
        return {
            "serving_default": self.synthesize,
            "mel_spectrogram": self.mel_spectrogram,
            "stream": self.stream,
            "describe": self.describe,
        }

    def _synthesize(
        self,
        features,
        lengths=_WHOLE,
        seed=_SEED,
        temperature=_TEMPERATURE,
    ):
        told = self._voice.conditioning
        features, batch, frames = checked_features(features, told)
        frames = required(
            frames, frames > 0, "there is not one frame; give one at least"
        )
        lengths = required_lengths(lengths, batch, frames, least=1)
        features = numbers_of(features, lengths, told)
        seed, temperature = noise_settings(seed, temperature, batch)
        context, hop = self._voice.context_frames, self._contract.hop_length

        def speak(start, count, state):
            places = tf.range(start - context, start + count + context)
            uniforms = positional_uniforms(
                seed, batch, start * hop, count * hop
            )
            return self._voice.block(
                state,
                at_frames(features, places[tf.newaxis], lengths[:, tf.newaxis]),
                uniforms,
                temperature,
            )

        audio, _ = concatenated(
            speak,
            frames,
            CHUNK_FRAMES,
            self._voice.initial_state(batch),
            (None, None),
            hop,
        )
        samples = lengths * hop
        return {"audio": only_own(audio, samples), "lengths": samples}

    def _mel_spectrogram(self, audio, lengths=_WHOLE):
        batch, time = tf.unstack(tf.shape(audio))
        batch = required(
            batch, batch > 0, "there is not one row; give one at least"
        )
        time = required(
            time, time > 0, "there is not one sample of audio; give some"
        )
        lengths = required_lengths(lengths, batch, time, least=1)
        audio = finite(only_own(audio, lengths), "audio")
        contract, hop = self._contract, self._contract.hop_length
        margin = contract.margin_frames

        def analyse(start, count, state):
            first = tf.maximum(start - margin, 0)
            part = audio[:, first * hop : (start + count + margin) * hop]
            mel = log_mel_spectrogram(part, contract)
            return mel[:, start - first :][:, :count], state

        mel, _ = concatenated(
            analyse,
            -(-time // hop),
            _MEL_CHUNK_FRAMES,
            tf.constant(0),
            (None, None, contract.mels),
        )
        return {"mel": mel, "lengths": -(-lengths // hop)}

    def _describe(self, row=_ONE_ROW):
        return {"card": tf.fill(tf.shape(row), self._card)}


def _stream_function(voice: Synthesizer, said: list):
    zeros = state_zeros(voice)

    def stream(
        features,
        lengths=_WHOLE,
        seed=_SEED,
        temperature=_TEMPERATURE,
        end=_GOES_ON,
        state=zeros,
    ):
        return streamed(voice, features, lengths, seed, temperature, end, state)

    specs = {
        name: tf.TensorSpec((None, *zero.shape[1:]), zero.dtype, name)
        for name, zero in zeros.items()
    }
    ended = tf.TensorSpec((None,), tf.bool, "end")
    return tf.function(stream, [*said, ended, specs])
