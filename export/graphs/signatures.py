"""The signatures of a served student, as graphs.

Every tensor has the batch first, and no row depends on another: requests
that a server joins to one batch get the answers that they would get alone.
"""

import functools
import json

import tensorflow as tf

from pwavenet_tf.audio.mel import log_mel_spectrogram
from pwavenet_tf.audio.pitch import relative_pitch, sinusoid_track
from pwavenet_tf.core.config import FRAME_ARRAYS
from pwavenet_tf.export.graphs.features import (
    CHUNK_FRAMES,
    concatenated,
    feature_specs,
    for_each_row,
    gather_frames,
    known_or_finite,
    mask_padding,
    noise_settings,
    require_batch,
    required,
    required_lengths,
    valid_audio,
    valid_features,
    within,
)
from pwavenet_tf.models.inputs import FACTORS
from pwavenet_tf.synthesis.graph_uniforms import positional_uniforms
from pwavenet_tf.synthesis.student import FlowState, Synthesizer

_MEL_CHUNK_FRAMES = 2_048
_ENCODING_CHUNK_FRAMES = 64

# Only tensors become defaults of a SavedModel; Python numbers are lost.
_WHOLE = tf.constant([-1], tf.int64)
_SEED = tf.constant([0], tf.int64)
_TEMPERATURE = tf.constant([1.0])
_FACTOR = tf.constant([1.0])
_ONE_ROW = tf.constant([0], tf.int64)
_NOT_ENDED = tf.constant([False])


def state_zeros(synthesizer: Synthesizer) -> dict[str, tf.Tensor]:
    """The state of one row before its first frame, by name."""
    flows = synthesizer.initial_state(1)
    zeros = {
        "state_past": flows.past,
        "state_newest": flows.newest,
        "state_received": tf.zeros((1,), tf.int64),
    }
    # JSON has no empty tensors, so there is no state of zero frames.
    if kept := 2 * synthesizer.context_frames:
        zeros |= {
            f"state_{name}": tf.zeros((1, kept, spec.shape[-1]), spec.dtype)
            for name, spec in feature_specs(synthesizer.student).items()
            if name in FRAME_ARRAYS
        }
    return zeros


def _stream(
    synthesizer: Synthesizer, features, lengths, seed, temperature, end, state
) -> dict[str, tf.Tensor]:
    """The graph of the signature `stream`.

    It takes new frames `(batch, frames, channels)`, whether they are the last
    (`end`), and the state, as `state_zeros` says; it returns `audio`
    `(batch, samples)`, as far as the look-ahead allows, how many samples are
    each row's own, and the state after them.
    """
    features, batch, frames = require_batch(features, synthesizer.conditioning)
    lengths = required_lengths(lengths, batch, frames, least=0)
    features = valid_features(
        features, lengths, synthesizer.contract, synthesizer.conditioning
    )
    seed, temperature = noise_settings(seed, temperature, batch)
    end = for_each_row(end, batch, "end")
    state = _checked_state(state, batch, synthesizer.conditioning)
    context_frames = synthesizer.context_frames
    hop = synthesizer.contract.hop_length
    received = state["state_received"]
    total = received + lengths
    before = tf.maximum(received - context_frames, 0)
    after = tf.where(end, total, tf.maximum(total - context_frames, 0))
    samples = (after - before) * hop
    longest = tf.reduce_max(tf.concat([after - before, [0]], 0))
    # At least one frame: the convolutions do not support empty input.
    block = tf.cast(tf.maximum(longest, 1), tf.int32)
    series = _with_kept(features, state, context_frames)
    first_kept = received - 2 * context_frames

    def synthesize(start, count, flows):
        first = before + tf.cast(start, tf.int64)
        around = tf.range(-context_frames, count + context_frames)
        return synthesizer.block(
            flows,
            gather_frames(
                features | series,
                first[:, tf.newaxis] + tf.cast(around, tf.int64),
                total[:, tf.newaxis],
                first_kept[:, tf.newaxis],
            ),
            positional_uniforms(seed, batch, first * hop, count * hop),
            temperature,
            valid_samples=tf.clip_by_value(
                samples - tf.cast(start * hop, tf.int64),
                0,
                tf.cast(count * hop, tf.int64),
            ),
        )

    audio, flows = concatenated(
        synthesize,
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
    } | _kept_state(series, lengths, context_frames)
    audio = mask_padding(audio[:, : longest * hop], samples)
    return {"audio": audio, "lengths": samples} | _reset(following, end)


def _checked_state(state, batch, conditioning):
    checked = {name: for_each_row(x, batch, name) for name, x in state.items()}
    for name, x in checked.items():
        checked[name] = known_or_finite(x, name, conditioning)
    received = checked["state_received"]
    checked["state_received"] = required(
        received,
        tf.reduce_all(received >= 0),
        "state_received must not be negative",
    )
    return checked


def _with_kept(features, state, context_frames: int):
    """The series of frames, with those kept from before in front."""
    series = {k: x for k, x in features.items() if k in FRAME_ARRAYS}
    if context_frames:
        return {
            name: tf.concat([state[f"state_{name}"], x], axis=1)
            for name, x in series.items()
        }
    # A row without output reads one frame of zeros.
    return {
        name: tf.pad(x, [[0, 0], [0, 1], [0, 0]]) for name, x in series.items()
    }


def _kept_state(series, lengths, context_frames: int):
    """The state that keeps the frames that are still needed."""
    if not context_frames:
        return {}
    kept = lengths[:, tf.newaxis] + tf.range(2 * context_frames, dtype=tf.int64)
    return {
        f"state_{name}": tf.gather(x, kept, batch_dims=1)
        for name, x in series.items()
    }


def _reset(state, end):
    """The state, which begins anew in rows that have ended."""
    return {
        name: tf.where(
            tf.reshape(end, [-1] + [1] * (x.shape.rank - 1)),
            tf.zeros_like(x),
            x,
        )
        for name, x in state.items()
    }


class Signatures(tf.Module):
    """The signatures of a student's SavedModel.

    Optional inputs have a default of one row. One row of such an input serves
    all rows of the batch. The card is the answer of `describe`; an acoustic
    model, of the student's contract, is for `say`.
    """

    def __init__(self, student, card: dict, acoustic_model=None) -> None:
        super().__init__()
        self._acoustic_model = acoustic_model
        self._synthesizer = Synthesizer(student)
        self._contract = student.audio
        self._card = json.dumps(card, sort_keys=True)
        # For tf.saved_model.save, which does not find Keras variables.
        self.weights = [variable.value for variable in student.variables]
        features = feature_specs(student)
        lengths = tf.TensorSpec((None,), tf.int64, "lengths")
        noise = [
            tf.TensorSpec((None,), tf.int64, "seed"),
            tf.TensorSpec((None,), tf.float32, "temperature"),
        ]
        audio = tf.TensorSpec((None, None), tf.float32, "audio")
        row = tf.TensorSpec((None,), tf.int64, "row")
        graph = functools.partial(tf.function, autograph=False)
        inputs = [features, lengths, *noise]
        self.synthesize = graph(self._synthesize, inputs)
        self.mel_spectrogram = graph(self._mel_spectrogram, [audio, lengths])
        self.describe = graph(self._describe, [row])
        self.stream = _stream_function(self._synthesizer, inputs)
        self.encode = self.say = None
        if student.conditioner.encoder is not None:
            self.encode = graph(self._encode, [audio, lengths])
        if acoustic_model is not None:
            self.weights += [one.value for one in acoustic_model.variables]
            phones = tf.TensorSpec((None, None), tf.int64, "phones")
            rate = tf.TensorSpec((None,), tf.float32, "rate")
            pitch = tf.TensorSpec((None,), tf.float32, "pitch")
            self.say = graph(self._say, [phones, lengths, rate, pitch, *noise])

    def all(self) -> dict[str, tf.types.experimental.PolymorphicFunction]:
        """By their names in the SavedModel."""
        found = {
            "serving_default": self.synthesize,
            "mel_spectrogram": self.mel_spectrogram,
            "stream": self.stream,
            "describe": self.describe,
            "encode": self.encode,
            "say": self.say,
        }
        return {name: graph for name, graph in found.items() if graph}

    def _synthesize(
        self, features, lengths=_WHOLE, seed=_SEED, temperature=_TEMPERATURE
    ):
        conditioning = self._synthesizer.conditioning
        features, batch, frames = require_batch(features, conditioning)
        frames = required(
            frames, frames > 0, "there is not one frame; give one at least"
        )
        lengths = required_lengths(lengths, batch, frames, least=1)
        features = valid_features(
            features, lengths, self._contract, conditioning
        )
        seed, temperature = noise_settings(seed, temperature, batch)
        hop = self._contract.hop_length
        around = self._synthesizer.context_frames

        def synthesize(start, count, state):
            indices = tf.range(start - around, start + count + around)
            return self._synthesizer.block(
                state,
                gather_frames(
                    features, indices[tf.newaxis], lengths[:, tf.newaxis]
                ),
                positional_uniforms(seed, batch, start * hop, count * hop),
                temperature,
            )

        audio, _ = concatenated(
            synthesize,
            frames,
            CHUNK_FRAMES,
            self._synthesizer.initial_state(batch),
            (None, None),
            hop,
        )
        samples = lengths * hop
        return {"audio": mask_padding(audio, samples), "lengths": samples}

    def _say(
        self,
        phones,
        lengths=_WHOLE,
        rate=_FACTOR,
        pitch=_FACTOR,
        seed=_SEED,
        temperature=_TEMPERATURE,
    ):
        batch, count = tf.unstack(tf.shape(phones))
        batch = required(
            batch,
            (batch > 0) & (count > 0),
            "there is not one phone; give one row of phones at least",
        )
        lengths = required_lengths(lengths, batch, count, least=1)
        own = tf.sequence_mask(lengths, count)
        known = len(self._acoustic_model.phones)
        phones = required(
            phones,
            tf.reduce_all(~own | (phones >= 1) & (phones <= known)),
            f"phones must be from 1 to {known}",
        )
        phones = tf.cast(tf.where(own, phones, 0), tf.int32)
        factors = (
            within(for_each_row(value, batch, name), *FACTORS, name)
            for value, name in ((rate, "rate"), (pitch, "pitch"))
        )
        made = self._acoustic_model.generate(phones, *factors)
        student = self._synthesizer.student
        mean_pitch_hz = (
            student.conditioning.mean_pitch_hz
            or self._acoustic_model.mean_pitch_hz
        )
        features = {
            "mel": made["mel"],
            "sinusoids": sinusoid_track(
                made["pitch"], self._contract, tf.experimental.numpy
            ),
            "pitch": relative_pitch(made["pitch"], mean_pitch_hz),
        }
        features = {name: features[name] for name in feature_specs(student)}
        frames = tf.cast(tf.reduce_sum(made["durations"], axis=1), tf.int64)
        return self._synthesize(features, frames, seed, temperature)

    def _mel_spectrogram(self, audio, lengths=_WHOLE):
        audio, lengths, time = valid_audio(audio, lengths)
        contract, hop = self._contract, self._contract.hop_length
        margin = contract.margin_frames

        def analyse(start, count, state):
            first = tf.maximum(start - margin, 0)
            segment = audio[:, first * hop : (start + count + margin) * hop]
            mel = log_mel_spectrogram(segment, contract)
            return mel[:, start - first :][:, :count], state

        mel, _ = concatenated(
            analyse,
            -(-time // hop),
            _MEL_CHUNK_FRAMES,
            tf.constant(0),
            (None, None, contract.mels),
        )
        return {"mel": mel, "lengths": -(-lengths // hop)}

    def _encode(self, audio, lengths=_WHOLE):
        encoder = self._synthesizer.student.conditioner.encoder
        audio, lengths, time = valid_audio(audio, lengths)
        hop, context_frames = encoder.hop_length, encoder.context_frames
        frames = -(-time // hop)
        after = (frames + context_frames) * hop - time
        # All of it silence, as beyond the ends: a row alone gives the same.
        padded = tf.pad(audio, [[0, 0], [context_frames * hop, after]])

        def encode(start, count, state):
            last = start + count + 2 * context_frames
            encoding = encoder(padded[:, start * hop : last * hop])
            return encoding[:, context_frames : context_frames + count], state

        encoding, _ = concatenated(
            encode,
            frames,
            _ENCODING_CHUNK_FRAMES,
            tf.constant(0),
            (None, None, encoder.encoding_channels),
        )
        return {"encoding": encoding, "lengths": -(-lengths // hop)}

    def _describe(self, row=_ONE_ROW):
        return {"card": tf.fill(tf.shape(row), self._card)}


def _stream_function(synthesizer: Synthesizer, inputs: list):
    zeros = state_zeros(synthesizer)

    def stream(
        features,
        lengths=_WHOLE,
        seed=_SEED,
        temperature=_TEMPERATURE,
        end=_NOT_ENDED,
        state=zeros,
    ):
        return _stream(
            synthesizer, features, lengths, seed, temperature, end, state
        )

    specs = {
        name: tf.TensorSpec((None, *zero.shape[1:]), zero.dtype, name)
        for name, zero in zeros.items()
    }
    ended = tf.TensorSpec((None,), tf.bool, "end")
    return tf.function(stream, [*inputs, ended, specs], autograph=False)
