"""Listening reports of little content, and what a parser sees in them."""

import math
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from pwavenet_tf.evaluation.conditioning import (
    ConditioningSensitivity,
    Speakers,
)
from pwavenet_tf.evaluation.likelihood import INTERVALS, Score
from pwavenet_tf.evaluation.report.charts import Curve
from pwavenet_tf.evaluation.report.page import Sentence, write_report
from pwavenet_tf.evaluation.scores import Scoring

RATE = 16_000


def tone(hertz: float, seconds: float, amplitude: float = 0.5) -> np.ndarray:
    time = np.arange(int(seconds * RATE)) / RATE
    return (amplitude * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def scoring(model: str, bits: float = 2.0, sample_bits: int = 16) -> Scoring:
    """Of 20 recordings and 12 speakers, each recording worse by a bit."""
    names = [f"speaker-{number}" for number in range(12)]
    matrix = {
        true: {name: 0.0 if name == true else 0.25 for name in names}
        for true in names
    }
    inside = tuple(1_000 * mass**1.5 for mass in INTERVALS)
    return Scoring(
        model,
        sample_bits,
        RATE,
        tuple(f"folder/file-{number}.wav" for number in range(20)),
        tuple(
            Score((bits + number) * 1_000 * math.log(2), 1_000, inside)
            for number in range(20)
        ),
        ConditioningSensitivity(
            8, {"mel": 0.5}, Speakers(20, 0.25, 0.95, matrix)
        ),
    )


def written(path: Path, **changes) -> str:
    """A report with two sentences of three systems; returns its HTML."""
    sentences = [
        Sentence(
            f"clip-{number}",
            "Said & <b>done</b>.",
            {
                "recording": tone(300 * number, 0.5),
                "teacher": tone(310 * number, 0.5),
                "student": tone(290 * number, 0.4, amplitude=0.2),
            },
        )
        for number in (1, 2)
    ]
    arguments = {
        "title": "A report",
        "summary": "What came of it.",
        "sample_rate": RATE,
        "sentences": sentences,
        "metrics": {
            "recording": {"log_spectral_distance": None},
            "teacher": {"log_spectral_distance": 4.25},
            "student": {"log_spectral_distance": 7.5},
        },
        "curves": [Curve("Loss", "nats", [(0, 9.0), (100, 7.0), (200, 6.5)])],
        "settings": {"student": {"filter_width": 3, "averaged": True}},
        "scorings": [scoring("teacher"), scoring("second", 3)],
    }
    write_report(path, **(arguments | changes))
    return path.read_text(encoding="utf-8")


class Page(HTMLParser):
    """The tags and the visible text of a page."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]
