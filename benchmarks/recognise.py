"""Word error rates by pocketsphinx with its own American English model.

    python benchmarks/recognise.py OUT

OUT is what benchmarks/text_to_speech.py has written.
"""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pocketsphinx
import soundfile


def words(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return re.findall(r"[a-z']+", text.lower())


def errors(said: list[str], found: list[str]) -> int:
    """The edit distance."""
    row = np.arange(len(found) + 1)
    for number, word in enumerate(said, start=1):
        before, row = row, np.zeros_like(row)
        row[0] = number
        for place, other in enumerate(found, start=1):
            row[place] = min(
                before[place - 1] + (word != other),
                before[place] + 1,
                row[place - 1] + 1,
            )
    return int(row[-1])


def main(out: str) -> None:
    """Prints the word error rate of each kind of speech."""
    texts = json.loads((Path(out) / "texts.json").read_text())
    for folder in sorted(path for path in Path(out).iterdir() if path.is_dir()):
        wrong = total = 0
        decoder = pocketsphinx.Decoder(samprate=16_000, loglevel="FATAL")
        for stem, text in texts.items():
            audio, rate = soundfile.read(folder / f"{stem}.wav", dtype="int16")
            assert rate == 16_000
            decoder.start_utt()
            decoder.process_raw(audio.tobytes(), full_utt=True)
            decoder.end_utt()
            hypothesis = decoder.hyp()
            found = words(hypothesis.hypstr) if hypothesis else []
            wrong += errors(words(text), found)
            total += len(words(text))
        print(f"{folder.name}: {wrong / total:.1%} of {total} words")


if __name__ == "__main__":
    main(*sys.argv[1:])
