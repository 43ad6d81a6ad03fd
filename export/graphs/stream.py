"""A student that speaks features as they come, its state as tensors."""

import tensorflow as tf

from pwavenet_tf.config import FRAME_ARRAYS
from pwavenet_tf.export.graphs.checks import (
    finite,
    for_each_row,
    required,
    required_lengths,
)
from pwavenet_tf.export.graphs.features import (
    at_frames,
    checked_features,
    feature_specs,
    known_phones,
    noise_settings,
    numbers_of,
    only_own,
)
from pwavenet_tf.export.graphs.pieces import CHUNK_FRAMES, concatenated
from pwavenet_tf.noise import positional_uniforms
from pwavenet_tf.streamed_flows import FlowState
from pwavenet_tf.synthesis import Synthesizer


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
