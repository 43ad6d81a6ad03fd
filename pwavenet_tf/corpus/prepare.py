"""Recordings to a prepared corpus: audit, features, shards and card."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np

from pwavenet_tf.config import AudioContract, Preset
from pwavenet_tf.corpus.audio import find_audio, read_audio, to_levels
from pwavenet_tf.corpus.card import CorpusCard, Recording, Refusal
from pwavenet_tf.corpus.features import LogMel
from pwavenet_tf.corpus.records import ShardWriter
from pwavenet_tf.errors import UserError
from pwavenet_tf.files import require_free, written_aside

SHORTEST_SECONDS = 0.25
LONGEST_SECONDS = 3600
# One recording in so many is held out.
VALIDATION_INTERVAL = 10
# A band that hardly varies (above the recordings' own bandwidth, say) must
# not have its noise blown up: 0.1 in natural log is 0.9 dB.
SMALLEST_DEVIATION = 0.1


def prepare(corpus: Path, out: Path, preset: Preset) -> CorpusCard:
    """Prepares a folder of recordings for training.

    Files that cannot be used are left out, with the reason in the card. One
    recording in ten, at least one, is held out for validation; which ones
    depends on the files' paths within `corpus` alone.

    Args:
        corpus: Folder of WAV, FLAC, MP3 and OGG files, searched recursively.
        out: Folder to write; it appears only when it is complete.
        preset: Its acoustic contract is followed.

    Returns:
        The card, which is in `out` as well.

    Raises:
        UserError: If `corpus` is missing or holds fewer than two usable
            recordings, or if `out` already holds something or cannot be
            written.
    """
    contract = dataclasses.replace(preset.audio, mel_mean=(), mel_deviation=())
    corpus, out = Path(corpus), Path(out)
    require_free(out)
    files = find_audio(corpus)
    base = corpus if corpus.is_dir() else corpus.parent
    names = {path.relative_to(base).as_posix(): path for path in files}
    with written_aside(out) as folder:
        folder.mkdir()
        card = _fill(folder, names, contract, preset.name, corpus)
        card.save(folder)
    return card


def _fill(
    folder: Path,
    names: dict[str, Path],
    contract: AudioContract,
    preset_name: str,
    corpus: Path,
) -> CorpusCard:
    """Writes the shards in one pass over the recordings."""
    from tqdm import tqdm

    training, validation, refused = [], [], []
    moments = _Moments(contract.mels)
    log_mel = LogMel(contract)
    with (
        ShardWriter(folder, "training") as training_shards,
        ShardWriter(folder, "validation") as validation_shards,
    ):
        for name in tqdm(
            sorted(names, key=_drawn_order),
            desc="prepare",
            unit="file",
            disable=None,
        ):
            try:
                levels = _usable_levels(names[name], contract.sample_rate)
            except UserError as fault:
                reason = str(fault).removeprefix(f"{names[name]}: ")
                refused.append(Refusal(name, reason))
                continue
            mel = log_mel(levels.astype(np.float32) / 32768)
            recording = Recording(name, len(levels))
            # In drawn order, so that every tenth is a random tenth.
            usable = len(training) + len(validation)
            if usable % VALIDATION_INTERVAL == 0:
                validation.append(recording)
                validation_shards.write(name, levels, mel)
            else:
                training.append(recording)
                training_shards.write(name, levels, mel)
                moments.add(mel)
        _require_enough(len(training) + len(validation), refused, corpus)
        return CorpusCard(
            preset=preset_name,
            contract=moments.written_into(contract),
            training=_sorted(training),
            validation=_sorted(validation),
            refused=_sorted(refused),
            training_shards=training_shards.finish(),
            validation_shards=validation_shards.finish(),
        )


def _sorted(entries: list) -> tuple:
    return tuple(sorted(entries, key=lambda entry: entry.file))


def _drawn_order(name: str) -> bytes:
    """A random order of the files that is the same on every machine."""
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()


def _usable_levels(path: Path, sample_rate: int) -> np.ndarray:
    levels = to_levels(read_audio(path, sample_rate))
    seconds = len(levels) / sample_rate
    if seconds < SHORTEST_SECONDS:
        raise UserError(
            f"{path}: is shorter than {SHORTEST_SECONDS} s ({seconds:.3f} s)"
        )
    if seconds > LONGEST_SECONDS:
        raise UserError(
            f"{path}: lasts {seconds / 3600:.1f} h; cut it into files of at "
            "most one hour"
        )
    if levels.min() == levels.max():
        raise UserError(f"{path}: is digitally silent")
    return levels


def _require_enough(usable: int, refused: list[Refusal], corpus: Path) -> None:
    if usable >= 2:
        return
    reasons = "; ".join(f"{one.file}: {one.reason}" for one in refused[:3])
    raise UserError(
        f"{corpus}: {usable} of {usable + len(refused)} recordings can be "
        "used and two are needed, one to train on and one to hold out"
        + (f"; refused were {reasons}" if reasons else "")
    )


class _Moments:
    """Running mean and deviation of each mel band."""

    def __init__(self, mels: int) -> None:
        self._frames = 0
        self._sum = np.zeros(mels)
        self._sum_of_squares = np.zeros(mels)

    def add(self, mel: np.ndarray) -> None:
        mel = mel.astype(np.float64)
        self._frames += len(mel)
        self._sum += mel.sum(axis=0)
        self._sum_of_squares += (mel**2).sum(axis=0)

    def written_into(self, contract: AudioContract) -> AudioContract:
        mean = self._sum / self._frames
        variance = np.maximum(self._sum_of_squares / self._frames - mean**2, 0)
        deviation = np.maximum(np.sqrt(variance), SMALLEST_DEVIATION)
        # Six digits are plenty and make the card readable.
        return dataclasses.replace(
            contract,
            mel_mean=tuple(mean.round(6).tolist()),
            mel_deviation=tuple(deviation.round(6).tolist()),
        )
