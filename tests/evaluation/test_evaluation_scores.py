"""Claims about scores in the report."""

import re

from tiny_report import Page, scoring, written


def test_bits_of_pcm_and_of_codes_are_not_compared(tmp_path):
    scorings = [scoring("pcm", 4), scoring("codes", 2, sample_bits=8)]
    source = written(tmp_path / "r.html", scorings=scorings)
    assert re.findall(r'class="best">([^<]*)<', source) == ["4.25"]
    assert "codes of 8 bits are not compared" in source


def test_the_report_shows_every_score(tmp_path):
    page = Page(written(tmp_path / "r.html"))
    for number in range(20):
        assert f"file-{number}.wav" in page.text
    for text in (
        "12.5",
        "22.00",
        "0.250",
        "Added by a wrong speaker",
        "speaker-11",
        "0.950",
    ):
        assert text in page.text
    pictures = [svg for svg in page.all("svg") if "role" in svg]
    # The calibration and the curve: 0.5 ** 1.5 and 0.9 ** 1.5.
    assert len(pictures) == 2
    assert (
        "teacher, 0.354 inside 50 %, 0.854 inside 90 %"
        in (pictures[0]["aria-label"])
    )
