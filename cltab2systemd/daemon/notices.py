"""Has a unit of the administrator's started when a group fails or recovers, or an entry keeps ending.

The unit is an instance of the template `clinitnotify@.service`, one for each notice. Without it nobody is told.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from typing import TYPE_CHECKING

from cltab2systemd import events, oserrors
from cltab2systemd.groups.news import Newsroom
from cltab2systemd.reports.notice import environment, file_text
from cltab2systemd.systemd.buserrors import BusError
from cltab2systemd.systemd.kernel import clock_offset

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cltab2systemd.disk.instance import Instance
    from cltab2systemd.groups.news import News
    from cltab2systemd.groups.state import GroupStatus
    from cltab2systemd.systemd.bus import Bus

# News that wait until systemd can be asked; the oldest go.
_MOST_WAITING = 1000
# Units that run at a time. When a machine goes wrong, much is told at once, and each may send a mail. If one hangs, the
# next is started after so many seconds.
AT_ONCE = 8
_LONGEST = 30.0
_PAUSE = 0.2
# It has a start job while the machine goes down. No unit can be started any more then.
_SHUTDOWN = "shutdown.target"


class Notices:
    """Tells what the newsroom has to tell.

    Args:
        instance: its state on disk; open.
        bus: its connection to systemd.
    """

    def __init__(self, instance: Instance, bus: Bus) -> None:
        self._instance = instance
        self._bus = bus
        self._newsroom = Newsroom()
        self._waiting: deque[News] = deque(maxlen=_MOST_WAITING)
        self._teller: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, before: Iterable[GroupStatus]) -> None:
        """Go on from how the groups were when an earlier daemon of this boot looked last."""
        self._newsroom = Newsroom(() if self._instance.is_first_start else before)

    def show(self, statuses: Iterable[GroupStatus]) -> None:
        """Take note of how all groups are, and have told what is news."""
        self._take(self._newsroom.look(statuses, asyncio.get_running_loop().time()))

    def _take(self, news: list[News]) -> None:
        loop = asyncio.get_running_loop()
        self._waiting.extend(news)
        if self._waiting and (self._teller is None or self._teller.done()):
            self._teller = loop.create_task(self._tell_all())
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if (due := self._newsroom.next_due) is not None:
            self._timer = loop.call_at(due, self._tell_due)

    def _tell_due(self) -> None:
        self._take(self._newsroom.due(asyncio.get_running_loop().time()))

    async def _tell_all(self) -> None:
        while self._waiting:
            news = self._waiting.popleft()
            try:
                await self._tell(news)
            except (BusError, OSError) as error:
                why = oserrors.worded(error) if isinstance(error, OSError) else error
                events.NOT_NOTIFIED(group=news.status.group, reason=news.reason.cause if news.reason else "", why=why)
            except Exception:  # noqa: BLE001
                events.FAULT(trace=True, group=news.status.group, why="while it told of a group")

    async def _tell(self, news: News) -> None:
        names = self._instance.names
        # Any instance of the template tells whether it is there. If that is an alias, the answer has another name.
        asked = (names.notice(0), _SHUTDOWN)
        template, shutdown = await self._bus.persist(lambda: self._bus.load_units(asked))
        if template.load == "not-found" or shutdown.job == "start":
            return
        offset, since = clock_offset(), int(news.at * 1_000_000)
        if news.reason is not None and news.reason.attempt.since:
            since = news.reason.attempt.since
        variables = environment(news, since=(since + offset) // 1_000_000, node=os.uname().nodename)
        number = self._instance.notices.write(file_text(variables))
        await self._turn_of(number)
        await self._bus.order(lambda: self._bus.start_if_free(names.notice(number)))

    async def _turn_of(self, number: int) -> None:
        """Wait until few enough units run, by the one that was started so many before."""
        if number <= AT_ONCE:
            return
        earlier = [self._instance.names.notice(number - AT_ONCE)]
        for _ in range(int(_LONGEST / _PAUSE)):
            (unit,) = await self._bus.persist(lambda: self._bus.load_units(earlier))
            if unit.at_rest or unit.sub == "exited":
                return
            await asyncio.sleep(_PAUSE)
