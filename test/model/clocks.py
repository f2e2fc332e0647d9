"""test/model/clocks.py: local time as docs/journeys.md defines it.

Durations, wanted local times, dates and jitter, over Python's zoneinfo and
never PostgreSQL's AT TIME ZONE.  All instants are aware datetimes in UTC.
"""
import calendar
import hashlib
from bisect import bisect_right
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

UTC = timezone.utc
DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
DAY = timedelta(days=1)
_zones = {}


def instant(text):
    return datetime.fromisoformat(text)


def _offset(zone, instant):
    return instant.astimezone(zone).utcoffset()


def transitions(name):
    """The instants at which the zone's offset changes, 2010 to 2032."""
    if name not in _zones:
        zone, found = ZoneInfo(name), []
        at, step = datetime(2010, 1, 1, tzinfo=UTC), timedelta(hours=12)
        before = _offset(zone, at)
        while at.year < 2032:
            after = _offset(zone, at + step)
            if after != before:
                low, high = at, at + step
                while high - low > timedelta(seconds=1):
                    middle = low + (high - low) / 2
                    middle = middle.replace(microsecond=0)
                    if _offset(zone, middle) == before:
                        low = middle
                    else:
                        high = middle
                found.append(high)
                before = after
            at += step
        _zones[name] = found
    return _zones[name]


def changes_between(start, end, name):
    """Whether the zone's clock changes after one instant and until another."""
    changes = transitions(name)
    return bisect_right(changes, start) != bisect_right(changes, end)


def parse_interval(text):
    """"2 months 1 day 90 minutes" as (months, days, timedelta)."""
    months, days, rest = 0, 0, timedelta()
    words = text.split()
    for count, unit in zip(words[::2], words[1::2]):
        count, unit = int(count), unit.rstrip("s")
        if unit == "month":
            months += count
        elif unit == "year":
            months += 12 * count
        elif unit == "week":
            days += 7 * count
        elif unit == "day":
            days += count
        else:
            rest += count * {"hour": timedelta(hours=1), "minute": timedelta(minutes=1),
                             "second": timedelta(seconds=1)}[unit]
    return months, days, rest


def local_of(instant, name):
    return instant.astimezone(ZoneInfo(name)).replace(tzinfo=None)


def exists(local, name):
    """Whether the zone's clock ever shows this local time."""
    zone = ZoneInfo(name)
    aware = local.replace(tzinfo=zone, fold=0)
    return aware.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == local


def instant_of(local, name, gap="forward", overlap="second"):
    """The instant of a local time, by the policies for clock changes."""
    if not exists(local, name):
        if gap == "skip":
            while not exists(local, name):
                local += DAY
        else:
            return local.replace(tzinfo=ZoneInfo(name), fold=0).astimezone(UTC)
    fold = 0 if overlap == "first" else 1
    return local.replace(tzinfo=ZoneInfo(name), fold=fold).astimezone(UTC)


def add_to_local(local, months, days):
    month = local.year * 12 + local.month - 1 + months
    year, month = divmod(month, 12)
    day = min(local.day, calendar.monthrange(year, month + 1)[1])
    return local.replace(year=year, month=month + 1, day=day) + days * DAY


def add(instant, text, name, gap="forward", overlap="second"):
    """Instant plus a duration: calendar part first, elapsed part last."""
    months, days, rest = parse_interval(text)
    if months or days:
        local = add_to_local(local_of(instant, name), months, days)
        instant = instant_of(local, name, gap, overlap)
    return instant + rest


def _time(text):
    return timedelta(hours=int(text[:2]), minutes=int(text[3:]))


def _midnight(local):
    return local.replace(hour=0, minute=0, second=0, microsecond=0)


def _in_window(local, window):
    """Whether a local time lies in a window, by the day on which it opens."""
    if window is None:
        return True
    start, end = _time(window["from"]), _time(window["to"])
    clock, opens = local - _midnight(local), _midnight(local)
    if start < end:
        inside = start <= clock < end
    elif start == end:
        inside = False
    else:
        inside = clock >= start or clock < end
        if clock < end:
            opens -= DAY
    return inside and ("weekdays" not in window or DAYS[opens.weekday()] in window["weekdays"])


def wanted(local, form):
    """Whether weekdays and window of a form want this local time."""
    if "weekdays" in form and DAYS[local.weekday()] not in form["weekdays"]:
        return False
    return _in_window(local, form.get("window"))


def _hour_of_day(day, form, name):
    """The wanted instant of a local day in a form with "at", or None."""
    local = day + _time(form["at"])
    if not wanted(local, form):
        return None
    if not exists(local, name):
        if form.get("gap") == "skip":
            return None
        noon_like = any(exists(day + timedelta(hours=h), name) for h in range(24))
        if not noon_like:
            return None
    return instant_of(local, name, "forward", form.get("overlap", "second"))


def first_wanted(instant, form, name):
    """The first instant at or after this one that the form wants."""
    if "at" in form:
        day = _midnight(local_of(instant, name)) - DAY
        for _ in range(1500):
            found = _hour_of_day(day, form, name)
            if found is not None and found >= instant:
                return found
            day += DAY
        raise ValueError("no wanted instant")
    return _first(instant, name, lambda local: wanted(local, form), form)


def first_unwanted(instant, form, name):
    """The first instant after this one that weekdays and window exclude."""
    return _first(instant, name, lambda local: not wanted(local, form), form)


def _first(instant, name, accept, form):
    """The first instant from here whose local time is accepted.

    Between two changes of the clock local time is a straight line, on which
    the answer changes only at midnight and at the ends of the window.
    """
    changes = transitions(name)
    times = {timedelta()}
    if form.get("window"):
        times |= {_time(form["window"]["from"]), _time(form["window"]["to"])}
    limit = instant + 40 * DAY
    while instant < limit:
        place = bisect_right(changes, instant)
        end = changes[place] if place < len(changes) else limit
        local = local_of(instant, name)
        if accept(local):
            return instant
        offset = _offset(ZoneInfo(name), instant)
        day = _midnight(local)
        for step in range(41):
            for clock in sorted(times):
                shown = day + step * DAY + clock
                if shown <= local or not accept(shown):
                    continue
                found = (shown - offset).replace(tzinfo=UTC)
                if found < end:
                    return found
        instant = end
    return None


def due_by_form(now, form, name):
    """The due time of "for", "at", "weekdays" and "window"; None: "missed" goes on at once."""
    if "for" in form:
        gap, overlap = ("forward", "second") if "at" in form else \
            (form.get("gap", "forward"), form.get("overlap", "second"))
        due = add(now, form["for"], name, gap, overlap)
        return first_wanted(due, form, name) if {"at", "weekdays", "window"} & set(form) else due
    due = first_wanted(now, form, name)
    if form.get("missed") == "continue" and "at" in form and due > now:
        today = _hour_of_day(_midnight(local_of(now, name)), form, name)
        if today is not None and today < now:
            return None
    return due


def jitter(due, form, name, journey, step, customer):
    """Due time moved by the customer's stable part of the jitter."""
    digest = hashlib.sha256(f"jitter:{journey}:{step}:{customer}".encode()).digest()
    part = int.from_bytes(digest[:8], "big")
    end = add(due, form["jitter"], name)
    if "window" in form or "weekdays" in form:
        closes = first_unwanted(due, form, name)
        if closes is not None:
            end = min(end, closes)
    length = (end - due) // timedelta(microseconds=1)
    return due + timedelta(microseconds=(length * part) >> 64)


def date_instant(value, form, name, years_of=None):
    """The instant of a date, steps 1 to 3 of "Dates".

    value is an aware datetime (timestamptz) or a naive one (timestamp, date).
    years_of adds a recurrence, as an interval text repeated count times.
    """
    local, instant = (None, value) if value.tzinfo else (value, None)
    gap, overlap = form.get("gap", "forward"), form.get("overlap", "second")

    if years_of:
        months, days, rest = parse_interval(years_of[0])
        count = years_of[1]
        if months or days:
            if local is None:
                local, instant = local_of(instant, name), None
            local = add_to_local(local, months * count, days * count)
        if rest:
            if instant is None:
                instant, local = instant_of(local, name), None
            instant += rest * count
    if "offset" in form:
        months, days, rest = parse_interval(form["offset"])
        if months or days:
            if local is None:
                local, instant = local_of(instant, name), None
            local = add_to_local(local, months, days)
        if rest:
            if instant is None:
                instant, local = instant_of(local, name), None
            instant += rest
    if "at" in form:
        if local is None:
            local = local_of(instant, name)
        local, instant = _midnight(local) + _time(form["at"]), None
    if instant is None:
        instant = instant_of(local, name, gap, overlap)
    return instant
