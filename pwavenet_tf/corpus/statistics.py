"""Means over a corpus, in one pass."""

import dataclasses
import math
from collections.abc import Iterable

import numpy as np

from pwavenet_tf.audio.mel import LogMel
from pwavenet_tf.audio.pitch import UNVOICED_HZ
from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.errors import UserError

# A band that hardly varies (above the recordings' own bandwidth, say) must
# not have its noise blown up: 0.1 in natural log is 0.9 dB.
SMALLEST_STD = 0.1


class Statistics:
    """Running mean and std of each mel band, and the mean pitch."""

    def __init__(self, mels: int) -> None:
        self.frames = 0
        self._sum = np.zeros(mels)
        self._sum_of_squares = np.zeros(mels)
        self._log_pitch = 0.0
        self._voiced = 0
        self._has_pitch = False

    def add(self, features: dict[str, np.ndarray]) -> None:
        """Takes in a recording's features, not normalised."""
        mel = features["mel"].astype(np.float64)
        self.frames += len(mel)
        self._sum += mel.sum(axis=0)
        self._sum_of_squares += (mel**2).sum(axis=0)
        if "pitch" in features:
            self._has_pitch = True
            log_pitch, voicing = features["pitch"].T.astype(np.float64)
            self._log_pitch += (log_pitch * voicing).sum()
            self._voiced += int(voicing.sum())

    @property
    def mean_pitch_hz(self) -> float | None:
        """The mean of F0 in the logarithm, Hz; None if none was added."""
        if not self._has_pitch:
            return None
        if not self._voiced:
            return UNVOICED_HZ
        return round(math.exp(self._log_pitch / self._voiced), 3)

    def written_into(self, contract: AudioContract) -> AudioContract:
        """The contract with each band's mean and standard deviation."""
        mean = self._sum / self.frames
        variance = np.maximum(self._sum_of_squares / self.frames - mean**2, 0)
        std = np.maximum(np.sqrt(variance), SMALLEST_STD)
        # Six digits are plenty and make the card readable.
        return dataclasses.replace(
            contract,
            mel_mean=tuple(mean.round(6).tolist()),
            mel_deviation=tuple(std.round(6).tolist()),
        )


@dataclasses.dataclass(frozen=True)
class GivenStatistics:
    """Statistics and lists of a model or of another corpus, to be kept.

    A corpus prepared with them has that model's contract, so that the model can
    be trained further on it. Phones have ids from 1, speakers from 0; what the
    origin, as messages name it, does not read is empty or None.
    """

    origin: str
    contract: AudioContract
    phones: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()
    mean_pitch_hz: float | None = None

    def require_contract(self, contract: AudioContract) -> None:
        """Refuses a contract that differs in more than statistics.

        Raises:
            UserError: If it does, naming the fields.
        """
        raw = dataclasses.replace(self.contract, mel_mean=(), mel_deviation=())
        if found := contract.differences(raw):
            raise UserError(
                f"the preset and {self.origin} do not share one acoustic "
                f"contract: {', '.join(found)}; choose the preset that "
                f"{self.origin} was made with"
            )

    def require_known(
        self, symbols: Iterable[str] = (), speaker: str | None = None
    ) -> None:
        """Refuses phones and a speaker that the origin does not know.

        Raises:
            UserError: If there are any.
        """
        new = sorted(set(symbols) - set(self.phones))
        if self.phones and new:
            fault = f"phones {' '.join(new)}"
        elif self.speakers and speaker not in (None, *self.speakers):
            fault = f"speaker {speaker}"
        else:
            return
        raise UserError(f"{self.origin} does not know its {fault}")


def with_mel_statistics(
    contract: AudioContract, recordings: Iterable[np.ndarray]
) -> AudioContract:
    """The contract for a corpus of one's own, without `prepare`.

    Args:
        contract: A preset's acoustic contract.
        recordings: float32 `(time,)` each, in [-1, 1), at its sample rate.

    Returns:
        The contract with the mean and standard deviation of each mel band over
        all frames, with which to build `LogMel` and the models.

    Raises:
        UserError: If there is no recording.
    """
    raw = dataclasses.replace(contract, mel_mean=(), mel_deviation=())
    log_mel, statistics = LogMel(raw), Statistics(raw.mels)
    for recording in recordings:
        statistics.add({"mel": log_mel(recording)})
    if not statistics.frames:
        raise UserError("there are no recordings to take statistics of")
    return statistics.written_into(raw)
