"""What a query says: each sentence of the grammar, both ways, and what holds for any text."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from textsep_lab.data import captions
from textsep_lab.encoders.conjunctions import key
from textsep_lab.encoders.queries import clean_query
from textsep_lab.encoders.query_grammar import ParsedQuery, describe, parse_query

QUICK = settings(max_examples=100, deadline=None)
LABELS = [label.replace("_", " ") for label in captions.labels()]
PARAPHRASES = captions.paraphrases()
labels, paraphrases = st.sampled_from(LABELS), st.sampled_from(PARAPHRASES)


def is_command_to_remove(text):
    return re.match(
        "(remove|mute|get rid of|filter (the|my|out)|take (out|away|the)|cut (out|the)|turn off"
        "|stop the) ",
        text,
    ) or text.endswith(", remove")


SEVERAL = """
dog and rain = dog + rain
dog or rain = dog + rain
both dog and rain = dog + rain
dog plus rain = dog + rain
dog & rain = dog + rain
dog+rain = dog + rain
🐕 and 🌧 = 🐕 + 🌧
dog and/or rain = dog + rain
dog as well as rain = dog + rain
a dog, then a cat = a dog + a cat
dog, cat and a violin = dog + cat + a violin
the dog, the cat, and the rain = the dog + the cat + the rain
dog, rain = dog + rain
a violin, a cello = a violin + a cello
“dog” and “rain” = dog + rain
wind and rain = wind + rain
rain and thunder = rain + thunder
breathing and snoring = breathing + snoring
dog barking and cat meowing = dog barking + cat meowing
dog barking and crying baby = dog barking + crying baby
birds chirping and running water = birds chirping + running water
the dogs and cats = the dogs + cats
the dog and that cat = the dog + that cat
a man is walking and birds are chirping = a man is walking + birds are chirping
a dog that barks and a cat = a dog that barks + a cat
footsteps on gravel and rain = footsteps on gravel + rain
dog and dog = dog
only violin and cello = violin + cello
nothing but the dog = the dog
a violin, please = a violin
the dog and nothing else = the dog
I want to hear the piano and the flute = the piano + the flute
keep only the dog = the dog
isolate the voice in the recording = the voice
remove everything but the dog = the dog
mute all sounds except the dog and the rain = the dog + the rain
"""
COMPLEMENT = """
not a dog = a dog
not 🐕 = 🐕
no rain = rain
no noise = noise
without a dog = a dog
except the dog = the dog
everything except the dog = the dog
everything but not the dog = the dog
everything (except the dog) = the dog
everything except for the dog and for the rain = the dog + the rain
everything that is not a dog = a dog
anything that isn't speech = speech
anything but a dog or a cat = a dog + a cat
all but the dog = the dog
all sounds but the dog = the dog
the recording without the dog = the dog
everything but a dog barking and growling = a dog barking and growling
everything but lightning and thunder = lightning and thunder
neither the dog nor rain nor wind = the dog + rain + wind
no dog and no rain = dog + rain
not a dog, not a cat = a dog + a cat
no dog or rain = dog + rain
remove the dog = the dog
mute dog = dog
delete the violin and remove the cello = the violin + the cello
get rid of music & speech = music + speech
take the violin out = the violin
keep the dog out = the dog
take the dog away = the dog
suppress wind = wind
could you please remove the dog from my recording? = the dog
I don't want to hear the violin = the violin
keep everything but the dog = the dog
remove the metro rumble = the metro rumble
power saw noise, remove = power saw noise
non-speech = speech
no-wind = wind
dog-free = dog
"""
UNWANTED = """
dog but not rain = dog - rain
dog without rain = dog - rain
dog and not rain = dog - rain
dog minus rain = dog - rain
dog − rain = dog - rain
a dog except rain = a dog - rain
dog, not rain = dog - rain
dog (no rain) = dog - rain
rain no thunder = rain - thunder
birds apart from crows = birds - crows
piano and drums but not guitar or flute = piano + drums - guitar + flute
keep the dog and remove the rain = the dog - the rain
a dog, not barking = a dog - barking
"""
ONE = """
rock and roll
Rock & Roll
R&B
mach 1+ jet
thunder and lightning
hustle and bustle
salt and pepper shaker
cut and saw
bed and breakfast
back and forth through the plank
again and again
trick or treat
two or three people talking
typing and clicking on a keyboard
clicking and typing
a dog barking and growling
a dog barking at the door and growling
a dog barks and growls
a barking and growling dog
loud and clear siren
a heavy, steady rain
male and female voices
conversation between a man and a woman
dog that barks and growls
footsteps on gravel and sand
quiet but steady rain
downpour no thunder
backing track without the axeman
not kosher nor halal
creepy phone caller not talking
an engine that will not start
a car won't start
rain without end
rain without stopping
non-stop rain
non-stick pan sizzling
no parking announcement
no-entry
a person saying no
silence
notes
mute swan calling
delete key clicking
cut grass
cut grass far away
take a deep breath in and out
drop the coin
rhythm and blues
cupboard open or close
someone is opening and closing a door
a man talks and then laughs loudly
take-out
can opening
I hear sea waves nearby
who's there?
dog?
un chien et un chat
nicht der Hund
犬と雨
🐕
"""
REFUSED = """
not without rain
not not a dog
not everything but the dog
everything but the dog and not the rain
everything but remove the dog
remove the dog but not the rain
remove the rain and keep the dog
don't remove the dog
either dog or rain
dog nor rain
dog but rain
dog but not dog
not a dog but a cat
no birds, only rain
not only the dog
not very loud rain
a person not breathing
dog not barking
dog - rain
dog -rain
dog removed
is there a dog?
where is the dog
dog if there is one
it
everything but it
remove everything
nothing
nobody
no sound
no
no one talking
it's not a dog
I can't hear the dog
cannot open the door
dog and
or dog
dog without
the
"""


def cases(table):
    return [tuple(line.split(" = ")) for line in table.strip().splitlines()]


@pytest.mark.parametrize(("text", "sounds"), cases(SEVERAL))
def test_names_these_sounds(text, sounds):
    parsed = parse_query(text)
    assert parsed.sounds == tuple(sounds.split(" + "))
    assert not parsed.complement and not parsed.unwanted


@pytest.mark.parametrize(("text", "sounds"), cases(COMPLEMENT))
def test_names_everything_but_these_sounds(text, sounds):
    parsed = parse_query(text)
    assert parsed.sounds == tuple(sounds.split(" + "))
    assert parsed.complement and not parsed.unwanted


@pytest.mark.parametrize(("text", "said"), cases(UNWANTED))
def test_names_what_is_unwanted(text, said):
    parsed = parse_query(text)
    wanted, unwanted = (tuple(sounds.split(" + ")) for sounds in said.split(" - "))
    assert (parsed.sounds, parsed.unwanted, parsed.complement) == (wanted, unwanted, False)


@pytest.mark.parametrize("text", ONE.strip().splitlines())
def test_names_one_sound(text):
    assert parse_query(text) == ParsedQuery(text, (text,))


@pytest.mark.parametrize("text", REFUSED.strip().splitlines())
def test_what_is_not_understood_gets_a_sentence_that_shows_how(text):
    with pytest.raises(ValueError, match=rf"^“{re.escape(text)}” is not understood: name .*\.$"):
        parse_query(text)


@pytest.mark.parametrize("text", ["", "?!", "x" * 201, None, 3])
def test_what_is_no_query_is_refused_as_everywhere(text):
    with pytest.raises(ValueError) as refusal:
        clean_query(text)
    with pytest.raises(ValueError, match=f"^{re.escape(str(refusal.value))}$"):
        parse_query(text)


@pytest.mark.parametrize(
    ("text", "keep", "remove"),
    [
        ("dog", "keep", "remove"),
        ("only dog", "keep", "remove"),
        ("not dog", "remove", "keep"),
        ("everything but dog", "remove", "keep"),
        ("keep the dog", "keep", "keep"),
        ("remove the dog", "remove", "remove"),
        ("remove everything but the dog", "keep", "keep"),
        ("keep everything but the dog", "remove", "remove"),
        ("isolate the infant", "keep", "keep"),
    ],
)
def test_a_verb_says_more_than_the_mode_that_is_set(text, keep, remove):
    parsed = parse_query(text)
    assert (parsed.mode("keep"), parsed.mode("remove")) == (keep, remove)


def test_every_paraphrase_is_one_sound_unless_it_asks_to_remove_it():
    commands = [text for text in PARAPHRASES if is_command_to_remove(text)]
    assert len(commands) == 90
    for text in PARAPHRASES:
        parsed = parse_query(text)
        assert len(parsed.sounds) == 1 and not parsed.unwanted
        assert parsed.complement == bool(is_command_to_remove(text)), text
        assert parsed.complement or parsed.sounds == (text,)


@QUICK
@given(text=paraphrases)
@example("who's there?")
@example("only the panting person, please")
@example("just the aeroplane, nothing else")
@example("downpour no thunder")
@example("remove the metro rumble")
def test_everything_but_any_paraphrase(text):
    if is_command_to_remove(text):
        with pytest.raises(ValueError, match="is not understood"):
            parse_query(f"everything but {text}")
    else:
        parsed = parse_query(f"everything but {text}")
        assert parsed.complement and [*map(key, parsed.sounds)] == [key(text)]


@settings(max_examples=200, deadline=None)
@given(pair=st.lists(labels, min_size=2, max_size=2, unique=True))
def test_any_two_labels_are_two_sounds(pair):
    first, second = pair
    for joined in (f"{first} and {second}", f"{first} or {second}", f"{first} + {second}"):
        assert parse_query(joined) == ParsedQuery(joined, (first, second))
    assert parse_query(f"the {first} and a {second}").sounds == (f"the {first}", f"a {second}")
    assert parse_query(f"{first} but not {second}").unwanted == (second,)


MARKED = [line[0] for table in (COMPLEMENT, UNWANTED) for line in cases(table)]
REST = (
    [line[0] for line in cases(SEVERAL)] + ONE.strip().splitlines() + REFUSED.strip().splitlines()
)


def shape(text):
    """What is understood, but for the spelling of the sounds."""
    try:
        parsed = parse_query(text)
    except ValueError:
        return None
    sounds, unwanted = (
        [key(x) or x.strip("!“”") for x in each] for each in (parsed.sounds, parsed.unwanted)
    )
    return sounds, parsed.complement, unwanted, parsed.imperative


@pytest.mark.parametrize("text", MARKED + REST)
def test_case_space_and_edges_do_not_matter(text):
    for same in (text.upper(), f"  {text.replace(' ', '  ')} ", f"{text}!", f"“{text}”"):
        assert shape(same) == shape(text), same


@pytest.mark.parametrize("text", MARKED)
def test_articles_do_not_matter(text):
    assert shape(re.sub(r"\bthe\b", "a", text)) == shape(text)
    assert shape(re.sub(r"\ba\b", "the", text)) == shape(text)


GRAMMAR = """
not no without everything but except and or , & + neither nor both either a the that which dog rain
barking growling violin it nothing remove keep only just please if is ? ! – ( ) 🐕 minus then
non-dog won't i want to
"""
phrases = st.lists(st.sampled_from(GRAMMAR.split()), min_size=1, max_size=9).map(" ".join)


@settings(max_examples=400, deadline=None)
@given(text=st.one_of(phrases, st.text(max_size=220), paraphrases.map(lambda x: f"{x} and {x}")))
def test_any_text_is_understood_or_refused_and_its_sounds_are_single_sounds(text):
    try:
        parsed = parse_query(text)
    except ValueError as refusal:
        assert len(str(refusal).splitlines()) == 1
        return
    assert parsed.text == clean_query(text)
    assert parsed.sounds and not (parsed.complement and parsed.unwanted)
    for sound in (*parsed.sounds, *parsed.unwanted):
        alone = parse_query(sound)
        assert (alone.sounds, alone.complement, alone.unwanted) == ((sound,), False, ())
        assert sound == clean_query(sound)


@QUICK
@given(text=st.text(st.characters(min_codepoint=0x370, categories=["Lo", "Lu", "Ll", "So", "Zs"])))
def test_other_scripts_and_emoji_are_one_sound(text):
    try:
        cleaned = clean_query(text)
    except ValueError:
        return
    assert parse_query(text) == ParsedQuery(cleaned, (cleaned,))


several = st.lists(labels, min_size=1, max_size=4, unique=True)


@QUICK
@given(sounds=several, others=several, complement=st.booleans())
def test_a_description_says_the_same(sounds, others, complement):
    others = () if complement else tuple(x for x in others if x not in sounds)
    parsed = ParsedQuery("", tuple(sounds), complement, others)
    again = parse_query(describe(parsed))
    assert (again.sounds, again.complement, again.unwanted) == (tuple(sounds), complement, others)
    assert not again.imperative
