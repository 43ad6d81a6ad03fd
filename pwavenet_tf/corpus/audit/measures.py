"""What is measured of a recording, in one pass and block by block."""

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pwavenet_tf.corpus.audio import (
    HIGHEST_RATE,
    LOWEST_RATE,
    is_truncated,
    openable,
    read_audio,
    to_levels,
)
from pwavenet_tf.corpus.audit.bandwidth import AverageSpectrum, bandwidth
from pwavenet_tf.corpus.audit.clipping import FlatTops
from pwavenet_tf.corpus.audit.noise_level import (
    FRAME_SECONDS,
    frame_powers,
    levels,
)
from pwavenet_tf.errors import UserError

_BLOCK_SECONDS = 10
_BITS = {
    "PCM_S8": 8,
    "PCM_U8": 8,
    "PCM_16": 16,
    "PCM_24": 24,
    "PCM_32": 32,
    "FLOAT": 32,
    "DOUBLE": 64,
    "ULAW": 8,
    "ALAW": 8,
}


@dataclasses.dataclass(frozen=True)
class Measures:
    """What was measured of one recording.

    Attributes:
        container: WAV, FLAC, MP3 or OGG.
        subtype: How samples are coded, as libsndfile names it.
        bits: Bits of a coded sample; None if coded with loss.
        sample_rate: Hz.
        channels: Their number.
        seconds: Duration.
        peak: Highest |x| of any channel; full scale is 1.
        clipped_share: Share of samples in flat tops, of the worst channel.
        offset: The mean of the samples (DC), of the worst channel; full scale
            is 1.
        silent: Whether no 16-bit level differs from another.
        silence_share: See `noise_level.Levels`.
        snr_db: Likewise.
        bandwidth_hz: See `bandwidth.bandwidth`.
        content: A digest of the sample rate and of the decoded samples, mixed
            to one channel.
    """

    container: str
    subtype: str
    bits: int | None
    sample_rate: int
    channels: int
    seconds: float
    peak: float
    clipped_share: float
    offset: float
    silent: bool
    silence_share: float
    snr_db: float | None
    bandwidth_hz: float
    content: str


def measure(path: Path) -> Measures:
    """Measures a recording; memory does not grow with its length.

    Args:
        path: A WAV, FLAC, MP3 or OGG file.

    Raises:
        UserError: As `read_audio` has it.
    """
    import soundfile

    path = Path(path)
    try:
        with soundfile.SoundFile(openable(path)) as file:
            if not LOWEST_RATE <= file.samplerate <= HIGHEST_RATE:
                raise _Broken
            meter = _Meter(file)
            for block in _blocks(file):
                meter.add(block)
            return meter.measures(path)
    # Whatever cannot be read whole has its reason told by the one reader of
    # audio that there is.
    except (_Broken, OSError, soundfile.SoundFileError, TypeError) as fault:
        read_audio(path)
        raise UserError(f"{path}: is damaged; copy it anew") from fault


class _Broken(Exception):
    """Something that `read_audio` refuses with a better reason."""


def _blocks(file) -> Iterator[np.ndarray]:
    samples = _BLOCK_SECONDS * file.samplerate
    while True:
        block = file.read(samples, dtype="float32", always_2d=True)
        if not len(block):
            return
        if not np.isfinite(block).all():
            raise _Broken
        yield block


class _Meter:
    """Takes the blocks of one file."""

    def __init__(self, file) -> None:
        self._file = file
        self._samples = 0
        self._peak = 0.0
        self._sums = np.zeros(file.channels)
        self._lowest, self._highest = np.inf, -np.inf
        self._tops = [FlatTops() for _ in range(file.channels)]
        self._spectrum = AverageSpectrum(file.samplerate)
        self._frame = max(round(FRAME_SECONDS * file.samplerate), 1)
        self._powers: list[np.ndarray] = []
        self._digest = hashlib.blake2b(
            f"{file.samplerate}:".encode(), digest_size=16
        )

    def add(self, block: np.ndarray) -> None:
        """Takes the next block, `(time, channels)`."""
        self._samples += len(block)
        self._peak = max(self._peak, float(np.abs(block).max()))
        self._sums += block.sum(axis=0, dtype=np.float64)
        for tops, channel in zip(self._tops, block.T, strict=True):
            tops.add(channel)
        mono = block.mean(axis=1)
        self._lowest = min(self._lowest, float(mono.min()))
        self._highest = max(self._highest, float(mono.max()))
        self._spectrum.add(mono)
        self._powers.append(frame_powers(mono, self._frame))
        # Positive zero, because a FLAC encoder knows no negative one.
        self._digest.update((mono + np.float32(0)).tobytes())

    def measures(self, path: Path) -> Measures:
        file, samples = self._file, self._samples
        if not samples or is_truncated(file, samples, path):
            raise _Broken
        powers = levels(np.concatenate(self._powers))
        extremes = np.array([self._lowest, self._highest])
        lowest, highest = to_levels(extremes)
        return Measures(
            container=file.format,
            subtype=file.subtype,
            bits=_BITS.get(file.subtype),
            sample_rate=file.samplerate,
            channels=file.channels,
            seconds=samples / file.samplerate,
            peak=self._peak,
            clipped_share=max(tops.samples for tops in self._tops) / samples,
            offset=float(max(self._sums / samples, key=abs)),
            silent=bool(lowest == highest),
            silence_share=powers.silence_share,
            snr_db=powers.snr_db,
            bandwidth_hz=bandwidth(*self._spectrum.decibels()),
            content=self._digest.hexdigest(),
        )
