"""test/model/histories.py: what happens to the customers of random journeys.

A seed is a history.  Those of a batch share a skeleton of instants, because
they share one virtual clock.  Each history is about one cell of the table: a
step of that kind comes first in its journey, and it is disturbed in that way.
"""
import functools
import random
import re
from datetime import datetime, timedelta, timezone

import clocks
import table
from journeys import ZONES, Maker, expr
from run import timeout_of, verb_of

UTC = timezone.utc
STARTS = [datetime(2026, 3, 5), datetime(2026, 3, 26), datetime(2026, 4, 2), datetime(2026, 10, 1),
          datetime(2026, 10, 23), datetime(2026, 10, 30), datetime(2026, 2, 13), datetime(2026, 9, 4),
          datetime(2024, 2, 26), datetime(2011, 12, 27), datetime(2026, 12, 29)]
CHANGING = [z for z in ZONES if z not in ("Asia/Kolkata", "UTC", "Pacific/Apia")]
BATCH = 500

# Rows of dates, which many arrivals pass at once, and others that seldom meet their disturbance.
HARD = re.compile("past=|missing=| date$")
RARE = re.compile("when_cancelled| of$|exit convert|^call|on_failure$|expires_after|^wait (past|overlap|restart match_key)|"
                  "^digest (gap|overlap|local|window)|^delay past=(continue|skip_to)|missed=")
RAREST = re.compile("missed=| of$|exit convert|^digest local|(call|emit|branch|split|update) on_failure|when_cancelled")


def skeleton(batch):
    """Phases of a batch: [instant, whether the lanes run at its end, which channel is drained then]."""
    dice = random.Random(f"skeleton {batch}")
    at = dice.choice(STARTS).replace(tzinfo=UTC) + timedelta(hours=dice.randrange(24))
    phases = []
    for _ in range(dice.randrange(12, 20)):
        if dice.random() < 0.4:
            phases.append([at.isoformat(), True, None])
        phases.append([at.isoformat(), dice.random() < 0.7, None])
        if dice.random() < 0.5:
            phases.append([at.isoformat(), True, "email"])
            phases.append([at.isoformat(), True, "sms"])
        at += dice.choice([timedelta(minutes=30), timedelta(hours=1), timedelta(hours=2),
                           timedelta(hours=6), timedelta(days=1), timedelta(minutes=dice.randrange(1, 2000)),
                           timedelta(days=2), timedelta(seconds=dice.randrange(1, 100000)),
                           timedelta(days=dice.choice([3, 7]))])
    phases.append([(at + timedelta(days=40)).isoformat(), True, None])
    return phases


def settled_phases(phases):
    """Phases at whose beginning nothing is pending: the one before ran at the same instant."""
    return [n for n in range(1, len(phases) - 1)
            if phases[n - 1][:2] == [phases[n][0], True] and phases[n - 1][2] is None]


@functools.cache
def turns(batch):
    """Phases that the next one follows at once; and (phase, zone) shortly before a clock change."""
    phases = skeleton(batch)
    doubled = [n for n in range(1, len(phases) - 2) if phases[n][0] == phases[n + 1][0]]
    at = [clocks.instant(p[0]) for p in phases]
    changes = [(n, zone) for n in range(1, len(phases) - 2) for zone in CHANGING
               if clocks.changes_between(at[n], at[n] + timedelta(days=1), zone)]
    return doubled, changes


def step_rows():
    """Rows of the table that describe a step: those of any that can be made."""
    maker, rows = Maker(random.Random("rows"), ["x", "y", "z", "w"]), {"exit", "exit convert"}
    for _ in range(4000):
        rows |= set(table.of_step(maker.step(lambda: "q", ["y"], ["jc"], ["s"])))
    return sorted(rows)


def all_rows():
    """All rows of the table."""
    maker, rows = Maker(random.Random("rows"), ["x", "y", "z", "w"]), set(step_rows())
    for n in range(1500):
        entry = maker.entry([{"on": "x"}, {"api": True}, {"journey": True}][n % 3], n % 2)
        entry = maker.date_entry(entry, "c") if n % 12 == 0 else entry
        rows |= set(table.of_journey(maker.journey("j", entry, ["y"], ["jc"])))
    return sorted(rows)


@functools.cache
def cells():
    """The cells of the table that a history can be about, some of them more often than others, mixed."""
    made = [(row, d) for row in step_rows() for d in table.DISTURBANCES[1:] if table.can_be(row, d)
            for _ in range(share(row, d))]
    random.Random("cells").shuffle(made)
    return made


def share(row, disturbance):
    """How often histories are about a cell."""
    if "missed=" in row and disturbance == "clock change":
        return 10
    return 6 if RAREST.search(row) else 3 if RARE.search(row) else 2 if HARD.search(row) else 1


def customer(dice, start):
    zone = dice.choice(ZONES) if dice.random() < 0.95 else dice.choice([None, "Nowhere/Land"])
    due = start + timedelta(hours=dice.randrange(-200, 900), minutes=dice.choice([0, 0, 30]))
    day = start + timedelta(days=dice.choice([dice.randrange(-400, 40), dice.randrange(1, 40)]))
    return {"tz": zone, "plan": dice.choice(["pro", "free", None]), "points": dice.choice([0, 1, 2, 3, 5, None]),
            "bad": dice.choice(["1", "7", "oops", "oops", None]),
            "due": due.isoformat() if dice.random() < 0.85 else None,
            "day": day.strftime("%Y-%m-%d") if dice.random() < 0.85 else None}


def payload(dice):
    made = {}
    if dice.random() < 0.85:
        made["n"] = dice.randrange(6) if dice.random() < 0.93 else "oops"
    if dice.random() < 0.5:
        made["color"] = dice.choice(["red", "blue"])
    if dice.random() < 0.8:
        made["k"] = dice.choice(["1", "2"])
    return made


class Plot:
    """Makes one history."""

    def __init__(self, seed, batch):
        self.phases = skeleton(batch)
        self.last = len(self.phases) - 1
        self.settled = settled_phases(self.phases)
        self.doubled, self.changes = turns(batch)
        self.dice = random.Random(f"history {seed}")
        self.maker = Maker(self.dice, ["x@", "y@", "z@", "w@"])
        self.row, self.disturbance = cells()[seed % len(cells())]
        self.seed, self.ops = seed, []
        self.dates = random.Random(f"dates {seed}")
        self.is_dated = not HARD.search(self.row) and self.dates.random() < 0.15

    def chance(self, share):
        return self.dice.random() < share

    def pick(self, *choices):
        return self.dice.choice(choices)

    def op(self, phase, *op, is_first=False):
        """Note an operation; one that "is first" comes before all others of its phase."""
        self.ops.append((phase, not is_first, self.dice.random(), [phase, *op]))

    def made(self):
        start = datetime.fromisoformat(self.phases[0][0])
        names = [f"c@_{i}" for i in range(self.pick(1, 2, 3, 3))]
        self.customers = {name: customer(self.dice, start) for name in names}
        self.journeys = self.make_journeys(len(names) == 1)
        self.publish_all()
        for name in names:
            self.live(name, start)
        self.disturb(names)
        if self.is_dated:
            self.publish_in_time()
        if any("rate" in op[-1] for *_, op in self.ops):
            # who enters by one publication, or at one date, has no order to be released in
            for *_, op in self.ops:
                op[-1].pop("existing", None) if op[1:3] == ["act", "publish"] else None
                op[-1].pop("rate", None) if self.is_dated and op[1:3] == ["act", "resume"] else None
        return {"seed": self.seed, "customers": self.customers, "journeys": self.journeys,
                "ops": [op for *_, op in sorted(self.ops, key=lambda op: op[:3])]}

    # journeys

    def wanted(self, step):
        return self.row in table.of_step(step) and \
            (self.disturbance != "clock change" or self.takes_days(step))

    @staticmethod
    def takes_days(step):
        """Whether who comes to the step before a clock change probably stays until after it."""
        spec = step[verb_of(step)]
        form = spec.get("for") if "digest" in step else spec if "delay" in step else timeout_of(step)
        if form is None:
            return False
        length = form if isinstance(form, str) else form.get("after", form.get("for"))
        if length is not None:
            return re.search("day|week|month|24|36", length)
        return "missed" not in form or "weekdays" in form

    def make_journeys(self, is_alone):
        maker, made = self.maker, {}
        is_about_enter = self.row.split()[0] == "enter"
        has_child = is_about_enter or self.chance(0.36)
        wanted = None if self.row.split()[0] == "exit" else self.wanted
        entry = maker.entry({"on": "x@"}, is_alone)
        if self.chance(0.9 if RARE.search(self.row) else 0.7):
            entry["reentry"] = {"policy": "any"}
            entry.pop("when", None)
        if self.is_dated:
            entry = Maker(self.dates, []).date_entry(entry, "c@_")
        made["ja@"] = [maker.journey("ja@", entry, ["y@", "z@"],
                                     ["jc@", "jc@", "jb@"] if has_child else [], wanted,
                                     after_send=self.row.endswith(" of"))]
        if wanted is None:
            self.be_about_exit(made["ja@"][0])
        if self.disturbance == "error":
            made["ja@"][0].setdefault("exit", []).append({"when": expr("bad", ">", 90)})
        if has_child and self.chance(0.3) or self.chance(0.35):
            made["jb@"] = [maker.journey("jb@", maker.entry({"on": self.pick("x@", "y@")}, is_alone), ["z@", "w@"],
                                         ["jc@"] if has_child else [])]
        if has_child and self.chance(0.95):
            kind = self.pick({"journey": True}, {"journey": True}, {"journey": ["ja@"]}, {"api": True}, {"on": "z@"})
            # the child of a step about a clock change meets it too
            wanted = self.takes_days if is_about_enter and self.disturbance == "clock change" else None
            made["jc@"] = [maker.journey("jc@", maker.entry(kind, is_alone), ["w@"], wanted=wanted)]
            if self.chance(0.6):
                made["jc@"][0]["entry"]["reentry"] = {"policy": "any"}
        elif self.chance(0.3):
            made["jd@"] = [maker.journey("jd@", maker.entry({"api": True}, is_alone), ["w@"])]
        for other in ("jc@", "jd@"):
            if other in made and self.chance(0.6):
                made[other].append(maker.edited(made[other][0]))
        if self.disturbance == "edit" or self.chance(0.2) or self.is_dated and self.dates.random() < 0.3:
            made["ja@"].append(maker.edited(made["ja@"][0]))
        return made

    def be_about_exit(self, definition):
        definition["start"] = "r"
        definition["steps"]["r"].pop("convert", None)
        if self.row == "exit convert":
            definition["steps"]["r"]["convert"] = {"value": expr("amount")}

    def publish_all(self):
        for name, versions in self.journeys.items():
            has_event = "on" in versions[0]["entry"]
            if has_event and self.chance(0.1):
                self.op(self.some_phase(), "act", "publish", name,
                        {"version": 1, "existing": self.pick("now", "both")})
            else:
                self.op(0, "act", "publish", name, {"version": 1}, is_first=True)

    # customers

    def live(self, name, start):
        """Events, rows and commands of a customer, all over the time there is."""
        for _ in range(self.dice.randrange(3, 11)):
            event = self.pick("x@", "x@", "y@", "z@", "w@")
            self.op(self.some_phase(0), "event", name, event, payload(self.dice))
        if "jd@" in self.journeys:
            for _ in range(2):
                self.op(self.some_phase(0), "enter", name, "jd@", {"context": {}, "key": self.pick("1", "2", None)})
        for share, kind in ((0.25, "row"), (0.12, "leave"), (0.3, "enter")):
            if self.chance(share):
                self.command(kind, name, start)
        if any("approve" in s for v in self.journeys.values() for s in v[0]["steps"].values()):
            for _ in range(self.dice.randrange(0, 4)):
                self.op(self.some_phase(), "approve", name, self.pick(*self.journeys),
                        self.pick("approved", "rejected", "yes", "yes", "no", "later"))
        if self.chance(0.04):
            self.customers[name]["absent"] = True
            if self.chance(0.5):
                self.op(self.some_phase(), "row", name, customer(self.dice, start))
        elif self.chance(0.05):
            gone = self.some_phase()
            self.op(gone, "delete", name)
            if self.chance(0.3):
                self.op(self.some_phase(gone), "row", name, customer(self.dice, start))

    def command(self, kind, name, start):
        if kind == "row":
            self.op(self.some_phase(), "row", name, customer(self.dice, start))
        elif kind == "leave":
            arguments = {"key": self.pick("1", "2")} if self.chance(0.3) else {}
            if self.chance(0.2):
                arguments["reason"] = "asked"
            self.op(self.some_phase(), "leave", name, "ja@", arguments)
        else:
            self.op(self.some_phase(), "enter", name, self.pick(*self.journeys),
                    {"context": {"a": self.dice.randrange(4)}, "key": self.pick("1", None)})

    # disturbances

    def disturb(self, names):
        """What this history is about: who comes to the step is disturbed there soon."""
        kind, first = self.disturbance, self.dice.choice(self.doubled or [1])
        zone = self.pick(*CHANGING)
        if kind == "clock change" and self.changes:
            first, zone = self.dice.choice(self.changes)
        is_quick = self.row.split()[0] in table.TAKES_NO_TIME and \
            self.row not in ("send on_failure", "send channels", "enter wait")
        if is_quick and kind != "clock change":
            # who takes no time is only met while held
            self.pause(first - 1, self.some_phase(first + 2) if kind != "pause" else None)
        for name in names:
            if HARD.search(self.row) and self.chance(0.8):
                # a date that is still to come when he arrives
                start = datetime.fromisoformat(self.phases[0][0])
                self.customers[name].update(due=(start + timedelta(hours=self.dice.randrange(700, 1000))).isoformat(),
                                            day=(start + timedelta(days=self.dice.randrange(28, 60))).strftime("%Y-%m-%d"))
            for _ in range(2 if RARE.search(self.row) else 1):
                self.op(first, "event", name, "x@", payload(self.dice))
            if self.chance(0.5):
                self.op(self.some_phase(first, 0), "event", name, "x@", payload(self.dice))
        if self.is_dated:
            self.hold_dates(names, first)
        soon = first + 1
        if kind == "edit" or len(self.journeys["ja@"]) > 1:
            self.op(soon, "act", "publish", "ja@",
                    {"version": 2, "inflight": self.pick("finish", "exit", "move", "move"),
                     **({"existing": "both"} if self.chance(0.1) and not self.is_dated else {})})
        for name in names:
            if kind == "exit":
                self.op(soon, "leave", name, "ja@", {})
            elif kind == "error":
                self.customers[name]["bad"] = "oops" if self.chance(0.8) else "1"
                self.op(soon, "event", name, self.pick("y@", "z@", "w@"), payload(self.dice))
            elif kind == "clock change":
                self.customers[name]["tz"] = zone
        if kind == "pause" and not is_quick or kind != "clock change" and not is_quick and self.chance(0.1):
            self.pause(soon)
        if self.chance(0.1):
            self.close()
        for other in ("jc@", "jd@"):
            if len(self.journeys.get(other, [])) > 1:
                at = self.some_phase()
                self.op(at, "act", "publish", other, {"version": 2, "inflight": self.pick("exit", "move")})
                self.op(self.some_phase(), "act", "pause", other, {"newcomers": "queue", "waits": "run"})
                self.op(self.last, "act", "resume", other, {})

    def hold_dates(self, names, first):
        """Let the date by which they enter come just before a phase."""
        form, at = self.journeys["ja@"][0]["entry"]["date"], clocks.instant(self.phases[first][0])
        quiet = [n for n in range(first) if self.phases[n][1] and self.phases[n][0] != self.phases[n + 1][0]]
        if "past" in form and not quiet:
            for version in self.journeys["ja@"]:
                del version["entry"]["date"]["past"]
        elif "past" in form:
            # it has passed when the journey is published, and nothing else happens at that instant after it
            at = clocks.instant(self.phases[0][0]) - timedelta(hours=self.dates.randrange(1, 99))
            self.ops = [(quiet[-1], True, 2, [quiet[-1], *op[1:]]) if op[1:4] == ["act", "publish", "ja@"] else
                        (phase, *more, op) for phase, *more, op in self.ops]
        for name in names:
            weeks = self.dates.randrange(3) if form.get("every") == "1 week" else 0
            due = at - timedelta(seconds=self.dates.choice([0, 1, 1, 1]), days=7 * weeks)
            self.customers[name].update(due=due.isoformat())
            if self.dates.random() < 0.3:
                self.op(self.some_phase(first), "row", name, customer(self.dates, at))

    def publish_in_time(self):
        """Let the lanes apply a publication at its instant: dates are looked at then."""
        def in_time(phase):
            same = [n for n in range(phase, self.last + 1) if self.phases[n][0] == self.phases[phase][0]]
            return phase if any(self.phases[n][1] for n in same) else in_time(phase + 1)
        for n, (phase, *more, op) in enumerate(self.ops):
            if op[1:4] == ["act", "publish", "ja@"]:
                phase = in_time(phase)
                self.ops[n] = (phase, *more, [phase, *op[1:]])

    def some_phase(self, first=1, spare=0):
        """A phase from the first on, with some to spare after it."""
        return self.dice.randrange(min(first, self.last - 1), max(min(first, self.last - 1) + 1, self.last - spare))

    def pause(self, first, until=None):
        """Pause and resume, sometimes at a rate."""
        self.op(first, "act", "pause", "ja@", {"newcomers": self.pick("queue", "queue", "queue", "queue", "ignore"),
                                               "waits": self.pick("run", "extend")})
        later = [n for n in self.settled if n > (until or first)]
        if later and self.chance(0.3):
            self.op(self.dice.choice(later), "act", "resume", "ja@", {"rate": self.pick(0.0001, 0.001, 0.5)}, is_first=True)
        elif self.chance(0.9):
            self.op(until or self.some_phase(first), "act", "resume", "ja@", {})

    def close(self):
        """Stop, and perhaps archive or open again."""
        stop = self.some_phase()
        self.op(stop, "act", "stop", "ja@", {"inflight": self.pick("finish", "exit")})
        later = [n for n in self.settled if n > stop]
        if later and self.chance(0.6):
            self.op(self.dice.choice(later), "act", "archive", "ja@", {}, is_first=True)
        if self.chance(0.3):
            self.op(self.some_phase(stop), "act", "publish", "ja@", {"version": 1})


def history(seed):
    """One history; seed // BATCH is its batch."""
    return Plot(seed, seed // BATCH).made()


def expanded(made, phases):
    """The operations of a history with those of its batch: clock, run, relay."""
    ops = []
    for number, (at, run, channel) in enumerate(phases):
        ops.append(["clock", at])
        ops += [op[1:] for op in made["ops"] if op[0] == number]
        if run:
            ops.append(["run"])
        if channel:
            ops.append(["relay", channel, number])
    return ops
