"""Who follows whom: the words INSTANCE=GROUP:LEVEL:STOP-LEVEL. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cltab2systemd.keepalived.states import State


@dataclass(frozen=True, slots=True)
class Rule:
    """A group follows an instance, or a sync group: at a level where that is MASTER, at another one elsewhere."""

    instance: str
    group: str
    level: str
    stop_level: str

    def level_in(self, state: State) -> str:
        """Where the group is to be when its instance is in a state."""
        return self.level if state.is_master else self.stop_level


def parse(words: Sequence[str]) -> list[Rule]:
    """The rules that words stand for; ValueError says what is wrong with them."""
    rules: dict[str, Rule] = {}
    for word in words:
        instance, _, rest = word.rpartition("=")
        parts = rest.rstrip(":").split(":")  # colons at the end have always been passed over
        if len(parts) != 3 or not all([instance, *parts]):
            raise ValueError(f"{word!r} is not INSTANCE=GROUP:LEVEL:STOP-LEVEL")
        rule = Rule(instance, *parts)
        if rule.group in rules:
            raise ValueError(f"{word!r}: group {rule.group} follows another instance already")
        rules[rule.group] = rule
    if not rules:
        raise ValueError("nobody is to follow")
    return list(rules.values())
