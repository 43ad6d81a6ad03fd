"""Clips that are cut on the device, from a corpus that lies there whole."""

import numpy as np
from keras import ops

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.clips import Window

# Places in the samples are int32.
_MOST_SAMPLES = 2**31 - 1


def arrays_of_recordings(recordings) -> dict:
    """The recordings of one split, ready to be moved to a device.

    Args:
        recordings: `recordings` of the clips that `NumpyCorpus` gives.

    Returns:
        `levels`, int16 `(samples,)`; of each recording `lengths`, `frames`,
        `first_sample` and `first_frame`, int32 `(recordings,)`; `features`, a
        dict of `(frames, channels)` or `(recordings,)`.

    Raises:
        UserError: If there are more samples than int32 can count.
    """
    if len(recordings.levels) > _MOST_SAMPLES:
        raise UserError(
            f"the corpus has {len(recordings.levels)} samples, and training "
            f"with JAX takes {_MOST_SAMPLES} at most; export fewer recordings"
        )
    return {
        "levels": np.asarray(recordings.levels),
        "features": {
            key: np.asarray(value) for key, value in recordings.features.items()
        },
    } | {
        name: np.asarray(getattr(recordings, name), np.int32)
        for name in ("lengths", "frames", "first_sample", "first_frame")
    }


def places(clips, first: int, batches: int) -> np.ndarray:
    """Where the next clips are, in the order in which `clips` gives them.

    Args:
        clips: From `NumpyCorpus.training_clips` or `validation_clips`.
        first: The number of the first clip.
        batches: How many batches.

    Returns:
        int32 `(batches, batch size, 2)`: the recording, and the frame at which
        the part in the loss starts.
    """
    count = batches * clips.batch_size
    found = [clips.place(number) for number in range(first, first + count)]
    return np.array(found, np.int32).reshape(batches, clips.batch_size, 2)


def cut(arrays: dict, window: Window, place) -> tuple:
    """A batch as `NumpyCorpus` gives it, by the backend's operations.

    Args:
        arrays: From `arrays_of_recordings`.
        window: What a clip spans.
        place: int32 `(batch, 2)`; see `places`.

    Returns:
        Inputs, the audio once more, and the weight, `(batch, samples)`.
    """
    recording, start_frame = place[:, 0], place[:, 1]

    def of_each(name):
        return ops.take(arrays[name], recording)[:, None]

    first = ops.maximum(start_frame - window.context_frames, 0)[:, None]
    frames = first + ops.arange(window.frames, dtype="int32")
    rows = of_each("first_frame") + ops.minimum(frames, of_each("frames") - 1)
    inputs = {
        key: ops.take(values, rows if values.ndim > 1 else recording, axis=0)
        for key, values in arrays["features"].items()
    }
    position = first * window.hop_length
    position = position + ops.arange(window.samples, dtype="int32")
    length = of_each("lengths")
    inside = position < length
    sample = of_each("first_sample") + ops.minimum(position, length - 1)
    levels = ops.cast(ops.take(arrays["levels"], sample), "float32")
    audio = ops.where(inside, levels / 32_768.0, 0.0)
    start = start_frame[:, None] * window.hop_length
    end = start + window.clip_frames * window.hop_length
    in_loss = inside & (position >= start) & (position < end)
    return inputs | {"audio": audio}, audio, ops.cast(in_loss, "float32")
