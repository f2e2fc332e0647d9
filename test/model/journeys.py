"""test/model/journeys.py: random journeys of the whole language.

The character @ in a name stands for the history, so that many of them can be
played in one database.  Steps only lead forward, so every run ends.
"""
import copy

from run import verb_of

ZONES = ["Australia/Lord_Howe", "America/New_York", "Asia/Kolkata", "Pacific/Apia",
         "Africa/Casablanca", "Europe/Berlin", "Asia/Beirut", "UTC", "America/Santiago"]
DURATIONS = ["1 hour", "2 hours", "30 minutes", "1 day", "24 hours", "2 days", "6 hours", "1 week",
             "90 minutes", "3 days", "1 month", "1 day 3 hours", "36 hours", "1 month 1 day"]
WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
REPORTS = ["message.clicked", "message.opened", "message.bounced"]


def expr(*e):
    return ["expr", list(e)]


class Maker:
    """Makes the journeys of one history."""

    def __init__(self, dice, events):
        self.dice, self.events = dice, events

    def pick(self, *choices):
        return self.dice.choice(choices)

    def chance(self, share):
        return self.dice.random() < share

    # expressions

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
        choice = self.dice.randrange(12)
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
        if choice < 10 and context:
            return self.pick(["length", "many", ">", 1], ["reason", "child", "done"], ["reason", "child", "refused"])
        if choice < 11:
            return ["event_status", self.pick("clicked", "bounced")]
        return ["bad", self.pick("<", ">"), 3]

    # time

    def duration(self):
        return self.dice.choice(DURATIONS)

    def weekdays(self):
        return self.dice.sample(WEEKDAYS, self.dice.randrange(1, 7))

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
        if self.chance(0.4) and "at" in form:
            form["gap"] = self.pick("skip", "forward")
        if self.chance(0.4) and "at" in form:
            form["overlap"] = self.pick("first", "second")
        if self.chance(0.2):
            form["jitter"] = self.pick("30 minutes", "2 hours", "1 day")
        return form

    def policy(self, onward):
        return self.pick("continue", "exit", {"exit": "gone"}, {"skip_to": onward()})

    def date(self, key, onward):
        form = {key: self.pick(expr("due"), expr("day"), expr("local"))}
        if self.chance(0.5):
            form["offset"] = self.pick("-1 day", "-3 days", "2 hours", "1 day", "-24 hours", "1 month", "-1 hour")
        if self.chance(0.4):
            form["at"] = self.pick("02:30", "09:00", "00:00", "01:30")
        if self.chance(0.3):
            form["gap"] = self.pick("skip", "forward")
        if self.chance(0.3):
            form["overlap"] = self.pick("first", "second")
        if self.chance(0.5):
            form["past"] = self.pick(self.policy(onward), "next")
            if form["past"] == "next" and key == "until" and self.chance(0.5):
                form["every"] = self.pick("1 month", "1 week", "1 year")
        if self.chance(0.5):
            form["missing"] = self.policy(onward)
        return form

    def until(self, onward):
        """The timeout of a wait."""
        if self.chance(0.65):
            return self.after(onward)
        return {**self.date("date", onward), "next": onward()}

    def after(self, onward):
        """The timeout of a step that waits for somebody else."""
        return {"after": self.duration(), "next": onward()}

    # steps

    def delay(self, onward):
        kind = self.dice.randrange(5)
        if kind < 2:
            form = self.duration()
        elif kind == 2:
            form = self.local({"for": self.duration()})
            if self.chance(0.3) and not {"window", "weekdays"} & set(form):
                form.pop("at", None)
        elif kind == 3:
            form = self.local({})
            if self.chance(0.3) and "at" in form:
                form["missed"] = self.pick("continue", "next")
        else:
            form = self.date("until", onward)
            if self.chance(0.2):
                form["jitter"] = "1 hour"
        step = {"delay": form, "next": onward()}
        if self.chance(0.35):
            step["restart_on"] = self.restart(self.dice.choice(self.events))
        return step

    def restart(self, event):
        if self.chance(0.4):
            return event
        rule = {"on": event}
        if self.chance(0.4):
            rule["when"] = self.condition()
        if self.chance(0.3):
            rule["match_key"] = expr("event_key")
        if self.chance(0.4):
            rule["max"] = self.pick(1, 1, 2)
        return rule

    def wait(self, onward, sends):
        branches = [self.wait_branch(onward, sends) for _ in range(self.dice.randrange(1, 4))]
        spec = {"for": branches}
        if self.chance(0.75):
            spec["until"] = self.until(onward)
            if self.chance(0.3):
                spec["ranked"] = True
        step = {"wait": spec}
        free = [e for e in self.events if spec.get("ranked") or e not in [b.get("on") for b in branches]]
        if free and "until" in spec and self.chance(0.25):
            step["restart_on"] = self.restart(self.dice.choice(free))
        return step

    def wait_branch(self, onward, sends):
        branch = {"next": onward()}
        if self.chance(0.3):
            branch["when"] = self.condition()
            if self.chance(0.5):
                branch["retest_on"] = self.dice.sample(self.events, self.dice.randrange(1, 3))
            return branch
        if self.chance(0.25 if sends else 0.05):
            branch["on"] = self.dice.choice(REPORTS)
            if sends and self.chance(0.7):
                branch["of"] = self.dice.choice(sends)
        else:
            branch["on"] = self.dice.choice(self.events)
        if self.chance(0.4):
            branch["when"] = self.condition()
        if self.chance(0.15):
            branch["match_key"] = expr("event_key")
        return branch

    def digest(self, onward):
        spec = {"on": self.dice.choice(self.events),
                "for": self.duration() if self.chance(0.5) else self.local({"for": self.duration()})}
        if isinstance(spec["for"], dict) and self.chance(0.4):
            spec["for"] = self.pick({"at": "09:00"}, {"weekdays": ["monday", "thursday"]},
                                    {"window": {"from": "22:00", "to": "06:00"}})
        if self.chance(0.4):
            spec["when"] = self.condition()
        if self.chance(0.15):
            spec["match_key"] = expr("event_key")
        if self.chance(0.4):
            spec["look_back"] = self.duration()
        if self.chance(0.4):
            spec["max"] = self.pick(1, 2, 3)
        return {"digest": spec, "into": "many", "next": onward()}

    def send(self, onward):
        spec = {"channels": self.pick(["email"], ["email"], ["sms"], ["email", "sms"], ["sms", "email"]),
                "template": self.dice.choices(["plain", "entry", "bad"], [6, 3, 1])[0]}
        if self.chance(0.25):
            spec["expires_after"] = self.pick("1 hour", "1 day", "3 days")
        return {"send": spec, "next": onward()}

    def update(self, onward):
        values = {"a": self.pick(expr("v_n"), expr("v_count"), expr("v_points"), expr("v_entry"))}
        if self.chance(0.5):
            values["b"] = self.pick(expr("v_bad"), expr("v_n"), expr("v_count"), expr("v_points"))
        if self.chance(0.5):
            values["c"] = self.pick(expr("v_now"), expr("v_key"), expr("v_step"), expr("v_name"),
                                    expr("v_zone"), expr("v_entered"), expr("v_object"), expr("v_list"))
        return {"update": values, "next": onward()}

    def call(self, onward):
        step = {"call": expr("call", self.pick(["v_three"], ["v_three"], ["v_bad"])), "next": onward()}
        if self.chance(0.5):
            step["into"] = "noted"
        return step

    def emit(self, onward, emits):
        step = {"emit": self.dice.choice(emits), "next": onward()}
        if self.chance(0.6):
            step["emit"] = {"event": step["emit"], "payload": self.pick(expr("v_object"), expr("v_object"),
                                                                       expr("v_list"))}
        return step

    def enter(self, onward, children):
        name = self.dice.choice(children)
        if self.chance(0.2):
            return {"enter": name, "next": onward()}
        spec = {"journey": name}
        if self.chance(0.5):
            spec["context"] = self.pick(expr("v_object"), expr("v_object"), expr("v_list"))
        if self.chance(0.4):
            spec["key"] = self.pick(expr("event_key"), expr("v_key"))
        step = {"enter": spec, "into": "child", "next": onward()}
        if self.chance(0.7):
            spec["wait"] = True
            if self.chance(0.6):
                spec["until"] = self.after(onward)
            if self.chance(0.5):
                spec["when_cancelled"] = self.pick("exit", "continue")
        return step

    def approve(self, onward):
        spec = {"question": "May it?"}
        if self.chance(0.6):
            spec["until"] = self.after(onward)
        names = self.pick(["approved", "rejected"], ["yes", "no"], ["yes", "no", "later"])
        return {"approve": spec, "next": {name: onward() for name in names}}

    def step(self, onward, emits, children, sends):
        verb = self.pick("send", "send", "delay", "delay", "delay", "wait", "wait", "wait", "digest", "branch",
                         "split", "update", "call", "emit", "approve", *(["enter", "enter"] if children else []))
        if verb == "branch":
            step = {"branch": [{"when": self.condition(), "next": onward()}
                               for _ in range(self.dice.randrange(1, 3))], "else": onward()}
        elif verb == "split":
            arms = self.pick({"a": 50, "b": 50}, {"b": 10, "a": 20, "ccc": 70}, {"long": 1, "x": 3})
            step = {"split": {"arms": arms}, "next": {arm: onward() for arm in arms}}
            if self.chance(0.7):
                step["split"]["experiment"] = "e" + str(self.dice.randrange(5))
            if self.chance(0.5):
                step["split"]["salt"] = self.pick("s1", "s2")
        else:
            more = {"wait": [sends], "emit": [emits], "enter": [children]}.get(verb, [])
            step = getattr(self, verb)(onward, *more)
        if verb != "approve" and self.chance(0.4):
            step["on_failure"] = onward()
        return step

    # the whole

    def journey(self, name, entry, emits, children=(), wanted=None, after_send=False):
        """A journey; "wanted" is what its first step must be like, or the one after a send."""
        count = self.dice.randrange(2, 7)
        names = [f"s{i}" for i in range(count)] + ["q", "r"]
        steps, sends = {}, []

        for i in range(count):
            def onward(following=i):
                return self.dice.choice(names[following + 1:following + 3] + names[following + 1:])
            step = self.step(onward, emits, children, sends)
            if after_send and i == 0:
                # mostly one that lets the run go on at once
                step = self.send(lambda: "s1")
                if self.chance(0.8):
                    step["send"]["channels"] = ["email"]
            while wanted and i == after_send and not wanted(step):
                step = self.step(onward, emits, children, sends)
            steps[names[i]] = step
            if "send" in step:
                sends.append(names[i])
        steps["q"] = {"exit": "done"}
        steps["r"] = {"exit": "other"}
        if self.chance(0.3):
            steps["r"]["convert"] = {}
            if self.chance(0.7):
                steps["r"]["convert"]["value"] = expr("amount")
            if self.chance(0.5) and "value" in steps["r"]["convert"]:
                steps["r"]["convert"]["currency"] = expr("currency")
        definition = {"journey": name, "entry": entry, "start": "s0", "steps": steps}
        self.frame(definition, sends)
        return definition

    def frame(self, definition, sends):
        """What holds at any step."""
        if self.chance(0.3):
            definition["timezone"] = self.dice.choice(ZONES)
        if self.chance(0.3):
            definition["priority"] = self.dice.randrange(101)
        if self.chance(0.2):
            definition["absent_customer"] = self.pick("refuse", "enter")
        if self.chance(0.2):
            definition["deleted_customer"] = self.pick("exit", "continue")
        is_keyed = "key" in definition["entry"]
        if self.chance(0.4):
            definition["goal"] = self.goal(is_keyed, sends)
        if self.chance(0.4):
            definition["exit"] = [self.rule(is_keyed, sends) for _ in range(self.dice.randrange(1, 3))]

    def entry(self, base, is_alone=False):
        """Entry rules; caps over all customers where a history has only one."""
        entry = dict(base)
        if "on" in entry and self.chance(0.3):
            entry["when"] = self.condition(False)
        if "on" in entry and self.chance(0.4):
            entry["key"] = expr("event_key")
        if self.chance(0.85):
            entry["reentry"] = {"policy": self.pick("never", "after_exit", "any", "any")}
            if self.chance(0.27):
                entry["reentry"]["cooldown"] = self.pick("1 day", "6 hours", "24 hours")
                if self.chance(0.7):
                    entry["reentry"]["cooldown_scope"] = self.pick("key", "key", "customer")
        if self.chance(0.12):
            entry["holdout"] = self.pick(1, 0.5, 0.3)
        if self.chance(0.3 if is_alone else 0.15):
            entry["caps"] = self.caps(is_alone)
        return entry

    def date_entry(self, entry, people):
        """The same entry, by a date that those people hold whose ids begin like that."""
        made = {key: value for key, value in entry.items() if key != "on"}
        if entry.get("when", expr("true"))[1][0] not in ("points", "plan", "bad"):
            made.pop("when", None)
        if "key" in made:
            made["key"] = expr("occurrence")
        form = {"value": expr("own", people, [self.pick("due", "due", "day", "local")])}
        if form["value"][1][2] == ["due"] and self.chance(0.7):
            form.update({"jitter": "1 hour"} if self.chance(0.2) else {})
        else:
            form.update({key: value for key, value in self.date("until", lambda: "q").items()
                         if key in ("offset", "at", "gap", "overlap")})
        kind = self.pick("every", "every", "past", "past", "plain")
        if kind == "every":
            form["every"] = self.pick("1 week", "1 week", "1 month", "1 year")
        elif kind == "past":
            form["past"] = "enter"
        return {**made, "date": form}

    def caps(self, is_alone):
        caps = {}
        if self.chance(0.5):
            caps["per_customer"] = {"max": self.pick(1, 2), "per": self.pick("1 day", "6 hours", "24 hours", "1 week")}
        if self.chance(0.5):
            caps["at_once_per_customer"] = self.pick(1, 2)
        if is_alone and self.chance(0.8):
            caps["at_once"] = self.pick(1, 2)
        if is_alone and self.chance(0.4) or not caps:
            caps["total"] = self.pick(2, 3) if is_alone else 1000
        return caps

    def on_what(self, sends):
        """The event of a goal or rule: often one of the customer, sometimes a report."""
        if self.chance(0.8):
            return {"on": self.dice.choice(self.events)}
        rule = {"on": self.dice.choice(REPORTS)}
        if sends and self.chance(0.6):
            rule["of"] = self.dice.choice(sends)
        return rule

    def goal(self, is_keyed, sends):
        goal = self.on_what(sends)
        if self.chance(0.4):
            goal["when"] = self.condition()
        if is_keyed and self.chance(0.3):
            goal["match_key"] = expr("event_key")
        if self.chance(0.3):
            goal["value"] = expr("amount")
            if self.chance(0.5):
                goal["currency"] = expr("currency")
        if self.chance(0.4):
            goal["within"] = self.pick("1 day", "2 days", "12 hours", "1 month")
        if self.chance(0.4):
            goal["exit"] = False
        return goal

    def rule(self, is_keyed, sends):
        if self.chance(0.3):
            rule = {"when": self.condition()}
        else:
            rule = self.on_what(sends)
            if self.chance(0.5):
                rule["when"] = self.condition()
            if is_keyed and self.chance(0.3):
                rule["match_key"] = expr("event_key")
        if self.chance(0.5):
            rule["reason"] = self.pick("stopped_by_rule", "bored")
        return rule

    # another version

    def edited(self, definition):
        """Another version of a journey: some steps changed, one of another verb."""
        new = copy.deepcopy(definition)
        for name, step in new["steps"].items():
            if self.chance(0.4):
                self.edit(step)
        for name, step in list(new["steps"].items()):
            if "delay" in step and self.chance(0.15):
                new["steps"][name] = {"update": {"a": expr("v_count")}, "next": step["next"]}
                break
        new["description"] = "second"
        return new

    def edit(self, step):
        spec = step[verb_of(step)]
        if "delay" in step and isinstance(spec, str):
            step["delay"] = self.duration()
        elif "wait" in step and self.chance(0.3):
            spec["for"].append({"on": self.dice.choice(self.events), "next": "q"})
        elif isinstance(spec, dict) and ("until" in spec and "delay" not in step):
            if self.chance(0.5) and "after" in spec["until"]:
                spec["until"]["after"] = self.duration()
            elif not spec.get("ranked") and "restart_on" not in step:
                del spec["until"]
        elif verb_of(step) in ("wait", "approve") or "enter" in step and isinstance(spec, dict) and "wait" in spec:
            spec["until"] = {"after": self.duration(), "next": "q"}
        elif "digest" in step:
            spec["max"] = self.pick(1, 2)
        elif "send" in step:
            spec["template"] = "entry"
        elif "exit" in step:
            step["exit"] = "edited"
