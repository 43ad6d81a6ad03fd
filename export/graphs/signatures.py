"""What is asked of a served student, as graphs.

Every tensor has the batch first, and no row depends on another: requests
that a server puts into one batch get the answers that they would get alone.
"""

import json

import tensorflow as tf

from pwavenet_tf.audio.mel import log_mel_spectrogram
from pwavenet_tf.core.config import FRAME_ARRAYS
from pwavenet_tf.export.graphs.features import (
    CHUNK_FRAMES,
    at_frames,
    checked_features,
    concatenated,
    feature_specs,
    finite,
    for_each_row,
    known_phones,
    noise_settings,
    numbers_of,
    only_own,
    required,
    required_lengths,
)
from pwavenet_tf.synthesis.noise import positional_uniforms
from pwavenet_tf.synthesis.student import FlowState, Synthesizer


def state_zeros(voice: Synthesizer) -> dict[str, tf.Tensor]:
    """The state of one row before its first frame, by name."""
    flows = voice.initial_state(1)
    zeros = {
        "state_past": flows.past,
        "state_newest": flows.newest,
        "state_received": tf.zeros((1,), tf.int64),
    }
    # JSON has no tensors without elements, so there is no state of no frames.
    if kept := 2 * voice.context_frames:
        zeros |= {
            f"state_{name}": tf.zeros((1, kept, spec.shape[-1]), spec.dtype)
            for name, spec in feature_specs(voice.student).items()
            if name in FRAME_ARRAYS
        }
    return zeros


def streamed(
    voice: Synthesizer, features, lengths, seed, temperature, end, state
) -> dict[str, tf.Tensor]:
    """The graph of the signature `stream`.

    Args:
        voice: What speaks.
        features: New frames `(batch, frames, channels)` by name.
        lengths: `(batch,)`, how many are each row's own, or -1.
        seed: `(batch,)`.
        temperature: `(batch,)`.
        end: `(batch,)`, whether no more frames come.
        state: By name, as `state_zeros` says.

    Returns:
        `audio` `(batch, samples)`, what can be known by now; `lengths`, how
        many samples are each row's own; and the state behind them.
    """
    features, batch, frames = checked_features(features, voice.conditioning)
    lengths = required_lengths(lengths, batch, frames, least=0)
    features = numbers_of(features, lengths, voice.conditioning)
    seed, temperature = noise_settings(seed, temperature, batch)
    end = for_each_row(end, batch, "end")
    state = _checked_state(state, batch, voice.conditioning)
    context, hop = voice.context_frames, voice.contract.hop_length
    received = state["state_received"]
    total = received + lengths
    before = tf.maximum(received - context, 0)
    behind = tf.where(end, total, tf.maximum(total - context, 0))
    samples = (behind - before) * hop
    longest = tf.reduce_max(tf.concat([behind - before, [0]], 0))
    # One frame at least: of nothing at all, a convolution makes its input.
    block = tf.cast(tf.maximum(longest, 1), tf.int32)
    series = _with_held(features, state, context)
    oldest = received - 2 * context

    def speak(start, count, flows):
        first = before + tf.cast(start, tf.int64)
        around = tf.range(-context, count + context)
        return voice.block(
            flows,
            at_frames(
                features | series,
                first[:, tf.newaxis] + tf.cast(around, tf.int64),
                total[:, tf.newaxis],
                oldest[:, tf.newaxis],
            ),
            positional_uniforms(seed, batch, first * hop, count * hop),
            temperature,
            counted=tf.clip_by_value(
                samples - tf.cast(start * hop, tf.int64),
                0,
                tf.cast(count * hop, tf.int64),
            ),
        )

    audio, flows = concatenated(
        speak,
        block,
        CHUNK_FRAMES,
        FlowState(state["state_past"], state["state_newest"]),
        (None, None),
        hop,
    )
    following = {
        "state_past": flows.past,
        "state_newest": flows.newest,
        "state_received": total,
    } | _held(series, lengths, context)
    return {
        "audio": only_own(audio[:, : longest * hop], samples),
        "lengths": samples,
    } | {
        # Behind the end there is a new beginning.
        name: tf.where(_beside(end, x), tf.zeros_like(x), x)
        for name, x in following.items()
    }


def _checked_state(state, batch, conditioning):
    found = {name: for_each_row(x, batch, name) for name, x in state.items()}
    for name, x in found.items():
        if x.dtype.is_floating:
            found[name] = finite(x, name)
    if "state_phones" in found:
        found["state_phones"] = known_phones(
            found["state_phones"], "state_phones", conditioning
        )
    received = found["state_received"]
    found["state_received"] = required(
        received,
        tf.reduce_all(received >= 0),
        "state_received must not be negative",
    )
    return found


def _with_held(features, state, context: int):
    """The series of frames, those that are still needed before the new ones."""
    series = {k: x for k, x in features.items() if k in FRAME_ARRAYS}
    if context:
        return {
            name: tf.concat([state[f"state_{name}"], x], axis=1)
            for name, x in series.items()
        }
    # A row that has nothing to say reads one that means nothing.
    return {
        name: tf.pad(x, [[0, 0], [0, 1], [0, 0]]) for name, x in series.items()
    }


def _held(series, lengths, context: int):
    """The state of the frames that will still be needed."""
    if not context:
        return {}
    kept = lengths[:, tf.newaxis] + tf.range(2 * context, dtype=tf.int64)
    return {
        f"state_{name}": tf.gather(x, kept, batch_dims=1)
        for name, x in series.items()
    }


def _beside(rows, x):
    """`(batch,)` as `(batch, 1, …)`, of the rank of x."""
    return tf.reshape(rows, [-1] + [1] * (x.shape.rank - 1))


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
