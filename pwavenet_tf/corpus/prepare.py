"""Recordings to a prepared corpus: audit, features, shards and card."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np

from pwavenet_tf.config import AudioContract
from pwavenet_tf.corpus.audio import find_audio, read_audio, to_levels
from pwavenet_tf.corpus.card import CorpusCard, Recording, Refusal
from pwavenet_tf.corpus.described import Describer, recorded_features
from pwavenet_tf.corpus.phones import learn_phones
from pwavenet_tf.corpus.records import ShardWriter
from pwavenet_tf.corpus.statistics import Statistics
from pwavenet_tf.errors import UserError
from pwavenet_tf.files import require_free, written_aside
from pwavenet_tf.training_config import Preset

SHORTEST_SECONDS = 0.25
LONGEST_SECONDS = 3600
# One recording in so many is held out.
VALIDATION_INTERVAL = 10


def prepare(
    corpus: Path,
    out: Path,
    preset: Preset,
    inputs: tuple[str, ...] = ("mel",),
    labels: Path | None = None,
    speaker_pattern: str | None = None,
) -> CorpusCard:
    """Prepares a folder of recordings for training.

    Files that cannot be used are left out, with the reason in the card. One
    recording in ten, at least one, is held out for validation; which ones
    depends on the files' paths within `corpus` alone. With speakers, nobody
    is held out of whom nothing is trained on.

    Args:
        corpus: Folder of WAV, FLAC, MP3 and OGG files, searched recursively.
        out: Folder to write; it appears only when it is complete.
        preset: Its acoustic contract is followed.
        inputs: What models are to be told, as in `Conditioning.inputs`. The
            mel spectrogram is always there.
        labels: Folder of label files for `linguistic`; `corpus/labels`, if
            there is one, when left out. Recordings without a label file are
            aligned with their texts in `corpus/metadata.csv`.
        speaker_pattern: For `speaker`; see `pwavenet_tf.corpus.speakers`.

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
    describe = Describer(contract, inputs, base, labels, speaker_pattern)
    with written_aside(out) as folder:
        folder.mkdir()
        card = _fill(folder, names, contract, preset.name, corpus, describe)
        card.save(folder)
    return card


def _fill(
    folder: Path,
    names: dict[str, Path],
    contract: AudioContract,
    preset_name: str,
    corpus: Path,
    describe: Describer,
) -> CorpusCard:
    """Writes the shards in one pass over the recordings."""
    from tqdm import tqdm

    training, validation, refused = [], [], []
    statistics = Statistics(contract.mels)
    ids: dict[str, int] = {}
    speakers: dict[str, int] = {}
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
                found = describe(name, levels.astype(np.float32) / 32768)
            except UserError as fault:
                reason = str(fault).removeprefix(f"{names[name]}: ")
                reason = reason.removeprefix(f"{name}: ")
                refused.append(Refusal(name, reason))
                continue
            if found.phones is not None:
                learn_phones(ids, found.phones)
            features = recorded_features(found, ids, contract)
            if found.speaker is not None:
                number = speakers.setdefault(found.speaker, len(speakers))
                features["speaker"] = np.int32(number)
            recording = Recording(name, len(levels), found.speaker)
            if _is_held_out(recording, training, validation):
                validation.append(recording)
                validation_shards.write(name, levels, features)
            else:
                training.append(recording)
                training_shards.write(name, levels, features)
                statistics.add(features)
        _require_enough(training, validation, refused, corpus)
        return CorpusCard(
            preset=preset_name,
            contract=statistics.written_into(contract),
            training=_sorted(training),
            validation=_sorted(validation),
            refused=_sorted(refused),
            training_shards=training_shards.finish(),
            validation_shards=validation_shards.finish(),
            phones=tuple(ids),
            speakers=tuple(speakers),
            mean_pitch_hz=statistics.mean_pitch_hz,
        )


def _is_held_out(
    recording: Recording,
    training: list[Recording],
    validation: list[Recording],
) -> bool:
    """In drawn order every tenth, which makes it a random tenth."""
    usable = len(training) + len(validation)
    if usable < len(validation) * VALIDATION_INTERVAL:
        return False
    return recording.speaker is None or any(
        other.speaker == recording.speaker for other in training
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


def _require_enough(
    training: list[Recording],
    validation: list[Recording],
    refused: list[Refusal],
    corpus: Path,
) -> None:
    if training and validation:
        return
    usable = len(training) + len(validation)
    if usable >= 2:
        raise UserError(
            f"{corpus}: no speaker has two recordings, one to train on and "
            "one to hold out; is the speaker pattern right?"
        )
    reasons = "; ".join(f"{one.file}: {one.reason}" for one in refused[:3])
    raise UserError(
        f"{corpus}: {usable} of {usable + len(refused)} recordings can be "
        "used and two are needed, one to train on and one to hold out"
        + (f"; refused were {reasons}" if reasons else "")
    )
