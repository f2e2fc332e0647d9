#!/usr/bin/env python3
"""test/examples/expected.py: the lines that a story has to end with, from the
messages.txt of an example, computed with Python's zoneinfo and nothing of the
server's.

    expected.py messages.txt

A person is a line "NAME ID ZONE DAY_0"; below it stand the lines

    RULE | WEEKDAY DATE TIME | WHAT

with the time on the person's own clock.  A rule of the form "day N HH:MM" (or
"week N", "month N"), perhaps with "weekday", is computed from day 0 and must
give what stands there; "weekday" moves it from a weekend to Monday.  All other
rules are words for the reader.  "arm EXPERIMENT SPLIT ARM=STEP ..." says to
which steps a split of equal weights leads; a person's is computed from the id.
Prints NAME | UTC | local | WHAT.
"""
import hashlib
import re
import sys
from calendar import monthrange
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

RULE = re.compile(r"(day|week|month) (\d+) (\d\d:\d\d)( weekday)?$")


def add_months(day, months):
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    month += 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def due(rule, day_0):
    """The local date and hour of a rule, or None where it is only words."""
    match = RULE.match(rule)
    if not match:
        return None
    unit, n, hour, weekday = match[1], int(match[2]), match[3], match[4]
    day = add_months(day_0, n) if unit == "month" else day_0 + timedelta(days=n * (7 if unit == "week" else 1))
    while weekday and day.weekday() > 4:
        day += timedelta(days=1)
    return f"{day:%a %Y-%m-%d} {hour}"


def arm_step(experiment, steps, person):
    """Arms of equal weight lie in the order of names, shorter ones first."""
    digest = hashlib.sha256(f"{experiment}::{person}".encode()).digest()
    bucket = int.from_bytes(digest[:8], "big") % 10000
    arms = sorted(steps, key=lambda arm: (len(arm), arm))
    return steps[arms[bucket * len(arms) // 10000]]


def main(path):
    experiments, lines, person = {}, [], None
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        def fail(what):
            sys.exit(f"{path}:{number}: {what}")
        line = line.rstrip("\n")
        if not line or line.startswith("#"):
            continue
        if line.startswith("arm "):
            _, experiment, split, *arms = line.split()
            experiments[experiment] = (split, dict(arm.split("=") for arm in arms))
            continue
        if not line.startswith(" "):
            name, person, zone, day_0 = line.split()
            day_0 = date.fromisoformat(day_0)
            continue
        rule, local, what = (part.strip() for part in line.split(" | ", 2))
        if due(rule, day_0) not in (None, local):
            fail(f"{rule} is {due(rule, day_0)}")
        at = datetime.strptime(local[4:], "%Y-%m-%d %H:%M").replace(tzinfo=ZoneInfo(zone), fold=1)
        if f"{at:%a}" != local[:3]:
            fail(f"{local[4:14]} is a {at:%A}")
        for experiment, (split, steps) in experiments.items():
            way = f" > {split} > {arm_step(experiment, steps, person)} > "
            if f" > {split} > " in what and way not in what:
                fail(f"{experiment}: {name} goes{way}")
        lines.append(f"{name} | {at.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S} | {local} | {what}")
    print("\n".join(lines))


main(sys.argv[1])
