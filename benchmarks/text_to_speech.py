"""Word error rates and distances of text to speech on held-out sentences.

    python benchmarks/text_to_speech.py DATA RECORDINGS VOICE OUT [COUNT]

DATA is a prepared corpus with mel, linguistic and pitch; RECORDINGS its folder
of recordings, in the layout of LJ Speech; VOICE a folder with student.keras
and acoustic.keras. With VOICE/teacher.keras the teacher speaks too, and with
VOICE/phones.keras, of train-phones, the share of frames is printed in which it
recognises the phone. Writes OUT/KIND/NAME.wav for each kind of speech,
OUT/texts.json, and prints the distances of the mel spectrograms; then

    python benchmarks/recognise.py OUT

in an environment with pocketsphinx prints the word error rates.
"""

import csv
import json
import sys
from pathlib import Path

import librosa
import numpy as np

from pwavenet_tf import Corpus, LogMel, load_voice
from pwavenet_tf.audio.files import write_audio
from pwavenet_tf.audio.metrics import griffin_lim
from pwavenet_tf.core.config import INPUT_ARRAYS
from pwavenet_tf.models.loading import load_phone_classifier, load_teacher
from pwavenet_tf.synthesis.teacher import CachedSampler

_DECIBELS = 20 / np.log(10)


def main(data: str, recordings: str, voice: str, out: str, count="40") -> None:
    """Writes all kinds of speech and prints their distances."""
    corpus, out, voice = Corpus(Path(data)), Path(out), Path(voice)
    speech = Speech(voice)
    with open(Path(recordings) / "metadata.csv", encoding="utf-8") as file:
        rows = csv.reader(file, delimiter="|", quoting=csv.QUOTE_NONE)
        texts = {name: text for name, text, *_ in rows}
    chosen, found = {}, {}
    for name, audio, features in corpus.utterances("validation"):
        stem = Path(name).stem
        if stem.endswith("_1") and len(chosen) < int(count):
            chosen[stem] = texts[stem], audio, features
    for stem, (text, audio, features) in chosen.items():
        made, durations, ids = speech.features(text)
        sounds = {"recording": audio}
        labels = features["phones"][:, 1]
        phones = dict.fromkeys(("recording", "copy"), labels)
        phones["say"] = np.repeat(ids, durations)
        for kind, conditioning in (("copy", features), ("say", made)):
            for vocoder, sound in speech.sounds(conditioning).items():
                sounds[f"{kind}_{vocoder}"] = sound
        for kind, sound in sounds.items():
            (out / kind).mkdir(parents=True, exist_ok=True)
            write_audio(
                out / kind / f"{stem}.wav", sound, corpus.contract.sample_rate
            )
            if kind != "recording":
                value = distance(sound, audio, corpus.contract)
                found.setdefault(f"distance of {kind}", []).append(value)
            if speech.classifier:
                right = speech.recognised(sound, phones[kind.split("_")[0]])
                found.setdefault(f"phones of {kind}", []).extend(right)
        lengths = len(made["mel"]) / len(features["mel"])
        found.setdefault("length", []).append(lengths)
    (out / "texts.json").write_text(
        json.dumps({stem: one[0] for stem, one in chosen.items()}, indent=1)
    )
    for kind, values in found.items():
        print(f"{kind}: {np.mean(values):.3f} (sd {np.std(values):.3f})")


class Speech:
    """A voice with all vocoders: its own, and Griffin-Lim."""

    def __init__(self, voice: Path) -> None:
        self.student = load_voice(voice / "student.keras")
        self.teacher, self.classifier = (
            load(voice / name) if (voice / name).exists() else None
            for name, load in (
                (
                    "teacher.keras",
                    lambda path: CachedSampler(load_teacher(path)),
                ),
                ("phones.keras", load_phone_classifier),
            )
        )

    def features(self, text: str) -> tuple[dict, np.ndarray, np.ndarray]:
        """The vocoder's features of a text, its phones' frames, the phones."""
        speaker = self.student.speaker
        (ids,) = list(speaker.reader.ids(text))[:1]
        durations = speaker.acoustic_model.generate(ids[None])["durations"]
        return speaker.features(ids), np.asarray(durations)[0], ids

    def sounds(self, features: dict) -> dict[str, np.ndarray]:
        """Of one utterance, by each vocoder."""
        read = {
            array: features[array]
            for name in self.student.conditioning.inputs
            for array in INPUT_ARRAYS[name]
        }
        contract = self.student.contract
        sounds = {
            "student": self.student(read),
            "griffin_lim": griffin_lim(features["mel"], contract),
        }
        if self.teacher:
            sounds["teacher"] = self.teacher(read)
        return sounds

    def recognised(self, sound: np.ndarray, phones: np.ndarray) -> list[bool]:
        """Of each frame whose phone is known, if the classifier finds it."""
        samples = len(phones) * self.student.contract.hop_length
        padded = np.zeros((1, samples), np.float32)
        padded[0, : len(sound)] = sound[:samples]
        found = np.asarray(self.classifier({"audio": padded}))[0].argmax(-1)
        return (found == phones)[phones > 0].tolist()


def distance(one: np.ndarray, other: np.ndarray, contract) -> float:
    """Mean absolute distance of aligned mel spectrograms, dB."""
    log_mel = LogMel(contract)
    one, other = log_mel(one).T, log_mel(other).T
    _, path = librosa.sequence.dtw(one, other, metric="cityblock")
    difference = np.abs(one[:, path[:, 0]] - other[:, path[:, 1]])
    scale = np.array(contract.mel_deviation)[:, None]
    return float(_DECIBELS * (difference * scale).mean())


if __name__ == "__main__":
    main(*sys.argv[1:])
