"""Models against recordings: metrics.json and the listening report."""

import csv
import dataclasses
import json
import re
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pwavenet_tf.config import AudioContract
from pwavenet_tf.corpus.audio import read_audio, to_levels, write_audio
from pwavenet_tf.corpus.features import LogMel
from pwavenet_tf.errors import UserError
from pwavenet_tf.evaluation.likelihood import Likelihood
from pwavenet_tf.evaluation.metrics import (
    griffin_lim,
    level,
    log_spectral_distance,
)
from pwavenet_tf.evaluation.report import (
    REFERENCE,
    Curve,
    Sentence,
    write_report,
)
from pwavenet_tf.files import written_aside
from pwavenet_tf.speaking import voice_of
from pwavenet_tf.student import ParallelWaveNet
from pwavenet_tf.teacher import WaveNet

_BATCH = 8
_SHOWN = 6
_UNITS = {
    "kl": "nats per sample",
    "cross_entropy": "nats per sample",
    "entropy": "nats per sample",
    "nats": "nats per sample",
}

Model = WaveNet | ParallelWaveNet


def evaluate(
    models: dict[Path, Model],
    recordings: list[Path],
    out: Path,
    texts: dict[str, str] | None = None,
) -> dict[str, dict[str, float]]:
    """Lets models speak recordings anew and measures them.

    Args:
        models: Models by the file that they come from. All must share one
            acoustic contract.
        recordings: Files to compare with.
        out: Folder that gets `metrics.json`, `report.html` and, in `sound`,
            what each voice speaks.
        texts: What is said, by the stem of the recording's file name.

    Returns:
        Value by metric by voice: means over the recordings.

    Raises:
        UserError: If contracts differ, a recording can't be read, two have
            one name, or `out` can't be written.
    """
    contract = _common_contract(models)
    _require_distinct(recordings)
    references = [_read(path, contract) for path in recordings]
    curves = [curve for path in models for curve in _curves(path)]
    log_mel = LogMel(contract)
    mels = [log_mel(audio) for audio in references]
    voices = {REFERENCE: references}
    metrics = {REFERENCE: _measure(references, references, contract)}
    for path, model in models.items():
        name = path.stem if path.stem not in voices else str(path)
        voices[name], speed = _speak_all(model, mels, name)
        metrics[name] = _measure(references, voices[name], contract)
        metrics[name]["samples_per_second"] = speed
        if isinstance(model, WaveNet):
            metrics[name]["negative_log_likelihood"] = _likelihood(
                model, references, mels
            )
    voices["Griffin-Lim"] = [
        griffin_lim(mel, contract)
        for mel in tqdm(mels, desc="Griffin-Lim", unit="file", disable=None)
    ]
    metrics["Griffin-Lim"] = _measure(
        references, voices["Griffin-Lim"], contract
    )
    _write_sound(recordings, voices, Path(out) / "sound", contract)
    write_report(
        Path(out) / "report.html",
        title="Listening report",
        summary=_summary(metrics, len(recordings)),
        sample_rate=contract.sample_rate,
        sentences=_sentences(recordings, voices, texts or {}),
        metrics=metrics,
        curves=curves,
        settings=_settings(models, contract),
    )
    with written_aside(Path(out) / "metrics.json") as aside:
        aside.write_text(json.dumps(metrics, indent=1) + "\n", "ascii")
    return metrics


def _common_contract(models: dict[Path, Model]) -> AudioContract:
    (first_path, first), *others = models.items()
    for path, model in others:
        first.audio.require_equal(model.audio, str(first_path), str(path))
    return first.audio


def _require_distinct(recordings: list[Path]) -> None:
    by_stem: dict[str, Path] = {}
    for path in recordings:
        if (other := by_stem.setdefault(path.stem, path)) != path:
            raise UserError(
                f"{other} and {path} have one name, and so would the sound "
                "made from them; rename one of them"
            )


def _read(path: Path, contract: AudioContract) -> np.ndarray:
    levels = to_levels(read_audio(path, contract.sample_rate))
    return levels.astype(np.float32) / 32_768


def _speak_all(
    model: Model, mels: list[np.ndarray], name: str
) -> tuple[list[np.ndarray], float | None]:
    """Each mel's audio, and samples per second without the first batch.

    Batches are padded to their longest mel spectrogram: later frames never
    change earlier samples but for the upsampler's short look-ahead.
    """
    hop = model.audio.hop_length
    voice = voice_of(model)
    spoken, timed_samples, seconds, seconds_before = [], 0, 0.0, 0.0
    total = sum(len(mel) for mel in mels) * hop
    with tqdm(
        total=total, desc=name, unit="sample", unit_scale=True, disable=None
    ) as bar:
        for first in range(0, len(mels), _BATCH):
            batch = mels[first : first + _BATCH]
            longest = max(len(mel) for mel in batch)
            padded = np.stack(
                [
                    np.pad(mel, ((0, longest - len(mel)), (0, 0)), "edge")
                    for mel in batch
                ]
            )
            chunks, started = [], None
            for chunk in voice.chunks(padded):
                chunks.append(chunk)
                if started is None:  # The first chunk holds the compiling.
                    started = time.perf_counter()
                elif chunk.shape == chunks[0].shape:
                    timed_samples += chunk.size
                    seconds = seconds_before + time.perf_counter() - started
                bar.update(min(chunk.size, bar.total - bar.n))
            seconds_before = seconds
            audio = np.concatenate(chunks, axis=1)
            spoken += [
                row[: len(mel) * hop]
                for row, mel in zip(audio, batch, strict=True)
            ]
    return spoken, timed_samples / seconds if timed_samples else None


def _measure(
    references: list[np.ndarray],
    spoken: list[np.ndarray],
    contract: AudioContract,
) -> dict[str, float]:
    """Means over the recordings."""
    each = [
        {"log_spectral_distance": log_spectral_distance(own, audio, contract)}
        | level(audio[: len(own)])
        for own, audio in zip(references, spoken, strict=True)
    ]
    return {
        name: float(np.mean([values[name] for values in each]))
        for name in each[0]
    }


def _likelihood(
    teacher: WaveNet, references: list[np.ndarray], mels: list[np.ndarray]
) -> float:
    likelihood = Likelihood(teacher)
    nats = [
        likelihood.nats_per_sample(audio, mel) * len(audio)
        for audio, mel in zip(
            references,
            tqdm(mels, desc="likelihood", unit="file", disable=None),
            strict=True,
        )
    ]
    return sum(nats) / sum(len(audio) for audio in references)


def _summary(metrics: dict[str, dict[str, float]], recordings: int) -> str:
    own = metrics[REFERENCE]["standard_deviation"]
    heard = [
        f"{voice} is {values['log_spectral_distance']:.1f} dB away at "
        f"{values['standard_deviation'] / own:.2f} of its level"
        for voice, values in metrics.items()
        if voice != REFERENCE
    ]
    return (
        f"{recordings} recordings, spoken anew from their mel spectrograms "
        f"alone. From the recording, {'; '.join(heard)}. Griffin-Lim needs no "
        "training: a voice must sound better to be worth its own."
    )


def _write_sound(
    recordings: list[Path],
    voices: dict[str, list[np.ndarray]],
    folder: Path,
    contract: AudioContract,
) -> None:
    for voice, spoken in voices.items():
        # Of two models of one name the second is a voice by its whole path.
        label = re.sub(r"[^\w.]+", "-", voice.removesuffix(".keras")).strip("-")
        for path, audio in zip(recordings, spoken, strict=True):
            name = f"{path.stem}-{label}.wav"
            write_audio(folder / name, audio, contract.sample_rate)


def _sentences(
    recordings: list[Path],
    voices: dict[str, list[np.ndarray]],
    texts: dict[str, str],
) -> list[Sentence]:
    return [
        Sentence(
            path.stem,
            texts.get(path.stem),
            {voice: spoken[index] for voice, spoken in voices.items()},
        )
        for index, path in enumerate(recordings[:_SHOWN])
    ]


def _curves(path: Path) -> list[Curve]:
    """What the training of a model wrote beside it, if it is there."""
    log = path.with_suffix(".csv")
    if not log.is_file():
        return []
    with log.open(newline="", encoding="utf-8", errors="replace") as file:
        rows = list(csv.DictReader(file))
    return [
        Curve(
            f"{path.stem}: {name.removeprefix('val_').replace('_', ' ')} on "
            "held-out recordings",
            _UNITS.get(name.removeprefix("val_"), ""),
            [point for row in rows for point in _point(row, name)],
        )
        for name in (rows[0] if rows else ())
        if name is not None and name.startswith("val_")
    ]


def _point(row: dict[str, str], name: str) -> list[tuple[int, float]]:
    """The point that a line of the log tells; none if it was cut off."""
    try:
        return [(int(row["step"]), float(row[name]))]
    except (KeyError, TypeError, ValueError):
        return []


def _settings(
    models: dict[Path, Model], contract: AudioContract
) -> dict[str, dict[str, object]]:
    settings = {"audio": dataclasses.asdict(contract)}
    for path, model in models.items():
        config = model.get_config()
        settings[str(path)] = {"parameters": model.count_params()} | {
            name: value
            for name, value in config.items()
            if name not in ("audio", "name", "trainable", "dtype")
        }
    return settings
