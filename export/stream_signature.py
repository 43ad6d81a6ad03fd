"""A student that speaks features as they come, its state as tensors."""

import tensorflow as tf

from pwavenet_tf.config import FRAME_ARRAYS
from pwavenet_tf.export.checks import (
    finite,
    for_each_row,
    required,
    required_lengths,
)
from pwavenet_tf.export.served_features import (
    at_frames,
    checked_features,
    feature_specs,
    noise_settings,
    numbers_of,
    only_own,
)
from pwavenet_tf.noise import positional_uniforms
from pwavenet_tf.streamed_flows import FlowState
from pwavenet_tf.synthesis import Synthesizer


def state_zeros(voice: Synthesizer) -> dict[str, tf.Tensor]:
    """The state of one row before its first frame, by name."""
    flows = voice.initial_state(1)
    kept = 2 * voice.context_frames
    return {
        "state_past": flows.past,
        "state_newest": flows.newest,
        "state_received": tf.zeros((1,), tf.int64),
    } | {
        f"state_{name}": tf.zeros((1, kept, spec.shape[-1]), spec.dtype)
        for name, spec in feature_specs(voice.student).items()
        if name in FRAME_ARRAYS
    }


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
    state = {
        name: for_each_row(value, batch, name) for name, value in state.items()
    }
    for name in ("state_past", "state_newest"):
        state[name] = finite(state[name], name)
    received = state["state_received"]
    received = required(
        received,
        tf.reduce_all(received >= 0),
        "state_received must not be negative",
    )
    context, hop = voice.context_frames, voice.contract.hop_length
    total = received + lengths
    before = tf.maximum(received - context, 0)
    behind = tf.where(end, total, tf.maximum(total - context, 0))
    samples = (behind - before) * hop
    longest = tf.reduce_max(tf.concat([behind - before, [0]], 0))
    series = {
        name: tf.concat([state[f"state_{name}"], x], axis=1)
        for name, x in features.items()
        if name in FRAME_ARRAYS
    }
    oldest = received - 2 * context
    places = before[:, tf.newaxis] + tf.range(-context, longest + context)
    window = at_frames(
        features | series,
        places,
        total[:, tf.newaxis],
        oldest[:, tf.newaxis],
    )
    audio, flows = voice.block(
        FlowState(state["state_past"], state["state_newest"]),
        window,
        positional_uniforms(seed, batch, before * hop, longest * hop),
        temperature,
        counted=samples,
    )
    kept = lengths[:, tf.newaxis] + tf.range(2 * context, dtype=tf.int64)
    following = {
        "state_past": flows.past,
        "state_newest": flows.newest,
        "state_received": total,
    } | {
        f"state_{name}": tf.gather(x, kept, batch_dims=1)
        for name, x in series.items()
    }
    return {
        "audio": only_own(audio, samples),
        "lengths": samples,
    } | {
        # Behind the end there is a new beginning.
        name: tf.where(_beside(end, x), tf.zeros_like(x), x)
        for name, x in following.items()
    }


def _beside(rows, x):
    """`(batch,)` as `(batch, 1, …)`, of the rank of x."""
    return tf.reshape(rows, [-1] + [1] * (x.shape.rank - 1))
