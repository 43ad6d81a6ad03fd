"""Recordings to a prepared corpus: audit, features, shards and card."""

import dataclasses
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from pwavenet_tf.audio.decoding import decoded
from pwavenet_tf.audio.files import to_pcm16
from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.files import atomic_write, require_free
from pwavenet_tf.core.progress import Bar
from pwavenet_tf.core.training_config import Preset
from pwavenet_tf.corpus.audit import CorpusAudit, audit, reason, shuffled
from pwavenet_tf.corpus.audit.verdict import Limits, by_reason
from pwavenet_tf.corpus.card import CorpusCard, Recording, Refusal, Split
from pwavenet_tf.corpus.describe import (
    Description,
    FeatureExtractor,
    recorded_features,
)
from pwavenet_tf.corpus.layouts import Layout, Source, find_layout
from pwavenet_tf.corpus.phones.phones import LANGUAGE, learn_phones, phone_ids
from pwavenet_tf.corpus.records import ShardWriter
from pwavenet_tf.corpus.statistics import GivenStatistics, Statistics

# One recording in so many is held out.
VALIDATION_INTERVAL = 10

# The PCM int16 `(time,)` and the features, or why there is neither.
Extracted = tuple[np.ndarray, Description] | UserError
_Shards = dict[Split, ShardWriter]


def prepare(
    corpus: Path | CorpusAudit,
    out: Path,
    preset: Preset,
    inputs: tuple[str, ...] = ("mel",),
    labels: Path | None = None,
    speaker_pattern: str | None = None,
    validation_pattern: str | None = None,
    statistics: GivenStatistics | None = None,
    language: str = LANGUAGE,
) -> CorpusCard:
    """Prepares a corpus of recordings for training.

    Recordings that the audit sends to quarantine are left out, with the reasons
    in the card. One recording in ten, at least one, is held out for validation;
    which ones depends on the files' paths within `corpus` alone. With speakers,
    no recording is held out of a speaker without training recordings.
    `validation_pattern` holds out what it names instead.

    Args:
        corpus: Folder of recordings, searched recursively, or a CSV manifest;
            or what `audit` found out about it.
        out: Folder to write; it appears only when it is complete.
        preset: Its acoustic contract is followed.
        inputs: Conditioning inputs, as in `Conditioning.inputs`. The mel
            spectrogram is always there.
        labels: Folder of label files for `linguistic`; `corpus/labels`, if
            there is one, when left out. Recordings without a label file are
            aligned with their transcripts.
        speaker_pattern: For `speaker`; see `pwavenet_tf.corpus.manifest`.
        validation_pattern: A regular expression; recordings in whose path
            within `corpus` it is found are held out, and no others.
        statistics: Of a trained model that is to learn from the corpus, in
            place of the corpus's own; see `models.statistics_of`. Recordings
            with phones or speakers that it does not know are left out.
        language: The voice of espeak-ng that reads the transcripts.

    Returns:
        The card, which is in `out` as well.

    Raises:
        UserError: If `corpus` is missing or holds fewer than two usable
            recordings, if a pattern is wrong, if `out` already holds something
            or cannot be written, or if preset and statistics have different
            contracts.
    """
    held_out = Validation(validation_pattern)
    contract = without_statistics(preset)
    if statistics is not None:
        statistics.require_contract(contract)
    out = Path(out)
    require_free(out)
    if isinstance(corpus, CorpusAudit):
        layout = corpus.layout
    else:
        layout = find_layout(corpus)
    # Before the audit, which takes long: labels and speakers may be invalid.
    extractor = FeatureExtractor(
        contract,
        inputs,
        layout.folder,
        labels=labels,
        speaker_pattern=speaker_pattern,
        layout=layout,
        language=language,
    )
    rate = contract.sample_rate
    if not isinstance(corpus, CorpusAudit):
        corpus = audit(layout, Limits(), rate, "linguistic" in inputs)
    usable = accepted(corpus, held_out)
    found = extract_features(usable, extractor, rate)
    return assemble(out, corpus, preset, found, held_out, statistics, language)


class Validation:
    """Decides which recordings are held out for validation.

    Those in whose path a regular expression is found, or without one every
    tenth in shuffled order, which makes it a random tenth; and with speakers
    none of a speaker without training recordings.

    Raises:
        UserError: If the pattern is not a regular expression.
    """

    def __init__(self, pattern: str | None = None) -> None:
        self.pattern = pattern
        try:
            self._matcher = pattern and re.compile(pattern)
        except re.error as problem:
            raise UserError(
                f"validation pattern {pattern!r}: {problem}; give a regular "
                "expression"
            ) from problem

    def holds_out(
        self,
        recording: Recording,
        training: list[Recording],
        validation: list[Recording],
    ) -> bool:
        """Whether it is held out, given the earlier decisions."""
        if self._matcher:
            return bool(self._matcher.search(recording.file))
        usable = len(training) + len(validation)
        if usable < len(validation) * VALIDATION_INTERVAL:
            return False
        return recording.speaker is None or any(
            other.speaker == recording.speaker for other in training
        )

    def require_division(self, files: list[str], folder: Path) -> None:
        """Requires that the pattern finds some of the recordings, not all.

        Called before features are extracted too, which takes long.
        """
        if not self._matcher or len(files) < 2:
            return
        found = sum(bool(self._matcher.search(file)) for file in files)
        if not 0 < found < len(files):
            raise UserError(
                f"{folder}: the validation pattern {self.pattern!r} is found "
                f"in {found} of {len(files)} recordings' paths; it must leave "
                "one at least to train on and one to hold out"
            )


def without_statistics(preset: Preset) -> AudioContract:
    """A preset's contract, in which no corpus has left its statistics."""
    return dataclasses.replace(preset.audio, mel_mean=(), mel_deviation=())


def accepted(audited: CorpusAudit, held_out: Validation) -> list[Source]:
    """The recordings that the audit accepts, shuffled.

    Raises:
        UserError: If the validation pattern does not divide them.
    """
    usable = shuffled(one.source for one in audited.accepted)
    names = [one.name for one in usable]
    held_out.require_division(names, audited.layout.folder)
    return usable


def extract_features(
    sources: list[Source], extractor: FeatureExtractor, sample_rate: int
) -> Iterator[tuple[Source, Extracted]]:
    """Decodes recordings, brings them to a rate in Hz and extracts features.

    Each recording by itself, in the order given, with its features or its
    fault.
    """
    audios = decoded((one.path for one in sources), sample_rate)
    for source, (_, audio) in zip(sources, audios, strict=True):
        try:
            if isinstance(audio, UserError):
                raise audio
            pcm = to_pcm16(audio)
            description = extractor(source.name, pcm.astype(np.float32) / 32768)
        except UserError as fault:
            yield source, fault
        else:
            yield source, (pcm, description)


def assemble(
    out: Path,
    audited: CorpusAudit,
    preset: Preset,
    found: Iterable[tuple[Source, Extracted]],
    held_out: Validation,
    statistics: GivenStatistics | None = None,
    language: str = LANGUAGE,
) -> CorpusCard:
    """Writes the corpus in one pass; all that depends on an order is here.

    `found` is what `extract_features` yields of the `accepted` recordings;
    the others are listed in the card, which is in `out` as well.

    Raises:
        UserError: If fewer than two recordings are usable, or if `out` cannot
            be written.
    """
    # Without an origin the corpus's own statistics are taken.
    given = statistics or GivenStatistics("", without_statistics(preset))
    total = len(audited.accepted)
    refused = [
        Refusal(one.source.name, "; ".join(one.reasons))
        for one in audited.quarantined
    ]
    with (
        atomic_write(out) as folder,
        ShardWriter(folder, "training") as training,
        ShardWriter(folder, "validation") as validation,
    ):
        folder.mkdir()
        print(
            f"Preparing {total:,} recordings, about 10 s for an hour of speech "
            "on two cores, far longer with phones or pitch",
            flush=True,
        )
        shards: _Shards = {"training": training, "validation": validation}
        filled = _Filled(given, held_out, shards)
        for source, one in Bar(found, desc="prepare", total=total, unit="file"):
            try:
                if isinstance(one, UserError):
                    raise one
                pcm, description = one
                symbols = (phone.symbol for phone in description.phones or ())
                given.require_known(symbols, description.speaker)
            except UserError as fault:
                refused.append(Refusal(source.name, reason(source, fault)))
            else:
                filled.add(source.name, pcm, description)
        filled.require_enough(refused, audited.layout)
        card = filled.card(preset.name, refused, language)
        card.save(folder)
    return card


class _Filled:
    """What the shards hold so far."""

    def __init__(
        self, given: GivenStatistics, held_out: Validation, shards: _Shards
    ) -> None:
        self._training: list[Recording] = []
        self._validation: list[Recording] = []
        self._given, self._held_out, self._shards = given, held_out, shards
        self._statistics = Statistics(given.contract.mels)
        self._held = set[str]()
        self._ids = phone_ids(given.phones)
        self._speakers = {
            one: number for number, one in enumerate(given.speakers)
        }

    def add(self, name: str, pcm: np.ndarray, description: Description) -> None:
        """Writes a recording to the shards that it belongs to."""
        contract = self._given.contract
        if description.phones is not None:
            learn_phones(self._ids, description.phones)
        features = recorded_features(description, self._ids, contract)
        if (speaker := description.speaker) is not None:
            number = self._speakers.setdefault(speaker, len(self._speakers))
            features["speaker"] = np.array(number, np.int32)
        self._held |= set(features)
        recording = Recording(name, len(pcm), speaker)
        divided = self._training, self._validation
        if self._held_out.holds_out(recording, *divided):
            self._validation.append(recording)
            self._shards["validation"].write(name, pcm, features)
        else:
            self._training.append(recording)
            self._shards["training"].write(name, pcm, features)
            self._statistics.add(features)

    def card(
        self, preset_name: str, refused: list[Refusal], language: str
    ) -> CorpusCard:
        """Finishes the shards, and says what they hold."""
        given, statistics = self._given, self._statistics
        return CorpusCard(
            preset=preset_name,
            contract=given.contract
            if given.origin
            else statistics.written_into(given.contract),
            training=_sorted(self._training),
            validation=_sorted(self._validation),
            refused=_sorted(refused),
            training_shards=self._shards["training"].finish(),
            validation_shards=self._shards["validation"].finish(),
            phones=tuple(self._ids) if "phones" in self._held else (),
            speakers=tuple(self._speakers) if "speaker" in self._held else (),
            mean_pitch_hz=(given.mean_pitch_hz or statistics.mean_pitch_hz)
            if "pitch" in self._held
            else None,
            language=language,
        )

    def require_enough(self, refused: list[Refusal], layout: Layout) -> None:
        """Refuses a corpus without a recording on either side."""
        if self._training and self._validation:
            return
        files = [one.file for one in self._training + self._validation]
        self._held_out.require_division(files, layout.folder)
        usable = len(files)
        if usable >= 2:
            raise UserError(
                f"{layout.folder}: no speaker has two recordings, one to train "
                "on and one to hold out; is the speaker pattern right?"
            )
        groups = by_reason((one.file, one.reason) for one in refused)
        reasons = "; ".join(groups[:3])
        raise UserError(
            f"{layout.folder}: {usable} of {usable + len(refused)} recordings "
            "can be used and two are needed, one to train on and one to hold "
            "out" + (f"; refused were {reasons}" if reasons else "")
        )


def _sorted(entries: list) -> tuple:
    return tuple(sorted(entries, key=lambda entry: entry.file))
