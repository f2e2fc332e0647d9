"""test/model/generator.py: seeded random journeys and histories.

A batch is a skeleton of instants that its histories share, because they share
one virtual clock.  The character @ in a name stands for the history, so that
many of them can be played in one database.
"""
import random
from datetime import datetime, timedelta, timezone

UTC = timezone.utc
ZONES = ["Australia/Lord_Howe", "America/New_York", "Asia/Kolkata", "Pacific/Apia",
         "Africa/Casablanca", "Europe/Berlin", "Asia/Beirut", "UTC", "America/Santiago"]
STARTS = [datetime(2026, 3, 5), datetime(2026, 3, 26), datetime(2026, 4, 2), datetime(2026, 10, 1),
          datetime(2026, 10, 23), datetime(2026, 10, 30), datetime(2026, 2, 13), datetime(2026, 9, 4),
          datetime(2024, 2, 26), datetime(2011, 12, 27), datetime(2026, 12, 29)]
HISTORIES = 300


def expr(*e):
    return ["expr", list(e)]


def skeleton(batch):
    """Instants of a batch: [[instant, run after the phase], ...]."""
    dice = random.Random(f"skeleton {batch}")
    at = dice.choice(STARTS).replace(tzinfo=UTC) + timedelta(hours=dice.randrange(24))
    phases = []
    for _ in range(dice.randrange(14, 26)):
        for _ in range(dice.choice([1, 1, 2])):
            phases.append([at.isoformat(), dice.random() < 0.7])
        at += dice.choice([timedelta(minutes=30), timedelta(hours=1), timedelta(hours=2),
                           timedelta(hours=6), timedelta(days=1), timedelta(minutes=dice.randrange(1, 2000)),
                           timedelta(days=2), timedelta(seconds=dice.randrange(1, 100000)),
                           timedelta(days=dice.choice([3, 7]))])
    phases.append([(at + timedelta(days=40)).isoformat(), True])
    return phases


class Maker:
    """Makes the journeys of one history."""

    def __init__(self, dice):
        self.dice = dice

    def pick(self, *choices):
        return self.dice.choice(choices)

    def chance(self, share):
        return self.dice.random() < share

    def condition(self, context=True):
        atom = self.atom(context)
        if self.chance(0.1):
            safe = [a for a in (self.atom(False), self.atom(False)) if a[0] in ("points", "plan", "event_color")]
            if len(safe) == 2:
                return expr("and", *safe)
        if self.chance(0.1):
            return expr("not", atom)
        return ["expr", atom]

    def atom(self, context=True):
        choice = self.dice.randrange(10)
        if choice < 4:
            return ["event_n", self.pick("<", ">", "="), self.dice.randrange(6)]
        if choice < 5:
            return ["event_color", self.pick("red", "blue")]
        if choice < 7 and context:
            return ["context", self.pick("a", "b"), self.pick("<", ">"), self.dice.randrange(4)]
        if choice < 8:
            return ["points", self.pick("<", ">"), self.dice.randrange(6)]
        if choice < 9:
            return ["plan", self.pick("pro", "free")]
        return ["bad", self.pick("<", ">"), 3]

    def duration(self):
        return self.pick("1 hour", "2 hours", "30 minutes", "1 day", "24 hours", "2 days", "6 hours",
                         "1 week", "90 minutes", "3 days", "1 month", "1 day 3 hours", "36 hours", "1 month 1 day")

    def weekdays(self):
        days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
        return self.dice.sample(days, self.dice.randrange(1, 7))

    def local(self, form):
        """Add local time, weekdays and window, in a way that has instants."""
        kind = self.dice.randrange(6)
        at = f"{self.pick(0, 1, 2, 2, 3, 9, 18, 23):02d}:{self.pick(0, 0, 15, 30):02d}"
        if kind in (0, 1, 2):
            form["at"] = at
        if kind in (1, 3, 5):
            form["weekdays"] = self.weekdays()
        if kind in (4, 5):
            start, end = self.pick(("09:00", "18:00"), ("22:00", "06:00"), ("02:15", "02:45"),
                                   ("02:30", "05:00"), ("00:00", "01:30"), ("23:30", "00:30"))
            form["window"] = {"from": start, "to": end}
            if self.chance(0.3) and "weekdays" not in form:
                form["window"]["weekdays"] = self.weekdays()
        if self.chance(0.3) and "at" in form:
            form["gap"] = self.pick("skip", "forward")
        if self.chance(0.3) and "at" in form:
            form["overlap"] = self.pick("first", "second")
        if self.chance(0.2):
            form["jitter"] = self.pick("30 minutes", "2 hours", "1 day")
        return form

    def policy(self, onward, following):
        return self.pick("continue", "exit", {"exit": "gone"}, {"skip_to": onward(following)})

    def date(self, key, following, onward):
        form = {key: self.pick(expr("due"), expr("day"), expr("local"))}
        if self.chance(0.5):
            form["offset"] = self.pick("-1 day", "-3 days", "2 hours", "1 day", "-24 hours", "1 month", "-1 hour")
        if self.chance(0.4):
            form["at"] = self.pick("02:30", "09:00", "00:00", "01:30")
        if self.chance(0.2):
            form["gap"] = "skip"
        if self.chance(0.2):
            form["overlap"] = "first"
        if self.chance(0.5):
            form["past"] = self.pick(self.policy(onward, following), "next")
            if form["past"] == "next" and key == "until" and self.chance(0.5):
                form["every"] = self.pick("1 month", "1 week", "1 year")
        if self.chance(0.5):
            form["missing"] = self.policy(onward, following)
        return form

    def delay(self, following, onward):
        kind = self.dice.randrange(5)
        if kind < 2:
            return self.duration()
        if kind == 2:
            form = self.local({"for": self.duration()})
            if self.chance(0.3) and not {"window", "weekdays"} & set(form):
                form.pop("at", None)
            return form
        if kind == 3:
            form = self.local({})
            if self.chance(0.3) and "at" in form:
                form["missed"] = "continue"
            return form
        form = self.date("until", following, onward)
        if self.chance(0.2):
            form["jitter"] = "1 hour"
        return form

    def journey(self, name, events, entry_event, emits, children=()):
        count = self.dice.randrange(2, 8)
        names = [f"s{i}" for i in range(count)] + ["q", "r"]
        steps = {"q": {"exit": "done"}, "r": {"exit": "other"}}
        if self.chance(0.3):
            steps["r"]["convert"] = {}
            if self.chance(0.7):
                steps["r"]["convert"]["value"] = expr("amount")
            if self.chance(0.5) and "value" in steps["r"]["convert"]:
                steps["r"]["convert"]["currency"] = expr("currency")

        def onward(i):
            return self.dice.choice(names[i + 1:i + 3] + names[i + 1:])

        for i in range(count):
            steps[names[i]] = self.step(i, onward, events, emits, names, steps, children)
        definition = {"journey": name, "entry": self.entry(entry_event), "start": "s0", "steps": steps}
        if self.chance(0.3):
            definition["timezone"] = self.dice.choice(ZONES)
        if self.chance(0.3):
            definition["priority"] = self.dice.randrange(101)
        keyed = "key" in definition["entry"]
        if self.chance(0.4):
            definition["goal"] = self.goal(events, keyed)
        if self.chance(0.4):
            definition["exit"] = [self.rule(events, keyed) for _ in range(self.dice.randrange(1, 3))]
        return definition

    def entry(self, event):
        entry = {"on": event}
        if self.chance(0.3):
            entry["when"] = self.condition(False)
        if self.chance(0.4):
            entry["key"] = expr("event_key")
        if self.chance(0.8):
            entry["reentry"] = {"policy": self.pick("never", "after_exit", "any", "any")}
            if self.chance(0.2):
                entry["reentry"]["cooldown"] = self.pick("1 day", "6 hours", "24 hours")
                if self.chance(0.5):
                    entry["reentry"]["cooldown_scope"] = self.pick("key", "customer")
        if self.chance(0.07):
            entry["holdout"] = 1
        return entry

    def goal(self, events, keyed):
        goal = {"on": self.dice.choice(events)}
        if self.chance(0.4):
            goal["when"] = self.condition()
        if keyed and self.chance(0.3):
            goal["match_key"] = expr("event_key")
        if self.chance(0.3):
            goal["value"] = expr("amount")
            if self.chance(0.5):
                goal["currency"] = expr("currency")
        if self.chance(0.3):
            goal["within"] = self.pick("1 day", "2 days", "12 hours", "1 month")
        if self.chance(0.4):
            goal["exit"] = False
        return goal

    def rule(self, events, keyed):
        if self.chance(0.3):
            rule = {"when": self.condition()}
        else:
            rule = {"on": self.dice.choice(events)}
            if self.chance(0.5):
                rule["when"] = self.condition()
            if keyed and self.chance(0.3):
                rule["match_key"] = expr("event_key")
        if self.chance(0.5):
            rule["reason"] = self.pick("stopped_by_rule", "bored")
        return rule

    def step(self, i, onward, events, emits, names, steps, children):
        verb = self.pick("send", "send", "delay", "delay", "delay", "wait", "wait", "wait", "branch",
                         "split", "update", "update", "call", "emit")
        step = {}
        if verb == "send":
            step = {"send": {"channels": ["email"], "template": self.pick("plain", "plain", "entry", "bad")},
                    "next": onward(i)}
            if step["send"]["template"] != "bad" or self.chance(0.7):
                step["send"]["template"] = self.pick("plain", "entry") if self.chance(0.9) else "bad"
            return step
        if verb == "delay":
            step = {"delay": self.delay(i, onward), "next": onward(i)}
            if self.chance(0.3):
                step["restart_on"] = self.dice.choice(events)
        elif verb == "wait":
            branches = []
            for _ in range(self.dice.randrange(1, 4)):
                branch = {"on": self.dice.choice(events), "next": onward(i)}
                if self.chance(0.5):
                    branch["when"] = self.condition()
                if self.chance(0.1):
                    branch["match_key"] = expr("event_key")
                branches.append(branch)
            step = {"wait": {"for": branches}}
            if self.chance(0.6):
                step["wait"]["until"] = {"after": self.duration(), "next": onward(i)}
            elif self.chance(0.6):
                step["wait"]["until"] = {**self.date("date", i, onward), "next": onward(i)}
            if self.chance(0.15) and "until" in step["wait"]:
                free = [e for e in events if e not in [b["on"] for b in branches]]
                if free:
                    step["restart_on"] = self.dice.choice(free)
        elif verb == "branch":
            step = {"branch": [{"when": self.condition(), "next": onward(i)}
                               for _ in range(self.dice.randrange(1, 3))], "else": onward(i)}
        elif verb == "split":
            arms = self.pick({"a": 50, "b": 50}, {"b": 10, "a": 20, "ccc": 70}, {"long": 1, "x": 3})
            step = {"split": {"arms": arms, "experiment": "e" + str(self.dice.randrange(5))},
                    "next": {arm: onward(i) for arm in arms}}
            if self.chance(0.5):
                step["split"]["salt"] = self.pick("s1", "s2")
            return step
        elif verb == "update":
            values = {"a": self.pick(expr("v_n"), expr("v_count"), expr("v_points"), expr("v_entry"))}
            if self.chance(0.5):
                values["b"] = self.pick(expr("v_bad"), expr("v_n"), expr("v_count"), expr("v_points"))
            if self.chance(0.5):
                values["c"] = self.pick(expr("v_now"), expr("v_key"), expr("v_step"), expr("v_name"),
                                        expr("v_zone"), expr("v_entered"), expr("v_object"), expr("v_list"))
            step = {"update": values, "next": onward(i)}
        elif verb == "call":
            step = {"call": self.pick("shop.note(customer.id, 3)", "shop.note(customer.id, 3)",
                                      "shop.note(customer.id, customer.bad::int)"), "next": onward(i)}
            if self.chance(0.5):
                step["into"] = "noted"
        elif verb == "emit":
            step = {"emit": self.dice.choice(emits), "next": onward(i)}
            if self.chance(0.6):
                step["emit"] = {"event": step["emit"]}
                step["emit"]["payload"] = self.pick(expr("v_object"), expr("v_object"), expr("v_list"))
        if self.chance(0.35):
            step["on_failure"] = onward(i)
        return step


def customer(dice, start):
    zone = dice.choice(ZONES) if dice.random() < 0.95 else dice.choice([None, "Nowhere/Land"])
    due = start + timedelta(hours=dice.randrange(-200, 900), minutes=dice.choice([0, 0, 30]))
    day = start + timedelta(days=dice.randrange(-400, 40))
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


def edited(maker, definition, events):
    """Another version of a journey: some steps changed, one gone or added."""
    import copy
    new = copy.deepcopy(definition)
    for name, step in new["steps"].items():
        if maker.chance(0.4):
            if isinstance(step.get("delay"), str):
                step["delay"] = maker.duration()
            elif "after" in step.get("wait", {}).get("until", {}):
                if maker.chance(0.5):
                    step["wait"]["until"]["after"] = maker.duration()
                else:
                    del step["wait"]["until"]
            elif "wait" in step and "until" not in step["wait"]:
                step["wait"]["until"] = {"after": maker.duration(), "next": "q"}
            elif "send" in step:
                step["send"]["template"] = "entry"
            elif "exit" in step:
                step["exit"] = "edited"
    if maker.chance(0.3):
        for name, step in list(new["steps"].items()):
            if "delay" in step and maker.chance(0.5):
                new["steps"][name] = {"update": {"a": expr("v_count")}, "next": step["next"]}
                break
    new["description"] = "second"
    return new


def history(seed, tag="@"):
    """One history; seed // HISTORIES is its batch."""
    phases = skeleton(seed // HISTORIES)
    dice = random.Random(f"history {seed}")
    maker = Maker(dice)
    events = ["x@", "y@", "z@", "w@"]
    start = datetime.fromisoformat(phases[0][0])
    journeys = {"ja@": [maker.journey("ja@", events, "x@", ["y@", "z@"])]}
    if dice.random() < 0.4:
        journeys["jb@"] = [maker.journey("jb@", events, dice.choice(["x@", "y@"]), ["z@", "w@"])]
    if dice.random() < 0.35:
        journeys["ja@"].append(edited(maker, journeys["ja@"][0], events))
    customers = {f"c@_{i}": customer(dice, start) for i in range(dice.randrange(1, 4))}
    ops = [[0, "act", "publish", name, {"version": 1}] for name in journeys]
    last = len(phases) - 1
    for c in customers:
        for _ in range(dice.randrange(3, 12)):
            phase = dice.randrange(last)
            event = dice.choice(["x@"] + events) if dice.random() < 0.8 else "x@"
            ops.append([phase, "event", c, event, payload(dice)])
        if dice.random() < 0.25:
            ops.append([dice.randrange(1, last), "row", c, {k: v for k, v in customer(dice, start).items()
                                                           if dice.random() < 0.5}])
        if dice.random() < 0.15:
            ops.append([dice.randrange(1, last), "leave", c, "ja@",
                        {"key": dice.choice(["1", "2"])} if dice.random() < 0.3 else {}])
        if dice.random() < 0.15:
            ops.append([dice.randrange(1, last), "enter", c, "ja@",
                        {"context": {"a": dice.randrange(4)}, "key": dice.choice(["1", None])}])
    if len(journeys["ja@"]) > 1:
        ops.append([dice.randrange(1, last), "act", "publish", "ja@",
                    {"version": 2, "inflight": dice.choice(["finish", "exit", "move", "move"])}])
    if dice.random() < 0.3:
        first = dice.randrange(1, last)
        ops.append([first, "act", "pause", "ja@", {"newcomers": dice.choice(["queue", "queue", "ignore"]),
                                                  "waits": dice.choice(["run", "extend"])}])
        if dice.random() < 0.9:
            ops.append([dice.randrange(first, last), "act", "resume", "ja@", {}])
    if dice.random() < 0.08:
        ops.append([dice.randrange(1, last), "act", "stop", "ja@",
                    {"inflight": dice.choice(["finish", "exit"])}])
    order = {id(op): n for n, op in enumerate(ops)}
    begin = ops[:len(journeys)]
    rest = ops[len(journeys):]
    keys = {id(op): (op[0], dice.random()) for op in rest}
    rest.sort(key=lambda op: keys[id(op)])
    ops = begin + sorted(rest, key=lambda op: op[0])
    return {"seed": seed, "customers": customers, "journeys": journeys, "ops": ops}


def expanded(made, phases):
    """The operations of a history with those of its batch: clock and run."""
    ops = []
    for number, (at, run) in enumerate(phases):
        ops.append(["clock", at])
        ops += [op[1:] for op in made["ops"] if op[0] == number]
        if run:
            ops.append(["run"])
    return ops
