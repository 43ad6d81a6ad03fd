"""What of a student's clips is measured, and how its scales are distributed.

Everything here is NumPy, in float64. A loss says little about the sound: a
student that whispers or hisses may have a small KL.
"""

import numpy as np

from pwavenet_tf.audio.signal import LOG_BIN_WIDTH


def weighted_segments(values, weight) -> list[np.ndarray]:
    """The contiguous segments of values with a positive weight, in order.

    Both are `(batch, time)`, the segments float64 `(time,)` each.
    """
    segments = []
    for row, valid in zip(
        np.asarray(values, np.float64), np.asarray(weight) > 0, strict=True
    ):
        edges = np.flatnonzero(np.diff(valid, prepend=False, append=False))
        segments += [
            row[start:end]
            for start, end in zip(edges[::2], edges[1::2], strict=True)
        ]
    return segments


def scale_measures(
    log_scale: list[np.ndarray],
    recorded: list[np.ndarray],
    noise_std: float,
    lowest: float = -np.inf,
) -> dict[str, float]:
    """How the student's ln s_tot are distributed.

    From segments as `weighted_segments` gives them, the noise's standard
    deviation and the lowest ln s_tot that the flows can make: `log_scale_1`,
    `log_scale_50` and `log_scale_99`, the percentiles; `at_floor`, the share of
    scales at most one 16-bit step wide (ln s of -10.4) or the lowest there are;
    `recorded_at_floor`, the share of recorded samples that are no louder than
    such a scale: as much may be at the floor with reason.
    """
    scales = np.concatenate(log_scale)
    floor = max(LOG_BIN_WIDTH, lowest)
    quiet = np.exp(floor) * noise_std
    found = {
        f"log_scale_{share}": np.percentile(scales, share)
        for share in (1, 50, 99)
    }
    found["at_floor"] = (scales <= floor).mean()
    found["recorded_at_floor"] = (
        np.abs(np.concatenate(recorded)) <= quiet
    ).mean()
    return {name: float(value) for name, value in found.items()}
