"""What a query says: sounds, a sound without another, or everything but them.

The grammar is small, and English. Case and the punctuation around words do not matter, nor do
articles, but that they tell some lists from descriptions:

- "A and B", "A, B or C", "both A and B", "A plus B", "A & B", "A + B": all of these sounds
  (`textsep_lab.encoders.conjunctions` says which "and" stands inside the name of one sound);
- "everything but A", "all sounds except for A", "not A", "no A", "without A", "neither A nor B",
  "non-A", "remove A", "mute A", "get rid of A", "I don't want A": everything but these sounds;
- "A but not B", "A without B", "A, no B", "A minus B", "A except B", "keep A and remove B": A, and
  B is unwanted;
- "keep A", "isolate A", "I want to hear A", "only A", "nothing but A", "A please": A.

"remove everything but A" keeps A. A paraphrase of the table (`textsep_lab.data.captions`) is one
sound whatever words it holds ("downpour no thunder"), unless it is a command to remove ("get rid
of the ravens"). A negation inside a description stays there: in a relative clause ("an engine
that will not start"), after will, can, does ("a car won't start"), in a compound ("non-stop
rain"), in "without end". Any other negation, a double one, a condition, a question, and words that
name no sound ("it", "nothing") are refused in a sentence that shows how to say it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from textsep_lab.encoders import query_patterns as patterns
from textsep_lab.encoders.conjunctions import (
    ARTICLE,
    EDGES,
    is_adjective,
    is_paraphrase,
    key,
    relative_clause,
    split_sounds,
)
from textsep_lab.encoders.queries import clean_query


@dataclass(frozen=True)
class ParsedQuery:
    """What a query says.

    Args:
        text: the query, cleaned, as asked.
        sounds: one or more, in order; each, parsed by itself, is that one sound.
        complement: everything but these sounds is meant: keep and remove are swapped.
        unwanted: sounds that are named as not belonging to these; none if `complement`.
        imperative: a verb says what to do ("keep", "remove"), so the caller's mode does not.
    """

    text: str
    sounds: tuple[str, ...]
    complement: bool = False
    unwanted: tuple[str, ...] = ()
    imperative: bool = False

    def mode(self, asked: str) -> str:
        """Return what to do with `sounds`, ``keep`` or ``remove``, where `asked` is the mode set.

        Example:
            >>> parse_query("not the dog").mode("keep"), parse_query("not the dog").mode("remove")
            ('remove', 'keep')
            >>> parse_query("remove the dog").mode("remove")
            'remove'
        """
        said = "keep" if self.imperative else asked
        return {"keep": "remove", "remove": "keep"}[said] if self.complement else said


class _UnclearError(ValueError):
    """The grammar does not hold what was said."""


def parse_query(text: str) -> ParsedQuery:
    """Return what a query says; the module's first lines hold the grammar.

    Raises:
        ValueError: no query (see `clean_query`), or one that the grammar does not hold.

    Example:
        >>> parse_query("dog and rain").sounds
        ('dog', 'rain')
        >>> parse_query("everything except the dog")
        ParsedQuery(text='everything except the dog', sounds=('the dog',), complement=True, \
unwanted=(), imperative=False)
        >>> parse_query("rain but not thunder").unwanted
        ('thunder',)
    """
    text = clean_query(text)
    try:
        return replace(_parse(text), text=text)
    except _UnclearError:
        raise ValueError(
            f"“{text}” is not understood: name sounds as in 'dog', 'dog and rain', "
            "'dog but not rain' or 'everything but the dog'."
        ) from None


def describe(parsed: ParsedQuery) -> str:
    """Return a parsed query in words.

    Example:
        >>> describe(parse_query("neither the dog, please, nor RAIN"))
        'everything but the dog and RAIN'
        >>> describe(parse_query("piano + flute without a violin"))
        'piano and flute but not a violin'
    """
    words = _listed(parsed.sounds, "and")
    if parsed.complement:
        return f"everything but {words}"
    return f"{words} but not {_listed(parsed.unwanted, 'or')}" if parsed.unwanted else words


def _listed(sounds: tuple[str, ...], last: str) -> str:
    return f" {last} ".join(filter(None, [", ".join(sounds[:-1]), sounds[-1]]))


def _parse(text: str) -> ParsedQuery:
    said = _normal(text).strip(EDGES.replace("?", ""))
    verb, removes, rest = _command(said)
    if is_paraphrase(said) and not removes:
        return ParsedQuery(text, (text,), imperative=verb)
    excepted, negated, rest = _complement(rest)
    if removes and negated:
        raise _UnclearError
    again = patterns.EXCEPT_AGAIN if excepted else patterns.AGAIN if removes or negated else None
    wanted, unwanted = (rest, "") if again else _unwanted(rest)
    sounds = _sounds(wanted, again)
    if sounds == (said.strip(EDGES),) and not unwanted:
        _check_plain(said)
        return ParsedQuery(text, (text,))
    others = _sounds(_nor(unwanted), patterns.AGAIN) if unwanted else ()
    if not all(map(_is_sound, (*sounds, *others))):
        raise _UnclearError
    if {key(x) or x for x in sounds} & {key(x) or x for x in others}:
        raise _UnclearError
    return ParsedQuery(text, sounds, (removes or negated) != excepted, others, verb)


def _is_sound(text: str) -> bool:
    try:
        parsed = _parse(clean_query(text))
    except ValueError:
        return False
    return (parsed.sounds, parsed.complement, parsed.unwanted) == ((text,), False, ())


def _normal(text: str) -> str:
    """Return a query with one spelling for apostrophes, dashes, "and" and "minus"."""
    text = text.replace("’", "'").replace(" \N{MINUS SIGN} ", " minus ")
    text = re.sub(r",(?=[^\W\d])", ", ", patterns.ASIDE.sub(", ", text))
    text = re.sub(r" [&+] |(?:(?<=\w\w)|(?<=[^\x00-\x7f]))[&+](?=\w\w|[^\x00-\x7f])", " and ", text)
    return re.sub(r"\band/or\b", "or", text, flags=re.IGNORECASE)


def _command(said: str) -> tuple[bool, bool, str]:
    """Return whether a verb says what to do, whether it says to remove, and the rest."""
    words = said.strip(EDGES)
    if (polite := patterns.POLITE.match(words)) and not is_paraphrase(words):
        words = words[polite.end() :]
    removes, keeps = patterns.REMOVES.fullmatch(words), patterns.KEEPS.fullmatch(words)
    verb = removes or keeps
    if verb:
        words = patterns.CARRIER.sub("", next(filter(None, verb.groups())))
    return bool(verb), bool(removes), words


def _complement(rest: str) -> tuple[bool, bool, str]:
    """Return whether it is "everything but ...", whether it is "not ...", and what follows."""
    if is_paraphrase(rest):
        return False, False, rest
    rest = patterns.ONLY.sub("", rest, count=1) if patterns.ONLY.match(rest) else rest
    trimmed = rest.strip(EDGES)
    if match := patterns.EVERYTHING.fullmatch(trimmed):
        return True, False, match["rest"]
    if match := patterns.COMPOUND.fullmatch(trimmed):
        if is_paraphrase(inner := match["rest"] or match["free"]):
            return False, True, inner
    elif match := patterns.NEGATED.fullmatch(trimmed):
        return False, True, patterns.COMMA_NOT.sub(" and ", _nor(match["rest"]))
    return False, False, rest


def _nor(rest: str) -> str:
    return re.sub(",? nor ", " or ", rest, flags=re.IGNORECASE)


def _unwanted(rest: str) -> tuple[str, str]:
    """Return what comes before and after "but not", "without" and the like; "" if none is there."""
    for match in patterns.UNWANTED.finditer(rest) if not is_paraphrase(rest) else ():
        before, after = rest[: match.start()], rest[match.end() :]
        described = relative_clause(before) < len(before) and not ARTICLE.match(after)
        named = (
            is_paraphrase(before) and is_paraphrase(after) and not after.casefold().endswith("ing")
        )
        if before.strip(EDGES) and not described and (named or not match["bare"]):
            return before, after
    return rest, ""


def _sounds(text: str, again: re.Pattern[str] | None = None) -> tuple[str, ...]:
    """Return the sounds of a list, each once; `again` matches a marker said before each."""
    text = _trim(text)
    if not is_paraphrase(text):
        text = re.sub(r"^both (?=.+ and )", "", text, flags=re.IGNORECASE)
    sounds: dict[str, str] = {}
    for number, part in enumerate(split_sounds(text, commas=again is None)):
        repeated = again.match(part) if again and number and not is_paraphrase(part) else None
        part = _trim(part[repeated.end() :] if repeated else part)
        sounds.setdefault(key(part) or part, part)
    return tuple(sounds.values())


def _trim(part: str) -> str:
    part = re.sub(r",? please$", "", part.strip(EDGES), flags=re.IGNORECASE)
    return part if is_paraphrase(part) else patterns.TAIL.sub("", part).strip(EDGES)


def _check_plain(said: str) -> None:
    """Refuse a text that should name one sound and asks, negates or joins instead."""
    if patterns.NO_SOUND.fullmatch(said) or patterns.UNCLEAR.search(said):
        raise _UnclearError
    if any(map(is_paraphrase, sides := re.split(" [–—-]+ ", said))) and len(sides) > 1:
        raise _UnclearError  # "dog - rain": a list, or less the rain?
    head = patterns.DESCRIBES.sub("", said[: relative_clause(said)])
    for match in patterns.NEGATION.finditer(head):
        if match[0].casefold() != "but" or not is_adjective(head[: match.start()].strip()):
            raise _UnclearError
