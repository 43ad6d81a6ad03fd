"""The signatures of a served student, as graphs.

Every tensor has the batch first, and no row depends on another: requests
that a server joins to one batch get the answers that they would get alone.
"""

import json

import tensorflow as tf

from pwavenet_tf.audio.mel import log_mel_spectrogram
from pwavenet_tf.audio.pitch import relative_pitch, sinusoid_track
from pwavenet_tf.core.config import FRAME_ARRAYS
from pwavenet_tf.export.graphs.encoding import encode_graph
from pwavenet_tf.export.graphs.features import (
    CHUNK_FRAMES,
    concatenated,
    feature_specs,
    finite,
    for_each_row,
    gather_frames,
    known_phones,
    mask_padding,
    noise_settings,
    require_batch,
    required,
    required_lengths,
    valid_audio,
    valid_features,
)
from pwavenet_tf.models.inputs import FACTORS
from pwavenet_tf.synthesis.graph_uniforms import positional_uniforms
from pwavenet_tf.synthesis.student import FlowState, Synthesizer

_MEL_CHUNK_FRAMES = 2_048

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


def stream_graph(
    synthesizer: Synthesizer, features, lengths, seed, temperature, end, state
) -> dict[str, tf.Tensor]:
    """The graph of the signature `stream`.

    Args:
        synthesizer: The synthesizer.
        features: New frames `(batch, frames, channels)` by name.
        lengths: `(batch,)`, how many frames are each row's own, or -1.
        seed: `(batch,)`.
        temperature: `(batch,)`.
        end: `(batch,)`, whether no more frames come.
        state: By name, as `state_zeros` says.

    Returns:
        `audio` `(batch, samples)`, as far as the look-ahead allows;
        `lengths`, how many samples are each row's own; and the state after
        them.
    """
    features, batch, frames = require_batch(features, synthesizer.conditioning)
    lengths = required_lengths(lengths, batch, frames, least=0)
    features = valid_features(
        features, lengths, synthesizer.contract, synthesizer.conditioning
    )
    seed, temperature = noise_settings(seed, temperature, batch)
    end = for_each_row(end, batch, "end")
    state = _checked_state(state, batch, synthesizer.conditioning)
    context, hop = synthesizer.context_frames, synthesizer.contract.hop_length
    received = state["state_received"]
    total = received + lengths
    before = tf.maximum(received - context, 0)
    after = tf.where(end, total, tf.maximum(total - context, 0))
    samples = (after - before) * hop
    longest = tf.reduce_max(tf.concat([after - before, [0]], 0))
    # At least one frame: the convolutions do not support empty input.
    block = tf.cast(tf.maximum(longest, 1), tf.int32)
    series = _with_kept(features, state, context)
    first_kept = received - 2 * context

    def synthesize(start, count, flows):
        first = before + tf.cast(start, tf.int64)
        around = tf.range(-context, count + context)
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
    } | _kept_state(series, lengths, context)
    audio = mask_padding(audio[:, : longest * hop], samples)
    return {"audio": audio, "lengths": samples} | _reset(following, end)


def _checked_state(state, batch, conditioning):
    checked = {name: for_each_row(x, batch, name) for name, x in state.items()}
    for name, x in checked.items():
        if x.dtype.is_floating:
            checked[name] = finite(x, name)
    if "state_phones" in checked:
        checked["state_phones"] = known_phones(
            checked["state_phones"], "state_phones", conditioning
        )
    received = checked["state_received"]
    checked["state_received"] = required(
        received,
        tf.reduce_all(received >= 0),
        "state_received must not be negative",
    )
    return checked


def _with_kept(features, state, context: int):
    """The series of frames, with those kept from before in front."""
    series = {k: x for k, x in features.items() if k in FRAME_ARRAYS}
    if context:
        return {
            name: tf.concat([state[f"state_{name}"], x], axis=1)
            for name, x in series.items()
        }
    # A row without output reads one frame of zeros.
    return {
        name: tf.pad(x, [[0, 0], [0, 1], [0, 0]]) for name, x in series.items()
    }


def _kept_state(series, lengths, context: int):
    """The state that keeps the frames that are still needed."""
    if not context:
        return {}
    kept = lengths[:, tf.newaxis] + tf.range(2 * context, dtype=tf.int64)
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
    all rows of the batch.

    Args:
        student: The student.
        card: The answer of `describe`.
        acoustic_model: For the signature `say`, of the student's contract.
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
        inputs = [
            features,
            lengths,
            tf.TensorSpec((None,), tf.int64, "seed"),
            tf.TensorSpec((None,), tf.float32, "temperature"),
        ]
        audio = tf.TensorSpec((None, None), tf.float32, "audio")
        self.synthesize = tf.function(self._synthesize, inputs, autograph=False)
        self.mel_spectrogram = tf.function(
            self._mel_spectrogram, [audio, lengths], autograph=False
        )
        self.describe = tf.function(
            self._describe,
            [tf.TensorSpec((None,), tf.int64, "row")],
            autograph=False,
        )
        self.stream = _stream_function(self._synthesizer, inputs)
        self.encode = None
        if (encoder := student.conditioner.encoder) is not None:

            def encode(audio, lengths=_WHOLE):
                return encode_graph(encoder, audio, lengths)

            self.encode = tf.function(encode, [audio, lengths], autograph=False)
        self.say = None
        if acoustic_model is not None:
            self.weights += [one.value for one in acoustic_model.variables]
            phones = tf.TensorSpec((None, None), tf.int64, "phones")
            factors = [
                tf.TensorSpec((None,), tf.float32, name)
                for name in ("rate", "pitch")
            ]
            self.say = tf.function(
                self._say,
                [phones, lengths, *factors, *inputs[2:]],
                autograph=False,
            )

    def all(self) -> dict[str, tf.types.experimental.PolymorphicFunction]:
        """By their names in the SavedModel."""
        found = {
            "serving_default": self.synthesize,
            "mel_spectrogram": self.mel_spectrogram,
            "stream": self.stream,
            "describe": self.describe,
        }
        further = {"encode": self.encode, "say": self.say}
        return found | {name: one for name, one in further.items() if one}

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
        context, hop = (
            self._synthesizer.context_frames,
            self._contract.hop_length,
        )

        def synthesize(start, count, state):
            indices = tf.range(start - context, start + count + context)
            uniforms = positional_uniforms(
                seed, batch, start * hop, count * hop
            )
            return self._synthesizer.block(
                state,
                gather_frames(
                    features, indices[tf.newaxis], lengths[:, tf.newaxis]
                ),
                uniforms,
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
        phones = tf.where(own, phones, 0)
        rate, pitch = (
            _factor(value, batch, name)
            for value, name in ((rate, "rate"), (pitch, "pitch"))
        )
        made = self._acoustic_model.generate(
            tf.cast(phones, tf.int32), rate, pitch
        )
        features = {
            "mel": made["mel"],
            "sinusoids": sinusoid_track(
                made["pitch"], self._contract, tf.experimental.numpy
            ),
            "pitch": relative_pitch(
                made["pitch"],
                self._synthesizer.conditioning.mean_pitch_hz
                or self._acoustic_model.mean_pitch_hz,
            ),
        }
        frames = tf.reduce_sum(made["durations"], axis=1)
        return self._synthesize(
            {
                name: features[name]
                for name in feature_specs(self._synthesizer.student)
            },
            tf.cast(frames, tf.int64),
            seed,
            temperature,
        )

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

    def _describe(self, row=_ONE_ROW):
        return {"card": tf.fill(tf.shape(row), self._card)}


def _factor(value, batch, name: str):
    """A factor of speed or F0 for each row, from 0.5 to 2."""
    value = for_each_row(value, batch, name)
    lowest, highest = FACTORS
    return required(
        value,
        tf.reduce_all((value >= lowest) & (value <= highest)),
        f"{name} must be from {lowest:g} to {highest:g}",
    )


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
        return stream_graph(
            synthesizer, features, lengths, seed, temperature, end, state
        )

    specs = {
        name: tf.TensorSpec((None, *zero.shape[1:]), zero.dtype, name)
        for name, zero in zeros.items()
    }
    ended = tf.TensorSpec((None,), tf.bool, "end")
    return tf.function(stream, [*inputs, ended, specs], autograph=False)
