"""What speaks in a worker: a loaded model, and what it is to speak with."""

import contextlib
import dataclasses
import os
from pathlib import Path

from pwavenet_tf.beam import finished, import_tensorflow_in_worker
from pwavenet_tf.beam.utterances import Utterance, find_manifest
from pwavenet_tf.corpus.label_files import find_labels
from pwavenet_tf.corpus.layouts import Layout, find_layout
from pwavenet_tf.corpus.texts import read_spoken_texts
from pwavenet_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class Speech:
    """What is spoken, and how.

    Attributes:
        model: A `student.keras` or `teacher.keras`.
        place: Folder of recordings, `.npy` and `.npz` files, or a manifest.
        seed: The same seed gives the same sound.
        temperature: 1 samples from the model itself.
        speaker: Who is to speak; None if the model knows one voice only.
        speaker_pattern: Finds who speaks in a recording's path.
        labels: Folder of label files; `labels` in the folder, if None.
    """

    model: Path
    place: Path
    seed: int = 0
    temperature: float = 1.0
    speaker: str | None = None
    speaker_pattern: str | None = None
    labels: Path | None = None

    def absolute(self) -> "Speech":
        """The same from anywhere; links stay, for names depend on them."""
        changes = {
            name: Path(os.path.abspath(path))
            for name in ("model", "place", "labels")
            if (path := getattr(self, name))
        }
        return dataclasses.replace(self, **changes)


class Voice:
    """A model, ready to speak what it finds in files."""

    def __init__(self, speech: Speech, folder: Path) -> None:
        import_tensorflow_in_worker()
        from pwavenet_tf.models import load_model
        from pwavenet_tf.speaking import voice_of

        self._speech = speech
        self._model = load_model(speech.model)
        self._require_speaker()
        self._voice = voice_of(self._model)
        self._folder = folder
        self._describe = self._describer()
        # The layout does not tell those of recordings elsewhere.
        self._texts = read_spoken_texts(folder)

    def speak(self, utterance: Utterance) -> str | None:
        """Writes a sound file, and returns why it could not, if so."""
        from pwavenet_tf.speaking import read_features, speak_to_file

        try:
            features = read_features(
                utterance.path,
                self._voice,
                # By the whole name, for there may be folders in it.
                lambda _, audio: self._describe(utterance.name, audio),
                self._speech.speaker,
            )
            speak_to_file(
                self._voice,
                features,
                utterance.sound,
                self._speech.seed,
                self._speech.temperature,
            )
        except UserError as fault:
            return str(fault).removeprefix(f"{utterance.path}: ")
        return None

    def digest(self, utterance: Utterance) -> str:
        """Of the files and words that an utterance is made from."""
        name = utterance.name
        told: list[object] = [name, finished.stamp(utterance.path)]
        source = self._sources.get(name)
        inputs = self._model.conditioning.inputs
        if "speaker" in inputs:
            told.append(source and source.speaker)
        if "linguistic" in inputs:
            labels = self._speech.labels or self._folder / "labels"
            found = find_labels(labels, name)
            told += [found and found.name, finished.stamp(found)]
            told += [source and source.text, self._texts.get(Path(name).stem)]
        return finished.digest(*told)

    def _require_speaker(self) -> None:
        speaker, known = self._speech.speaker, self._model.conditioning.speakers
        if speaker is not None and speaker not in known:
            raise UserError(
                f"--speaker={speaker} is not known to this model; "
                + (
                    f"it speaks as {', '.join(known)}"
                    if known
                    else "it knows one voice only, leave out --speaker"
                )
            )

    def _describer(self):
        from pwavenet_tf.corpus.described import Describer
        from pwavenet_tf.speaking import inputs_to_describe

        speech = self._speech
        manifest = find_manifest(speech.place)
        inputs = inputs_to_describe(
            self._voice,
            find_speaker=not speech.speaker
            and bool(speech.speaker_pattern or manifest),
        )
        layout = _layout(manifest, self._folder, inputs)
        self._sources = {one.name: one for one in layout.sources}
        return Describer(
            self._model.audio,
            inputs,
            self._folder,
            speech.labels,
            speech.speaker_pattern,
            layout,
        )


def _layout(
    manifest: Path | None, folder: Path, inputs: tuple[str, ...]
) -> Layout:
    """What tells texts and speakers; empty where nothing asks or tells."""
    if manifest:
        return find_layout(manifest)
    if {"linguistic", "speaker"}.intersection(inputs):
        with contextlib.suppress(UserError):
            return find_layout(folder)
    return Layout("", folder, ())
