"""A small corpus of speech that needs no download: espeak-ng reads to us."""

import ctypes
import shutil
import tempfile
from pathlib import Path

import numpy as np

from pwavenet_tf.corpus.audio import write_audio
from pwavenet_tf.errors import UserError
from pwavenet_tf.files import require_free, written_aside

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

VOICE = b"en-us"
WORDS_PER_MINUTE = 150
MARGIN_SECONDS = 0.05
# As a recording has it: level, and the noise of a quiet room.
SPEECH_DEVIATION = 0.07
NOISE_DEVIATION = 5e-4

# Names from espeak-ng's speak_lib.h.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_ESPEAK_RATE = 1
_POS_CHARACTER = 1
_ESPEAK_CHARS_UTF8 = 1

_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


def speak_corpus(out: Path, sample_rate: int = 16_000) -> None:
    """Writes a corpus of spoken English sentences, about two minutes.

    It holds `wavs/NAME.wav` (mono, 16 bit) and `metadata.csv` (`NAME|text`),
    the same on every call.

    Args:
        out: Folder to write; it appears only when it is complete.
        sample_rate: Hz.

    Raises:
        UserError: If espeakng-loader is not installed, or `out` already holds
            something or cannot be written.
    """
    import soxr
    from tqdm import tqdm

    require_free(Path(out))
    speaker = _Speaker()
    random = np.random.default_rng(0)
    lines = []
    with written_aside(Path(out)) as folder:
        (folder / "wavs").mkdir(parents=True)
        for number, text in enumerate(
            tqdm(SENTENCES, desc="speak", unit="sentence", disable=None),
            start=1,
        ):
            speech = _trimmed(speaker.speak(text), speaker.sample_rate)
            audio = soxr.resample(
                speech, speaker.sample_rate, sample_rate, quality="VHQ"
            )
            audio *= SPEECH_DEVIATION / audio.std()
            audio += random.normal(0, NOISE_DEVIATION, len(audio))
            name = f"spoken-{number:03d}"
            write_audio(folder / "wavs" / f"{name}.wav", audio, sample_rate)
            lines.append(f"{name}|{text}\n")
        (folder / "metadata.csv").write_text("".join(lines), "utf-8")


def _trimmed(speech: np.ndarray, sample_rate: int) -> np.ndarray:
    """Leaves a margin of `MARGIN_SECONDS` before and after the speech."""
    margin = round(MARGIN_SECONDS * sample_rate)
    loud = np.flatnonzero(np.abs(speech) > 0.01 * np.abs(speech).max())
    # Padded by the margin, so that it is there even without any silence.
    return np.pad(speech, margin)[loud[0] : loud[-1] + 1 + 2 * margin]


class _Speaker:
    """espeak-ng, through its C library."""

    def __init__(self) -> None:
        try:
            import espeakng_loader
        except ImportError as error:
            raise UserError(
                "the spoken corpus needs espeak-ng; "
                "`pip install pwavenet_tf[demo]` brings it, or name a folder "
                "of recordings"
            ) from error
        self._library = _own_copy(Path(espeakng_loader.get_library_path()))
        self.sample_rate = self._library.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS,
            0,
            str(espeakng_loader.get_data_path()).encode(),
            0,
        )
        self._chunks = []
        # Kept: the library calls it as long as it speaks.
        self._callback = _Callback(self._collect)
        self._library.espeak_SetSynthCallback(self._callback)
        if (
            self.sample_rate <= 0
            or self._library.espeak_SetVoiceByName(VOICE)
            or self._library.espeak_SetParameter(
                _ESPEAK_RATE, WORDS_PER_MINUTE, 0
            )
        ):
            raise UserError(
                "espeak-ng does not start; reinstall it with "
                "`pip install --force-reinstall espeakng-loader`"
            )

    def speak(self, text: str) -> np.ndarray:
        """Returns float64 `(time,)` in [-1, 1) at `sample_rate`."""
        self._chunks.clear()
        content = text.encode() + b"\0"
        failed = self._library.espeak_Synth(
            content,
            ctypes.c_size_t(len(content)),
            0,
            _POS_CHARACTER,
            0,
            _ESPEAK_CHARS_UTF8,
            None,
            None,
        )
        if failed or not self._chunks:
            raise RuntimeError(f"espeak-ng did not speak {text!r}")
        return np.concatenate(self._chunks) / 32768

    def _collect(self, samples, count: int, _events) -> int:
        if samples and count:
            chunk = np.ctypeslib.as_array(samples, (count,))
            self._chunks.append(chunk.copy())
        return 0


def _own_copy(library: Path) -> ctypes.CDLL:
    """Loads a library apart from any earlier loading of it.

    espeak-ng keeps its oscillators' state for as long as it is loaded, so a
    second reading would differ slightly from the first.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        return ctypes.CDLL(shutil.copy(library, folder))
