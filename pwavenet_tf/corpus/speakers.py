"""Who speaks in a recording, told by where its file lies."""

import re

from pwavenet_tf.errors import UserError

# The folder that a recording lies in, as the corpora VCTK and LibriTTS have
# one for each speaker.
FOLDER = "^([^/]+)/"


def speaker_of(name: str, pattern: re.Pattern) -> str:
    """The speaker of a recording.

    Args:
        name: The file's path within the folder of recordings, with `/`.
        pattern: From `compiled`; searched in the path.

    Raises:
        UserError: If the pattern does not match.
    """
    found = pattern.search(name)
    if found is None or not found[1]:
        raise UserError(
            f"{name}: the speaker pattern {pattern.pattern!r} finds no "
            "speaker in this path; mend the pattern"
        )
    return found[1]


def compiled(pattern: str) -> re.Pattern:
    """A regular expression whose one group is the speaker's name.

    Raises:
        UserError: If it is none, or has not one group.
    """
    try:
        made = re.compile(pattern)
    except re.error as error:
        raise UserError(
            f"the speaker pattern {pattern!r} is no regular expression "
            f"({error})"
        ) from error
    if made.groups != 1:
        raise UserError(
            f"the speaker pattern {pattern!r} has {made.groups} groups; "
            "put the speaker's name, and nothing else, in parentheses, as in "
            "'_(.+)_'"
        )
    return made
