"""The check every query passes before an encoder sees it. Taught in notebook 02."""

from __future__ import annotations

import unicodedata

MAX_QUERY_LENGTH = 200  # characters, after surplus whitespace is gone


def clean_query(text: str) -> str:
    """Return a query without surplus whitespace, or say in one sentence why it is none.

    Emoji and every language are accepted, but the default encoder was trained on English: it
    understands other languages poorly, and most emoji are one and the same unknown token to it.

    Raises:
        ValueError: not a string; no letter, digit or emoji in it; or more than 200 characters.

    Example:
        >>> clean_query("  dog \\n barking ")
        'dog barking'
    """
    if not isinstance(text, str):
        raise ValueError(f"The query must be a string, not {type(text).__name__}.")
    text = " ".join(text.encode("utf-8", "ignore").decode().split())  # drops lone surrogates
    if not any(unicodedata.category(c)[0] in "LN" or unicodedata.category(c) == "So" for c in text):
        raise ValueError(
            "The query is empty: describe the sound in a few words, for example 'dog barking'."
        )
    if len(text) > MAX_QUERY_LENGTH:
        raise ValueError(
            f"The query has {len(text)} characters; the limit is {MAX_QUERY_LENGTH}: "
            "describe one sound in a few words."
        )
    return text


def clean_all(texts: list[str]) -> list[str]:
    """Return `clean_query` of each; a bare string is a ValueError."""
    if isinstance(texts, str):
        raise ValueError("embed_text takes a list of texts: write [text] for a single one.")
    return [clean_query(text) for text in texts]
