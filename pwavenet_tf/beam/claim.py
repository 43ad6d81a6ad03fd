"""What a folder of sound says of itself: its settings, and its inputs.

So an earlier run's sound is known to be what the same command would make.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path

from pwavenet_tf.beam.utterances import Utterance
from pwavenet_tf.errors import UserError
from pwavenet_tf.files import require_free, written_aside

SETTINGS_NAME = "synthesis.json"
INPUTS_NAME = "synthesis-inputs.json"


def require_own(out: Path) -> None:
    """Refuses a folder that holds something else than a run's sound.

    Raises:
        UserError: If it does.
    """
    if not (out / SETTINGS_NAME).exists():
        require_free(out)


def claim(out: Path, settings: dict[str, object]) -> None:
    """Says in `out` what it is for, or compares what an earlier run said.

    Args:
        out: Folder for sound.
        settings: All that the sound depends on beside its own input. A
            `model` is told by what it holds, other paths by where they lead.

    Raises:
        UserError: If the earlier run's settings were others.
    """
    told = {
        name: str(value.resolve()) if isinstance(value, Path) else value
        for name, value in settings.items()
    }
    model = Path(settings["model"]).read_bytes()
    told["model"] = hashlib.sha256(model).hexdigest()
    content = json.dumps(told, indent=1) + "\n"
    path = out / SETTINGS_NAME
    if not path.exists():
        with written_aside(path) as aside:
            aside.write_text(content, "ascii")
    elif path.read_text("ascii", errors="replace") != content:
        raise UserError(
            f"{out}: holds the sound of another model, input or setting, as "
            f"{SETTINGS_NAME} in it tells; name another folder"
        )


def drop_outdated(
    out: Path,
    utterances: Iterable[Utterance],
    digest: Callable[[Utterance], str],
) -> None:
    """Removes the sound of inputs that are not what they were.

    What the inputs are now is written down before any sound is made: so what
    is there is never newer than it says, whenever the run is killed.

    Args:
        out: Folder for sound.
        utterances: The inputs.
        digest: Of all that belongs to an input.
    """
    path = out / INPUTS_NAME
    try:
        before = dict(json.loads(path.read_text("ascii")))
    except (OSError, ValueError, TypeError):
        before = {}
    now = {}
    for one in utterances:
        now[one.name] = digest(one)
        if before.get(one.name) != now[one.name]:
            one.sound.unlink(missing_ok=True)
    with written_aside(path) as aside:
        aside.write_text(json.dumps(now, indent=0) + "\n", "ascii")
