"""The voice's noise without TensorFlow: Philox4x32-10 in NumPy.

After Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as
1, 2, 3" (2011).
"""

import numpy as np

_MULTIPLIERS = np.uint64([0xD2511F53, 0xCD9E8D57])
_KEY_STEPS = np.uint64([0x9E3779B9, 0xBB67AE85])
_ROUNDS = 10
_WORD = np.uint64(0xFFFFFFFF)
_BITS = np.uint64(32)


def philox(counters: np.ndarray, key: np.ndarray) -> np.ndarray:
    """The four random words of each counter.

    Args:
        counters: `(count, 4)`, 32-bit words.
        key: `(2,)`, 32-bit words.

    Returns:
        uint32 `(count, 4)`.
    """
    words = counters.astype(np.uint64).T
    key = key.astype(np.uint64)
    for _ in range(_ROUNDS):
        first = _MULTIPLIERS[0] * words[0]
        second = _MULTIPLIERS[1] * words[2]
        words = [
            (second >> _BITS) ^ words[1] ^ key[0],
            second & _WORD,
            (first >> _BITS) ^ words[3] ^ key[1],
            first & _WORD,
        ]
        key = (key + _KEY_STEPS) & _WORD
    return np.stack(words, axis=1).astype(np.uint32)


def uniforms(key: int, counter: tuple[int, int], count: int) -> np.ndarray:
    """Uniforms in [0, 1) as TensorFlow generates them from a counter.

    Args:
        key: 64 bits, as any integer.
        counter: Its lower and its upper 64 bits.
        count: How many.

    Returns:
        float32 `(count,)`: the lower 23 bits of each word as a fraction.
    """
    lower, upper = (number % 2**64 for number in counter)
    start = lower + (upper << 64)
    counters = np.array(
        [_words((start + block) % 2**128, 4) for block in range(-(-count // 4))]
    ).reshape(-1, 4)
    words = philox(counters, np.array(_words(key % 2**64, 2)))
    fraction = (words & np.uint32(0x7FFFFF)).astype(np.float32) / 2**23
    return fraction.reshape(-1)[:count]


def _words(number: int, count: int) -> list[int]:
    """A number's 32-bit words, the lowest first."""
    return [number >> 32 * place & 0xFFFFFFFF for place in range(count)]
