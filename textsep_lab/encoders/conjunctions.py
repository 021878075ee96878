"""Which "and" joins two sounds, and which stands inside the name of one.

`split_sounds` divides at and, or, plus, then, &, + and the commas of a list. What stays together:

1. A paraphrase of the table (`textsep_lab.data.captions`) is one sound: "lightning and thunder".
2. A bare label of that table stands alone: "breathing and snoring" are two.
3. A fixed pair stays together: "rock and roll", "salt and pepper shaker", "back and forth"; so do
   a word and itself ("again and again"), numbers ("two or three"), and what is "between A and B".
4. Two verbs of one actor are one sound: participles ("a dog barking and growling"), or verbs after
   a, an, someone ("a dog barks and growls"). A noun after the second participle is another actor:
   "dog barking and running water" are two. Adjectives and adverbs go the same way ("loud and
   clear", "slowly and steadily").
5. Two bare words after a place are one place: "footsteps on gravel and sand".
6. After that, which, who, ... only an "and" with an article divides: "a tap that drips and gurgles"
   is one sound, "a tap that drips and a dog" are two.

Commas alone divide where every piece is a paraphrase of the table or has an article: "dog, rain".
Otherwise they belong to a description: "a heavy, steady rain".
"""

from __future__ import annotations

import re
from functools import lru_cache

from textsep_lab.data import captions

ARTICLE = re.compile(r"(?:an?|the|this|that|these|those|my|our|your|his|her|their|some) ", re.I)
EDGES = " \t.,;:!?…\"“”„«»‘’'`()[]{}<>*_/-–—"

_JOIN = re.compile(
    r",? (?:and(?: then| also)?|or|plus|then|followed by|as well as|(?:along|together) with),? ",
    re.I,
)
_COMMA = re.compile(r"\s*[,;/] ?")
_RELATIVE = re.compile(r" (?:that|which|who|whose|where|when|while|because|as if)(?:'\w+)? ", re.I)
_NO_NOUN_BEFORE = re.compile(  # then "that" is no relative pronoun: "the dog and that cat"
    r"(?:^|\b(?:and|or|nor|plus|but|not|no|without|except|for|of|from|in|on|at|to|with|by))$", re.I
)
_PARTICIPLE = re.compile(r"(?!(?:string|spring|thing|evening|morning|lightning|breed|speed)$)"
                         r"[\w'-]{2,}(?:ing|ed)$", re.I)  # fmt: skip
# What may follow a participle without being a new actor: "typing on", "playing the", "not quickly".
_FUNCTION = re.compile(
    r"(?:an?|the|his|her|its|their|my|at|on|in|into|onto|over|under|by|with|of|to|from|for|through"
    r"|against|along|across|around|up|down|out|off|away|back|together|again|about|past|\w+ly) ",
    re.I,
)
_PLACE = re.compile(r" (?:on|in|into|through|against|over|under|across) [\w'-]+$", re.I)
_SOMEONE = re.compile(r"(?:an?|one|someone|somebody|he|she|it) \w", re.I)
_ADJECTIVES = re.compile(
    r"(?:(?:loud|quiet|soft|slow|fast|quick|heavy|light|big|small|large|little|tiny|huge|old|young"
    r"|new|high|low|deep|shallow|short|long|near|far|distant|close|nearby|wet|dry|hot|cold|warm"
    r"|steady|gentle|strong|weak|rapid|sharp|dull|hard|clear|bright|dark|angry|happy|sad|constant"
    r"|repeated|regular|continuous|continual|rhythmic|intermittent|persistent|occasional|sudden"
    r"|muffled|faint|shrill|harsh|rough|smooth|noisy|squeaky|male|female|left|right|electric"
    r"|acoustic|\w+ly)(?: |$))+",
    re.I,
)
_NUMBER = re.compile(r"one|two|three|four|five|six|seven|eight|nine|ten|more|less", re.I)
_PAIRS = """
    back/forth to/fro up/down in/out on/off over/over out/about now/then here/there black/white
    rock/roll rhythm/blues drum/bass thunder/lightning hustle/bustle salt/pepper bow/arrow r/b
    hammer/nail hammer/nails hammer/chisel pots/pans knife/fork knives/forks cup/saucer cups/saucers
    bits/pieces nuts/bolts mortar/pestle pestle/mortar bed/breakfast drag/drop stop/go hide/seek
    lost/found flint/steel call/response hit/run gin/tonic fish/chips horse/cart horse/carriage
    horse/buggy lock/key needle/thread ball/chain bat/ball pen/paper pencil/paper track/field
    cat/mouse point/click push/pull huff/puff rise/shine cut/saw cut/paste copy/paste trick/treat
    dungeons/dragons cops/robbers arts/crafts tongue/groove search/rescue start/stop stop/start
    open/close oohs/aahs ooh/aah
""".split()


def key(text: str) -> str:
    """Return what two spellings of a phrase share: no case, no articles, no punctuation."""
    words = re.findall(r"[^\W_]+(?:['-][^\W_]+)*", text.casefold().replace("’", "'"))
    return " ".join(word for word in words if word not in ("a", "an", "the", "please"))


@lru_cache(maxsize=1)
def _paraphrases() -> frozenset[str]:
    return frozenset(map(key, captions.paraphrases()))


@lru_cache(maxsize=1)
def _labels() -> frozenset[str]:
    return frozenset(label.replace("_", " ") for label in captions.labels())


def is_paraphrase(text: str) -> bool:
    """Whether a text is in the table of paraphrases, but for case, articles and punctuation."""
    return key(text) in _paraphrases()


def relative_clause(text: str) -> int:
    """Return where "that ...", "which ..." or "who ..." begins; the text's length if nowhere."""
    for match in _RELATIVE.finditer(text):
        if not _NO_NOUN_BEFORE.search(text[: match.start()].rstrip(",")):
            return match.start()
    return len(text)


def is_adjective(words: str) -> bool:
    """Whether words are adjectives, adverbs and an article, so that they name nothing yet."""
    return bool(_ADJECTIVES.fullmatch(ARTICLE.sub("", words.strip(EDGES), count=1)))


def split_sounds(text: str, commas: bool = True) -> list[str]:
    """Return the sounds that a text without negations names, in order.

    Args:
        text: with single spaces, & and + already written as "and".
        commas: whether commas alone may divide.

    Example:
        >>> split_sounds("a dog barking and growling, rain and the wind")
        ['a dog barking and growling', 'rain', 'the wind']
    """
    if is_paraphrase(text):
        return [text]
    joins = list(_JOIN.finditer(text))
    if not joins:
        pieces = [piece.strip(EDGES) for piece in _COMMA.split(text)]
        return pieces if commas and all(map(_stands_alone, pieces)) else [text]
    listed = re.finditer(", ", text[: joins[-1].start()])
    cuts = sorted({x.span() for x in joins} | {x.span() for x in listed})
    cuts = [cut for k, cut in enumerate(cuts) if not k or cut[0] >= cuts[k - 1][1]]
    starts, ends = [0, *(end for _, end in cuts)], [*(start for start, _ in cuts), len(text)]
    sounds, first = [], 0
    while first < len(starts):
        last = _last_of_sound(text, starts, ends, first)
        sounds.append(text[starts[first] : ends[last]])
        first = last + 1
    return sounds


def _stands_alone(piece: str) -> bool:
    return is_paraphrase(piece) or bool(ARTICLE.match(piece) and not is_adjective(piece))


def _last_of_sound(text: str, starts: list[int], ends: list[int], first: int) -> int:
    """Return which of the pieces ends the sound that begins with piece `first`."""
    begin, last = starts[first], len(ends) - 1
    while last > first and not is_paraphrase(text[begin : ends[last]]):
        last -= 1
    while last + 1 < len(starts) and _one_sound(
        text[begin : ends[last]], text[starts[last + 1] : ends[last + 1]]
    ):
        last += 1
    return last


def _one_sound(left: str, right: str) -> bool:
    """Whether what stands before and after a conjunction names one sound; see rules 2 to 6."""
    if not left.strip(EDGES) or not right.strip(EDGES):
        return False
    if key(left) in _labels() or key(right) in _labels():
        return False
    if relative_clause(left) < len(left):
        return not ARTICLE.match(right)
    before, after = left.casefold().split()[-1], right.casefold().split()[0]
    numbers = _NUMBER.fullmatch(before) and _NUMBER.fullmatch(after)
    if f"{before}/{after}" in _PAIRS or before == after or numbers:
        return True
    if re.search(r"\bbetween \S", left, re.I):
        return True
    if _PLACE.search(left) and " " not in right and not is_paraphrase(right):
        return True
    describing = is_adjective(left) or (is_adjective(before) and is_adjective(after))
    return describing or _same_actor(left, right)


def _same_actor(left: str, right: str) -> bool:
    """Whether the right side begins with a verb whose actor stands on the left."""
    left = re.sub(r"(?: \w+ly)+$", "", left)
    right = re.sub(r"^(?:\w+ly )+", "", right)
    verb, _, rest = right.partition(" ")
    if _SOMEONE.match(left) and all(re.search("[^s]s$", x, re.I) for x in (left, verb)):
        return True
    if not _PARTICIPLE.match(verb):
        return False
    words = left.split(" ")
    alone = len(words) == 1 + bool(ARTICLE.match(left))  # "a barking and growling dog"
    acting = any(
        _PARTICIPLE.match(word) and (k + 1 == len(words) or _FUNCTION.match(words[k + 1] + " "))
        for k, word in enumerate(words)
    )
    return acting and (alone or not rest or bool(_FUNCTION.match(rest + " ")))
