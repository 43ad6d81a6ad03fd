"""Phones of a recording: labels, espeak-ng's, and where they lie."""
