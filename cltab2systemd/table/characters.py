"""Characters that systemd takes for UTF-8. Pure."""

import re

# Bytes that are not UTF-8, and the noncharacters: for either systemd refuses the whole line.
NO_UTF8 = "\ud800-\udfff\ufdd0-\ufdef" + "".join(
    chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF)
)
_NOT_UTF8 = re.compile(f"[{NO_UTF8}]")


def is_utf8(value: str) -> bool:
    """Whether systemd takes the text for UTF-8: no bytes that are not, and none of Unicode's noncharacters."""
    return not _NOT_UTF8.search(value)
