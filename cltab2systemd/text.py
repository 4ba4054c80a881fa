"""Text as bytes, the one way: UTF-8, and bytes that are not UTF-8 stay as they are; and as it stands in unit names.

Light: imports nothing.

A table is UTF-8 whatever the locale of the process that reads it. `os.fsencode` and `os.fsdecode` follow the locale, so
they are for paths of real files only; the linter says so.
"""

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_.-")


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


def escape(text: str) -> str:
    r"""A group, tag or level as it stands in a unit name; bytes that are not UTF-8 (surrogateescape) survive.

    It is done as systemd-escape(1) does, with two differences. A hyphen stays as it is: the first hyphen of a unit name
    ends the prefix, and a group cannot hold the `@` that ends it, so no two names become one. A `/` becomes `\x2f`, for
    systemd-escape would make a hyphen of it.

    Letters, digits, `:`, `_`, `.` and `-` stay as they are, but for a `.` at the beginning.
    """
    if text and _PLAIN.issuperset(text) and text[0] != ".":
        return text
    data = encoded(text)
    return "".join(
        chr(byte) if chr(byte) in _PLAIN and not (index == 0 and byte == ord(".")) else f"\\x{byte:02x}"
        for index, byte in enumerate(data)
    )
