"""Uniform random numbers by their position, in NumPy, without TensorFlow.

Philox 4x32-10 (Salmon et al., 2011, "Parallel random numbers: as easy as 1, 2,
3"), as TensorFlow's stateless generators have it, bit by bit.
"""

import numpy as np

_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = 0x9E3779B9, 0xBB67AE85
_ROUNDS = 10
_NUMBERS_PER_COUNT = 4
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def uniforms_at(seed, rows: int, start: int, count: int) -> np.ndarray:
    """As `positional_uniforms`, the same bits: `(rows, count)` in [0, 1).

    The seed is a 64-bit integer for all rows, or one for each, `(rows,)`; the
    positions of every row are `start` and those that follow it.
    """
    seeds = np.asarray(seed, np.int64)
    indices = np.arange(rows) if seeds.ndim == 0 else np.zeros(rows, np.int64)
    first, skipped = divmod(int(start), _NUMBERS_PER_COUNT)
    counts = -(-(skipped + count) // _NUMBERS_PER_COUNT)
    position = np.arange(first, first + counts, dtype=np.uint64)
    words = philox(
        np.broadcast_to(seeds, rows)[:, None].view(np.uint64),
        position[None],
        indices[:, None].astype(np.uint64),
    )
    numbers = words.reshape(rows, -1)[:, skipped : skipped + count]
    # 23 bits of the mantissa of a number in [1, 2).
    one_to_two = (numbers & np.uint32(0x7FFFFF)) | np.uint32(0x3F800000)
    return one_to_two.view(np.float32) - np.float32(1.0)


def open_unit_interval(uniform):
    """Moves float32 uniforms from [0, 1) strictly inside (0, 1)."""
    return uniform * (1.0 - 2.0**-23) + 2.0**-24


def philox(key, low, high) -> np.ndarray:
    """Four words for every key and counter, uint32 `(rows, counts, 4)`.

    All are uint64: the key and the counter's upper half `(rows, 1)`, its lower
    half `(1, counts)`.
    """
    shape = np.broadcast_shapes(key.shape, low.shape, high.shape)
    words = [
        np.broadcast_to(one, shape)
        for half in (low, high)
        for one in (half & _LOW, half >> _HALF)
    ]
    keys = [key & _LOW, key >> _HALF]
    for _ in range(_ROUNDS):
        first, second = (
            multiplier * word
            for multiplier, word in zip(_MULTIPLIERS, words[::2], strict=True)
        )
        words = [
            (second >> _HALF) ^ words[1] ^ keys[0],
            second & _LOW,
            (first >> _HALF) ^ words[3] ^ keys[1],
            first & _LOW,
        ]
        keys = [
            (one + np.uint64(step)) & _LOW
            for one, step in zip(keys, _WEYL, strict=True)
        ]
    return np.stack(words, axis=-1).astype(np.uint32)
