"""Claims about the report, read as a parser and a browser do."""

import base64
import dataclasses
import html
import io
import json
import math
import os
import re
import subprocess

import numpy as np
import pytest
import soundfile
from browser import executable, needs_browser
from PIL import Image
from tiny_report import RATE, Page, scoring, tone, written

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.evaluation.report import tables as measures
from pwavenet_tf.evaluation.report.charts import Curve
from pwavenet_tf.evaluation.report.page import ListeningTest, Sentence

ONE = [Sentence("one", None, {"recording": tone(300, 0.1)})]


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> str:
    """A report with all that `written` puts into it."""
    return written(tmp_path_factory.mktemp("report") / "r.html")


def embedded(uri: str) -> bytes:
    return base64.b64decode(uri.split(",", 1)[1], validate=True)


def test_report_plays_exactly_the_audio_it_was_given(tmp_path):
    audio = {"recording": tone(400, 0.3), "student": np.float32([2, -2, 0.25])}
    page = Page(
        written(tmp_path / "r.html", sentences=[Sentence("one", None, audio)])
    )
    players = page.all("audio")
    for player, samples in zip(players, audio.values(), strict=True):
        decoded, rate = soundfile.read(io.BytesIO(embedded(player["src"])))
        assert rate == RATE
        expected = np.clip(samples, -1, 1 - 2**-15)
        np.testing.assert_allclose(decoded, expected, atol=2**-15)
    assert players[1]["aria-label"] == "student, one"


def test_report_has_every_picture_with_a_description(source):
    pictures = Page(source).all("img")
    assert len(pictures) == 2 * 3 * 2
    for picture in pictures:
        Image.open(io.BytesIO(embedded(picture["src"]))).verify()
        assert re.match(r"(Waveform|Spectrogram): \w+, clip-\d", picture["alt"])


def test_report_shows_encodings_of_the_systems_that_have_them(tmp_path):
    encoding = np.random.default_rng(0).normal(size=(20, 16))
    sound = np.zeros(1_600, np.float32)
    sentences = [
        Sentence(
            title,
            None,
            {"recording": sound, "teacher": sound},
            {"teacher": encoding},
        )
        for title in ("low", "high")
    ]
    path = tmp_path / "report.html"
    page = Page(written(path, sentences=sentences, hop_length=80))
    shown = [one for one in page.all("img") if one.get("class") == "encoding"]
    assert [one["alt"].split(": ")[1] for one in shown] == [
        f"teacher, {title}, a row for each channel" for title in ("low", "high")
    ]


def test_report_needs_no_network(source):
    for _, attributes in Page(source).tags:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            assert (attributes.get(name) or "data:").startswith("data:")
    assert not re.search(r"https?:|url\(|@import|//\w+\.", source)


def test_report_opens_with_the_players(tmp_path):
    source = written(tmp_path / "r.html", sentences=ONE)
    places = [
        source.index(start)
        for start in ("<audio", "What came of it.", "<table", "<svg")
    ]
    assert places == sorted(places)


def test_report_of_scores_alone_opens_with_the_summary(tmp_path):
    source = written(tmp_path / "r.html", sentences=[], metrics={})
    assert source.index("What came of it.") < source.index("<table")
    assert source.count("What came of it.") == 1


def test_report_explains_every_measure_in_a_line(tmp_path):
    names = list(measures._MEASURES)
    systems = {"teacher": dict.fromkeys(names, 1.0)}
    source = written(
        tmp_path / "r.html", metrics=systems, scorings=[], sentences=[]
    )
    shown = re.findall(r'class="meaning">([^<]+)<', source)
    assert len(shown) == len(set(shown)) == len(names)
    assert all(len(line) < 120 for line in shown)


def test_infinite_bits_are_explained_and_not_drawn(tmp_path):
    finite = scoring("student", 3)
    each = list(finite.each)
    each[4] = dataclasses.replace(each[4], nats=math.inf)
    infinite = dataclasses.replace(finite, each=tuple(each), sensitivity=None)
    before, source = (
        written(
            tmp_path / "r.html",
            sentences=[],
            scorings=[scoring("teacher"), student],
        )
        for student in (finite, infinite)
    )
    assert before.count('class="bar"') == source.count('class="bar"') + 1
    assert "∞" not in before and "Why ∞" not in before
    text = " ".join(Page(source).text.split())
    assert "Why ∞ bits: student." in text
    assert "For 1 of the 20 recordings" in text


def test_report_links_to_listening_tests_next_to_it(tmp_path):
    tests = [ListeningTest("ab", "ab.html"), ListeningTest("mushra", "m.html")]
    source = written(tmp_path / "r.html", sentences=ONE, listening_tests=tests)
    links = Page(source).all("a")
    assert [link["href"] for link in links] == ["ab.html", "m.html"]


def test_report_escapes_what_it_is_given(tmp_path):
    attack = "<script>alert('&')</script>\"'"
    source = written(
        tmp_path / "r.html",
        title=attack,
        summary=attack,
        sentences=[Sentence(attack, attack, {attack: tone(300, 0.1)})],
        metrics={attack: {attack: 1.0}},
        curves=[Curve(attack, attack, [(0, 1.0), (1, 2.0)])],
        scorings=[dataclasses.replace(scoring(attack), files=(attack,) * 20)],
        settings={attack: {attack: attack}},
    )
    page = Page(source)
    assert len(page.all("script")) == 1
    assert attack not in source
    assert page.text.count(attack) >= 10
    assert page.all("audio")[0]["aria-label"] == f"{attack}, {attack}"


def test_report_marks_the_best_voice_only(source):
    # A distance, and the bits and nats of the first teacher of two.
    best = re.findall(r'class="best">([^<]*)<', source)
    assert best == ["4.25", "11.5", "7.97"]
    assert "dB · lower is better" in source


def test_page_of_three_sentences_by_four_voices_stays_small(tmp_path):
    # Noise is the worst case: neither sound nor picture compresses.
    draws = np.random.default_rng(4).uniform(-0.5, 0.5, (4, 4 * RATE))
    systems = dict(zip("abcd", draws.astype(np.float32), strict=True))
    sentences = [Sentence(str(number), None, systems) for number in range(3)]
    assert len(written(tmp_path / "r.html", sentences=sentences)) < 4e6


@pytest.mark.parametrize(
    "audio",
    [
        {},
        {"student": np.zeros(0)},
        {"student": np.zeros((2, 9))},
        {"student": np.array([0.0, np.nan])},
    ],
)
def test_unusable_audio_is_named_and_nothing_is_written(tmp_path, audio):
    with pytest.raises(UserError, match="clip-9") as caught:
        written(tmp_path / "r.html", sentences=[Sentence("clip-9", "", audio)])
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_failed_writing_leaves_the_old_report(tmp_path):
    before = written(tmp_path / "r.html")
    with pytest.raises(UserError):
        written(tmp_path / "r.html", sentences=[Sentence("bad", None, {})])
    assert (tmp_path / "r.html").read_text(encoding="utf-8") == before
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]


def test_report_of_nothing_but_a_title_is_a_page(tmp_path):
    page = Page(
        written(
            tmp_path / "r.html",
            sentences=[],
            metrics={},
            curves=[],
            settings={},
            scorings=[],
        )
    )
    assert "A report" in page.text
    assert not page.all("section")


# Runs in the page's head, before anything loads. Once all has loaded it says
# what it found; playing is announced by hand, for a machine without a sound
# device plays nothing.
PROBE = """<script>
const faults = [];
addEventListener("error", (event) => faults.push(
  event.message || event.target.tagName), true);
document.addEventListener("securitypolicyviolation", (event) => faults.push(
  event.violatedDirective));
addEventListener("load", () => {
  const players = [...document.querySelectorAll("audio")];
  const pictures = [...document.querySelectorAll("img")];
  const durations = players.map((player) => player.duration);
  for (const player of players.slice(0, 2)) {
    player.play().catch(() => {});
    player.dispatchEvent(new Event("play"));
  }
  const running = players.filter((player) => !player.paused);
  const frame = document.querySelector(".pictures").getBoundingClientRect();
  document.querySelector(".spectrogram").dispatchEvent(new MouseEvent("click",
    {bubbles: true, clientX: frame.left + frame.width / 2}));
  document.body.dataset.found = JSON.stringify({
    faults, durations,
    widths: pictures.map((picture) => picture.naturalWidth),
    running: running.map((player) => players.indexOf(player)),
    sought: players[0].currentTime,
    overflow: document.documentElement.scrollWidth - innerWidth,
  });
});
</script>"""


@needs_browser
@pytest.mark.parametrize("width", [500, 1400])
def test_report_loads_and_plays_in_a_browser(source, tmp_path, width):
    probed = tmp_path / "probed.html"
    probed.write_text(source.replace("<style>", PROBE + "<style>", 1), "utf-8")
    # Chromium's sandbox does not start as root.
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    browser = subprocess.run(
        [
            executable(),
            "--headless",
            *as_root,
            "--disable-gpu",
            "--autoplay-policy=no-user-gesture-required",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--window-size={width},1000",
            "--dump-dom",
            probed.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    answer = re.search(r'data-found="([^"]*)"', browser.stdout)
    assert answer, browser.stderr[-2_000:]
    found = json.loads(html.unescape(answer[1]))
    assert found["faults"] == []
    assert found["durations"] == pytest.approx([0.5, 0.5, 0.4] * 2, abs=1e-3)
    assert found["widths"] == [640] * 12
    assert found["running"] == [1]
    assert found["sought"] == pytest.approx(0.25, abs=0.01)
    assert found["overflow"] <= 0
