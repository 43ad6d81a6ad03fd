"""Word error rates and distances of text to speech on held-out sentences.

    python benchmarks/text_to_speech.py DATA RECORDINGS VOICE OUT [COUNT]

DATA is a prepared corpus with mel, linguistic and pitch; RECORDINGS its folder
of recordings, in the layout of LJ Speech; VOICE a folder with student.keras
and acoustic.keras. Writes OUT/KIND/NAME.wav for each kind of speech,
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

_DECIBELS = 20 / np.log(10)


def main(data: str, recordings: str, voice: str, out: str, count="40") -> None:
    """Writes all kinds of speech and prints their distances."""
    corpus, out = Corpus(Path(data)), Path(out)
    synthesizer = load_voice(Path(voice) / "student.keras")
    speaker = synthesizer.speaker
    contract = corpus.contract
    with open(Path(recordings) / "metadata.csv", encoding="utf-8") as file:
        rows = csv.reader(file, delimiter="|", quoting=csv.QUOTE_NONE)
        texts = {name: text for name, text, *_ in rows}
    chosen, distances = {}, {}
    for name, audio, features in corpus.utterances("validation"):
        stem = Path(name).stem
        if stem.endswith("_1") and len(chosen) < int(count):
            chosen[stem] = texts[stem], audio, features
    for stem, (text, audio, features) in chosen.items():
        (ids,) = list(speaker.reader.ids(text))[:1]
        made = speaker.features(ids)
        read = {name: features[name] for name in made}
        sounds = {
            "recording": audio,
            "copy": synthesizer(read),
            "copy_griffin_lim": griffin_lim(features["mel"], contract),
            "say": synthesizer(made),
            "say_griffin_lim": griffin_lim(made["mel"], contract),
        }
        for kind, sound in sounds.items():
            (out / kind).mkdir(parents=True, exist_ok=True)
            write_audio(out / kind / f"{stem}.wav", sound, contract.sample_rate)
        for kind in ("copy", "say", "say_griffin_lim"):
            found = distance(sounds[kind], audio, contract)
            distances.setdefault(kind, []).append(found)
        lengths = len(made["mel"]) / len(features["mel"])
        distances.setdefault("length", []).append(lengths)
    (out / "texts.json").write_text(
        json.dumps({stem: one[0] for stem, one in chosen.items()}, indent=1)
    )
    for kind, found in distances.items():
        print(f"{kind}: {np.mean(found):.3f} (sd {np.std(found):.3f})")


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
