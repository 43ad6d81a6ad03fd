"""Models against recordings: metrics.json and the report."""

import dataclasses
import os
from pathlib import Path

from pwavenet_tf.audio.metrics import griffin_lim
from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.files import write_json
from pwavenet_tf.core.progress import Bar, duration
from pwavenet_tf.evaluation.ablation_table import Ablation, section
from pwavenet_tf.evaluation.listening_pages import write_listening_tests
from pwavenet_tf.evaluation.per_recording import (
    Values,
    differences,
    intervals,
    joined,
    measure_systems,
    write_recordings,
)
from pwavenet_tf.evaluation.perceptual_measures import world_copy_synthesis
from pwavenet_tf.evaluation.recordings import (
    Model,
    ReferenceRecording,
    common_contract,
    read_references,
    require_distinct,
    synthesize_all,
    write_sound,
)
from pwavenet_tf.evaluation.report.page import (
    Sentence,
    training_curves,
    write_report,
)
from pwavenet_tf.evaluation.report.tables import REFERENCE, quality_section
from pwavenet_tf.evaluation.scores import (
    IMPOSSIBLE,
    Scoring,
    score_models,
    write_bits,
)

BASELINE = "Griffin-Lim"
WORLD = "WORLD"
_SHOWN = 6


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The results of an evaluation.

    Metrics are by system, by name, as in `metrics.json`, which has null for
    what is infinite; `values` is all that is known of each recording.
    """

    metrics: dict[str, dict[str, float]]
    scorings: list[Scoring]
    values: Values


def evaluate(
    models: dict[Path, Model],
    recordings: list[Path],
    out: Path,
    texts: dict[str, str] | None = None,
    *,
    folder: Path | None = None,
    labels: Path | None = None,
    speaker_pattern: str | None = None,
    sound: bool = True,
    names: dict[Path, str] | None = None,
    ablation: Ablation | None = None,
) -> Evaluation:
    """Lets models resynthesize recordings, and score them.

    Args:
        models: Models by the file that they come from. All must share one
            acoustic contract; heads and conditioning may differ.
        recordings: Files to compare with.
        out: Folder that gets `metrics.json`, `recordings.csv`, `bits.csv`,
            `report.html`, the listening tests `ab_test.html` and `mushra.html`,
            and, in `sound`, the audio of each system.
        texts: Transcripts, by the stem of the recording's file name.
        folder: Of the recordings: the place of `metadata.csv` and `labels`,
            and where speakers' paths start. The innermost one that holds all
            recordings, if left out.
        labels: Another folder of label files, for models that read phones.
        speaker_pattern: See `pwavenet_tf.corpus.manifest`, for models that
            know speakers.
        sound: Whether the models synthesize; if not, they only score.
        names: What each model is called; after its file, if left out.
        ablation: What gets a section of its own in the report of `sound`.

    Returns:
        The metrics: means over the recordings or, in scores, over all
        samples.

    Raises:
        UserError: If contracts differ, a recording can't be read or lacks a
            model's conditioning, two have one name, or `out` can't be written.
    """
    contract, out = common_contract(models), Path(out)
    if sound:
        require_distinct(recordings)
    if folder is None:
        folder = Path(os.path.commonpath([one.parent for one in recordings]))
    references = read_references(
        recordings, list(models.values()), folder, labels, speaker_pattern
    )
    names = names or _names(models)
    seconds = sum(len(one.audio) for one in references) / contract.sample_rate
    # The speeds are those of nano on two cores.
    print(
        f"Evaluating on {seconds:.1f} s of speech "
        f"(recordings: {len(references)}): scores"
        f"{', synthesis, measures' if sound else ''}; "
        f"about {duration(30 + 3 * seconds * len(models))} with nano models "
        "on two cores, hours with larger teachers",
        flush=True,
    )
    by_name = {names[path]: model for path, model in models.items()}
    scorings = score_models(by_name, references)
    systems, speeds, measured = {}, {}, {}
    if sound:
        systems, speeds = _synthesize(by_name, references, contract)
        measured = measure_systems(references, systems, contract.sample_rate)
        write_sound(references, systems, out / "sound", contract)
    values = joined(measured, {one.model: one.series for one in scorings})
    bounds = intervals(values)
    sound_metrics = {
        system: {name: bounds[system][name].mean for name in of}
        for system, of in measured.items()
    }
    for name, speed in speeds.items():
        sound_metrics[name]["samples_per_second"] = speed
    metrics = joined(
        sound_metrics, {one.model: one.metrics for one in scorings}
    )
    paired = differences(
        values, list(by_name), {one.model: one.sample_bits for one in scorings}
    )
    sentences = []
    for index, one in enumerate(references[: _SHOWN if sound else 0]):
        audio = {system: each[index] for system, each in systems.items()}
        encodings = {
            name: one.encoding(model)
            for name, model in by_name.items()
            if "encoding" in model.conditioning.inputs
        }
        stem = one.path.stem
        text = (texts or {}).get(stem)
        sentences.append(Sentence(stem, text, audio, encodings))
    write_report(
        out / "report.html",
        title="Listening report" if sound else "Scores",
        summary=_summary(sound_metrics, scorings, len(recordings)),
        sample_rate=contract.sample_rate,
        sentences=sentences,
        metrics=sound_metrics,
        scorings=scorings,
        curves=sum(map(training_curves, names, names.values()), []),
        settings=_settings(models, contract),
        ablation=ablation and section(ablation.rows(metrics)),
        quality=quality_section(bounds, paired),
        listening_tests=write_listening_tests(
            out, sample_rate=contract.sample_rate, sentences=sentences
        ),
        hop_length=contract.hop_length,
    )
    write_bits(out / "bits.csv", scorings)
    write_recordings(
        out / "recordings.csv", references, values, contract.sample_rate
    )
    write_json(
        out / "metrics.json", _content(metrics, bounds, paired, scorings)
    )
    return Evaluation(metrics, scorings, values)


def _content(
    metrics: dict[str, dict[str, float]],
    bounds: dict,
    paired: dict,
    scorings: list[Scoring],
) -> dict[str, dict]:
    """What stands in `metrics.json`, by system."""
    content = {system: dict(of) for system, of in metrics.items()}
    for system, of in bounds.items():
        content[system]["intervals"] = {
            name: [one.low, one.high] for name, one in of.items()
        }
    for system, others in paired.items():
        content[system]["differences"] = {
            other: {name: one._asdict() for name, one in of.items()}
            for other, of in others.items()
        }
    for scoring in scorings:
        if scoring.sensitivity and scoring.sensitivity.speakers:
            matrix = scoring.sensitivity.speakers.matrix
            content[scoring.model]["speaker_matrix"] = matrix
    return content


def _names(models: dict[Path, Model]) -> dict[Path, str]:
    """Each model's name in the report, its whole path where names clash."""
    names: dict[Path, str] = {}
    for path in models:
        taken = {REFERENCE, BASELINE, WORLD, *names.values()}
        names[path] = str(path) if path.stem in taken else path.stem
    return names


def _synthesize(
    models: dict[str, Model],
    references: list[ReferenceRecording],
    contract: AudioContract,
) -> tuple[dict[str, list], dict[str, float | None]]:
    """Every system's audio, and how fast the models are."""
    systems = {REFERENCE: [one.audio for one in references]}
    speeds = {}
    for name, model in models.items():
        systems[name], speeds[name] = synthesize_all(model, references, name)
    systems[BASELINE] = [
        griffin_lim(one.description.mel, contract)
        for one in Bar(references, desc=BASELINE, unit="file")
    ]
    systems[WORLD] = [
        world_copy_synthesis(one.audio, contract.sample_rate)
        for one in Bar(references, desc=WORLD, unit="file")
    ]
    return systems, speeds


def _summary(
    measured: dict[str, dict[str, float]],
    scorings: list[Scoring],
    recordings: int,
) -> str:
    count = f"{recordings} recording{'' if recordings == 1 else 's'}"
    scored = [
        f"{one.model} needs {one.overall.bits_per_sample:.2f} of "
        f"{one.sample_bits} bits per sample"
        for one in scorings
        if not one.impossible
    ]
    impossible = "".join(
        f" Of {one.model}: {IMPOSSIBLE.format(one.impossible)}."
        for one in scorings
        if one.impossible
    )
    if not measured:
        needed = f" To code them, {'; '.join(scored)}." if scored else ""
        return f"{count}, scored.{needed}{impossible}"
    own = measured[REFERENCE]["standard_deviation"]
    distances = [
        f"{system} is {values['log_spectral_distance']:.1f} dB away at "
        f"{values['standard_deviation'] / own:.2f} of its level"
        for system, values in measured.items()
        if system != REFERENCE
    ]
    text = (
        f"{count}, resynthesized by each model from their conditioning. From "
        f"the recording, {'; '.join(distances)}. Griffin-Lim needs no "
        "training: a model must sound better to be worth its own."
    )
    if scored:
        text += f" To code the recordings, {'; '.join(scored)}."
    return text + impossible


def _settings(
    models: dict[Path, Model], contract: AudioContract
) -> dict[str, dict[str, object]]:
    settings = {"audio": dataclasses.asdict(contract)}
    for path, model in models.items():
        config = model.get_config()
        conditioning = config.pop("conditioning")
        for name in ("audio", "name", "trainable", "dtype"):
            config.pop(name, None)
        settings[str(path)] = {
            "parameters": model.count_params(),
            **config,
            **{
                f"conditioning {name}".replace("_", " "): value
                for name, value in conditioning.items()
            },
        }
    return settings
