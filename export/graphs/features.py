"""The features that a served student reads, checked inside the graph."""

from collections.abc import Callable

import tensorflow as tf

from pwavenet_tf.core.config import ARRAY_WIDTHS, FRAME_ARRAYS, INPUT_ARRAYS
from pwavenet_tf.models.inputs import HIGHEST_TEMPERATURE


def required(x, condition, message: str):
    """x, unless the condition does not hold: then the call ends.

    What is computed from the result waits for the check. Otherwise another
    operation might fail of the same fault first, with words of its own.

    Args:
        x: Any tensor.
        condition: A boolean scalar.
        message: What InvalidArgument says.
    """
    with tf.control_dependencies([tf.debugging.Assert(condition, [message])]):
        return tf.identity(x)


def finite(x, name: str):
    """x, unless it holds values that are not finite numbers."""
    return required(
        x,
        tf.reduce_all(tf.math.is_finite(x)),
        f"{name} holds values that are not finite numbers",
    )


def for_each_row(x, batch, name: str):
    """One value for each row, given as many or one for all.

    Args:
        x: `(1 or batch, …)`.
        batch: The number of rows.
        name: Of the input.
    """
    rows = tf.shape(x)[0]
    x = required(
        x,
        (rows == 1) | (rows == batch),
        f"{name} must have one value for each row, or one for all",
    )
    return tf.broadcast_to(x, tf.concat([[batch], tf.shape(x)[1:]], axis=0))


def required_lengths(lengths, batch, longest, least: int):
    """Each row's own length; -1 stands for all that there is."""
    lengths = for_each_row(lengths, batch, "lengths")
    longest = tf.cast(longest, tf.int64)
    lengths = tf.where(lengths == -1, longest, lengths)
    return required(
        lengths,
        tf.reduce_all((lengths >= least) & (lengths <= longest)),
        f"lengths must be from {least} to what the row holds, or -1 for all",
    )


# Frames of audio that are computed at a time: memory depends on it, the sound
# does not.
CHUNK_FRAMES = 160


def concatenated(
    compute: Callable,
    frames: tf.Tensor,
    chunk_frames: int,
    state,
    shape: tuple[int | None, ...],
    per_frame: int = 1,
):
    """Computes chunks of frames one after the other and joins them.

    Args:
        compute: Makes of the number of the first frame, how many frames, and
            the state, what they become, `(batch, count * per_frame, ...)`,
            and the state behind them.
        frames: How many there are.
        chunk_frames: How many are computed at a time.
        state: Before the first one.
        shape: Of the result, as far as it is known.
        per_frame: How much becomes of a frame.

    Returns:
        `(batch, frames * per_frame, ...)`, and the state behind the last.
    """
    length, rest = chunk_frames * per_frame, len(shape) - 2

    def advance(start, index, state, pieces):
        count = tf.minimum(chunk_frames, frames - start)
        piece, following = compute(start, count, state)
        # Batch second, for pieces are joined along their first axis; all of
        # one length, for readers that are none of TensorFlow's.
        piece = tf.experimental.numpy.swapaxes(piece, 0, 1)
        missing = [[0, length - count * per_frame], *[[0, 0]] * (1 + rest)]
        tf.nest.map_structure(
            lambda new, old: new.set_shape(old.shape), following, state
        )
        pieces = pieces.write(index, tf.pad(piece, missing))
        return start + count, index + 1, following, pieces

    pieces = tf.TensorArray(
        tf.float32,
        size=-(-frames // chunk_frames),
        element_shape=(length, shape[0], *shape[2:]),
    )
    *_, state, pieces = tf.while_loop(
        lambda start, *_: start < frames,
        advance,
        (tf.constant(0), tf.constant(0), state, pieces),
        parallel_iterations=1,
    )
    joined = pieces.concat()[: frames * per_frame]
    joined = tf.experimental.numpy.swapaxes(joined, 0, 1)
    return tf.ensure_shape(joined, shape), state


def feature_specs(student) -> dict[str, tf.TensorSpec]:
    """What a student reads, by name."""
    widths = ARRAY_WIDTHS | {"mel": student.audio.mels}
    specs = {}
    for kind in student.conditioning.inputs:
        for name in INPUT_ARRAYS[kind]:
            whole = name in ("phones", "speaker")
            shape = (None, None, widths[name]) if name in widths else (None,)
            dtype = tf.int64 if whole else tf.float32
            specs[name] = tf.TensorSpec(shape, dtype, name)
    return specs


def checked_features(features, conditioning):
    """Features of one batch and number of frames, and these.

    Args:
        features: By name, as `feature_specs` says.
        conditioning: The student's.

    Returns:
        The features, a speaker for each row among them, the batch, and how
        many frames there are.
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
    batch = required(
        batch, batch > 0, "there is not one row; give one at least"
    )
    if "speaker" in features:
        speaker = for_each_row(features["speaker"], batch, "speaker")
        known = len(conditioning.speakers)
        features = features | {
            "speaker": required(
                speaker,
                tf.reduce_all((speaker >= 0) & (speaker < known)),
                f"speaker must be from 0 to {known - 1}",
            )
        }
    return features, batch, frames


def numbers_of(features, lengths, conditioning):
    """The features, unless they hold what is no number, or unknown phones.

    What only fills up is not looked at, and becomes 0.
    """
    found = {}
    for name, x in features.items():
        if name == "speaker":
            found[name] = x
            continue
        own = tf.sequence_mask(lengths, tf.shape(x)[1])[..., tf.newaxis]
        x = tf.where(own, x, tf.zeros_like(x))
        if name == "phones":
            found[name] = known_phones(x, name, conditioning)
        else:
            found[name] = finite(x, name)
    return found


def known_phones(x, name: str, conditioning):
    """x, unless it holds a phone that is not in the model's list."""
    known = len(conditioning.phones)
    return required(
        x,
        tf.reduce_all((x >= 0) & (x <= known)),
        f"{name} must be from 0 to {known}",
    )


def noise_settings(seed, temperature, batch):
    """Seeds `(batch,)` and temperatures `(batch, 1)`."""
    seed = for_each_row(seed, batch, "seed")
    temperature = for_each_row(temperature, batch, "temperature")
    temperature = required(
        temperature,
        tf.reduce_all(
            (temperature >= 0.0) & (temperature <= HIGHEST_TEMPERATURE)
        ),
        f"temperature must be from 0 to {HIGHEST_TEMPERATURE:g}",
    )
    return seed, temperature[:, tf.newaxis]


def at_frames(features, places, ends, oldest=0):
    """The features of some frames; beyond the ends the nearest one's.

    Args:
        features: `(batch, frames, channels)` each; a speaker stays.
        places: `(1 or batch, wanted)`, numbers of frames.
        ends: `(batch, 1)`, how many frames there are of each row.
        oldest: `(batch, 1)`, the number of the first frame in `features`.
    """
    ends = tf.cast(ends, tf.int64)
    places = tf.clip_by_value(tf.cast(places, tf.int64), 0, ends - 1) - oldest
    found = {}
    for name, x in features.items():
        if name != "speaker":
            # A row that has nothing to say now is read with the others.
            last = tf.shape(x, tf.int64)[1] - 1
            held = tf.maximum(tf.minimum(places, last), 0)
            x = tf.gather(x, held, batch_dims=1)
        found[name] = x
    return found


def only_own(audio, samples):
    """Zeros behind each row's own samples."""
    own = tf.sequence_mask(samples, tf.shape(audio)[1])
    return tf.where(own, audio, tf.zeros_like(audio))
