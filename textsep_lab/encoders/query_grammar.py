"""What a query asks for: one sound, several, all but some, or one beside another. English.

The grammar, in four lines (letter case, articles and a final stop do not matter)::

    query   = [please] [keep|only|just|isolate|extract …] list                these sounds
            | everything but|all except|not|no|without|remove|mute the … list   all but these
            | list  but not|except|without|minus  list                 the first, less the second
    list    = sound {"," | and | or | plus | & | + sound}                           their union

"And" inside the name of one sound is no conjunction: known paraphrases stay whole, and so do two
verbs of one actor ("a dog barking and growling"), two things that one verb or preposition has
("knocking on wood and metal"), two adjectives, and set phrases ("rock and roll"). Taught in
notebook 06.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from textsep_lab.data import captions
from textsep_lab.encoders.queries import clean_query

_COURTESY = re.compile(
    r"^(please|(can|could|would) you( please)?|i (want|would like|'d like)( you)?( to)?|let me) ",
    re.I,
)
_PLAIN = re.compile(
    r"^((keep|give me|hear|isolate|extract)( only| just)? |(keep|hear)? ?(only|just) |nothing but )"
    r"|^(the |a )?(sounds?|noises?) of ", re.I
)  # fmt: skip
_REST = re.compile(
    r"^((everything|anything|all|every sound|all sounds|the rest)( else)? "
    r"(but|except( for)?|apart from|besides|other than|without|excluding) "
    r"|(remove|delete|eliminate|suppress|exclude|get rid of|take out|filter out|leave out) "
    r"|(mute|cut|drop|silence)( out)? (?=(the|a|an|all|any|that|this)\b)"
    r"|(do not|don't|i don't) (want|keep)( to hear)? |(not|no|without|except( for)?|minus) )", re.I
)  # fmt: skip
_LESS = re.compile(
    r",? (?:but not|and not|but no|but without|and no|without|minus|except(?: for)?|excluding"
    r"|apart from|other than|(?:and|then|but) (?:remove|mute|delete)) |, (?:not|no) ", re.I
)  # fmt: skip
_AND = re.compile(r"\s*,\s*(?:and |or |plus )?|\s+(?:[&+]|and|or|plus|as well as)\s+", re.I)
_NEGATION = re.compile(r"\b(not|no|without|neither|nor|never|none|except|unless|n't)\b", re.I)
# "An engine that will not start" is one sound.
_HARMLESS = re.compile(
    r"\b(will|would|does|do|did|is|are|was|were|can|could|has|have|that|which|who|of) (not|no)\b"
    r"|\bcannot\b|\b\w+n't\b", re.I
)  # fmt: skip
_QUESTION = re.compile(
    r"^(is|are|was|were|do|does|did|what|which|where|when|who|why|how|if|unless)\b.*"
    r"(\?$|\b(there|you|it|i)\b)", re.I
)  # fmt: skip
_SET_PHRASES = re.compile(
    r"\b(rock|salt|drum|rhythm|black|back|up|on|in|over|round|again|hustle|pots|knife|bow|stop|call"
    r"|bits|now|hide|bed|fish|horse|loud|to) and (roll|pepper|bass|blues|white|forth|down|off|out"
    r"|over|round|again|bustle|pans|fork|arrow|go|response|pieces|then|seek|breakfast|chips"
    r"|carriage|clear|fro)\b", re.I
)  # fmt: skip


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PREPOSITIONS = _words(
    "of on in at with against between from into through over under by to near around inside "
    "outside upon across for behind"
)
_ADJECTIVES = _words(
    "loud soft long short slow fast quick high low deep heavy light sharp hard small big old wet "
    "dry warm cold steady distant close quiet strong weak dull bright rough harsh gentle sudden "
    "rapid repeated far away faint large little shrill"
)
_ARTICLES = _words("a an the some any all")
_NO_SOUNDS = _ARTICLES | _words(
    "it that this them those these something anything everything nothing none"
)
_WHOLE = "\0"  # stands for an "and" that joins nothing


@dataclass(frozen=True)
class ParsedQuery:
    """What a query asks for.

    Args:
        text: the query as it was asked, without surplus whitespace.
        sounds: one or more, whose union is meant.
        complement: everything but these is meant: to keep them is to remove them.
        unwanted: sounds that are named as not meant.

    Example:
        >>> parse_query("Everything but the dog and the rain.").sounds
        ('the dog', 'the rain')
        >>> print(parse_query("everything but the dog"))
        everything but “the dog”
    """

    text: str
    sounds: tuple[str, ...]
    complement: bool = False
    unwanted: tuple[str, ...] = ()

    def __str__(self) -> str:
        named = " and ".join(f"“{sound}”" for sound in self.sounds)
        less = " and ".join(f"“{sound}”" for sound in self.unwanted)
        return ("everything but " * self.complement) + named + (f" without {less}" if less else "")

    def mode(self, asked: str) -> str:
        """Return what becomes of the sounds when `asked`, keep or remove, is asked of the query."""
        return {"keep": "remove", "remove": "keep"}[asked] if self.complement else asked


def parse_query(text: str) -> ParsedQuery:
    """Return which sounds a query names, and how.

    Raises:
        ValueError: no query, see `clean_query`, or a negation or a question that is not understood.

    Example:
        >>> parse_query("dog or rain").sounds, parse_query("not a dog").complement
        (('dog', 'rain'), True)
        >>> parse_query("a dog barking and growling").sounds
        ('a dog barking and growling',)
    """
    text = clean_query(text)
    rest = text.rstrip(" .!;:")
    if _is_known(rest):
        return ParsedQuery(text, (text,))
    if _QUESTION.search(rest):
        raise _not_understood(text)
    rest = _without(_COURTESY, rest)
    if neither := re.fullmatch(r"neither (.+?) nor (.+)", rest, re.I):
        return ParsedQuery(text, _sounds(text, ", ".join(neither.groups())), True)
    if opening := _REST.match(rest):
        again = rf"(,| and| or) {opening[0].strip()} "  # "no dog and no rain"
        named = re.sub(again, r"\1 ", rest[opening.end() :], flags=re.I)
        return ParsedQuery(text, _sounds(text, named), True)
    rest = _without(_PLAIN, rest)
    parts = _LESS.split(rest)
    if len(parts) > 2 or (len(parts) == 2 and _HARMLESS.search(rest) and " not " in rest):
        raise _not_understood(text)
    unwanted = _sounds(text, parts[1]) if len(parts) == 2 else ()
    sounds = _sounds(text, parts[0])
    if not unwanted and len(sounds) == 1 and sounds[0] == text.rstrip(" .!;:"):
        sounds = (text,)  # a plain query reaches the encoder as it is
    return ParsedQuery(text, sounds, False, unwanted)


def _without(opening: re.Pattern, text: str) -> str:
    while (found := opening.match(text)) and found.end() < len(text):
        text = text[found.end() :]
    return text


def _sounds(text: str, named: str) -> tuple[str, ...]:
    """Split a list of sounds, none of which may be negated."""
    named = _without(_PLAIN, re.sub(r"^(both|either) ", "", named.strip(), flags=re.I))
    sounds = [sound for sound in _split(named) if sound]
    for sound in sounds:
        harmless = "" if _is_known(sound) else _HARMLESS.sub("", sound)
        if sound.casefold() in _NO_SOUNDS or _NEGATION.search(harmless) or (
            _PLAIN.match(sound) or _REST.match(sound)
        ):  # fmt: skip
            raise _not_understood(text)
    try:
        cleaned = [clean_query(sound) for sound in sounds]
    except ValueError:
        raise _not_understood(text) from None
    if not cleaned:
        raise _not_understood(text)
    return tuple(dict.fromkeys(cleaned))


def _split(named: str) -> list[str]:
    """Split at conjunctions that join sounds."""
    named = _SET_PHRASES.sub(lambda found: found[0].replace(" and ", f" {_WHOLE} "), named)
    pieces, joints = _AND.split(named), _AND.findall(named)
    out = [pieces[0]]
    for joint, piece in zip(joints, pieces[1:], strict=True):
        if _is_one(out[-1], piece, "," in joint):
            out[-1] += joint + piece
        else:
            out.append(piece)
    return [part.replace(_WHOLE, "and").strip() for part in out]


def _is_one(left: str, right: str, comma: bool) -> bool:
    """Tell whether what a conjunction joins is one sound."""
    if _is_known(f"{left} and {right}"):
        return True
    if _is_known(left) and _is_known(right):
        return False
    before, after = (x.casefold().replace("-", " ").split() for x in (left, right))
    if not before or not after:
        return False
    if before[-1] == after[0]:  # "louder and louder"
        return True
    acts = any(_verb(x) or x.endswith("ed") for x in before)
    if _verb(after[0]) and acts and not _names_another(after):
        return True
    if [x for x in before if x not in _ARTICLES | _ADJECTIVES] == [] and before[-1] in _ADJECTIVES:
        return True
    if comma:  # "a dog barking, far away"
        return after[0] in _PREPOSITIONS or all(x in _ADJECTIVES for x in after)
    known = _is_known(right) or after[0] in _ARTICLES
    return len(after) <= 2 and not known and bool(_PREPOSITIONS & set(before[1:]))


def _names_another(words: list[str]) -> bool:
    """Tell whether what begins with a verb has a thing of its own: "ringing bells"."""
    return (
        len(words) > 1 and words[1] not in _PREPOSITIONS | _ARTICLES and not words[1].endswith("ly")
    )


def _verb(word: str) -> bool:
    return word.endswith("ing") and len(word) > 4 and word not in ("string", "spring", "evening")


def _bare(sound: str) -> str:
    """Return a sound as known ones are compared: small letters, no article, no punctuation."""
    words = re.sub(r"[^\w\s'-]", " ", sound.casefold()).split()
    while words and words[0] in _ARTICLES:
        words = words[1:]
    return " ".join(words)


def _is_known(sound: str) -> bool:
    return _bare(sound) in _known()


@cache
def _known() -> frozenset[str]:
    """Return all labels and paraphrases, as `_bare` gives them."""
    splits = ("train", "heldout", "ood")
    texts = [x for label in captions.labels() for split in splits
             for x in captions.for_label(label, split)]  # fmt: skip
    return frozenset(map(_bare, texts))


def _not_understood(text: str) -> ValueError:
    return ValueError(
        f"“{text}” is not understood: name sounds as in “dog”, “dog and rain”, “everything but the "
        "dog” or “rain but not wind”."
    )
