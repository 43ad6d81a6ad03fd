"""espeak-ng: synthesizes any text, with the time of each phone."""

import ctypes
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.phones.phones import LANGUAGE, SILENCE, Phone, filled

# Mean magnitude below which an event without a symbol is a pause: espeak-ng's
# own pauses hold zeros, the glides that it gives no symbol are 20 times this.
_PAUSE_MAGNITUDE = 0.003
_STRESS = "ˈˌ"

# Names from espeak-ng's speak_lib.h.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_PHONEME_EVENTS = 1 << 0
_INITIALIZE_PHONEME_IPA = 1 << 1
_ESPEAK_RATE = 1
_POS_CHARACTER = 1
_ESPEAK_CHARS_UTF8 = 1
_EVENT_LIST_TERMINATED = 0
_EVENT_PHONEME = 7


class _EventId(ctypes.Union):
    _fields_ = (
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    )


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.POINTER(ctypes.c_short),
    ctypes.c_int,
    ctypes.POINTER(_Event),
)


@dataclass(frozen=True)
class Speech:
    """A text, synthesized."""

    # float64 `(time,)` in [-1, 1).
    audio: np.ndarray
    sample_rate: int
    # They cover the audio without a gap. Symbols are of the International
    # Phonetic Alphabet without marks of stress, or `SILENCE`.
    phones: list[Phone]


class Espeak:
    """espeak-ng, through its C library.

    A voice is as `en-us`, or with a variant `en-us+f3`; the speed from 80 to
    450 words a minute.

    Raises:
        UserError: If espeakng-loader is not installed or there is no such
            voice.
    """

    def __init__(
        self, voice: str = LANGUAGE, words_per_minute: int = 150
    ) -> None:
        try:
            import espeakng_loader
        except ImportError as error:
            raise UserError(
                "synthesizing text needs espeak-ng, which is not installed; "
                "`pip install pwavenet_tf[demo]` installs it, or name "
                "recordings and label files of your own"
            ) from error
        self._library = _own_copy(Path(espeakng_loader.get_library_path()))
        self.sample_rate = self._library.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS,
            0,
            str(espeakng_loader.get_data_path()).encode(),
            _INITIALIZE_PHONEME_EVENTS | _INITIALIZE_PHONEME_IPA,
        )
        self._chunks: list[np.ndarray] = []
        self._marks: list[tuple[int, str]] = []
        # Kept: the library calls it during synthesis.
        self._callback = _Callback(self._collect)
        self._library.espeak_SetSynthCallback(self._callback)
        if self.sample_rate <= 0 or self._library.espeak_SetParameter(
            _ESPEAK_RATE, words_per_minute, 0
        ):
            raise UserError(
                "espeak-ng does not start; reinstall it with "
                "`pip install --force-reinstall espeakng-loader`"
            )
        if self._library.espeak_SetVoiceByName(voice.encode()):
            raise UserError(
                f"espeak-ng has no voice {voice!r}; name another, as en-us"
            )

    def synthesize(self, text: str) -> Speech:
        """Synthesizes a text.

        Raises:
            UserError: If there is nothing in `text` to synthesize.
        """
        self._chunks.clear()
        self._marks.clear()
        content = text.replace("\0", " ").encode() + b"\0"
        failed = self._library.espeak_Synth(
            *(content, ctypes.c_size_t(len(content))),
            *(0, _POS_CHARACTER, 0, _ESPEAK_CHARS_UTF8, None, None),
        )
        if failed or not any(symbol for _, symbol in self._marks):
            raise UserError(
                f"espeak-ng finds nothing to synthesize in {text!r}"
            )
        audio = np.concatenate(self._chunks) / 32768
        phones = _phones(self._marks, audio, self.sample_rate)
        return Speech(audio, self.sample_rate, phones)

    def _collect(self, samples, count: int, events) -> int:
        if samples and count:
            chunk = np.ctypeslib.as_array(samples, (count,))
            self._chunks.append(chunk.copy())
        number = 0
        while events and events[number].type != _EVENT_LIST_TERMINATED:
            event = events[number]
            if event.type == _EVENT_PHONEME:
                # Eight bytes at most, so the last letter may be cut in two.
                symbol = event.id.string.decode("utf-8", errors="ignore")
                # `(en)` is no phone but a change of language.
                if not symbol.startswith("("):
                    self._marks.append((event.sample, symbol.strip(_STRESS)))
            number += 1
        return 0


def _phones(
    marks: list[tuple[int, str]], audio: np.ndarray, sample_rate: int
) -> list[Phone]:
    """Phones by the samples where espeak-ng marks their starts."""
    starts: list[tuple[int, str]] = [(0, SILENCE)]
    ends = [sample for sample, _ in marks[1:]] + [len(audio)]
    for (start, symbol), end in zip(marks, ends, strict=True):
        last_start, last_symbol = starts[-1]
        if not symbol:
            # A pause, or a glide between vowels, which belongs to the first.
            sound = np.abs(audio[start:end])
            if sound.size and sound.mean() >= _PAUSE_MAGNITUDE:
                continue
            symbol = SILENCE
        elif last_symbol != SILENCE:
            start = _closure(audio, last_start, start)
        starts.append((start, symbol))
    ends = [start for start, _ in starts[1:]] + [len(audio)]
    return filled(
        [
            Phone(symbol, start / sample_rate, end / sample_rate)
            for (start, symbol), end in zip(starts, ends, strict=True)
        ],
        len(audio) / sample_rate,
    )


def _closure(audio: np.ndarray, last_start: int, start: int) -> int:
    """Where a stop begins.

    espeak-ng marks it at its burst; the closure, which belongs to it, is
    the digital silence just before.
    """
    nonzero = np.flatnonzero(audio[last_start:start])
    return last_start + int(nonzero[-1]) + 1 if nonzero.size else start


def _own_copy(library: Path) -> ctypes.CDLL:
    """Loads a library separately from any earlier loading of it.

    espeak-ng keeps its oscillators' state for as long as it is loaded, so a
    second reading would differ slightly from the first.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        return ctypes.CDLL(shutil.copy(library, folder))
