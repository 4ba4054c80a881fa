"""Text as bytes, the one way: UTF-8, and bytes that are not UTF-8 stay as they are. Light: imports nothing.

A table is UTF-8 whatever the locale of the process that reads it. `os.fsencode` and `os.fsdecode` follow the locale, so
they are for paths of real files only; the linter says so.
"""


def encoded(text: str) -> bytes:
    """The bytes of text that `decoded` made, or that anybody has typed as text.

    UnicodeEncodeError if it holds half of a surrogate pair, which no bytes stand for: JSON can bring that.
    """
    return text.encode("utf-8", "surrogateescape")


def decoded(data: bytes) -> str:
    r"""The text of bytes; each byte that is not UTF-8 becomes a lone surrogate, which `encoded` turns back into it.

    For example, b"\\xe9" (an `é` of ISO 8859-1) becomes "\\udce9".
    """
    return data.decode("utf-8", "surrogateescape")
