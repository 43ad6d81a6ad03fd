"""The features that a served student reads, checked inside the graph."""

import tensorflow as tf

from pwavenet_tf.config import ARRAY_WIDTHS, FRAME_ARRAYS, INPUT_ARRAYS
from pwavenet_tf.export.checks import for_each_row, require, require_finite


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
    for other in shapes[1:]:
        require(
            tf.reduce_all(shapes[0] == other),
            "the features differ in batch or frames; compute them from one "
            "recording",
        )
    batch, frames = tf.unstack(shapes[0])
    if "speaker" in features:
        speaker = for_each_row(features["speaker"], batch, "speaker")
        known = len(conditioning.speakers)
        require(
            tf.reduce_all((speaker >= 0) & (speaker < known)),
            f"speaker must be from 0 to {known - 1}",
        )
        features = features | {"speaker": speaker}
    return features, batch, frames


def require_numbers(features, lengths, conditioning):
    """Refuses what is no number; what only fills up is not looked at."""
    for name, x in features.items():
        if name == "speaker":
            continue
        own = tf.sequence_mask(lengths, tf.shape(x)[1])[..., tf.newaxis]
        if name == "phones":
            known = len(conditioning.phones)
            require(
                tf.reduce_all(((x >= 0) & (x <= known)) | ~own),
                f"phones must be from 0 to {known}",
            )
        else:
            require_finite(tf.where(own, x, tf.zeros_like(x)), name)


def noise_settings(seed, temperature, batch):
    """Seeds `(batch,)` and temperatures `(batch, 1)`."""
    seed = for_each_row(seed, batch, "seed")
    temperature = for_each_row(temperature, batch, "temperature")
    require(
        tf.reduce_all(tf.math.is_finite(temperature) & (temperature >= 0.0)),
        "temperature must be a finite number of 0 or more",
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
    return {
        name: tf.gather(x, places, batch_dims=1) if name != "speaker" else x
        for name, x in features.items()
    }


def only_own(audio, samples):
    """Zeros behind each row's own samples."""
    own = tf.sequence_mask(samples, tf.shape(audio)[1])
    return tf.where(own, audio, tf.zeros_like(audio))
