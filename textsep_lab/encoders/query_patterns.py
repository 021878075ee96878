"""The words by which a query commands, excepts, negates or asks; see `query_grammar`."""

from __future__ import annotations

import re


def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


POLITE = _regex(
    r"(?:(?:please|just|now|(?:can|could|would|will) (?:you|i)|let's|i(?: only| just)? (?:want|need"
    r"|would like|wish)(?: you)? to|i'd (?:like|love)(?: you)? to),? )+"
)
# Some of these verbs are nouns as well: they count as verbs before "the" and its like.
REMOVE = (
    r"(?:remove|delete(?! (?:key|button))|erase|eliminate|suppress|reduce|attenuate|exclude|discard"
    r"|get rid of|do away with|(?:take|cut|filter|leave|edit|strip|block|cancel|tune) (?:out|away)"
    r"|mute(?! (?:swan|trumpet|button|key))"
    r"|(?:cut|kill|stop|silence|filter|block|cancel|lower|strip"
    r"|(?:turn|switch) (?:off|down))(?= (?:the|that|this|these|those|my|our|his|her|all|any|every"
    r"|everything|anything)\b)"
    r"|i (?:don't|do not|dont|never) (?:want|need|like)(?: to hear)?)"
)
REMOVES = _regex(
    r"(?:take|leave|keep|cut|filter|edit) (?P<between>.+)(?<! and) out"
    r"|(?:take|keep) (?P<far>.+) away"
    rf"|{REMOVE} (?P<rest>.+)|(?P<before>.+), (?:remove|mute|delete)(?: it)?"
)
KEEPS = _regex(
    r"(?:keep|isolate|extract|separate(?= (?:the|a|an|that|my)\b)|leave(?: in)?(?= (?:only|just|the"
    r"|my)\b)|(?:let me )?hear|listen to|(?:give|get) me|i(?: only| just)? (?:want|need|would like)"
    r"|i'd (?:like|love)) (?P<rest>.+)"
)
ONLY = _regex(r"(?:only|just|solely|nothing (?:but|except(?: for)?|other than|else but)) ")
TAIL = _regex(r"(?:,? (?:please|only|alone|(?:(?:and|but) )?nothing else)[\s.!]*)+$")
CARRIER = _regex(  # "remove the dog from my last recording"
    r" (?:from|in|on|out of) (?:(?:the|this|that|my|our|a) )?(?:[\w-]+ ){0,2}(?:recording|audio|mix"
    r"|track|song|video|call|clip|file|take|podcast|voiceover|interview|footage|soundtrack"
    r"|screencast|vlog)$"
)
EXCEPT = r"except(?:ing)?(?: for)?|excluding|other than|apart from|aside from|minus"
EVERYTHING = _regex(
    r"(?:(?:everything|anything|all(?: of it| (?:the )?(?:other )?(?:sounds?|noises?|audio))?"
    r"|every(?: other)? (?:sound|noise|thing)|(?:any )?(?:other )?sounds?|(?:any|other) noises?"
    r"|(?:the |an? )?(?:whole |entire |full )?(?:recording|audio|mix|mixture|rest))(?: else)?,? )"
    rf"(?:but(?: not| for)?|{EXCEPT}|besides|save(?: for)?|bar|without|not"
    r"|(?:that|which)(?: is|'s| are) not|(?:that|which) (?:isn't|aren't)) (?P<rest>.+)"
)
NAMED_NO = r"no (?:parking|entry|smoking|trespassing|man's|\w+ allowed|\d)"
NOT = r"not|no|without(?: any)?"
NEGATED = _regex(
    rf"(?:(?:and|but) )?(?!{NAMED_NO})(?:{NOT}|neither(?=.* nor )|{EXCEPT}) "
    r"(?!(?:only|just|so|very|quite|too|really|even|yet|all|every|always|fully|if|one)\b)(?P<rest>.+)"
)
COMPOUND = _regex(r"(?:(?:non|no)-(?P<rest>.+?)|(?P<free>.+)-free)(?: (?:sounds?|noises?|audio))?")
WITHOUT_END = (
    r"(?:an? |any )?(?:end|ending|stop|stopping|pause|pausing|break|breaks|rest|interruptions?"
    r"|ceasing|warning)\b"
)
UNWANTED = _regex(
    rf"(?:,? (?:but|and|yet) (?:{NOT}|{EXCEPT}|{REMOVE})"
    rf"|, (?:{NOT}|{REMOVE})"
    rf"|,? (?:without(?: any)?|with no|rather than|instead of|{EXCEPT})"
    r"|(?P<bare> (?:not|no))) "
    rf"(?!{WITHOUT_END})"
)
ASIDE = _regex(rf" (?:[–—-]+ |[(\[])(?=(?:but|{NOT}|{EXCEPT}) )")
COMMA_NOT = _regex(rf", (?=(?:{NOT}) )")
# A marker said again: "no dog and no rain"; "everything except for the dog and for the rain".
AGAIN = _regex(rf"(?:(?:{NOT}|nor|any|either|also|{REMOVE}) )+")
EXCEPT_AGAIN = _regex(rf"(?:(?:{EXCEPT}|for|but) )+")

NO_SOUND = re.compile(
    r"(?:(?:an?|the|its?|this|that|these|those|them|they|him|her|he|she|us|we|me|you|i|ones?|there"
    r"|is|are|be|(?:any|every|some|no)(?:thing|one|body)|no-one|all|any|some|none|both|either"
    r"|neither|sounds?|audio|recording|rest|others?|else|not|no|only|just|and|or|but|nor|of)"
    r"(?:\W+|$))+",
    re.IGNORECASE,
)
UNCLEAR = _regex(
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
    r"|^i (?:can't|cannot|can not|couldn't) |^(?:not|without|minus|except)$"
    r"| [!¬−-](?=\w)|, (?:just|only|keep|but) "
)
# A negation that belongs to a description: what is left of one after this is not understood.
DESCRIBES = _regex(
    rf"\b(?:will|would|can|could|does|did|do) not\b|\bwithout {WITHOUT_END}"
    rf"|\bwith no {WITHOUT_END}|\b{NAMED_NO}|(?<= )no$"
)
NEGATION = _regex(
    r"(?<![\w'-])(?:not|no|neither|nor|without|except|excepting|excluding|minus|but|instead"
    r"|isn't|aren't|wasn't|weren't|hasn't|haven't|shouldn't|mustn't|don't)(?![\w'-])"
)
