#!/usr/bin/env python3
"""test/zones/cron.py: the times of cron, computed from Python's zoneinfo.

    cron.py YEAR ZONE ...   cases, one a line, tab-separated:
    zone, cron, since, times (since and the times between it and three days
    after it as seconds since 1970; the times as a literal of an array)

Every zone is tried around each change of its offset in the year; zones with
the same changes are tried once.  The rules are those of docs/journeys.md,
"Entry by a schedule", read word by word: fixed hours come once a day, moved
out of a gap and at the second reading of an overlap; an hour that begins with
"*" counts elapsed time.
"""
import sys
from datetime import date, datetime, timedelta

from reference import DAY, EPOCH, Zone

# cron, minutes, hours, which dates fit (None: all)
SPECS = [
    ("30 0 * * *", [30], [0], lambda d: True),
    ("15,45 1-3 * * *", [15, 45], [1, 2, 3], lambda d: True),
    ("0 2 * * *", [0], [2], lambda d: True),
    ("59 23 * * *", [59], [23], lambda d: True),
    ("0 0 $ * *", [0], [0], lambda d: (d + timedelta(1)).day == 1),
    ("30 2 * * sun", [30], [2], lambda d: d.isoweekday() == 7),
    ("5 1-2 1,8,29 * 0,fri", [5], [1, 2], lambda d: d.day in (1, 8, 29) or d.isoweekday() in (5, 7)),
    ("*/20 * * * *", [0, 20, 40], range(24), None),
    ("7 */3 * * *", [7], range(0, 24, 3), None),
    ("0 * * * sun", [0], range(24), lambda d: d.isoweekday() == 7),
]
SPAN = 3 * DAY


def read_fixed(zone, since, minutes, hours, fits):
    """Once for each local time that fits, wherever the clock puts it."""
    times = set()
    day = (EPOCH + timedelta(seconds=since + zone.offset(since))).date() - timedelta(1)
    for _ in range(SPAN // DAY + 4):
        if fits(day):
            for hour in hours:
                for minute in minutes:
                    local = datetime(day.year, day.month, day.day, hour, minute)
                    wall = int((local - EPOCH).total_seconds())
                    readings = [wall - o for o in zone.offsets() if zone.offset(wall - o) == o]
                    # a skipped time: as if the change had not happened
                    times.add(max(readings) if readings else wall - zone.offset_before_gap(wall))
        day += timedelta(1)
    return times


def read_elapsed(zone, since, minutes, hours, fits):
    """Every minute whose local reading fits."""
    times = set()
    begin = since - since % 60
    for t in range(begin, begin + SPAN + 60, 60):
        local = EPOCH + timedelta(seconds=t + zone.offset(t))
        if local.minute in minutes and local.hour in hours and (fits is None or fits(local.date())):
            times.add(t)
    return times


class CronZone(Zone):
    def offsets(self):
        return {self.first} | {after for _, _, after in self.changes}

    def offset_before_gap(self, wall):
        for change, before, after in self.changes:
            if change + before <= wall < change + after:
                return before
        raise ValueError(wall)


def main():
    year = int(sys.argv[1])
    seen = set()
    for name in sys.argv[2:]:
        zone = CronZone(name, year)
        key = (zone.first, tuple(zone.changes))
        if key in seen:
            continue
        seen.add(key)
        moments = [change for change, _, _ in zone.changes
                   if date(year, 1, 1) <= (EPOCH + timedelta(seconds=change)).date() <= date(year, 12, 31)]
        for moment in moments or [int((datetime(year, 6, 28) - EPOCH).total_seconds())]:
            for ago in (36 * 3600, 1800):
                since = moment - ago
                for cron, minutes, hours, fits in SPECS:
                    is_elapsed = cron.split()[1].startswith("*")
                    read = read_elapsed if is_elapsed else read_fixed
                    times = sorted(t for t in read(zone, since, minutes, hours, fits) if since < t <= since + SPAN)
                    print(name, cron, since, "{" + ",".join(map(str, times)) + "}", sep="\t")


if __name__ == "__main__":
    main()
