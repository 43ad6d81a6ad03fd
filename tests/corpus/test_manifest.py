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
        Row("a.wav", None, "one\ntwo"),
        Row("b.wav", None, "three"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "names no column 'path'"),
        (b"a.wav,anna,Yes\n", "names no column 'path'"),
        (b"path,text\n", "names no recordings"),
        (b"path,text\na.wav,x\n,y\n", "m.csv:3: has no path"),
        (b"text,path\nx\n", "m.csv:2: has no path"),
        (b"path\na.wav\nb.wav\n./a.wav\n", "m.csv:4: names a.wav again"),
        (b"path\n\xff\xfe.wav\n", "not UTF-8"),
        (b"path\na\0.wav\n", "m.csv"),
        (b"path\n" + b"a" * 200_000, "is not CSV"),
    ],
)
def test_a_manifest_that_is_none_is_one_clear_line(tmp_path, content, message):
    path = tmp_path / "m.csv"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        find_layout(path)
    assert message in str(caught.value) and str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
