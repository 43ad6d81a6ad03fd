"""Claims about the listening tests: their audio, and how they are used."""

import base64
import contextlib
import functools
import http.server
import io
import json
import re
import threading
from collections import Counter

import numpy as np
import pytest
import soundfile
from browser import Browser, needs_browser
from tiny_report import RATE, Page, tone

from pwavenet_tf import cli
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.evaluation.listening_pages import (
    ANCHOR,
    low_anchor,
    write_listening_tests,
)
from pwavenet_tf.evaluation.rating_scores import preferences, system_scores
from pwavenet_tf.evaluation.ratings import read_ratings
from pwavenet_tf.evaluation.report.page import ListeningTest, Sentence

SYSTEMS = ("recording", "first-model", "second-model")


def sentences(count: int = 2) -> list[Sentence]:
    """Of three systems with levels and lengths of their own."""
    return [
        Sentence(
            f"clip-{number}",
            "</script><b>Said</b>",
            {
                "recording": tone(300 * number, 0.5, 0.2),
                "first-model": tone(310 * number, 0.55, 0.9),
                "second-model": tone(290 * number, 0.4, 0.01),
            },
        )
        for number in range(1, count + 1)
    ]


def written(folder, **changes) -> list[ListeningTest]:
    arguments = {"sample_rate": RATE, "sentences": sentences()}
    return write_listening_tests(folder, **(arguments | changes))


def content(folder, file: str) -> tuple[dict, list[dict[str, np.ndarray]]]:
    """The key of a page and, by sentence, the audio of every system."""
    page = (folder / file).read_text("utf-8")
    test, sounds = (
        json.loads(re.search(rf'id="{name}">(.*?)</script>', page)[1])
        for name in ("test", "sounds")
    )
    key = json.loads(base64.b64decode(test["key"]))
    audio = [
        {
            key["systems"][name]: soundfile.read(
                io.BytesIO(base64.b64decode(sound))
            )[0]
            for name, sound in sentence.items()
        }
        for sentence in sounds
    ]
    return key, audio


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000, 48_000])
def test_the_low_anchor_passes_what_bs_1534_asks_for(rate):
    impulse = np.zeros(rate)
    impulse[rate // 2] = 1.0
    response = low_anchor(impulse, rate)
    gain = 20 * np.log10(np.abs(np.fft.rfft(response)) + 1e-12)
    assert np.abs(gain[:3_501]).max() <= 0.1
    assert gain[4_000:].max() <= -50
    # No delay.
    np.testing.assert_allclose(response[1:], response[:0:-1], atol=1e-7)


def test_there_is_no_low_anchor_of_what_has_nothing_above_4_khz(tmp_path):
    assert low_anchor(np.ones(8), 8_000) is None
    assert written(tmp_path, sample_rate=8_000)
    assert set(content(tmp_path, "mushra.html")[1][0]) == set(SYSTEMS)


@pytest.mark.parametrize("file", ["ab_test.html", "mushra.html"])
def test_all_systems_of_a_sentence_have_one_level_and_length(tmp_path, file):
    written(tmp_path)
    key, audio_of = content(tmp_path, file)
    anchors = {ANCHOR} if file == "mushra.html" else set()
    assert key["systems"][key["reference"]] == "recording"
    for audio, sentence in zip(audio_of, sentences(), strict=True):
        assert set(audio) == {*SYSTEMS, *anchors}
        assert {len(samples) for samples in audio.values()} == {
            round(0.55 * RATE)
        }
        for name, own in sentence.audio.items():
            samples = audio[name][: len(own)]
            assert not audio[name][len(own) :].any()
            target = np.sqrt(np.mean(sentence.audio["recording"] ** 2))
            gain = target / np.sqrt(np.mean(own**2))
            np.testing.assert_allclose(samples, gain * own, atol=2**-15)


def test_a_sentence_that_would_clip_is_turned_down_as_a_whole(tmp_path):
    click = np.zeros(4_000, np.float32)
    click[0] = 0.1
    audio = {"recording": tone(300, 0.25, 0.5), "click": click}
    written(tmp_path, sentences=[Sentence("one", None, audio)])
    played = content(tmp_path, "ab_test.html")[1][0]
    assert 0.9 < np.abs(played["click"]).max() < 1
    gain = np.abs(played["recording"]).max() / 0.5
    assert gain < 0.1
    np.testing.assert_allclose(
        played["recording"], gain * audio["recording"], atol=2**-14
    )


def test_silence_stays_silent(tmp_path):
    audio = {"recording": tone(300, 0.2), "collapsed": np.zeros(3_200)}
    written(tmp_path, sentences=[Sentence("one", None, audio)])
    assert not content(tmp_path, "ab_test.html")[1][0]["collapsed"].any()


@pytest.mark.parametrize("file", ["ab_test.html", "mushra.html"])
def test_pages_are_blind_whole_and_safe(tmp_path, file):
    written(tmp_path)
    source = (tmp_path / file).read_text("utf-8")
    for name in (*SYSTEMS, ANCHOR):
        if name != "recording":
            assert name not in source
    assert "<b>Said" not in source
    assert not re.search(r"https?:|url\(|@import|src=|href=", source)
    assert len(Page(source).all("script")) == 3
    # In no fixed place: the order is that of opaque ids.
    key, audio_of = content(tmp_path, file)
    assert list(audio_of[0]) == [
        key["systems"][name] for name in sorted(key["systems"])
    ]


def test_what_can_not_be_compared_makes_no_test(tmp_path):
    alone = [Sentence("one", None, {"recording": tone(300, 0.1)})]
    assert written(tmp_path, sentences=[]) == []
    assert written(tmp_path, sentences=alone) == []
    assert not list(tmp_path.iterdir())
    models = {name: tone(300, 0.1) for name in "ab"}
    found = written(tmp_path, sentences=[Sentence("one", None, models)])
    assert found == [ListeningTest("ab", "ab_test.html")]
    with pytest.raises(UserError, match="not finite"):
        bad = {"a": np.array([np.nan]), "b": np.ones(3)}
        written(tmp_path, sentences=[Sentence("one", None, bad)])


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture
def clean(browser):
    """The browser, with neither faults nor downloads of other tests."""
    browser.faults.clear()
    for path in browser.downloads.iterdir():
        path.unlink()
    return browser


TRIAL = "trials[state.answers.length]"


def begin(browser, address: str) -> int:
    """Opens a page, begins, and returns the number of trials."""
    browser.open(address)
    browser.press("Enter")
    browser.wait("document.querySelector('.play')")
    return browser.evaluate("trials.length")


def listen_and_choose(browser, favourite: str) -> None:
    """One A/B trial, by keyboard: the favourite wins, else nobody."""
    a, b = (
        browser.evaluate(f"key.systems[{TRIAL}.{side}]") for side in ("a", "b")
    )
    answered = browser.evaluate("state.answers.length")
    for _ in range(2):
        browser.press(" ")
        browser.wait("player.playing")
        browser.press(" ")
        browser.wait("!player.playing")
    browser.press({a: "1", b: "2"}.get(favourite, "0"))
    browser.wait(
        f"state.answers.length == {answered + 1} && "
        "document.querySelector('.play, [role=status]')"
    )


@needs_browser
def test_ab_test_is_done_by_keyboard_resumed_and_read(clean, tmp_path, capsys):
    written(tmp_path)
    address = (tmp_path / "ab_test.html").as_uri()
    count = begin(clean, address)
    assert count == 3 * 2
    # No answer without listening.
    clean.press("1")
    assert "Listen to both first." in clean.text()
    assert clean.evaluate("state.answers.length") == 0
    listen_and_choose(clean, "recording")
    listen_and_choose(clean, "recording")
    clean.press("Backspace")
    clean.wait("state.answers.length == 1 && document.querySelector('.play')")
    state = clean.evaluate("[state.listener, state.seed, trials]")
    clean.open("about:blank")
    clean.open(address)
    assert "Continue at 2" in clean.text()
    assert clean.evaluate("[state.listener, state.seed, trials]") == state
    clean.press("Enter")
    clean.wait("document.querySelector('.play')")
    assert f"2 of {count}" in clean.text()
    for _ in range(1, count):
        listen_and_choose(clean, "recording")
    assert "Thank you" in clean.text()
    clean.press("Enter")
    (file,) = clean.downloaded()
    saved = json.loads(file.read_text())
    assert (saved["listener"], saved["seed"]) == tuple(state[:2])
    assert saved["planned"] == len(saved["trials"]) == count
    for trial in saved["trials"]:
        assert trial["plays"] == {trial["a"]: 1, trial["b"]: 1}
        assert trial["seconds"] > 0
        assert saved["started"] < trial["at"] < saved["saved"]
    shares = {
        frozenset((one.system, one.against)): (one.win.mean, one.neutral.mean)
        for one in preferences(read_ratings([file]).comparisons)
    }
    assert shares == {
        frozenset(SYSTEMS[:2]): (1, 0),
        frozenset(SYSTEMS[::2]): (1, 0),
        frozenset(SYSTEMS[1:]): (0, 1),
    }
    arguments = [f"--ratings={file}", f"--out={tmp_path / 'out'}"]
    assert cli.main(["evaluate", *arguments]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"recording against first-model +100-0-0", shown)
    assert clean.faults == []


@contextlib.contextmanager
def served(folder):
    """The address of a folder on a web server."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            # What browsers ask for by themselves.
            if self.path == "/favicon.ico":
                self.send_response(204)
                self.end_headers()
            else:
                super().do_GET()

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=folder)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@needs_browser
def test_mushra_is_done_by_keyboard_from_a_server_and_read(clean, tmp_path):
    written(tmp_path)
    wanted = {
        "recording": 100,
        "first-model": 71,
        "second-model": 38,
        ANCHOR: 50,
    }
    with served(tmp_path) as address:
        count = begin(clean, f"{address}/mushra.html")
        assert count == 2
        clean.press("Enter")
        assert "Listen to and rate A, B, C, D first." in clean.text()
        for number in range(count):
            shown = clean.evaluate(f"{TRIAL}.shown.map(named)")
            clean.press("r")
            clean.wait("player.playing == 'reference'")
            for row, name in enumerate(shown):
                # Continues at the same place with another version.
                clean.press(str(row + 1))
                clean.wait(f"player.playing == '{'ABCD'[row]}'")
                steps = wanted[name] - 50
                key = "ArrowRight" if steps > 0 else "ArrowLeft"
                for _ in range(abs(steps) // 10):
                    clean.press(key, shift=True)
                for _ in range(abs(steps) % 10):
                    clean.press(key)
                if steps == 0:
                    clean.press("ArrowLeft")
                    clean.press("ArrowRight")
            clean.press("Enter")
            clean.wait(
                f"state.answers.length == {number + 1} && "
                "document.querySelector('.play, h1')"
            )
            clean.wait(
                "document.querySelector('.play') || "
                "document.body.innerText.includes('Thank you')"
            )
        clean.press("Enter")
        (file,) = clean.downloaded()
    ratings = read_ratings([file])
    assert ratings.excluded == ()
    found = {
        one.system: one.score.mean for one in system_scores(ratings.scores)
    }
    assert found == wanted
    (listener,) = ratings.scores
    assert listener.reference == "recording"
    for trial in listener.trials:
        assert sorted(trial["shown"]) == sorted(wanted)
        assert trial["plays"] == dict.fromkeys(wanted, 1)
    assert clean.faults == []


@needs_browser
def test_a_version_goes_on_where_the_one_before_was(clean, tmp_path):
    written(
        tmp_path,
        sentences=[
            Sentence("long", None, {name: tone(300, 5) for name in SYSTEMS})
        ],
    )
    begin(clean, (tmp_path / "mushra.html").as_uri())
    clean.press("r")
    clean.wait("player.position > 0.3")
    clean.press("ArrowDown")
    assert clean.evaluate("player.playing") == "B"
    assert clean.evaluate("player.position") > 0.3
    clean.press(" ")
    assert clean.evaluate("player.playing") is None


@needs_browser
def test_the_order_comes_from_the_seed_and_pairs_come_equally(clean, tmp_path):
    written(tmp_path, sentences=sentences(8))
    clean.open((tmp_path / "ab_test.html").as_uri())
    plans = clean.evaluate("[1, 1, 2].map(plan)")
    assert plans[0] == plans[1] != plans[2]
    assert len(plans[0]) == 3 * 8
    clean.evaluate("test.most = 12")
    for seed in range(20):
        trials = clean.evaluate(f"plan({seed})")
        pairs = Counter(frozenset((one["a"], one["b"])) for one in trials)
        assert list(pairs.values()) == [4] * 3
        questions = {
            (one["sentence"], frozenset((one["a"], one["b"]))) for one in trials
        }
        assert len(questions) == 12
    # Either system of a pair is A about half of the time.
    sides = Counter(
        one["a"] < one["b"]
        for seed in range(50)
        for one in clean.evaluate(f"plan({seed})")
    )
    assert abs(sides[True] - 300) < 4 * np.sqrt(600 / 4)


@needs_browser
@pytest.mark.parametrize("width", [360, 1_200])
@pytest.mark.parametrize("file", ["ab_test.html", "mushra.html"])
def test_pages_fit_their_window(clean, tmp_path, file, width):
    long = [
        Sentence("a" * 40, "Said " * 40, dict.fromkeys("abcdefg", each))
        for each in [tone(300, 0.1)]
    ]
    long[0].audio["recording"] = tone(200, 0.1)
    written(tmp_path, sentences=long)
    clean.resize(width)
    begin(clean, (tmp_path / file).as_uri())
    # Not the inner width, which grows with what overflows on a phone.
    assert clean.evaluate("document.documentElement.scrollWidth") <= width
    assert clean.faults == []
    clean.resize(1_200)
