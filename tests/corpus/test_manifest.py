"""CSV manifests, well and badly made."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.layouts import find_layout
from pwavenet_tf.corpus.manifest import Row, read_manifest

FIELDS = st.text(
    st.characters(
        blacklist_categories=("Cs", "Cc", "Zs", "Zl", "Zp"),
        blacklist_characters="\ufeff",
    ),
    min_size=1,
    max_size=12,
).filter(lambda text: text.strip("./"))


@given(
    rows=st.lists(
        st.tuples(FIELDS, FIELDS | st.none(), FIELDS | st.none()),
        min_size=1,
        max_size=6,
        unique_by=lambda row: row[0],
    ),
    delimiter=st.sampled_from(",\t;|"),
    order=st.permutations(["path", "speaker", "text", "note"]),
    mark=st.booleans(),
)
def test_a_manifest_is_read_as_it_was_written(
    tmp_path_factory, rows, delimiter, order, mark
):
    path = tmp_path_factory.mktemp("manifest") / "manifest.csv"
    encoding = "utf-8-sig" if mark else "utf-8"
    with open(path, "w", encoding=encoding, newline="") as file:
        table = csv.DictWriter(file, order, delimiter=delimiter)
        table.writeheader()
        for name, speaker, text in rows:
            row = {"path": f"d/{name}.wav", "speaker": speaker, "text": text}
            table.writerow(row | {"note": "x"})
    found = read_manifest(path)
    assert [one.speaker for one in found] == [row[1] for row in rows]
    assert [one.text for one in found] == [row[2] for row in rows]


def test_a_line_break_within_quotes_is_part_of_the_text(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text('path,text\na.wav,"one\ntwo"\n\n b.wav , three\n')
    assert read_manifest(path) == [
        Row("a.wav", None, "one\ntwo", 2),
        Row("b.wav", None, "three", 5),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_where_files_end_them_and_nowhere_else(
    tmp_path, encoding, end
):
    path, text = tmp_path / "m.csv", "of\u2028a\u0085line\vor\fa\x1epage"
    content = f'path;text{end}a.wav;Étude {text}{end}b.wav;"5"" wide"{end}'
    path.write_bytes(content.encode(encoding))
    assert read_manifest(path) == [
        Row("a.wav", None, f"Étude {text}", 2),
        Row("b.wav", None, '5" wide', 3),
    ]


def test_the_delimiter_is_the_one_that_sets_off_the_path(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("text, in full, read aloud|path\nYes, no, so|a.wav\n")
    assert [one.path for one in read_manifest(path)] == ["a.wav"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "names no column 'path'"),
        (b"a.wav,anna,Yes\n", "names no column 'path'"),
        (b"path,text\n", "names no recordings"),
        (b"path,text\na.wav,x\n,y\n", "m.csv:3: has no path"),
        (b"text,path\nx,\n", "m.csv:2: has no path"),
        (b"path\na.wav\nb.wav\n./a.wav\n", "m.csv:4: names a.wav again"),
        (b"path\na.wav\nb/../a.wav\n", "m.csv:3: names b/../a.wav again"),
        (b"path\na.wav\n\xff\xfe.wav\n", "m.csv:3: is not UTF-8"),
        ("path\na.wav\n".encode("utf-16-le"), "m.csv:1: is not UTF-8"),
        (b"path\na\0.wav\n", "m.csv:2: is not UTF-8"),
        (b"path\n" + b"a" * 200_000, "m.csv:2: is not CSV"),
        (b"path,text,text\na.wav,One,Two\n", "m.csv:1: names the column"),
        (b"path,text\na.wav,Yes, indeed\n", "m.csv:2: has 3 fields"),
        (b"path,speaker,text\n\na.wav,Yes\n", "m.csv:3: has 2 fields"),
        (b'path,text\na.wav,"Yes\nb.wav,No\n', "m.csv:2: is not CSV"),
        (b'path,text\na.wav,"Yes"s\nb.wav,No\n', "m.csv:2: is not CSV"),
        (b'path,text\na.wav,"Yes\nb.wav,No"\n', "m.csv:2: a quotation mark"),
        (b"path,text\na.wav,Yes\nb.wav,No\n", "m.csv:2: there is no a.wav"),
    ],
)
def test_a_manifest_that_is_none_is_one_clear_line(tmp_path, content, message):
    path = tmp_path / "m.csv"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        find_layout(path)
    assert message in str(caught.value) and str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
