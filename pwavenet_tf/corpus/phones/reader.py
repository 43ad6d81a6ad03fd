"""A text as the phones that an acoustic model reads."""

from collections.abc import Iterator, Sequence

import numpy as np

from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.phones.espeak import Espeak
from pwavenet_tf.corpus.phones.phones import SILENCE, phone_ids
from pwavenet_tf.corpus.phones.sentences import sentences

# Between paragraphs, beyond the pauses that a sentence begins and ends with.
_PARAGRAPH_SECONDS = 0.4


def paragraph_pause(contract: AudioContract, rate: float) -> np.ndarray:
    """The silence between two paragraphs, float32 `(time,)`."""
    seconds = _PARAGRAPH_SECONDS / rate
    return np.zeros(round(seconds * contract.sample_rate), np.float32)


class Reader:
    """Reads texts for an acoustic model, as its phones.

    They are known by their places from 1 on, and come from the voice of
    espeak-ng of that language.

    Raises:
        UserError: If espeak-ng is not installed or has no such voice.
    """

    def __init__(
        self, phones: Sequence[str], language: str, espeak: Espeak | None = None
    ) -> None:
        self.language = language
        self._ids = phone_ids(phones)
        self._espeak = espeak or Espeak(language)

    def ids(self, text: str) -> Iterator[np.ndarray]:
        """The phones of each sentence, int32 `(phones,)`.

        Ids have silence before and after them; there are none at all between
        two paragraphs.

        Raises:
            UserError: If there is nothing to say, or the text is in another
                script; before the first sentence.
        """
        spoken = 0
        for sentence in sentences(text, self.language):
            if not sentence:
                yield np.zeros(0, np.int32)
                continue
            symbols = self.phones(sentence)
            # A sentence of marks that espeak-ng does not read.
            if set(symbols) == {SILENCE}:
                continue
            yield np.array([self._ids[symbol] for symbol in symbols], np.int32)
            spoken += 1
        if not spoken:
            raise UserError("there is nothing to say; give words or numbers")

    def phones(self, sentence: str) -> list[str]:
        """The phones of a sentence that the model knows, between silences.

        A phone that it has never seen is replaced by its kind with or without
        a length mark, or by its parts; failing that it is left out. A
        sentence that espeak-ng does not read is silence.
        """
        found = [SILENCE]
        try:
            spoken = self._espeak.synthesize(sentence).phones
        except UserError:
            spoken = []
        for phone in spoken:
            for symbol in known_symbols(phone.symbol, self._ids):
                if symbol != SILENCE or found[-1] != SILENCE:
                    found.append(symbol)
        return found if found[-1] == SILENCE else [*found, SILENCE]


def known_symbols(symbol: str, known) -> list[str]:
    """A phone in symbols that are known; none, if there are none."""
    for near in (symbol, symbol.replace("ː", ""), f"{symbol}ː"):
        if near in known:
            return [near]
    # The longest known parts, from the front.
    for length in range(len(symbol) - 1, 0, -1):
        if symbol[:length] in known:
            rest = known_symbols(symbol[length:], known)
            return [symbol[:length], *rest]
    return known_symbols(symbol[1:], known) if len(symbol) > 1 else []
