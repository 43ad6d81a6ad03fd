from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.phones.labels import (
    find_labels,
    read_labels,
    write_labels,
)
from pwavenet_tf.corpus.phones.phones import SILENCE, Phone

# Anything visible may name a phone: SAMPA has quotes, IPA its own letters.
SYMBOLS = st.one_of(
    st.sampled_from([SILENCE, "AA1", "ax", "i:", '"a', "ʃ", "ɔː", "t_h", "@,"]),
    st.text("abcdeATS@{}&,\"'ɐʒŋ", min_size=1, max_size=3),
)


@st.composite
def utterances(draw):
    """Phones that follow one another, with gaps where `draw` says so."""
    phones, time = [], 0.0
    for symbol in draw(st.lists(SYMBOLS, min_size=1, max_size=10)):
        start = time + draw(st.sampled_from([0.0, 0.0, 0.25]))
        time = start + draw(st.floats(0.002, 2))
        phones.append(Phone(symbol, start, time))
    return phones


def htk(phones):
    return "".join(
        f"{round(phone.start * 1e7)} {round(phone.end * 1e7)} {phone.symbol}\n"
        for phone in phones
    )


def audacity(phones):
    return "".join(
        f"{phone.start:.6f}\t{phone.end:.6f}\t{phone.symbol}\r\n"
        for phone in phones
    )


def festival(phones):
    lines = ["separator ;", "nfields 1", "#"]
    lines += [f"  {phone.end:.7f} 125 {phone.symbol}" for phone in phones]
    return "\n".join(lines)


def contiguous(phones):
    """As Festival's format must have it: without gaps."""
    starts = [0.0, *(phone.end for phone in phones[:-1])]
    return [
        Phone(phone.symbol, start, phone.end)
        for start, phone in zip(starts, phones, strict=True)
    ]


def assert_same(read, phones):
    assert [phone.symbol for phone in read] == [p.symbol for p in phones]
    for one, other in zip(read, phones, strict=True):
        assert one.start == pytest.approx(other.start, abs=1e-6)
        assert one.end == pytest.approx(other.end, abs=1e-6)


@given(utterances())
@pytest.mark.parametrize(
    ("written", "suffix"), [(htk, "lab"), (audacity, "txt"), (festival, "lab")]
)
def test_each_format_reads_as_it_was_written(
    tmp_path_factory, written, suffix, phones
):
    if written is festival:
        phones = contiguous(phones)
    path = tmp_path_factory.mktemp("labels") / f"one.{suffix}"
    path.write_bytes(written(phones).encode())
    assert_same(read_labels(path), phones)


@given(utterances())
def test_own_files_read_as_they_were_written(tmp_path_factory, phones):
    path = tmp_path_factory.mktemp("labels") / "one.csv"
    write_labels(path, phones)
    assert_same(read_labels(path), phones)


def test_columns_may_come_in_any_order_among_others(tmp_path):
    path = tmp_path / "one.csv"
    path.write_text(
        "\ufeffPhone, End ,word,Start\nb,0.3,be,0.1\n\na,0.1,a,0\n", "utf-8"
    )
    assert read_labels(path) == [Phone("a", 0, 0.1), Phone("b", 0.1, 0.3)]


@pytest.mark.parametrize(
    "mark", ["sil", "SIL", "pau", "sp", "#", "h#", "<sil>", "", "_"]
)
def test_marks_of_silence_become_one(tmp_path, mark):
    content = {
        "one.csv": f"start,end,phone\n0,1.0,{mark}\n1.0,2,a",
        "two.lab": f"0\t10000000\t{mark}\n10000000\t20000000\ta",
        "three.lab": f"#\n1.0 125 {mark}\n2.0 125 a ; x",
    }
    for name, text in content.items():
        (tmp_path / name).write_text(text)
        assert read_labels(tmp_path / name) == [
            Phone(SILENCE, 0, 1),
            Phone("a", 1, 2),
        ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "start,end\n0,1\n", "a.csv:1: the header lacks phone"),
        ("a.csv", "", "a.csv:1: the header lacks start, end, phone"),
        ("a.csv", "start,end,phone\n", "a.csv: holds no phones"),
        ("a.csv", "start,end,phone\n0,1,a\n1,2\n", "a.csv:3: has 2 fields"),
        ("a.csv", "start,end,phone\n0,1,a\n1,b,2\n", "a.csv:3: 'b' is not"),
        ("a.csv", "start,end,phone\n0,1,a\n0.5,2,b\n", "a.csv: .*overlaps"),
        ("a.csv", "start,end,phone\n0,nan,a\n", "a.csv: .*no finite time"),
        ("a.lab", "", "a.lab: holds no phones"),
        ("a.lab", "0 1.0 a\n\n1.0 0.5 b\n", "a.lab:3: ends before it starts"),
        ("a.lab", "0 1.0 a\n1.0\n", "a.lab:2: is not `start end phone`"),
        ("a.lab", "the words spoken\n", "a.lab:1: 'the' is not a time"),
        ("a.lab", "x\n#\n1.0\n", "a.lab:3: is not `end colour phone`"),
        ("a.lab", "#\n1.0 125 a\n0.5 125 b", "a.lab:3: ends before it starts"),
        ("a.csv", 'start,end,phone\n0,1,"a\n1,2,b\n', "a.csv:2: is not CSV"),
        ("a.csv", "start,end,phone\n0,0,1,a\n", "a.csv:2: has 4 fields"),
        ("a.lab", "0 1.0 \xe9", "a.lab:1: is not UTF-8 text"),
    ],
)
def test_unreadable_labels_name_file_and_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content.encode("latin-1"))
    with pytest.raises(UserError, match=message) as refused:
        read_labels(tmp_path / name)
    assert str(tmp_path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_missing_labels_are_refused(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_labels(tmp_path / "none.lab")
    with pytest.raises(UserError, match="cannot be read"):
        read_labels(tmp_path)


def test_labels_are_found_by_path_or_by_stem(tmp_path):
    labels = tmp_path / "labels"
    (labels / "speaker").mkdir(parents=True)
    (labels / "speaker" / "one.lab").touch()
    (labels / "one.csv").touch()
    (labels / "mr.two.csv").touch()
    found = {
        "speaker/one.wav": "speaker/one.lab",
        "other/one.flac": "one.csv",
        "one": "one.csv",
        "mr.two": "mr.two.csv",
        "mr.two.WAV": "mr.two.csv",
    }
    for recording, expected in found.items():
        assert find_labels(labels, PurePath(recording)) == labels / expected
    assert find_labels(labels, "three.wav") is None
