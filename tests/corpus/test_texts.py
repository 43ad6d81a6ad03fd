from pwavenet_tf.corpus.manifest import read_normalised_texts, read_texts

TABLE = "a|In 1476.|In fourteen seventy-six.\nb|Dr. Who|\nc|Only one\nd\n\n"


def test_texts_are_read_as_written(tmp_path):
    (tmp_path / "metadata.csv").write_text(TABLE)
    assert read_texts(tmp_path) == {
        "a": "In 1476.",
        "b": "Dr. Who",
        "c": "Only one",
    }


def test_spoken_texts_prefer_the_normalised_column(tmp_path):
    (tmp_path / "metadata.csv").write_text(TABLE)
    assert read_normalised_texts(tmp_path) == {
        "a": "In fourteen seventy-six.",
        "b": "Dr. Who",
        "c": "Only one",
    }


def test_without_a_table_there_are_no_texts(tmp_path):
    assert read_texts(tmp_path) == read_normalised_texts(tmp_path) == {}
