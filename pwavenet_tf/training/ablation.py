"""What each loss contributes: students of one teacher, each with one loss more.

The ablation of 1711.10433, table 3. All students start from the same weights
and see the same clips and the same noise for the same number of steps.
"""

import dataclasses
from pathlib import Path

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.files import atomic_write
from pwavenet_tf.core.training_config import Distillation, Preset
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.models.loading import load_student
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.models.phone_classifier import PhoneClassifier
from pwavenet_tf.models.teacher import Teacher
from pwavenet_tf.training.callbacks.health_monitor import NotFiniteError
from pwavenet_tf.training.run_folder import fingerprint
from pwavenet_tf.training.runs import distill, require_suited

# Each adds its weights to those of the variants before it.
_STAGES = {
    "kl": ("KL", ()),
    "kl_power": ("power", ("power_weight",)),
    "perceptual": ("perceptual", ("style_weight", "feature_weight")),
    "contrastive": ("contrastive", ("contrastive",)),
}


@dataclasses.dataclass(frozen=True)
class Variant:
    """One loss, made of some terms of the whole, which `losses` names.

    Its folder has its name; by `settings` its student is distilled.
    """

    name: str
    losses: str
    settings: Distillation

    @property
    def perceptual(self) -> bool:
        """Whether the loss uses the phone classifier."""
        return self.settings.style_weight + self.settings.feature_weight > 0


@dataclasses.dataclass(frozen=True)
class Trained:
    """The result of training a variant.

    Its student is at `path`, or would be: if the training failed, there is
    none, and `problem` says why.
    """

    variant: Variant
    path: Path
    student: ParallelWaveNet | None
    problem: str = ""


def variants(full: Distillation) -> list[Variant]:
    """The losses from the KL alone to all of `full`, in order.

    A loss that has no weight in `full` is not added.
    """
    weights = [weight for _, added in _STAGES.values() for weight in added]
    settings = dataclasses.replace(full, **dict.fromkeys(weights, 0.0))
    found: list[Variant] = []
    terms: list[str] = []
    for name, (term, added) in _STAGES.items():
        values = {weight: getattr(full, weight) for weight in added}
        if added and not any(values.values()):
            continue
        settings = dataclasses.replace(settings, **values)
        terms.append(term)
        losses = " + ".join(terms) if added else f"{term} alone"
        found.append(Variant(name, losses, settings))
    return found


def ablate(
    corpus: Corpus,
    teacher: Teacher,
    phone_classifier: PhoneClassifier,
    preset: Preset,
    out: Path,
    steps: int | None = None,
) -> list[Trained]:
    """Distils a student with each of the `variants` of the preset's loss.

    Each has a folder of its own, `out/NAME`. Started again, it trains only what
    is not finished, and resumes an interrupted student. A student whose loss
    stops being finite is skipped. Each takes so many steps, or the preset's
    number; the one teacher of all is not changed. The results are in the order
    of training.
    """
    require_suited(corpus, teacher, preset, phone_classifier)
    steps = steps or preset.distillation.steps
    chosen = variants(preset.distillation)
    weights = [*teacher.get_weights(), *phone_classifier.get_weights()]
    _claim(out, chosen, fingerprint(corpus.card, preset, steps, *weights))
    trained = []
    for number, variant in enumerate(chosen, 1):
        print(f"\n{number}/{len(chosen)} {variant.losses}", flush=True)
        path = Path(out) / variant.name / "student.keras"
        if path.exists():
            print(f"{path} is trained already.")
            trained.append(Trained(variant, path, load_student(path)))
            continue
        settings = dataclasses.replace(preset, distillation=variant.settings)
        classifier = phone_classifier if variant.perceptual else None
        try:
            student = distill(
                corpus, teacher, settings, path.parent, steps, classifier
            )
            trained.append(Trained(variant, path, student))
        except NotFiniteError as problem:
            print(f"{variant.name} failed: {problem}", flush=True)
            trained.append(Trained(variant, path, None, str(problem)))
    return trained


def _claim(out: Path, chosen: list[Variant], run: str) -> None:
    """Refuses a folder with students of another teacher, data or length."""
    mark = Path(out) / "ablation.txt"
    if mark.is_file():
        if mark.read_text("ascii", errors="replace") != run:
            raise UserError(
                f"{out}: holds an ablation with another teacher, phone "
                "classifier, data, preset or --steps; give the same again, or "
                "choose another --out"
            )
        return
    for variant in chosen:
        folder = Path(out) / variant.name
        if folder.exists():
            raise UserError(
                f"{folder}: is there already, but is of no ablation; choose "
                "another --out"
            )
    with atomic_write(mark) as temporary:
        temporary.write_text(run, "ascii")
