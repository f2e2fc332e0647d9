"""test/model/entry.py: who may enter a journey."""
import hashlib

import clocks
from language import Raised
from run import Event, Run


def bucket(experiment, salt, unit):
    digest = hashlib.sha256(f"{experiment}:{salt}:{unit}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % 10000


class Memory:
    """What is known of a customer's runs of a journey with one key, for ever."""

    def __init__(self):
        self.active, self.entered, self.ended = 0, None, None


class Entry:
    """Of a customer: entering, and being refused."""

    def refuse(self, journey, key, rule):
        self.refused.append({"journey": journey.name, "key": key, "reason": rule, "clock": self.now})
        return None, rule

    def enter_by_event(self, journey, event):
        """An event that an entry names: the customer's row, "when", the key, then the rules."""
        entry = journey.live["entry"]
        probe = Run(journey.name, journey.version, journey.live, None, event, self.now, None)
        if journey.state == "archived":
            return
        if self.is_refused_absent(journey):
            self.refuse(journey, None, "customer_absent")
            return
        try:
            if "when" in entry and self.eval(probe, entry["when"]) is not True:
                return
            key = self.eval(probe, entry["key"]) if "key" in entry else None
        except Raised:
            self.refuse(journey, None, "entry_error")
            return
        run, _ = self.admit(journey, key, event, {})
        if run:
            self.forward(run)

    def is_there_for(self, journey, version, now):
        """publish(existing => 'now'): the newest entry event in the log, where that may enter."""
        definition = journey.versions[version - 1]
        event = self.newest.get(definition["entry"].get("on"))
        if event is None or self.columns is None and definition.get("absent_customer", "refuse") == "refuse":
            return None
        probe, was = Run(journey.name, version, definition, None, event, now, None), self.now
        self.now = now
        try:
            return event if self.eval(probe, definition["entry"].get("when", ["expr", ["true"]])) is True else None
        except Raised:
            return event            # his lane refuses him, and says why
        finally:
            self.now = was

    def enter_as_existing(self, journey, event):
        was_closed, journey.is_closed = journey.is_closed, False
        self.enter_by_event(journey, event)
        journey.is_closed = was_closed
        self.settle()

    def command_enter(self, journey, key=None, context=None):
        """Whoever calls has decided: "when" and the entry's key are not asked."""
        if journey.live is None:
            self.refuse(journey, key, "journey_draft")
        elif "journey" in journey.live["entry"]:
            self.refuse(journey, key, "entry_by_journey")
        elif self.refused_by_state(journey):
            # docs unclear: of a command the state comes before the customer's row
            self.refuse(journey, key, self.refused_by_state(journey))
        else:
            run, _ = self.admit(journey, key, Event("$enter", {}), context or {})
            if run:
                self.forward(run)

    def admit(self, journey, key, event, context):
        """Let the customer in, or say by which rule not: (run, rule)."""
        rule = self.rule_against(journey, key)
        if rule:
            return self.refuse(journey, key, rule)
        definition = journey.live
        run = Run(journey.name, journey.version, definition, key, event, self.now,
                  (self.ticket, len(self.runs)))
        run.context, run.began_absent = dict(context), self.columns is None
        run.holdout = self.is_held_out(journey.name, definition["entry"].get("holdout", 0))
        memory = self.memory.setdefault((journey.name, key), Memory())
        memory.active += 1
        memory.entered = self.now
        self.entries.setdefault(journey.name, []).append(self.now)
        journey.entered += 1
        self.runs.append(run)
        run.visit = 1
        run.row(definition["start"], "entered", "holdout" if run.holdout else None, self.now,
                context=dict(context) or None)
        run.step = definition["start"]
        return run, None

    def is_held_out(self, journey, share):
        return bucket(f"{journey}/$holdout", "", self.id) < share * 10000

    def is_refused_absent(self, journey):
        return self.columns is None and journey.live.get("absent_customer", "refuse") == "refuse"

    def refused_by_state(self, journey):
        if journey.state in ("stopped", "archived"):
            return "stopped"
        if journey.pause and journey.pause["newcomers"] == "ignore":
            return "paused"
        if journey.is_closed:
            return "closed"
        return None

    def rule_against(self, journey, key):
        """The customer's row, the state, re-entry, cool-down, caps: in this order."""
        if self.is_refused_absent(journey):
            return "customer_absent"
        entry = journey.live["entry"]
        return (self.refused_by_state(journey)
                or self.refused_by_reentry(journey, entry, key)
                or self.refused_by_cooldown(journey, entry.get("reentry", {}), key)
                or self.refused_by_caps(journey, entry.get("caps", {})))

    def refused_by_reentry(self, journey, entry, key):
        policy = entry.get("reentry", {}).get("policy", "after_exit" if "date" in entry else "never")
        memory = self.memory.get((journey.name, key))
        if memory is None:
            return None
        if policy == "never":
            return "reentry_never"
        is_keyed = "key" in entry or key is not None
        if memory.active and (policy == "after_exit" or is_keyed):
            return "reentry_active"
        return None

    def refused_by_cooldown(self, journey, reentry, key):
        if "cooldown" not in reentry:
            return None
        for (name, of_key), past in self.memory.items():
            if name != journey.name or reentry.get("cooldown_scope") == "key" and of_key != key:
                continue
            last = max(filter(None, (past.entered, past.ended)))
            if self.now < clocks.add(last, reentry["cooldown"], self.zone(journey.live)):
                return "cooldown"
        return None

    def refused_by_caps(self, journey, caps):
        zone = self.zone(journey.live)
        if "per_customer" in caps:
            cap = caps["per_customer"]
            within = [at for at in self.entries.get(journey.name, [])
                      if self.now < clocks.add(at, cap["per"], zone)]
            if len(within) >= cap["max"]:
                return "cap_per_customer"
        if len(self.inside(journey.name)) >= caps.get("at_once_per_customer", 1 << 60):
            return "cap_at_once_per_customer"
        if len(list(self.world.runs_inside(journey))) >= caps.get("at_once", 1 << 60):
            return "cap_at_once"
        if journey.entered >= caps.get("total", 1 << 60):
            return "cap_total"
        return None
