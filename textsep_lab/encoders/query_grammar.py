"""What a query says: sounds, a sound without another, or everything but them.

The grammar is small, and English; case, articles and punctuation do not matter:

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
name no sound ("it", "nothing") are refused in a sentence that shows how to say it. Taught in
notebook 02.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

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


def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_POLITE = _regex(
    r"(?:(?:please|just|now|(?:can|could|would|will) (?:you|i)|let's|i(?: only| just)? (?:want|need"
    r"|would like|wish)(?: you)? to|i'd (?:like|love)(?: you)? to),? )+"
)
# Some of these verbs are nouns as well: they count as verbs before "the" and its like.
_REMOVE = (
    r"(?:remove|delete(?! (?:key|button))|erase|eliminate|suppress|reduce|attenuate|exclude|discard|get rid of"
    r"|do away with|(?:take|cut|filter|leave|edit|strip|block|cancel|tune) (?:out|away)"
    r"|mute(?! (?:swan|trumpet|button|key))"
    r"|(?:cut|kill|stop|silence|filter|block|cancel|lower|drop|lose|strip|hide"
    r"|(?:turn|switch) (?:off|down))(?= (?:the|that|this|these|those|my|our|his|her|all|any|every"
    r"|everything|anything)\b)"
    r"|i (?:don't|do not|dont|never) (?:want|need|like)(?: to hear)?)"
)
_REMOVES = _regex(
    r"(?:take|leave|keep|cut|filter|edit) (?P<between>.+) (?:out|away)"
    rf"|{_REMOVE} (?P<rest>.+)|(?P<before>.+), (?:remove|mute|delete)(?: it)?"
)
_KEEPS = _regex(
    r"(?:keep|isolate|extract|separate(?= (?:the|a|an|that|my)\b)|leave(?: in)?(?= (?:only|just|the"
    r"|my)\b)|(?:let me )?hear|listen to|(?:give|get) me|i(?: only| just)? (?:want|need|would like)"
    r"|i'd (?:like|love)) (?P<rest>.+)"
)
_ONLY = _regex(r"(?:only|just|solely|nothing (?:but|except(?: for)?|other than|else but)) ")
_TAIL = _regex(r"(?:,? (?:please|only|alone|(?:(?:and|but) )?nothing else)[\s.!]*)+$")
_CARRIER = _regex(  # "remove the dog from my last recording"
    r" (?:from|in|on|out of) (?:(?:the|this|that|my|our|a) )?(?:[\w-]+ ){0,2}(?:recording|audio|mix"
    r"|track|song|video|call|clip|file|take|podcast|voiceover|interview|footage|soundtrack|screencast|vlog)$"
)
_EXCEPT = r"except(?:ing)?(?: for)?|excluding|other than|apart from|aside from|minus"
_EVERYTHING = _regex(
    r"(?:(?:everything|anything|all(?: of it| (?:the )?(?:other )?(?:sounds?|noises?|audio))?"
    r"|every(?: other)? (?:sound|noise|thing)|(?:any )?(?:other )?(?:sounds?|noises?)"
    r"|(?:the )?(?:whole |entire |full )?(?:recording|audio|mix|mixture|rest))(?: else)?,? )"
    rf"(?:but(?: not| for)?|{_EXCEPT}|besides|save(?: for)?|bar|without|not"
    r"|(?:that|which)(?: is|'s| are) not|(?:that|which) (?:isn't|aren't)) (?P<rest>.+)"
)
_NAMED_NO = r"no (?:parking|entry|smoking|trespassing|man's|\w+ allowed|\d)"
_NOT = r"not|no|without(?: any)?"
_NEGATED = _regex(
    rf"(?:(?:and|but) )?(?!{_NAMED_NO})(?:{_NOT}|neither(?=.* nor )|{_EXCEPT}) "
    r"(?!(?:only|just|so|very|quite|too|really|even|yet|all|every|always|fully|if|one)\b)(?P<rest>.+)"
)
_COMPOUND = _regex(r"(?:(?:non|no)-(?P<rest>.+?)|(?P<free>.+)-free)(?: (?:sounds?|noises?|audio))?")
_WITHOUT_END = (
    r"(?:an? |any )?(?:end|ending|stop|stopping|pause|pausing|break|breaks|rest|interruptions?"
    r"|ceasing|warning)\b"
)
_UNWANTED = _regex(
    rf"(?:,? (?:but|and|yet) (?:{_NOT}|{_EXCEPT}|{_REMOVE})"
    rf"|, (?:{_NOT}|{_REMOVE})"
    rf"|,? (?:without(?: any)?|with no|rather than|instead of|{_EXCEPT})"
    r"|(?P<bare> (?:not|no))) "
    rf"(?!{_WITHOUT_END})"
)
_ASIDE = _regex(rf" (?:[–—-]+ |[(\[])(?=(?:but|{_NOT}|{_EXCEPT}) )")
# A marker said again: "no dog and no rain"; "everything except for the dog and for the rain".
_AGAIN = _regex(rf"(?:(?:{_NOT}|nor|any|either|also|{_REMOVE}) )+")
_EXCEPT_AGAIN = _regex(rf"(?:(?:{_EXCEPT}|for|but) )+")

_NO_SOUND = frozenset(
    "it its this that these those them they him her he she us we me you i one ones there is are be "
    "everything anything something nothing everyone anyone anybody nobody no-one all any some none both either neither "
    "a an the sound sounds audio recording rest other others else not no only just and or but nor of".split()
)
_UNCLEAR = _regex(
    # questions and conditions
    r"^(?:is|are|was|were|do|does|did|can|could|will|would|has|have) (?:there|it|this|that|the|an?"
    r"|you|we|i|any|they)\b"
    r"|^(?:what|where|when|why|how|who|which)(?:'s| is| are| was| does| do| did| has) "
    r"|^(?:is|are|was|were|do|does|did|could|would|should|what|where|when|why|how|who"
    r"|which|whose)\b.*\?$"
    r"|(?<!as )\b(?:if|unless|whether)\b"
    # what begins or ends in the middle of something
    r"|^(?:either|neither|nor|and|or|but|except|everything|anything|every (?:sound|noise)"
    r"|all (?:sounds|noises)|nothing|no one|nobody|none|never|don't|do not|dont|cannot|can't|won't"
    r"|(?:it|this|that|there|these|they)(?: is|'s| are|'re) (?:not?|never)) "
    r"|,? (?:and|or|but|nor|not|without|except|minus|muted|(?<!being )removed|excluded|deleted)$"
    r"|^i (?:can't|cannot|can not|couldn't) | [!¬−-](?=\w)|, (?:just|only|keep|but) |^(?:not|without|minus|except)$"
)
# A negation that belongs to a description: what is left of one after this is not understood.
_DESCRIBES = _regex(
    rf"\b(?:will|would|can|could|does|did|do) not\b|\bwithout {_WITHOUT_END}"
    rf"|\bwith no {_WITHOUT_END}|\b{_NAMED_NO}|(?<= )no$"
)
_NEGATION = _regex(
    r"(?<![\w'-])(?:not|no|neither|nor|without|except|excepting|excluding|minus|but|instead"
    r"|isn't|aren't|wasn't|weren't|hasn't|haven't|shouldn't|mustn't|don't)(?![\w'-])"
)


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
    said = _normal(text)
    verb, removes, rest = _command(said)
    if is_paraphrase(said) and not removes:
        return ParsedQuery(text, (text,), imperative=verb)
    excepted, negated, rest = _complement(rest)
    if removes and negated:
        raise _UnclearError
    again = _EXCEPT_AGAIN if excepted else _AGAIN if removes or negated else None
    wanted, unwanted = (rest, "") if again else _unwanted(rest)
    sounds = _sounds(wanted, again)
    if sounds == (said.strip(EDGES),) and not unwanted:
        _check_plain(said)
        return ParsedQuery(text, (text,))
    others = _sounds(_nor(unwanted), _AGAIN) if unwanted else ()
    for sound in (*sounds, *others):
        inner = _parse(sound)
        if (inner.sounds, inner.complement, inner.unwanted) != ((sound,), False, ()):
            raise _UnclearError
    if {key(x) or x for x in sounds} & {key(x) or x for x in others}:
        raise _UnclearError
    return ParsedQuery(text, sounds, (removes or negated) != excepted, others, verb)


def _normal(text: str) -> str:
    """Return a query with one spelling for apostrophes, dashes, "and" and "minus"."""
    text = text.replace("’", "'").replace(" \N{MINUS SIGN} ", " minus ")
    text = re.sub(r",(?=[^\W\d])", ", ", _ASIDE.sub(", ", text))
    text = re.sub(r" [&+] |(?:(?<=\w\w)|(?<=[^\x00-\x7f]))[&+](?=\w\w|[^\x00-\x7f])", " and ", text)
    return re.sub(r"\band/or\b", "or", text, flags=re.IGNORECASE)


def _command(said: str) -> tuple[bool, bool, str]:
    """Return whether a verb says what to do, whether it says to remove, and the rest."""
    words = said.strip(EDGES)
    if (polite := _POLITE.match(words)) and not is_paraphrase(words):
        words = words[polite.end() :]
    removes, keeps = _REMOVES.fullmatch(words), _KEEPS.fullmatch(words)
    verb = removes or keeps
    if verb:
        words = _CARRIER.sub("", next(filter(None, verb.groups())))
    return bool(verb), bool(removes), words


def _complement(rest: str) -> tuple[bool, bool, str]:
    """Return whether it is "everything but ...", whether it is "not ...", and what follows."""
    if is_paraphrase(rest):
        return False, False, rest
    rest = _ONLY.sub("", rest, count=1) if _ONLY.match(rest) else rest
    trimmed = rest.strip(EDGES)
    if match := _EVERYTHING.fullmatch(trimmed):
        return True, False, match["rest"]
    if match := _COMPOUND.fullmatch(trimmed):
        if is_paraphrase(inner := match["rest"] or match["free"]):
            return False, True, inner
    elif match := _NEGATED.fullmatch(trimmed):
        return False, True, re.sub(rf", (?=(?:{_NOT}) )", " and ", _nor(match["rest"]))
    return False, False, rest


def _nor(rest: str) -> str:
    return re.sub(",? nor ", " or ", rest, flags=re.IGNORECASE)


def _unwanted(rest: str) -> tuple[str, str]:
    """Return what comes before and after "but not", "without" and the like; "" if none is there."""
    for match in _UNWANTED.finditer(rest) if not is_paraphrase(rest) else ():
        before, after = rest[: match.start()], rest[match.end() :]
        described = relative_clause(before) < len(before) and not ARTICLE.match(after)
        named = is_paraphrase(before) and is_paraphrase(after) and not after.endswith("ing")
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
        if not part:
            raise _UnclearError
        sounds.setdefault(key(part) or part, part)
    return tuple(sounds.values())


def _trim(part: str) -> str:
    part = re.sub(r",? please$", "", part.strip(EDGES), flags=re.IGNORECASE)
    return part if is_paraphrase(part) else _TAIL.sub("", part).strip(EDGES)


def _check_plain(said: str) -> None:
    """Refuse a text that should name one sound and asks, negates or joins instead."""
    words = re.findall(r"[\w'-]+", said.casefold())
    if words and all(word in _NO_SOUND for word in words):
        raise _UnclearError
    if _UNCLEAR.search(said.lstrip(EDGES).rstrip(" .,;:!…\"'")):
        raise _UnclearError
    if any(map(is_paraphrase, sides := re.split(" [–—-]+ ", said))) and len(sides) > 1:
        raise _UnclearError  # "dog - rain": a list, or less the rain?
    head = _DESCRIBES.sub("", said[: relative_clause(said)])
    for match in _NEGATION.finditer(head):
        if match[0].casefold() != "but" or not is_adjective(head[: match.start()].strip()):
            raise _UnclearError
