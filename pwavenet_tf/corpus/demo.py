"""A small corpus of speech that needs no download: espeak-ng reads to us."""

from pathlib import Path

import numpy as np

from pwavenet_tf.audio.files import write_audio
from pwavenet_tf.core.files import atomic_write, require_free
from pwavenet_tf.core.progress import Bar
from pwavenet_tf.corpus.phones.espeak import Espeak, Speech
from pwavenet_tf.corpus.phones.labels import write_labels
from pwavenet_tf.corpus.phones.phones import cut

SENTENCES = (
    "The tide turned at dawn, and the boats came home with silver fish.",
    "Knead the dough gently until it feels smooth and springs back.",
    "A cold fog crept up the valley and hid the church tower.",
    "Hang the saw above the bench so the teeth stay sharp.",
    "Seven gulls quarrelled over a crust on the harbour wall.",
    "Good bread asks for flour, water, salt, and a patient baker.",
    "Thunder rolled twice, then rain began to drum on the roof.",
    "She measured the oak board, marked it, and measured it again.",
    "Few ships pass the northern cape once the ice begins to form.",
    "The oven door creaked open, and warm air filled the kitchen.",
    "Yesterday the wind blew from the west; today there is none.",
    "Oil the hinge a little, or it will squeak throughout the night.",
    "Our lighthouse keeper paints a blue stripe around each window.",
    "Why does toast always land with the butter facing the floor?",
    "Frost drew strange white ferns across the glass of the greenhouse.",
    "He chose a chisel, a mallet, and a short piece of birch.",
    "Waves push pebbles up the beach and pull them down once more.",
    "My grandfather shaped round loaves and scored each with a cross.",
    "The barometer is falling, so we should fetch the sheep before noon.",
    "A loose screw made the whole machine shake and rattle.",
    "Just beyond the reef, a young whale breathed out and vanished.",
    "Rye makes a dark, sour loaf that keeps for over a week.",
    "Hazy sunshine this morning, with a chance of showers by four.",
    "Put both gloves on before you touch the edge of that blade.",
    "The ferry was late because thick weed had jammed her rudder.",
    "Could you pass me the jar of honey and that wooden spoon?",
    "Huge clouds piled up like wool behind the purple hills.",
    "An old plane, kept clean and dry, will outlive its owner.",
    "Nobody knew how deep the channel was, or where it led.",
    "The smell of yeast and caraway drifted out into the street.",
    "Snow is quiet; it swallows the noise of carts and voices.",
    "Tighten the vice, check the angle, and file away from yourself.",
    "They mended nets by the pier and joked about the weather.",
    "Eight thin pancakes vanished while the ninth was still in the pan.",
    "After the storm a rainbow stood above the village for an hour.",
    "Draw a straight line from this corner to the brass hook.",
)

MARGIN_SECONDS = 0.05
# As in a recording: the level, and the noise of a quiet room.
SPEECH_STD = 0.07
NOISE_STD = 5e-4


def synthesize_corpus(out: Path, sample_rate: int = 16_000) -> None:
    """Writes a corpus of synthesized English sentences, about two minutes.

    It holds `wavs/NAME.wav` (mono, 16 bit), `labels/NAME.csv` (the phones, as
    `read_labels` reads them) and `metadata.csv` (`NAME|text`), the same on
    every call, at a rate in Hz.

    Raises:
        UserError: If espeakng-loader is not installed, or `out` already holds
            something or cannot be written.
    """
    import soxr

    require_free(Path(out))
    espeak = Espeak()
    random = np.random.default_rng(0)
    lines = []
    with atomic_write(Path(out)) as folder:
        (folder / "wavs").mkdir(parents=True)
        for number, text in enumerate(
            Bar(SENTENCES, desc="eSpeak NG", unit="sentence"), start=1
        ):
            speech = _trimmed(espeak.synthesize(text))
            audio = soxr.resample(
                speech.audio, speech.sample_rate, sample_rate, quality="VHQ"
            )
            audio *= SPEECH_STD / audio.std()
            audio += random.normal(0, NOISE_STD, len(audio))
            name = f"spoken-{number:03d}"
            write_audio(folder / "wavs" / f"{name}.wav", audio, sample_rate)
            write_labels(folder / "labels" / f"{name}.csv", speech.phones)
            lines.append(f"{name}|{text}\n")
        (folder / "metadata.csv").write_text("".join(lines), "utf-8")


def _trimmed(speech: Speech) -> Speech:
    """Leaves a margin of `MARGIN_SECONDS` before and after the speech."""
    margin = round(MARGIN_SECONDS * speech.sample_rate)
    audio, rate = speech.audio, speech.sample_rate
    loud = np.flatnonzero(np.abs(audio) > 0.01 * np.abs(audio).max())
    start, end = loud[0] - margin, loud[-1] + 1 + margin
    # Padded by the margin, so that it is there even without any silence.
    audio = np.pad(audio, margin)[start + margin : end + margin]
    return Speech(audio, rate, cut(speech.phones, start / rate, end / rate))
