"""How a corpus is laid out: its recordings, speakers and transcripts.

Recognised are, in this order:

- a CSV manifest, named itself or `manifest.csv` in the folder
  (`pwavenet_tf.corpus.manifest`);
- NSynth (`pwavenet_tf.corpus.nsynth`): `examples.json` and `audio/`, or a
  TFRecord file, which is unpacked next to it; an instrument's family is the
  speaker;
- VCTK: `wav48*/p225/p225_001*.flac` and `txt/p225/p225_001.txt`;
- LibriTTS: `84/121123/84_121123_1_0.wav` with `….normalized.txt` next to it,
  perhaps in folders of subsets;
- LJ Speech: `metadata.csv` (`pwavenet_tf.corpus.transcripts`) and `wavs/`;
- a plain folder, where the outermost folder that a recording lies in is its
  speaker, and which may have a `metadata.csv` too.
"""

import dataclasses
from pathlib import Path

from pwavenet_tf.audio.files import find_audio
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus import nsynth
from pwavenet_tf.corpus.manifest import (
    FOLDER,
    compiled,
    is_manifest,
    read_manifest,
)
from pwavenet_tf.corpus.tables import read_text
from pwavenet_tf.corpus.transcripts import Transcripts

MANIFEST = "manifest.csv"
# Of the two microphones of VCTK 0.92 the first has rumble; of two speakers
# there is no other.
_MICROPHONES = ("_mic2", "_mic1")
_LIBRITTS_TEXT = ".normalized.txt"


@dataclasses.dataclass(frozen=True)
class Source:
    """A recording and what the layout gives for it."""

    path: Path
    # Its path within the corpus, with `/`.
    name: str
    speaker: str | None = None
    # The transcript, normalised.
    text: str | None = None
    # The MIDI number of the one note that it is.
    pitch: int | None = None
    # The manifest's line, of no account to what is computed from the recording.
    origin: str | None = dataclasses.field(
        default=None, compare=False, repr=False
    )


@dataclasses.dataclass(frozen=True)
class Layout:
    """A corpus as it was found."""

    # As `str` shows it, such as `VCTK`.
    kind: str
    # What names are relative to.
    folder: Path
    # Sorted by name.
    sources: tuple[Source, ...]
    # Transcripts without a recording: their files, or the lines of the table.
    unrecorded: tuple[str, ...] = ()
    # Audio files in the folder that are no recordings of the corpus: a second
    # microphone, or what a manifest does not name.
    passed_over: int = 0

    @property
    def speakers(self) -> tuple[str, ...]:
        """The speakers, sorted."""
        found = {one.speaker for one in self.sources}
        return tuple(sorted(found - {None}))

    @property
    def transcripts(self) -> int:
        """How many recordings have one."""
        return sum(one.text is not None for one in self.sources)

    def __str__(self) -> str:
        """One line for the screen."""
        parts = [f"{self.kind}: {_count(len(self.sources), 'recording')}"]
        if self.speakers:
            parts.append(_count(len(self.speakers), "speaker"))
        if self.transcripts or self.unrecorded:
            parts.append(f"{self.transcripts} with a transcript")
        if self.unrecorded:
            lost = _count(len(self.unrecorded), "transcript")
            parts.append(f"{lost} without a recording")
        if self.passed_over:
            others = _count(self.passed_over, "other audio file")
            parts.append(f"{others} passed over")
        return ", ".join(parts)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def find_layout(corpus: Path) -> Layout:
    """Finds out how a corpus is laid out.

    It is a folder, a CSV manifest, a TFRecord file of NSynth, or a single audio
    file.

    Raises:
        UserError: If there is no such place or no audio in it, if its manifest
            or a transcript cannot be read, or if no recording is there that a
            manifest or a table of texts names.
    """
    corpus = Path(corpus)
    if manifest := find_manifest(corpus):
        return _manifest(manifest, corpus)
    if corpus.is_file() and nsynth.RECORDS in corpus.suffixes:
        corpus = nsynth.unpacked(corpus)
    found = find_audio(corpus)
    folder = corpus if corpus.is_dir() else corpus.parent
    layout = (
        _nsynth(folder, found)
        or _vctk(folder, found)
        or _libritts(folder, found)
        or _by_table(folder, found, whole=corpus.is_dir())
    )
    if corpus.is_dir():
        return layout
    # With a single recording the others' transcripts are no mismatch.
    return dataclasses.replace(layout, unrecorded=())


def find_manifest(place: Path) -> Path | None:
    """The CSV manifest that a place is, or that is in it; None without one."""
    manifest = place if is_manifest(place) else place / MANIFEST
    return manifest if manifest.is_file() else None


def find_layout_or_none(folder: Path) -> Layout | None:
    """As `find_layout`; None for a folder without recordings or a manifest."""
    if find_manifest(folder) or _audio_or_none(folder):
        return find_layout(folder)
    return None


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _layout(kind: str, folder: Path, sources: list, *others) -> Layout:
    ordered = sorted(sources, key=lambda source: source.name)
    return Layout(kind, folder, tuple(ordered), *others)


def _manifest(manifest: Path, corpus: Path) -> Layout:
    folder = manifest.parent
    sources = [
        Source(
            folder / row.path,
            row.path,
            row.speaker,
            row.text,
            origin=f"{manifest.name}:{row.line}",
        )
        for row in read_manifest(manifest)
    ]
    if not any(source.path.is_file() for source in sources):
        raise UserError(
            f"{manifest.parent / str(sources[0].origin)}: there is no "
            f"{sources[0].name}, nor any other recording that the manifest "
            "names; paths are relative to its folder"
        )
    unnamed = 0
    if corpus.is_dir():
        named = {source.path.resolve() for source in sources}
        unnamed = sum(
            path.resolve() not in named for path in _audio_or_none(corpus)
        )
    unrecorded = tuple(
        f"{source.origin}: {source.name}"
        for source in sources
        if source.text is not None and not source.path.is_file()
    )
    return _layout("manifest", folder, sources, unrecorded, unnamed)


def _audio_or_none(folder: Path) -> list[Path]:
    try:
        return find_audio(folder)
    except UserError:
        return []


def _nsynth(folder: Path, found: list[Path]) -> Layout | None:
    has_audio = (folder / nsynth.AUDIO).is_dir()
    if not has_audio or not (folder / nsynth.EXAMPLES).is_file():
        return None
    notes = nsynth.read_notes(folder / nsynth.EXAMPLES)
    sources = [
        Source(
            path,
            _name(path, folder),
            note.instrument_family_str,
            None,
            note.pitch,
        )
        for path in found
        if path.parent == folder / nsynth.AUDIO
        and (note := notes.get(path.stem))
    ]
    return _layout("NSynth", folder, sources, (), len(found) - len(sources))


def _vctk(folder: Path, found: list[Path]) -> Layout | None:
    if not (folder / "txt").is_dir():
        return None
    utterances: dict[tuple[str, str], Path] = {}
    for path in found:
        parts = path.relative_to(folder).parts
        if len(parts) == 3 and parts[0].startswith("wav48"):
            utterance = (parts[1], _without_microphone(path.stem))
            utterances[utterance] = min(
                path, utterances.get(utterance, path), key=_microphone
            )
    if not utterances:
        return None
    texts = {
        (path.parent.name, path.stem): path
        for path in (folder / "txt").glob("*/*.txt")
    }
    sources = [
        Source(
            path,
            _name(path, folder),
            utterance[0],
            _read(texts.pop(utterance, None)),
        )
        for utterance, path in utterances.items()
    ]
    others = len(found) - len(utterances)
    return _layout(
        "VCTK", folder, sources, _names(texts.values(), folder), others
    )


def _microphone(path: Path) -> int:
    ends = [path.stem.endswith(microphone) for microphone in _MICROPHONES]
    return ends.index(True) if any(ends) else -1


def _without_microphone(stem: str) -> str:
    for microphone in _MICROPHONES:
        stem = stem.removesuffix(microphone)
    return stem


def _libritts(folder: Path, found: list[Path]) -> Layout | None:
    def text_of(path: Path) -> Path:
        return path.with_name(path.stem + _LIBRITTS_TEXT)

    if not any(text_of(path).is_file() for path in found):
        return None
    texts = set(folder.rglob("*" + _LIBRITTS_TEXT))
    sources = []
    for path in found:
        file = text_of(path)
        text = _read(file if file in texts else None)
        texts.discard(file)
        # By the whole path, for the folder of one speaker may be the corpus.
        speaker = path.resolve().parent.parent.name or None
        sources.append(Source(path, _name(path, folder), speaker, text))
    return _layout("LibriTTS", folder, sources, _names(texts, folder))


def _by_table(folder: Path, found: list[Path], whole: bool) -> Layout:
    texts = Transcripts(folder)
    is_lj = texts.table.is_file() and (folder / "wavs").is_dir()
    pattern = compiled(FOLDER)
    sources = []
    for path in found:
        name = _name(path, folder)
        outermost = None if is_lj else pattern.search(name)
        sources.append(
            Source(
                path, name, outermost and outermost[1], texts.normalised(name)
            )
        )
    names = [one.name for one in sources]
    unrecorded = texts.unrecorded(names) if whole else ()
    kind = "LJ Speech" if is_lj else "plain folder"
    return _layout(kind, folder, sources, unrecorded)


def _names(paths, folder: Path) -> tuple[str, ...]:
    return tuple(sorted(_name(path, folder) for path in paths))


def _read(path: Path | None) -> str | None:
    """A transcript on one line."""
    if path is None:
        return None
    return " ".join(read_text(path).split())
