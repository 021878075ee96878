"""What a query asks for: one sound, several, all but some, one beside another; or a sentence."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textsep_lab.data import captions
from textsep_lab.encoders.query_grammar import describe, parse_query

LABELS = [label.replace("_", " ") for label in captions.labels()]
WORDINGS = sorted(
    {
        text
        for label in captions.labels()
        for split in ("train", "heldout", "ood")
        for text in captions.for_label(label, split)
    }
)
PIECES = (
    "not no and or but everything except dog rain barking . ? ! \x00 + & the a nor without "
    "neither / remove keep only 🐶 won't is 5"
)
WORDS = PIECES.split()
PROPERTY = settings(max_examples=200, deadline=None)

ONE = """a dog barking and growling|rock and roll|mute swan calling
salt and pepper shaker|an engine that will not start|a car that won't start|non-stop drumming
loud and fast drumming|louder and louder alarm|a dog barking, far away|ein Hund bellt|🐶|雨の音
tree chopped and falling|mach 1+ jet
cannon fire|a knife and fork on a plate|something falling|silence|walking back and forth
a door opening, with a squeak|notification sound|a cut flower
sanding and polishing|an old, wet cough|AC/DC hum|a machine which does not stop|Knot tying"""

SEVERAL = {
    "dog and rain": "dog|rain",
    "dog or rain": "dog|rain",
    "a cat, a dog, or a bird.": "a cat|a dog|a bird",
    "both a dog and a cat": "a dog|a cat",
    "dog + rain & wind plus siren": "dog|rain|wind|siren",
    "the dog as well as the cat": "the dog|the cat",
    "coughing and sneezing": "coughing|sneezing",
    "rain on a roof and thunder": "rain on a roof|thunder",
    "birds in the trees and wind": "birds in the trees|wind",
    "people chatting and cutlery clinking": "people chatting|cutlery clinking",
    "rock and roll music and applause": "rock and roll music|applause",
    "keep only the dog and the rain": "the dog|the rain",
    "please isolate the flute, the drum": "the flute|the drum",
    "DOG AND RAIN!": "DOG|RAIN",
    "dog and dog": "dog",
}

ALL_BUT = {
    "not a dog": "a dog",
    "NOT A DOG!": "A DOG",
    "no rain": "rain",
    "without rain": "rain",
    "everything except the dog": "the dog",
    "everything but the dog and the rain": "the dog|the rain",
    "Anything but rain.": "rain",
    "all except for the siren": "the siren",
    "everything apart from speech": "speech",
    "every sound besides the clock": "the clock",
    "everything else but the cat": "the cat",
    "remove the dog": "the dog",
    "please get rid of the vacuum cleaner": "the vacuum cleaner",
    "can you remove wind": "wind",
    "mute the siren": "the siren",
    "cut out the clapping": "the clapping",
    "neither dog nor cat": "dog|cat",
    "no dog, no rain": "dog|rain",
    "I don't want the rain": "the rain",
}

LESS = {
    "rain but not wind": ("rain", "wind"),
    "rain without wind": ("rain", "wind"),
    "a dog and not a cat": ("a dog", "a cat"),
    "the dog, not the cat": ("the dog", "the cat"),
    "rain minus thunder": ("rain", "thunder"),
    "birds and wind except the crow": ("birds|wind", "the crow"),
    "the dog but no people or cars": ("the dog", "people|cars"),
}

REFUSED = """is there a dog?|what is barking?|it|not it|everything
Not|remove dog and keep rain|nothing|rain but not|if it rains, the dog|the
neither dog|rain but not wind but not thunder|everything but everything"""


def read(text):
    found = parse_query(text)
    return found.sounds, found.complement, found.unwanted


def cases(text):
    return text.replace("\n", "|").split("|")


@pytest.mark.parametrize("text", cases(ONE))
def test_one_sound_stays_one(text):
    assert read(text) == ((text,), False, ())


@pytest.mark.parametrize("text", SEVERAL)
def test_several_sounds_are_told_apart(text):
    assert read(text) == (tuple(SEVERAL[text].split("|")), False, ())


@pytest.mark.parametrize("text", ALL_BUT)
def test_all_but_some(text):
    assert read(text) == (tuple(ALL_BUT[text].split("|")), True, ())
    assert parse_query(text).mode("keep") == "remove"


@pytest.mark.parametrize("text", LESS)
def test_some_but_not_others(text):
    sounds, unwanted = (tuple(x.split("|")) for x in LESS[text])
    assert read(text) == (sounds, False, unwanted)


@pytest.mark.parametrize("text", cases(REFUSED))
def test_what_is_not_understood_is_said_with_how_to_say_it(text):
    with pytest.raises(ValueError, match=r"not understood: name sounds as in .*\.$"):
        parse_query(text)


def test_every_known_wording_is_one_sound():
    for text in WORDINGS:
        assert read(text) == ((text,), False, ()) or parse_query(text).imperative


@PROPERTY
@given(st.sampled_from(WORDINGS), st.sampled_from(["everything but {}", "not {}", "remove {}."]))
def test_everything_but_a_known_wording_is_that_or_a_sentence(wording, frame):
    try:
        found = parse_query(frame.format(wording))
    except ValueError:
        return
    assert found.complement and not found.unwanted
    assert " ".join(found.sounds).split()[0] in wording


@PROPERTY
@given(st.lists(st.sampled_from(LABELS), min_size=2, max_size=4, unique=True), st.data())
def test_bare_labels_are_joined_by_any_conjunction(labels, data):
    joint = data.draw(st.sampled_from([" and ", " or ", " + ", ", "]))
    article = data.draw(st.sampled_from(["", "the "]))
    found = parse_query(joint.join(article + label for label in labels))
    assert found.sounds == tuple(article + label for label in labels)
    for sound in found.sounds:
        assert parse_query(sound).sounds == (sound,)


@settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.sampled_from(WORDS) | st.text(max_size=5),
        max_size=9,
    ).map(" ".join)
)
def test_any_text_is_a_query_or_a_sentence(text):
    try:
        found = parse_query(text)
    except ValueError as error:
        assert "\n" not in str(error)
        return
    assert found.sounds and all(found.sounds)
    assert describe(found)
