"""A folder's table of texts: what is read, and what is refused by line."""

import pytest

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.layouts import find_layout
from pwavenet_tf.corpus.transcripts import Transcripts

LJ_SPEECH = "a|In 1476.|In fourteen seventy-six.\nb|Dr. Who|\n\nc|Only one|\n"


def with_table(folder, content: str | bytes, *names):
    """A folder of recordings, of which only the names count."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    text = content.encode() if isinstance(content, str) else content
    (folder / "metadata.csv").write_bytes(text)
    return folder


def texts(folder):
    return {one.name: one.text for one in find_layout(folder).sources}


def refusal(folder):
    with pytest.raises(UserError) as caught:
        find_layout(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{folder}/")


def test_the_normalised_text_is_spoken_and_the_other_shown(tmp_path):
    folder = with_table(tmp_path, LJ_SPEECH)
    found = Transcripts(folder)
    assert [found.normalised(name) for name in "abcd"] == [
        *("In fourteen seventy-six.", "Dr. Who", "Only one", None)
    ]
    assert found.texts(folder / f"{name}.wav" for name in "abcd") == {
        **{"a": "In 1476.", "b": "Dr. Who", "c": "Only one"}
    }


def test_without_a_table_there_are_no_texts(tmp_path):
    found = Transcripts(tmp_path)
    assert found.normalised("a.wav") is None
    assert found.texts([tmp_path / "a.wav"]) == {}


@pytest.mark.parametrize(
    "written",
    [
        *("x", "x.flac", "x.FLAC", "x.wav", "wavs/x", "wavs/x.flac", "./x"),
        *("wavs\\x.wav", " x ", "\tx.flac\t", "cafe\u0301"),
    ],
)
@pytest.mark.parametrize("place", ["", "wavs/"])
def test_a_name_is_found_however_it_is_written(tmp_path, written, place):
    stem = "caf\u00e9" if "caf" in written else "x"
    folder = with_table(
        tmp_path, f"{written}| The text. \n", f"{place}{stem}.flac"
    )
    assert texts(folder) == {f"{place}{stem}.flac": "The text."}


def test_a_name_with_its_folder_belongs_to_that_folder(tmp_path):
    folder = with_table(
        tmp_path,
        "anna/1|Anna's.\nben/1.wav|Ben's.\n2.1|Two.\n",
        *("anna/1.wav", "ben/1.wav", "ben/2.1.wav"),
    )
    assert texts(folder) == {
        "anna/1.wav": "Anna's.",
        "ben/1.wav": "Ben's.",
        "ben/2.1.wav": "Two.",
    }


def test_rows_without_a_recording_are_named_by_line(tmp_path):
    folder = with_table(tmp_path, "x|One\n\nz|Three\ny|Two\n", "x.wav")
    assert find_layout(folder).unrecorded == (
        *("metadata.csv:3: z", "metadata.csv:4: y"),
    )


INNER = "of\u2028a\u0085line\vor\fa\x1epage"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_where_files_end_them_and_nowhere_else(
    tmp_path, encoding, end
):
    mark = "\ufeff" if encoding[-2:] in ("le", "be") else ""
    content = f"{mark}x|The end {INNER}{end}y|\u201cÉtude\u201d{end}"
    folder = with_table(tmp_path, content.encode(encoding), "x.wav", "y.wav")
    assert texts(folder) == {
        "x.wav": f"The end {INNER}",
        "y.wav": "\u201cÉtude\u201d",
    }


def test_quotation_marks_belong_to_the_text(tmp_path):
    """LJ Speech opens quotations in one recording and closes them later."""
    folder = with_table(
        tmp_path, 'x|"To be,|"To be,\ny|5" wide|5" wide\n', "x.wav", "y.wav"
    )
    assert texts(folder) == {"x.wav": '"To be,', "y.wav": '5" wide'}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x|One\ny|caf\xe9\n", "metadata.csv:2: is not UTF-8"),
        ("x|One\n".encode("utf-16-le"), "metadata.csv:1: is not UTF-8"),
        ("x|One\n".encode("utf-32"), "metadata.csv:1: is not UTF-8"),
        (b"x|One\ry|T\0wo\n", "metadata.csv:2: is not UTF-8"),
        ("\ufeffx|é\ny|".encode("utf-16") + b"\0", "metadata.csv:2: is not"),
        ("x|One\nx.wav|Two\n", "metadata.csv:2: names x.wav again, as line 1"),
        ("wavs/x|One\n\nx|One\n", "metadata.csv:3: names x again, as line 1"),
        ("x|One|two\ny|Two\nz|Three\n", "metadata.csv:1: has 3 fields where"),
        ("x|One\ny|Stop|Go\nz|Three\n", "metadata.csv:2: has 3 fields where"),
        ("x|Stop here|Go on\n", "metadata.csv:1: 'Go on' is not the text in"),
        ("x|Anna went|anna\ny|No|ben\n", "metadata.csv:2: 'ben' is not the"),
        ("x|7|anna\ny|8|ben\n", "metadata.csv:1: 'anna' is not the text in"),
        ("x|A text|A text|anna\n", "metadata.csv:1: is not name|text"),
        ("\nx,One\ny,Two\n", "metadata.csv:2: is not name|text"),
        ("x|One\n|Two\n", "metadata.csv:2: has no name"),
        ("\n \n", "metadata.csv: is empty"),
        ("a|One\nb|Two\n", "metadata.csv:1: no recording is called a, nor"),
    ],
)
def test_what_is_no_table_of_texts_is_refused_by_line(
    tmp_path, content, message
):
    folder = with_table(tmp_path, content, "x.wav", "y.wav", "z.wav")
    assert refusal(folder).startswith(message)


def test_a_report_wants_its_texts_too(tmp_path):
    folder = with_table(tmp_path, "a|One\nb|Two\n", "x.wav", "y.wav")
    with pytest.raises(UserError, match="csv:1: no recording is called a"):
        Transcripts(folder).texts([folder / "x.wav", folder / "y.wav"])
    assert Transcripts(folder).texts([folder / "x.wav"]) == {}


def test_a_name_that_two_recordings_have_is_not_guessed(tmp_path):
    folder = with_table(tmp_path, "1|One\n", "anna/1.wav", "ben/1.wav")
    assert refusal(folder) == (
        "metadata.csv:1: 1 may be anna/1.wav or ben/1.wav; write the folder too"
    )


@pytest.mark.parametrize("corpus", ["ljspeech-mini", "kathleen"])
def test_real_tables_give_every_recording_its_text(shared_data, corpus):
    layout = find_layout(shared_data / corpus)
    assert layout.transcripts == len(layout.sources) > 20
    assert layout.unrecorded == ()
