#!/usr/bin/env python3
"""test/zones/reference.py: what docs/journeys.md says about time, computed
from Python's zoneinfo and nothing of the server's.

    reference.py YEAR ZONE ...   cases, one a line, tab-separated:
    zone, event, start, local, expected for forward/second, forward/first,
    skip/second, skip/first (seconds since 1970; "local" is a text or empty)

An event names the form that is tested: until, day, month, at_HHMM,
window_HHMM_HHMM, window_HHMM_HHMM_DAY, DAY.  Every zone is tried around each
change of its offset in the year; one without a change around a date.
"""
import sys
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

DAY = 86400
DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
EPOCH = datetime(1970, 1, 1)
POLICIES = [(gap, overlap) for gap in ("forward", "skip") for overlap in ("second", "first")]


class Zone:
    """A zone in a year and some months around it: its changes, found by looking."""

    def __init__(self, name, year):
        self.name = name
        self.zone = ZoneInfo(name)
        begin = seconds(datetime(year - 1, 11, 1))
        end = seconds(datetime(year + 1, 3, 1))
        self.changes = []           # (instant, offset before, offset after)
        t, offset = begin, self.look(begin)
        self.first = offset
        while t < end:
            later = t + DAY // 2
            if self.look(later) != offset:
                low, high = t, later
                while high - low > 1:
                    middle = (low + high) // 2
                    if self.look(middle) == offset:
                        low = middle
                    else:
                        high = middle
                after = self.look(high)
                self.changes.append((high, offset, after))
                offset = after
            t = later

    def look(self, instant):
        moment = datetime.fromtimestamp(instant, timezone.utc).astimezone(self.zone)
        return int(moment.utcoffset().total_seconds())

    def offset(self, instant):
        result = self.first
        for change, _, after in self.changes:
            if instant >= change:
                result = after
        return result

    def instant(self, local, fold):
        """By zoneinfo's own reading: fold 0 is the first of a repeated time,
        and of a skipped one the reading with the offset before."""
        aware = (EPOCH + timedelta(seconds=local)).replace(tzinfo=self.zone, fold=fold)
        return round((aware - datetime(1970, 1, 1, tzinfo=timezone.utc)).total_seconds())

    def exists(self, local):
        instant = self.instant(local, 0)
        return instant + self.look(instant) == local

    def resolve(self, local, gap, overlap):
        while not self.exists(local) and gap == "skip":
            local += DAY
        if not self.exists(local):
            return self.instant(local, 0)
        return self.instant(local, 0 if overlap == "first" else 1)

    def has_day(self, day):
        """Is any minute of a local day shown?"""
        return any(self.exists(day * DAY + minute * 60) for minute in range(0, 1440, 5))

    # ---- the forms ----

    def until(self, start, local, policy):
        return self.resolve(local, *policy)

    def day(self, start, local, policy):
        return self.resolve(start + self.offset(start) + DAY, *policy)

    def month(self, start, local, policy):
        date = EPOCH + timedelta(seconds=start + self.offset(start))
        year, month = divmod(date.year * 12 + date.month, 12)
        month += 1
        for day in (date.day, 30, 29, 28):
            try:
                return self.resolve(seconds(date.replace(year=year, month=month, day=day)), *policy)
            except ValueError:
                continue

    def at(self, start, minute, policy):
        gap, overlap = policy
        found = []
        today = (start + self.offset(start)) // DAY
        for day in range(today - 3, today + 5):
            local = day * DAY + minute * 60
            if not self.exists(local) and (gap == "skip" or not self.has_day(day)):
                continue
            instant = self.resolve(local, *policy)
            if instant >= start:
                found.append(instant)
        return min(found)

    def first_reading(self, start, allows):
        """The first instant at or after "start" whose reading is allowed; what
        is allowed begins at a full minute."""
        instant = start
        while True:
            local = instant + self.offset(instant)
            if allows(local // DAY, local % DAY // 60):
                return instant
            instant = (instant // 60 + 1) * 60

    def window(self, start, window, policy):
        begin, end, weekday = window

        def allows(day, minute):
            if begin < end:
                opened, inside = day, begin <= minute < end
            else:
                opened, inside = (day, True) if minute >= begin else (day - 1, minute < end)
            return inside and (weekday is None or weekday_of(opened) == weekday)
        return self.first_reading(start, allows)

    def weekday(self, start, weekday, policy):
        return self.first_reading(start, lambda day, minute: weekday_of(day) == weekday)


def seconds(moment):
    return int((moment - EPOCH).total_seconds())


def weekday_of(day):
    return (day + 3) % 7            # 1970-01-01 was a Thursday


def hhmm(minute):
    return "%02d%02d" % divmod(minute, 60)


def around(zone, change, before, after):
    """(event, start, local, function, argument) near one change."""
    low, high = sorted((change + before, change + after))
    times = sorted({low - 3600, low - 1, low, low + 1, (low + high) // 2,
                    high - 1, high, high + 1, high + 3600})
    starts = [change - 26 * 3600, change - 1, change, change + 1500]
    if before == after:             # nothing happens: once is enough
        times, starts = times[:2], starts[:1]
    for local in times:
        yield "until", None, local, zone.until, local
    for local in times[1:-1]:
        yield "day", zone.instant(local - DAY, 1), None, zone.day, None
    for local in times[2:5]:
        date = EPOCH + timedelta(seconds=local)
        if date.day <= 28 and date.month > 1:
            yield "month", zone.instant(seconds(date.replace(month=date.month - 1)), 1), None, zone.month, None
    minutes = sorted({t // 60 % 1440 for t in (low - 60, low, (low + high) // 2, high - 60, high)})
    for start in starts:
        for minute in minutes:
            yield "at_" + hhmm(minute), start, None, zone.at, minute
        yield from open_hours(zone, start, low)


def open_hours(zone, start, low):
    """Windows and weekdays about the local time "low" of a change."""
    first = low // 60 % 1440
    weekday = weekday_of(low // DAY)
    for begin, end in ((first, first + 30), (first + 15, first + 90), (first - 45, first), (1320, 360)):
        begin, end = begin % 1440, end % 1440
        yield "window_%s_%s" % (hhmm(begin), hhmm(end)), start, None, zone.window, (begin, end, None)
    yesterday, tomorrow = (weekday - 1) % 7, (weekday + 1) % 7
    yield "window_2200_0600_" + DAYS[yesterday], start, None, zone.window, (1320, 360, yesterday)
    yield DAYS[weekday], start, None, zone.weekday, weekday
    yield DAYS[tomorrow], start, None, zone.weekday, tomorrow


def cases(zone, year):
    begin, end = seconds(datetime(year, 1, 1)), seconds(datetime(year + 1, 1, 1))
    changes = [c for c in zone.changes if begin <= c[0] < end]
    if not changes:
        date = seconds(datetime(year, 10, 25, 2))
        offset = zone.offset(date)
        changes.append((date - offset, offset, offset))
    for change in changes:
        for event, start, local, function, argument in around(zone, *change):
            text = "" if local is None else (EPOCH + timedelta(seconds=local)).isoformat(sep=" ")
            expected = [function(start, argument, policy) for policy in POLICIES]
            yield "\t".join(map(str, [event, "" if start is None else start, text, *expected]))


def main():
    year = int(sys.argv[1])
    known = {}                      # zones that did the same have the same cases
    for name in sys.argv[2:]:
        zone = Zone(name, year)
        behaviour = (zone.first, *zone.changes)
        if behaviour not in known:
            known[behaviour] = list(cases(zone, year))
        for case in known[behaviour]:
            print(name, case, sep="\t")


if __name__ == "__main__":
    main()
