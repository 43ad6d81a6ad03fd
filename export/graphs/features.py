"""The features that a served student reads, checked inside the graph."""

from collections.abc import Callable

import tensorflow as tf

from pwavenet_tf.audio import mel_checks
from pwavenet_tf.audio.files import HIGHEST_PEAK
from pwavenet_tf.core.config import FRAME_ARRAYS, INPUT_ARRAYS
from pwavenet_tf.models.inputs import HIGHEST_TEMPERATURE

# Frames of audio that are computed at a time: memory depends on it, the audio
# does not.
CHUNK_FRAMES = 160


def required(x, condition, message: str):
    """x, or InvalidArgument with a message if a scalar condition does not hold.

    Whatever is computed from the result waits for the check. Otherwise another
    operation might fail of the same fault first, with its own message.
    """
    with tf.control_dependencies([tf.debugging.Assert(condition, [message])]):
        return tf.identity(x)


def finite(x, name: str):
    """x, or an error if it holds values that are not finite."""
    return required(
        x,
        tf.reduce_all(tf.math.is_finite(x)),
        f"{name} holds values that are not finite numbers",
    )


def within(x, lowest: float, highest: float, name: str):
    """x, or an error if it holds values out of bounds."""
    return required(
        x,
        tf.reduce_all((x >= lowest) & (x <= highest)),
        f"{name} must be from {lowest:g} to {highest:g}",
    )


def required_rows(batch):
    """The number of rows, or an error if there is none."""
    return required(batch, batch > 0, "there is not one row; give one at least")


def for_each_row(x, batch, name: str):
    """One value for each row, of `(1 or batch, …)`: as many, or one for all."""
    rows = tf.shape(x)[0]
    x = required(
        x,
        (rows == 1) | (rows == batch),
        f"{name} must have one value for each row, or one for all",
    )
    return tf.broadcast_to(x, tf.concat([[batch], tf.shape(x)[1:]], axis=0))


def required_lengths(lengths, batch, longest, least: int):
    """Each row's own length; -1 stands for the whole row."""
    lengths = for_each_row(lengths, batch, "lengths")
    longest = tf.cast(longest, tf.int64)
    lengths = tf.where(lengths == -1, longest, lengths)
    return required(
        lengths,
        tf.reduce_all((lengths >= least) & (lengths <= longest)),
        f"lengths must be from {least} to what the row holds, or -1 for all",
    )


def concatenated(
    compute: Callable,
    frames: tf.Tensor,
    chunk_frames: int,
    state,
    shape: tuple[int | None, ...],
    per_frame: int = 1,
):
    """Computes chunks of frames one after the other and joins them.

    `compute` takes the index of the first frame, the number of frames and the
    state; it returns `(batch, count * per_frame, ...)` and the state after
    them. The result is `(batch, frames * per_frame, ...)`, of a static `shape`,
    and the state after the last frame.
    """
    length, rest = chunk_frames * per_frame, len(shape) - 2

    def advance(start, index, state, chunks):
        count = tf.minimum(chunk_frames, frames - start)
        chunk, following = compute(start, count, state)
        # Batch second, because chunks are joined along their first axis; all
        # of one length, for other runtimes than TensorFlow.
        chunk = tf.experimental.numpy.swapaxes(chunk, 0, 1)
        missing = [[0, length - count * per_frame], *[[0, 0]] * (1 + rest)]
        tf.nest.map_structure(
            lambda new, old: new.set_shape(old.shape), following, state
        )
        chunks = chunks.write(index, tf.pad(chunk, missing))
        return start + count, index + 1, following, chunks

    chunks = tf.TensorArray(
        tf.float32,
        size=-(-frames // chunk_frames),
        element_shape=(length, shape[0], *shape[2:]),
    )
    *_, state, chunks = tf.while_loop(
        lambda start, *_: start < frames,
        advance,
        (tf.constant(0), tf.constant(0), state, chunks),
        parallel_iterations=1,
    )
    joined = chunks.concat()[: frames * per_frame]
    joined = tf.experimental.numpy.swapaxes(joined, 0, 1)
    return tf.ensure_shape(joined, shape), state


def feature_specs(student) -> dict[str, tf.TensorSpec]:
    """The features that a student reads, by name."""
    widths = student.conditioning.widths(student.audio.mels)
    specs = {}
    for kind in student.conditioning.inputs:
        for name in INPUT_ARRAYS[kind]:
            whole = name in ("phones", "speaker")
            shape = (None, None, widths[name]) if name in widths else (None,)
            dtype = tf.int64 if whole else tf.float32
            specs[name] = tf.TensorSpec(shape, dtype, name)
    return specs


def require_batch(features, conditioning):
    """Checks that all features have one batch size and number of frames.

    It returns both, after the features, with a speaker for each row.
    """
    shapes = [
        tf.shape(x)[:2] for name, x in features.items() if name in FRAME_ARRAYS
    ]
    shape = shapes[0]
    for other in shapes[1:]:
        shape = required(
            shape,
            tf.reduce_all(shape == other),
            "the features differ in batch or frames; compute them from one "
            "recording",
        )
    batch, frames = tf.unstack(shape)
    batch = required_rows(batch)
    if "speaker" in features:
        speaker = for_each_row(features["speaker"], batch, "speaker")
        last = len(conditioning.speakers) - 1
        features = features | {"speaker": within(speaker, 0, last, "speaker")}
    return features, batch, frames


def valid_features(features, lengths, contract, conditioning):
    """Features, or an error for what no model of the contract reads.

    That is values that are not finite, unknown phones and a mel spectrogram of
    another scale. Padding is not checked, and becomes 0.
    """
    checked = {}
    for name, x in features.items():
        if name in FRAME_ARRAYS:
            own = tf.sequence_mask(lengths, tf.shape(x)[1])[..., tf.newaxis]
            x = known_or_finite(
                tf.where(own, x, tf.zeros_like(x)), name, conditioning
            )
        if name == "mel":
            x = on_scale(x, lengths, own, contract)
        checked[name] = x
    return checked


def known_or_finite(x, name: str, conditioning):
    """x, or an error for unknown phones and for numbers that are not finite."""
    if name.endswith("phones"):
        return within(x, 0, len(conditioning.phones), name)
    return finite(x, name) if x.dtype.is_floating else x


def on_scale(mel, lengths, own, contract):
    """A mel spectrogram, or an error if it is not on the contract's scale."""
    largest = mel.dtype.max
    lowest = tf.reduce_min(tf.where(own, mel, largest), axis=1)
    highest = tf.reduce_max(tf.where(own, mel, -largest), axis=1)
    mean, deviation = (
        tf.constant(one, mel.dtype) for one in mel_checks.statistics(contract)
    )
    count = tf.cast(tf.maximum(lengths, 1) * contract.mels, mel.dtype)
    conditions = mel_checks.faults(
        mel_checks.Extremes(
            lengths,
            tf.reduce_min(lowest, axis=1),
            tf.reduce_max(highest, axis=1),
            tf.reduce_sum(mel, axis=[1, 2]) / count,
            tf.reduce_min(lowest * deviation + mean, axis=1),
            tf.reduce_max(highest * deviation + mean, axis=1),
        ),
        contract,
    )
    cause, faulty = tf.constant(""), tf.constant(False)
    # The first that holds is to win.
    for found, words in reversed(conditions):
        holds = tf.reduce_any(found)
        cause, faulty = tf.where(holds, words, cause), faulty | holds
    return required(mel, ~faulty, tf.strings.join(["mel ", cause]))


def valid_audio(audio, lengths):
    """Audio `(batch, time)` without what is beyond its rows' lengths.

    Then each row's length and the samples of the longest; or an error.
    """
    batch, time = tf.unstack(tf.shape(audio))
    batch = required_rows(batch)
    time = required(
        time, time > 0, "there is not one sample of audio; give some"
    )
    lengths = required_lengths(lengths, batch, time, least=1)
    audio = finite(mask_padding(audio, lengths), "audio")
    audio = required(
        audio,
        tf.reduce_max(tf.abs(audio)) <= HIGHEST_PEAK,
        "audio lies far beyond full scale, which is 1; divide 16-bit "
        "integers by 32768",
    )
    return audio, lengths, time


def noise_settings(seed, temperature, batch):
    """Seeds `(batch,)` and temperatures `(batch, 1)`."""
    seed = for_each_row(seed, batch, "seed")
    temperature = for_each_row(temperature, batch, "temperature")
    temperature = within(temperature, 0.0, HIGHEST_TEMPERATURE, "temperature")
    return seed, temperature[:, tf.newaxis]


def gather_frames(features, indices, ends, first=0):
    """The features of some frames; beyond the ends those of the nearest.

    `features` are `(batch, frames, channels)`, except a speaker, which stays;
    `indices`, of frames, `(1 or batch, count)`; `ends`, each row's number of
    frames, and `first`, the index of the first one given, `(batch, 1)`.
    """
    ends = tf.cast(ends, tf.int64)
    indices = tf.clip_by_value(tf.cast(indices, tf.int64), 0, ends - 1) - first
    gathered = {}
    for name, x in features.items():
        if name != "speaker":
            # A row without output now is still computed with the others.
            last = tf.shape(x, tf.int64)[1] - 1
            valid = tf.maximum(tf.minimum(indices, last), 0)
            x = tf.gather(x, valid, batch_dims=1)
        gathered[name] = x
    return gathered


def mask_padding(audio, samples):
    """Audio with zeros after each row's own samples."""
    own = tf.sequence_mask(samples, tf.shape(audio)[1])
    return tf.where(own, audio, tf.zeros_like(audio))
