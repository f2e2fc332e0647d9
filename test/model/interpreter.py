"""test/model/interpreter.py: what docs/journeys.md says a journey does.

Plays one history, a list of operations in the order of their tickets, for one
customer at a time, and returns the rows of the step log and the messages that
should come of it.  Written from the documentation and never from the engine:
where it disagrees with the engine, one of the three is wrong.  A remark "docs
unclear" marks a reading that the documentation does not settle.
"""
import copy
import hashlib
from collections import Counter
from datetime import datetime
from zoneinfo import available_timezones

import clocks
from language import Raised, render, value

RESTING = ("delayed", "waiting")
ZONES = available_timezones()


def instant(text):
    return datetime.fromisoformat(text)


def bucket(experiment, salt, unit):
    digest = hashlib.sha256(f"{experiment}:{salt}:{unit}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % 10000


def labels(step):
    """Verb and policies of a step, as the table of what was covered has them."""
    verb = Customer.verb(step)
    form = step[verb] if verb == "delay" else step.get("wait", {}).get("until")
    found = [verb]
    if verb in ("delay", "wait"):
        if form is None:
            found.append(f"{verb} for ever")
        elif isinstance(form, str) or "after" in form:
            found.append(f"{verb} duration")
        else:
            kind = next((k for k in ("until", "date", "for") if k in form), "local time")
            found.append(f"{verb} {kind}")
            for key in ("at", "weekdays", "window", "gap", "overlap", "jitter", "missed"):
                if key in form:
                    more = f"={form[key]}" if key in ("gap", "overlap", "missed") else ""
                    found.append(f"{verb} {key}{more}")
            for key in ("past", "missing"):
                if key in form:
                    policy = form[key] if isinstance(form[key], str) else next(iter(form[key]))
                    found.append(f"{verb} {key}={policy}")
        if "restart_on" in step:
            found.append(f"{verb} restart_on")
    if "on_failure" in step:
        found.append(f"{verb} on_failure")
    return found


class Run:
    def __init__(self, journey, version, definition, key, now, name, event, entry_seq):
        self.journey, self.version, self.definition = journey, version, definition
        self.key, self.entered_at, self.entry_name, self.entry_event = key, now, name, event
        self.event_name, self.event = name, event
        self.context, self.rows, self.visit = {}, [], 0
        self.step, self.state, self.due, self.arrived = None, None, None, now
        self.holdout, self.entry_seq, self.last = False, entry_seq, None
        self.watched, self.frozen, self.held_at = False, None, None
        self.frozen_at = None

    def row(self, visit, to, outcome, reason=None, now=None, **more):
        self.rows.append({"visit": visit, "from": self.step, "to": to, "outcome": outcome,
                          "reason": reason, "clock": now, "due": None, "arm": None,
                          "value": None, "currency": None, "context": None,
                          "version": self.version, **more})
        self.last = self.rows[-1]


class Customer:
    """Everything that happens to one customer, in the order of the tickets."""

    def __init__(self, history, customer):
        self.history, self.id = history, customer
        self.columns = dict(history["customers"][customer])
        self.runs, self.refused, self.messages = [], [], []
        self.memory, self.inputs, self.emitted = {}, [], []
        self.journeys = {}
        self.now, self.seq, self.covered = None, 0, Counter()

    def cover(self, run, disturbance):
        """Count a step visit, and what disturbed it, for the table."""
        if run.step is not None and run.state != "ended":
            for label in labels(run.definition["steps"][run.step]):
                self.covered[(label, disturbance)] += 1

    # --- expressions ---------------------------------------------------

    def zone(self, definition):
        for name in (self.columns["tz"], definition.get("timezone")):
            if name and name in ZONES:
                return name
        return "UTC"

    def scope(self, run, event=None, name=None):
        return {"event": run.event if event is None else event, "context": run.context,
                "customer": self.columns, "now": self.now, "entered_at": run.entered_at,
                "entry_event": run.entry_event, "event_name": run.event_name if name is None else name,
                "key": run.key, "step": run.step, "version": run.version,
                "timezone": self.zone(run.definition)}

    def eval(self, run, expression, event=None, name=None):
        return value(expression[1], self.scope(run, event, name))

    # --- the journey's rules -------------------------------------------

    def meets(self, run, rule, event, name):
        """Whether an event (or a timer, with name None) meets on, when, match_key."""
        if "on" in rule and rule["on"] != name:
            return False
        if "match_key" in rule:
            key = self.eval(run, rule["match_key"], event, name)
            if key != run.key:
                return False
        if "when" in rule:
            return self.eval(run, rule["when"], event, name) is True
        return True

    def conversion(self, run, spec, event=None, name=None):
        amount = self.eval(run, spec["value"], event, name) if "value" in spec else None
        currency = self.eval(run, spec["currency"], event, name) if "currency" in spec else None
        return {"value": amount, "currency": currency}

    def end(self, run, reason, withdraw=False, **more):
        if withdraw:
            self.cover(run, "exit")
        run.row(run.visit, None, "ended", reason, self.now, **more)
        run.state, run.due = "ended", None
        memory = self.memory[(run.journey, run.key)]
        memory["active"] -= 1
        memory["ended"] = self.now
        run.watched = reason != "goal" and "within" in run.definition.get("goal", {})
        if withdraw:
            self.withdraw(run)

    def withdraw(self, run):
        for message in self.messages:
            if message["run"] is run:
                message["state"] = "withdrawn"

    def watch(self, run, event, name):
        """Offer an event to the goal of a run that is over."""
        goal = run.definition["goal"]
        if not self.in_time(run, goal):
            run.watched = False
            return
        try:
            if not self.meets(run, goal, event, name):
                return
            run.row(run.visit, None, "converted", "goal", self.now, **self.conversion(run, goal, event, name))
        except Raised:
            run.row(run.visit, None, "refused", "goal_error", self.now)
            run.watched = False
            return
        if goal.get("exit", True):
            self.withdraw(run)
            run.watched = False

    def park(self, run, code):
        self.cover(run, "error")
        run.row(run.visit, run.step, "parked", code, self.now)
        run.state, run.due = "parked", None

    def goal_and_rules(self, run, event, name):
        """Offer an event to goal and exit rules; True when the run ended."""
        goal = run.definition.get("goal")
        if name is not None and goal is not None and self.in_time(run, goal) and \
                self.meets(run, goal, event, name):
            more = self.conversion(run, goal, event, name)
            if goal.get("exit", True):
                run.row(run.visit, None, "converted", "goal", self.now, **more)
                self.end(run, "goal", True)
                return True
            run.row(run.visit, None, "converted", "goal", self.now, **more)
        for rule in run.definition.get("exit", []):
            if name is None and "on" in rule:
                continue
            if self.meets(run, rule, event, name):
                self.end(run, rule.get("reason", "exit_rule"), True)
                return True
        return False

    def in_time(self, run, goal):
        if "within" not in goal:
            return True
        limit = clocks.add(run.entered_at, goal["within"], self.zone(run.definition))
        return self.now <= limit

    # --- inputs --------------------------------------------------------

    def play(self):
        for op in self.history["ops"]:
            self.seq += 1
            kind = op[0]
            if kind == "clock":
                self.clock = instant(op[1])
            elif kind == "row":
                if op[1] == self.id:
                    self.columns.update(op[2])
            elif kind == "run":
                self.work()
            elif kind == "act" or op[1] == self.id:
                self.inputs.append((self.seq, self.clock, op))
        return self

    def work(self):
        """What CALL run() does: inputs by ticket, timers merged by due time."""
        for seq, at, op in self.inputs:
            self.timers(at, False)
            self.now = at
            self.apply(seq, op)
            self.drain(seq)
        self.inputs = []
        self.timers(self.clock, True)

    def drain(self, seq):
        while self.emitted:
            job = self.emitted.pop(0)
            job(seq)

    def timers(self, limit, inclusive):
        """Fire what is due before an instant (or at it), earliest first."""
        while True:
            due = [r for r in self.runs if r.due is not None and r.state in RESTING + ("paced",)
                   and (r.due < limit or inclusive and r.due == limit)]
            if not due:
                return
            run = min(due, key=lambda r: (r.due, r.entry_seq))
            self.now = run.due
            self.fire(run)
            self.drain(self.seq)

    def fire(self, run):
        event, name = run.event, run.event_name
        try:
            if self.goal_and_rules(run, None, None):
                return
        except Raised as error:
            self.park(run, str(error))
            return
        # a timer brought the run to the next step: event is the entry event
        run.event, run.event_name = run.entry_event, run.entry_name
        step = run.definition["steps"][run.step]
        reason = None
        if "delay" in step:
            target = step["next"]
        elif "wait" in step:
            target, reason = step["wait"]["until"]["next"], "timeout"
        else:
            target, reason = step[self.verb(step)]["until"]["next"], "timeout"
        self.go(run, target, reason)

    @staticmethod
    def verb(step):
        return next(v for v in ("send", "delay", "wait", "branch", "split", "update", "call",
                                "emit", "enter", "approve", "exit") if v in step)

    def apply(self, seq, op):
        if op[0] == "event":
            self.event(seq, op[2], op[3])
        elif op[0] == "act":
            self.act(seq, op)
        elif op[0] == "enter":
            self.command_enter(seq, op)
        elif op[0] == "leave":
            self.command_leave(op)
        elif op[0] == "approve":
            self.decide(op)

    def event(self, seq, name, payload):
        for run in [r for r in self.runs if r.state != "ended" or r.watched]:
            self.offer(run, name, payload)
        order = sorted(self.journeys.items(), key=lambda j: -j[1]["live"].get("priority", 50))
        for journey, state in order:
            if state["live"]["entry"].get("on") == name:
                self.enter_by_event(seq, journey, state, name, payload)

    def offer(self, run, name, payload):
        entry = run.definition["entry"]
        if entry.get("on") == name and "key" in entry:
            if self.eval(run, entry["key"], payload, name) != run.key:
                return
        if run.state == "ended":
            self.watch(run, payload, name)
            return
        try:
            if self.goal_and_rules(run, payload, name):
                return
        except Raised as error:
            self.park(run, str(error))
            return
        if run.state in ("held", "parked", "sending"):
            return
        step = run.definition["steps"][run.step]
        try:
            if "wait" in step:
                for branch in step["wait"]["for"]:
                    if self.meets(run, branch, payload, name):
                        run.event, run.event_name = payload, name
                        self.go(run, branch["next"], name)
                        return
        except Raised as error:
            # the event that raised is the one that brings the run to on_failure
            if "on_failure" in step:
                run.event, run.event_name = payload, name
            self.fail(run, str(error))
            return
        if step.get("restart_on") == name and ("delay" in step or "until" in step["wait"]):
            run.event, run.event_name = payload, name
            run.arrived = self.now
            run.row(run.visit, run.step, "restarted", name, self.now)
            run.due = None
            self.forward(run, True)
            self.freeze(run)

    # --- entry ---------------------------------------------------------

    def refuse(self, journey, key, rule):
        self.refused.append({"journey": journey, "key": key, "reason": rule, "clock": self.now})

    def enter_by_event(self, seq, journey, state, name, payload):
        definition = state["live"]
        probe = Run(journey, state["version"], definition, None, self.now, name, payload, seq)
        entry = definition["entry"]
        try:
            if "when" in entry and self.eval(probe, entry["when"]) is not True:
                return
            key = self.eval(probe, entry["key"]) if "key" in entry else None
        except Raised as error:
            self.refuse(journey, None, "entry_error")
            return
        run, _ = self.admit(seq, journey, state, key, name, payload, {})
        if run:
            self.forward(run)

    def admit(self, seq, journey, state, key, name, payload, context):
        """Re-entry, cool-down, holdout; returns (run, rule)."""
        definition = state["live"]
        rule = self.rule_against(journey, state, key)
        if rule:
            self.refuse(journey, key, rule)
            return None, rule
        run = Run(journey, state["version"], definition, key, self.now, name, payload,
                  (seq, len(self.runs)))
        run.context = dict(context)
        share = definition["entry"].get("holdout", 0)
        run.holdout = bucket(f"{journey}/$holdout", "", self.id) < share * 10000
        memory = self.memory.setdefault((journey, key), {"active": 0, "ended": None})
        memory["active"] += 1
        memory["entered"] = self.now
        self.runs.append(run)
        run.visit = 1
        run.row(1, definition["start"], "entered", "holdout" if run.holdout else None, self.now)
        run.last["context"] = dict(context) or None
        run.step = definition["start"]
        return run, None

    def rule_against(self, journey, state, key):
        if state["state"] == "stopped":
            return "stopped"
        if state["paused"] and state["paused"]["newcomers"] == "ignore":
            return "paused"
        entry = state["live"]["entry"]
        reentry = entry.get("reentry", {})
        policy = reentry.get("policy", "never")
        memory = self.memory.get((journey, key))
        if memory:
            if policy == "never":
                return "reentry_never"
            keyed = "key" in entry or key is not None
            if memory["active"] and (policy == "after_exit" or keyed):
                return "reentry_active"
        if "cooldown" in reentry:
            for (name, of_key), past in self.memory.items():
                if name != journey or reentry.get("cooldown_scope") == "key" and of_key != key:
                    continue
                last = max(filter(None, (past["entered"], past["ended"])))
                if self.now < clocks.add(last, reentry["cooldown"], self.zone(state["live"])):
                    return "cooldown"
        return None

    # --- acts ----------------------------------------------------------

    def inside(self, journey):
        return [r for r in self.runs if r.journey == journey and r.state != "ended"]

    def act(self, seq, op):
        verb, journey, arguments = op[1], op[2], op[3]
        if verb == "publish":
            self.publish(journey, arguments)
            return
        state = self.journeys[journey]
        if verb == "pause" and not state["paused"]:
            state["paused"] = {"newcomers": arguments.get("newcomers", "queue"),
                               "waits": arguments.get("waits", "run"), "at": self.now}
            for run in self.inside(journey):
                self.cover(run, "pause")
            for run in self.inside(journey):
                self.freeze(run)
        elif verb == "resume" and state["paused"]:
            self.resume(journey, state)
        elif verb == "stop" and state["state"] == "live":
            state["state"] = "stopped"
            if arguments.get("inflight") == "exit":
                for run in self.inside(journey):
                    self.end(run, "journey_stopped", True)

    def freeze(self, run):
        """Let the time of a run stand still while a pause extends waits."""
        paused = self.journeys[run.journey]["paused"]
        if paused and paused["waits"] == "extend" and run.due is not None and run.state in RESTING:
            run.frozen, run.frozen_at, run.due = run.due, self.now, None

    def resume(self, journey, state):
        state["paused"] = None
        for run in self.inside(journey):
            frozen = run.frozen
            if frozen is not None:
                if run.state in RESTING and run.due is None:
                    run.due = frozen + (self.now - run.frozen_at)
                run.frozen = None
        held = [r for r in self.inside(journey) if r.state == "held"]
        for run in sorted(held, key=lambda r: r.held_at):
            run.row(run.visit, run.step, "released", "resumed", self.now)
            run.arrived = self.now
            self.forward(run)

    def publish(self, journey, arguments):
        version = arguments["version"]
        definition = self.history["journeys"][journey][version - 1]
        state = self.journeys.setdefault(journey, {"paused": None})
        state.update(live=definition, version=version, state="live")
        inflight = arguments.get("inflight", "finish")
        for run in self.inside(journey):
            if run.version == version:
                continue
            self.cover(run, "edit")
            if inflight == "exit":
                self.end(run, "superseded", True)
            elif inflight == "move":
                step = definition["steps"].get(run.step)
                old = run.definition["steps"][run.step]
                if step and (run.state == "held" or self.verb(step) == self.verb(old)):
                    run.row(run.visit, None, "moved", None, self.now)
                    run.version, run.definition = version, definition
                    run.row(run.visit, run.step, "moved", None, self.now)
                    run.last["from"] = None
                    if "wait" in step and "until" not in step["wait"]:
                        run.due = run.frozen = None
                    run.last["due"] = run.due or run.frozen
                    if run.due is None and run.frozen is None and run.state in RESTING and \
                            ("delay" in step or "until" in step.get("wait", {})):
                        if not self.time(run, step):
                            self.forward(run)
                        self.freeze(run)

    # --- commands ------------------------------------------------------

    def command_leave(self, op):
        journey, arguments = op[2], op[3]
        for run in self.inside(journey):
            if arguments.get("key") in (None, run.key):
                self.end(run, arguments.get("reason", "left"), True)

    def command_enter(self, seq, op):
        journey, arguments = op[2], op[3]
        state = self.journeys[journey]
        run, _ = self.admit(seq, journey, state, arguments.get("key"), "$enter", {},
                            arguments.get("context", {}))
        if run:
            self.forward(run)

    # --- steps ---------------------------------------------------------

    def fail(self, run, code):
        """An expression of the step raised: its way of failure, or parked."""
        target = run.definition["steps"][run.step].get("on_failure")
        if target:
            self.go(run, target, "failed")
        else:
            self.park(run, code)

    def go(self, run, target, reason=None, **more):
        """Move to a step and execute it and what follows."""
        self.move(run, target, reason, **more)
        self.forward(run)

    def move(self, run, target, reason=None, **more):
        run.row(run.visit + 1, target, "advanced", reason, self.now, **more)
        run.visit += 1
        run.step, run.arrived, run.due = target, self.now, None

    def forward(self, run, again=False):
        """Execute steps from where the run stands until it rests or ends."""
        while True:
            state = self.journeys[run.journey]
            step = run.definition["steps"][run.step]
            if state["paused"] and not again:
                run.row(run.visit, run.step, "held", "paused", self.now)
                self.cover(run, "pause")
                run.state, run.due, run.held_at = "held", None, (self.now, len(run.rows))
                return
            again = False
            self.cover(run, "none")
            try:
                if getattr(self, "do_" + self.verb(step))(run, step):
                    return
            except Raised as error:
                target = step.get("on_failure")
                if not target:
                    self.park(run, str(error))
                    return
                self.cover(run, "error")
                self.move(run, target, "failed")

    def do_exit(self, run, step):
        more = {}
        if "convert" in step:
            more = self.conversion(run, step["convert"])
            run.row(run.visit, None, "converted", step["exit"], self.now, **more)
        self.end(run, step["exit"])
        return True

    def do_update(self, run, step):
        values = {k: self.eval(run, e) for k, e in step["update"].items()}
        run.context = {**run.context, **values}
        self.move(run, step["next"], context=values)

    def do_branch(self, run, step):
        for ordinal, branch in enumerate(step["branch"], 1):
            if self.eval(run, branch["when"]) is True:
                self.move(run, branch["next"], f"branch {ordinal}")
                return
        self.move(run, step["else"], "else")

    def do_split(self, run, step):
        spec = step["split"]
        arms = sorted(spec["arms"].items(), key=lambda a: (len(a[0]), a[0]))
        total, upper = sum(w for _, w in arms), 0
        place = bucket(spec.get("experiment", f"{run.journey}/{run.step}"), spec.get("salt", ""), self.id)
        for arm, weight in arms:
            upper += weight
            if place < upper * 10000 // total:
                self.move(run, step["next"][arm], arm=arm)
                return
        raise AssertionError("no arm")

    def do_send(self, run, step):
        if run.holdout:
            self.move(run, step["next"], "holdout")
            return False
        try:
            text = render(step["send"]["template"], self.scope(run))
        except Raised as error:
            self.park(run, "JO007" if False else str(error))
            return True
        self.messages.append({"run": run, "journey": run.journey, "step": run.step, "visit": run.visit,
                              "clock": self.now, "text": text, "state": "enqueued"})
        if "on_failure" in step or len(step["send"]["channels"]) > 1:
            run.state, run.due = "sending", None
            return True
        self.move(run, step["next"], "enqueued")
        return False

    def do_call(self, run, step):
        if run.holdout:
            self.move(run, step["next"], "holdout")
            return
        kind = "fail" if "bad" in step["call"] else "note"
        number = value(["v_bad"], self.scope(run)) if kind == "fail" else 3
        result = {"n": number}
        into = step.get("into", run.step)
        run.context = {**run.context, into: result}
        self.move(run, step["next"], context={into: result})

    def do_emit(self, run, step):
        if run.holdout:
            self.move(run, step["next"], "holdout")
            return
        spec = step["emit"]
        name, payload = spec, copy.deepcopy(run.context)
        if isinstance(spec, dict):
            name = spec["event"]
            if "payload" in spec:
                payload = self.eval(run, spec["payload"])
                if payload is None:
                    payload = {}
                if not isinstance(payload, dict):
                    raise Raised("22023")
        self.emitted.append(lambda seq: self.event(seq, name, payload))
        self.move(run, step["next"])

    # --- time ----------------------------------------------------------

    def do_wait(self, run, step):
        run.state = "waiting"
        return self.time(run, step)

    def do_delay(self, run, step):
        run.state = "delayed"
        return self.time(run, step)

    def time(self, run, step):
        """Compute the due time of a delay or wait; True when the run rests."""
        name = self.zone(run.definition)
        form = step["delay"] if "delay" in step else step["wait"].get("until")
        if form is None:
            return True
        if isinstance(form, str):
            due = clocks.add(self.now, form, name)
        elif "after" in form:
            due = clocks.add(self.now, form["after"], name)
        elif "until" in form or "date" in form:
            return self.date(run, step, form, name)
        else:
            due = self.local(run, form, name)
            if due is None:
                self.move(run, step["next"], "missed")
                return False
        return self.rest(run, step, form, name, due)

    def local(self, run, form, name):
        if "for" in form:
            due = clocks.add(self.now, form["for"], name,
                             form.get("gap", "forward") if "at" not in form else "forward",
                             form.get("overlap", "second") if "at" not in form else "second")
            if {"at", "weekdays", "window"} & set(form):
                due = clocks.first_wanted(due, form, name)
            return due
        due = clocks.first_wanted(self.now, form, name)
        if form.get("missed") == "continue" and "at" in form and due > self.now:
            day = clocks._midnight(clocks.local_of(self.now, name))
            today = clocks._hour_of_day(day, form, name)
            if today is not None and today < self.now:
                return None
        return due

    def rest(self, run, step, form, name, due):
        if isinstance(form, dict) and "jitter" in form:
            due = clocks.jitter(due, form, name, run.journey, run.step, self.id)
        if due <= self.now:
            self.move(run, step["next"] if "delay" in step else form["next"])
            return False
        run.due = due
        run.last["due"] = due
        if clocks.changes_between(self.now, due, name):
            self.cover(run, "clock change")
        return True

    def date(self, run, step, form, name):
        onward = step["next"] if "delay" in step else form["next"]
        at = self.eval(run, form.get("until") or form.get("date"))
        if at is None:
            return self.policy(run, form.get("missing", "continue"), onward, "missing_date")
        due = clocks.date_instant(at, form, name)
        if due < self.now:
            if form.get("past", "continue") != "next":
                return self.policy(run, form.get("past", "continue"), onward, "past_date")
            count = 0
            while due < self.now:
                count += 1
                due = clocks.date_instant(at, form, name, (form.get("every", "1 year"), count))
        return self.rest(run, step, form, name, due)

    def policy(self, run, policy, onward, reason):
        if policy == "continue":
            self.move(run, onward, reason)
            return False
        if isinstance(policy, dict) and "skip_to" in policy:
            self.move(run, policy["skip_to"], reason)
            return False
        self.end(run, policy["exit"] if isinstance(policy, dict) else reason)
        return True

