"""Where the repository's folders are, whichever folder a test is in."""

from pathlib import Path

HELPERS = Path(__file__).resolve().parent
ROOT = HELPERS.parents[1]
