"""The audit of whole corpora, its files, and `prepare` on the same verdict."""

import csv
import json
import re

import numpy as np
import pytest
import soxr
from audit_signals import broken_files, noisy, written
from drawn import paths, texts

from pwavenet_tf.audio.files import to_pcm16
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.presets import preset
from pwavenet_tf.corpus.audit import audit
from pwavenet_tf.corpus.audit.report import (
    histogram,
    screen_table,
    values,
    write_audit,
)
from pwavenet_tf.corpus.audit.verdict import CHECKS, Limits
from pwavenet_tf.corpus.layouts import find_layout
from pwavenet_tf.corpus.prepare import prepare

NANO = preset("nano")
RATE = 16_000


@pytest.fixture(scope="module")
def messy(tmp_path_factory):
    """A corpus with one of everything that is wrong, and two good ones."""
    folder = tmp_path_factory.mktemp("messy") / "corpus"
    broken_files(folder)
    (folder / "folder.wav").rmdir()
    clean = noisy(40, seconds=2.0)
    for name, audio in {
        "good.wav": clean,
        "other.wav": noisy(40, seed=9, seconds=2.0),
        "twin.flac": clean,
        "short.wav": clean[:3_000],
        "silent.wav": np.zeros(RATE),
        "clipped.wav": np.clip(40 * clean, -1, 1),
        "offset.wav": clean + 0.2,
        "noisy.wav": noisy(8, seconds=2.0),
        "paused.wav": np.pad(clean, (0, 60 * RATE)),
        "upsampled.wav": soxr.resample(
            noisy(40, rate=8_000, seconds=2.0), 8_000, RATE
        ),
        "<b>&amp;.wav": noisy(8, seed=5, seconds=2.0),
    }.items():
        # As levels, for encoders round in ways of their own.
        written(folder / name, to_pcm16(audio))
    (folder / "metadata.csv").write_text(
        "good|Twenty-four characters..\nother|x\nlost|Where is it?\n"
    )
    return folder


QUARANTINED = {
    "short.wav": "is shorter than 0.25 s",
    "silent.wav": "digitally silent",
    "clipped.wav": "is clipped",
    "offset.wav": "has an offset of 0.2",
    "paused.wav": "mostly pauses (97%)",
    "other.wav": "0.5 characters of transcript",
    "cut.wav": "is truncated",
    "cut.flac": "is damaged",
    "cut.mp3": "is truncated",
    "cut.ogg": "is truncated",
    "letter.wav": "not audio",
    "nothing.wav": "empty file",
    "none.wav": "no samples",
    "nan.wav": "NaN",
    "integers.wav": "16-bit integers stored as floating point",
    "huge.wav": "times full scale",
    "infinite.wav": "NaN or infinite",
    "film.mp4": "convert it: ffmpeg -i film.mp4 film.flac",
}
WARNED = {
    "noisy.wav": "is noisy (SNR 8",
    "<b>&amp;.wav": "is noisy (SNR 8",
    "upsampled.wav": "though sampled at 16000 Hz",
}


@pytest.fixture(scope="module")
def found(messy):
    return audit(find_layout(messy), Limits(), RATE)


def test_everything_that_is_wrong_is_found_and_nothing_else(found):
    reasons = {one.source.name: one.reasons for one in found.quarantined}
    assert reasons.keys() == QUARANTINED.keys()
    for name, message in QUARANTINED.items():
        assert message in "; ".join(reasons[name])
        assert not reasons[name][0].startswith(("/", name))
    warnings = {
        one.source.name: "; ".join(one.warnings) for one in found.warned
    }
    for name, message in WARNED.items():
        assert message in warnings[name]
    # Which of the twins is the original depends on their shuffle keys.
    twins = {"good.wav", "twin.flac"}
    assert sum("same samples" in warnings[name] for name in twins) == 1
    assert {one.source.name for one in found.accepted} == {*twins, *WARNED}
    assert found.layout.unrecorded == ("metadata.csv:3: lost",)


@pytest.mark.parametrize("threads", [1, 3])
def test_the_verdicts_do_not_depend_on_the_threads(messy, found, threads):
    assert audit(find_layout(messy), Limits(), RATE, threads=threads) == found


def test_the_audit_reads_and_never_writes(messy, found):
    before = {path: path.read_bytes() for path in messy.iterdir()}
    audit(find_layout(messy), Limits(), RATE)
    assert {path: path.read_bytes() for path in messy.iterdir()} == before


@pytest.mark.parametrize("duplicates", [False, True])
def test_prepare_refuses_what_is_in_quarantine_with_the_same_reasons(
    messy, tmp_path, duplicates
):
    limits = Limits(least_snr=20.0, quarantine_duplicates=duplicates)
    expected = audit(find_layout(messy), limits, RATE, check_transcripts=False)
    card = prepare(expected, tmp_path / "out", NANO)
    assert {one.file: one.reason for one in card.refused} == {
        one.source.name: "; ".join(one.reasons) for one in expected.quarantined
    }
    held = {one.file for one in card.training + card.validation}
    assert held == {one.source.name for one in expected.accepted}
    assert len(held & {"good.wav", "twin.flac"}) == 2 - duplicates


def test_real_speech_is_accepted_without_a_word(shared_data):
    layout = find_layout(shared_data / "ljspeech-mini")
    assert layout.kind == "LJ Speech" and layout.transcripts == 26
    found = audit(layout, Limits(), RATE)
    assert len(found.accepted) == 26 and not found.warned
    # It is of a quiet room, and its bandwidth is that of its rate.
    assert values(found, CHECKS[5]).min() > 20


def test_one_recording_in_three_formats_is_told_of(shared_data):
    found = audit(find_layout(shared_data / "formats"), Limits(), RATE)
    assert len(found.accepted) == 6
    message = {one.source.name: "; ".join(one.warnings) for one in found.warned}
    assert (
        len([text for text in message.values() if "same samples" in text]) == 2
    )
    assert {
        name for name, text in message.items() if "nothing above" in text
    } == {
        "LJ001-0002.mp3",
        "LJ001-0008.mp3",
    }


# Files


@pytest.fixture(scope="module")
def files(found, tmp_path_factory):
    out = tmp_path_factory.mktemp("audit") / "deep" / "out"
    write_audit(found, out, "<messy> & so on")
    return out


def test_the_json_has_every_figure_of_every_file(files, found):
    content = json.loads((files / "audit.json").read_text("ascii"))
    assert content["recordings"] == len(content["files"]) == 23
    assert (content["accepted"], content["quarantined"]) == (5, 18)
    assert content["transcripts_without_recording"] == ["metadata.csv:3: lost"]
    assert content["limits"]["shortest_seconds"] == 0.25
    by_name = {one["file"]: one for one in content["files"]}
    assert list(by_name) == sorted(by_name)
    for one in found.audits:
        written_down = by_name[one.source.name]
        assert written_down["reasons"] == list(one.reasons)
        assert (written_down["verdict"] == "accepted") == one.accepted
        if one.measures:
            measures = written_down["measures"]
            assert measures["snr_db"] == one.measures.snr_db
            assert measures["content"] == one.measures.content
    total = sum(one.measures.seconds for one in found.audits if one.measures)
    assert content["seconds"] == pytest.approx(total, abs=1e-3)


def test_the_quarantine_list_has_a_row_for_each_reason(files, found):
    with open(files / "quarantine.csv", encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["file", "reason"]
    assert [tuple(row) for row in rows] == [
        (one.source.name, reason)
        for one in found.quarantined
        for reason in one.reasons
    ]


def test_the_page_is_whole_and_fetches_nothing(files):
    page = (files / "audit.html").read_text("utf-8")
    assert "&lt;messy&gt; &amp; so on" in page
    assert "&lt;b&gt;&amp;amp;.wav" in page and "<b>" not in page
    assert not re.search(r"(src|href)=|url\(|<script", page)
    for name, message in QUARANTINED.items():
        assert name in page and message in page
    for name in ("noisy.wav", "upsampled.wav", "lost"):
        assert name in page
    assert page.count("<svg") == page.count("</svg>") == len(CHECKS)
    assert page.rstrip().endswith("</html>")


def test_histograms_show_every_recording_and_the_limits(found):
    for check in CHECKS:
        measured = values(found, check)
        chart = histogram(found, check, measured)
        heights = [np.ptp(bar[:, 1]) for bar in paths(chart, "accent")]
        counts, _ = np.histogram(measured, 30)
        expected = np.sqrt(counts / counts.max()) * max(heights)
        np.testing.assert_allclose(heights, expected, atol=0.21)
        assert f'aria-label="{check.label}, {check.unit}: from' in chart


@pytest.mark.parametrize(
    ("number", "drawn"),
    [
        (2, {"most clipped": 10, "warn clipped": 0.1}),
        (3, {"most offset": 10, "warn offset": 1}),
        (5, {"warn snr": 15}),
        (6, {"warn bandwidth": 6_400}),
    ],
)
def test_histograms_show_the_limits_at_their_places(found, number, drawn):
    measured = values(found, CHECKS[number])
    chart = histogram(found, CHECKS[number], measured)
    assert set(drawn) == {text for text in texts(chart) if " " in text}
    bars = np.concatenate(paths(chart, "accent"))[:, 0]
    ends = bars.min(), bars.max()
    expected = np.interp(
        list(drawn.values()), (measured.min(), measured.max()), ends
    )
    lines = [line[0, 0] for line in paths(chart, "warm")]
    np.testing.assert_allclose(sorted(lines), sorted(expected), atol=1)


def test_what_no_recording_has_is_not_drawn(tmp_path):
    written(tmp_path / "a.wav", np.zeros(RATE))
    found = audit(find_layout(tmp_path), Limits(), RATE)
    write_audit(found, tmp_path / "out", "silence")
    page = (tmp_path / "out" / "audit.html").read_text("utf-8")
    assert "Speaking rate" not in page and "Peak" not in page
    assert "Duration" in page


def test_nothing_readable_is_an_audit_too(tmp_path):
    (tmp_path / "a.wav").write_text("no")
    found = audit(find_layout(tmp_path), Limits(), RATE)
    write_audit(found, tmp_path / "out", "nothing")
    assert "a.wav: is damaged or not audio" in screen_table(found)
    assert json.loads((tmp_path / "out/audit.json").read_text())["seconds"] == 0


def test_the_screen_tells_totals_and_the_quarantine(found):
    text = screen_table(found)
    assert text.startswith("plain folder: 23 recordings, 2 with a transcript")
    assert re.search(r"^accepted: +5 recordings", text, re.M)
    assert re.search(r"^quarantined: +18 recordings", text, re.M)
    for name, message in QUARANTINED.items():
        assert re.search(rf"^  {name}: .*{re.escape(message)}", text, re.M)
    assert "noisy.wav" not in text


def test_a_folder_that_holds_something_is_left_alone(found, files):
    before = {path.name: path.read_bytes() for path in files.iterdir()}
    with pytest.raises(UserError, match="already holds something"):
        write_audit(found, files, "again")
    assert {path.name: path.read_bytes() for path in files.iterdir()} == before
    assert set(before) == {"audit.json", "audit.html", "quarantine.csv"}
    assert [path.name for path in files.parent.iterdir()] == ["out"]
