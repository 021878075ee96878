"""The text encoders, the query check and the table of paraphrases."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from textsep_lab.data import captions
from textsep_lab.encoders import registry
from textsep_lab.encoders.base import JointEncoder, TextEncoder
from textsep_lab.encoders.mini_clap import MiniClapEncoder
from textsep_lab.encoders.minilm import MiniLMEncoder
from textsep_lab.encoders.queries import clean_query
from textsep_lab.encoders.registry import load_encoder
from textsep_lab.evaluation import captions as evaluation
from textsep_lab.signal.metrics import wilson_interval
from textsep_lab.utils import paths

TEXTS = ["dog", "dog barking", "rain", "a freight train rumbles past far behind the old station"]
FLOAT_REFERENCE = [0.00383, 0.00263, 0.05869, 0.06874, 0.01667, -0.00067, 0.05945, -0.08738]


@pytest.fixture(scope="module")
def encoder():
    return load_encoder()


@pytest.fixture
def folder_copy(tmp_path):
    return shutil.copytree(paths.checkpoints_dir() / "text-encoder", tmp_path / "text-encoder")


def test_shape_type_and_unit_length(encoder):
    found = encoder.embed_text(TEXTS)
    assert found.shape == (4, encoder.dim) == (4, 384)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert encoder.embed_text([]).shape == (0, 384)


def test_alone_in_a_batch_and_from_a_fresh_encoder_are_equal(encoder):
    batch = encoder.embed_text(TEXTS)
    fresh = MiniLMEncoder()
    alone = np.concatenate([fresh.embed_text([text]) for text in reversed(TEXTS)])[::-1]
    np.testing.assert_array_equal(batch, alone)


def test_padding_is_masked_inside_the_graph(encoder):
    tokens = encoder._tokenizer.encode("dog barking")
    padded = {
        "input_ids": np.array([tokens.ids + [0] * 9]),
        "attention_mask": np.array([tokens.attention_mask + [0] * 9]),
    }
    found = encoder._session.run(["embedding"], padded)[0]
    np.testing.assert_allclose(found, encoder.embed_text(["dog barking"]), atol=1e-5)


def test_a_known_vector_does_not_drift(encoder):
    """First numbers of the unquantised network, made with transformers 5.23."""
    reference = np.array(FLOAT_REFERENCE, dtype=np.float32)
    np.testing.assert_allclose(encoder.embed_text(["dog barking"])[0, :8], reference, atol=5e-3)


def test_cache_returns_copies():
    encoder = MiniLMEncoder()
    first = encoder.embed_text(["dog", "dog", " dog "])
    assert encoder._embed_cached.cache_info().misses == 1
    kept = first.copy()
    first[:] = 0
    np.testing.assert_array_equal(encoder.embed_text(["dog"]), kept[:1])


def test_meaning_is_in_the_angles(encoder):
    dog, bark, rain, _ = encoder.embed_text(TEXTS)
    assert bark @ dog > bark @ rain + 0.2


def test_load_encoder_is_cached_and_names_the_choices(encoder):
    assert load_encoder("minilm-l6-int8") is load_encoder() is encoder
    assert encoder.name == "minilm-l6-int8"
    assert isinstance(encoder, TextEncoder)
    choices = "minilm-l6-int8, mini-clap, msclap-2023 or laion-clap"
    with pytest.raises(ValueError, match=rf"^There is no encoder 'clap': use {choices}\.$"):
        load_encoder("clap")


def test_the_shipped_joint_encoder_uses_the_shipped_text_encoder(encoder):
    joint = registry.load_joint_encoder()
    assert joint is registry.load_joint_encoder("mini-clap") is load_encoder("mini-clap")
    assert isinstance(joint, JointEncoder)
    assert joint.text_encoder is encoder  # 90 MB that need not be there twice


def test_an_encoder_of_text_alone_is_no_joint_encoder(encoder):
    assert not isinstance(encoder, JointEncoder)
    with pytest.raises(ValueError, match="minilm-l6-int8 embeds text only, not audio"):
        registry.load_joint_encoder(encoder.name)
    with pytest.raises(ValueError, match="There is no joint encoder 'clap'"):
        registry.load_joint_encoder("clap")


def test_every_encoder_says_what_it_is_without_being_loaded():
    for name in registry.encoders():
        kind = registry.encoders().load(name)
        status = kind.status()
        assert status.name == name
        assert status.embeds_audio == hasattr(kind, "embed_audio")
    for kind in (MiniLMEncoder, MiniClapEncoder):  # these are shipped
        assert kind.status().download == ""
        assert kind.status().installed and kind.status().weights.is_dir()


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("dog barking", "dog barking"),
        ("  dog\t\n barking ", "dog barking"),
        ("\u00a0dog\u3000barking", "dog barking"),
        ("chien qui aboie", "chien qui aboie"),
        ("犬の鳴き声", "犬の鳴き声"),
        ("\U0001f415", "\U0001f415"),
        ("\U0001f469\u200d\U0001f3a4", "\U0001f469\u200d\U0001f3a4"),
        ("808", "808"),
        ("dog\ud800", "dog"),
        ("x" * 200 + "  ", "x" * 200),
    ],
)
def test_clean_query_accepts(encoder, text, cleaned):
    assert clean_query(text) == cleaned
    assert np.isfinite(encoder.embed_text([text])).all()


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "?!...", "---", "\u200b", "\ud800"])
def test_clean_query_refuses_what_names_no_sound(text):
    with pytest.raises(ValueError, match=r"^The query is empty: describe the sound"):
        clean_query(text)


@pytest.mark.parametrize("text", [None, 3, b"dog", ["dog"], float("nan")])
def test_clean_query_refuses_what_is_no_text(text):
    with pytest.raises(ValueError, match="must be a string, not "):
        clean_query(text)


def test_clean_query_says_length_and_limit():
    with pytest.raises(ValueError, match=r"has 201 characters; the limit is 200"):
        clean_query("x" * 201)


def test_a_bare_string_is_not_a_list(encoder):
    with pytest.raises(ValueError, match="takes a list"):
        encoder.embed_text("dog")


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_damaged_file_is_named(folder_copy, name):
    data = bytearray((folder_copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder_copy / name).write_bytes(data)
    with pytest.raises(ValueError, match=rf"{name}' is damaged: restore it\.$"):
        MiniLMEncoder(folder_copy)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "\ufffd", json.dumps({"name": "x"})])
def test_damaged_card_is_named(folder_copy, content):
    (folder_copy / "encoder.json").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r"encoder\.json' is damaged"):
        MiniLMEncoder(folder_copy)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "encoder.json"])
def test_missing_file_is_named(folder_copy, name):
    (folder_copy / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{name}' is missing: restore it\.$"):
        MiniLMEncoder(folder_copy)


def test_paraphrases_are_complete_and_unique():
    table = captions.load()
    assert list(table.columns) == ["label", "paraphrase", "split"]
    assert table["label"].nunique() == 58
    counts = table.groupby(["label", "split"]).size().unstack()
    assert counts["train"].between(80, 120).all()
    assert counts["ood"].dropna().between(10, 16).all() and counts["ood"].count() == 50
    assert (counts["heldout"] == 5).all()
    assert table["paraphrase"].str.lower().is_unique
    assert (table["paraphrase"].map(clean_query) == table["paraphrase"]).all()
    for label, part in table.groupby("label"):
        assert part["paraphrase"].iloc[0] == label.replace("_", " ")


def test_load_hands_out_copies():
    table = captions.load()
    table["paraphrase"] = "spoilt"
    assert captions.for_label("dog")[0] == "dog"


def test_for_label():
    assert captions.for_label("sea_waves")[0] == "sea waves"
    assert len(captions.for_label("sea_waves")) > 50
    assert len(captions.for_label("sea_waves", "heldout")) == 5
    assert captions.for_label("steam_hammer", "heldout") == ["steam hammer"]
    with pytest.raises(ValueError, match="use train, heldout or ood"):
        captions.for_label("dog", "test")


def test_heldout_paraphrases_are_understood(encoder):
    """Measured: 55.5 and 81.7 % top 1, 78.6 and 94.8 % top 5, of 58 classes."""
    table = evaluation.nearest_class_accuracy(encoder, "heldout").set_index("protocol")
    assert table.loc["bare", "top1"] > 0.54
    assert table.loc["bare", "top5"] > 0.77
    assert table.loc["prototype", "top1"] > 0.8
    assert table.loc["prototype", "top5"] > 0.93
    assert (table["top1_low"] < table["top1"]).all()
    assert (table["top5"] < table["top5_high"]).all()


class LookupEncoder:
    """Knows which label each paraphrase belongs to; rotates the answer by `shift` labels."""

    name, dim = "lookup", 58

    def __init__(self, shift):
        table = captions.load()
        codes = {label: i for i, label in enumerate(table["label"].unique())}
        moved = table["split"].eq("heldout") * shift
        self.rows = dict(zip(table["paraphrase"], table["label"].map(codes) + moved, strict=True))

    def embed_text(self, texts):
        return np.eye(58, dtype=np.float32)[[self.rows[text] % 58 for text in texts]]


@pytest.mark.parametrize(("shift", "expected"), [(0, 1.0), (1, 0.0)])
def test_accuracy_of_a_perfect_and_a_wrong_encoder(shift, expected):
    table = evaluation.nearest_class_accuracy(LookupEncoder(shift), "heldout")
    assert (table["top1"] == expected).all()


def test_bad_split_protocol_and_interval_are_refused(encoder):
    with pytest.raises(ValueError, match="There is no split"):
        evaluation.nearest_class_accuracy(encoder, "test")
    with pytest.raises(ValueError, match="There is no protocol"):
        evaluation.label_embeddings(encoder, "mean")
    with pytest.raises(ValueError, match="needs 0 <= hits <= n"):
        wilson_interval(3, 2)
    assert wilson_interval(0, 10)[0] == pytest.approx(0, abs=1e-12)


def test_the_summary_has_both_tables(monkeypatch):
    few = captions.load().groupby(["label", "split"]).head(4)
    monkeypatch.setattr(captions, "load", few.copy)
    lines = evaluation.summary().splitlines()
    assert lines[0] == "Nearest label embedding (minilm-l6-int8)"
    assert sum("prototype" in line for line in lines) == len(captions.SPLITS)
    assert lines[-3].split()[:2] == ["held", "out"]
