"""Lists the voices that come with the package.

Each is a student, a teacher, an acoustic model that lets it speak texts, and a
card: whose voice it is, on what data it was trained and for how long, its
metrics next to those of its recordings and two baselines, its limitations, and
its licence. --name shows one whole card.

Before it:  nothing
After it:   pwavenet say --voice=NAME, pwavenet export --voice=NAME

Example:
  pwavenet voices
  pwavenet voices --name=kathleen
  pwavenet say "Good morning." --voice=kathleen --out=hello.wav
"""

import json

from pwavenet_tf.cli import flags
from pwavenet_tf.voices import voice_card, voice_names, voice_sample

NEEDS_TENSORFLOW = False
# The flag that a word right after the command stands for.
WORD = "name"


define_flags = flags.table(
    flags.text("name", "NAME: The voice whose whole card is shown.")
)


def run(flag_values: flags.FlagValues) -> None:
    """Prints a line for each voice, or one card."""
    if flag_values.name:
        card = voice_card(flag_values.name)
        print(json.dumps(card, indent=2, ensure_ascii=False))
        print(f"A sample is {voice_sample(flag_values.name)}.")
        return
    for name in voice_names():
        card = voice_card(name)
        print(
            f"{name}: {card['summary']} {card['sample_rate']:,} Hz, "
            f"{card['licence']}."
        )
