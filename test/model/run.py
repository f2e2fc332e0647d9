"""test/model/run.py: one customer's passage through a journey, and its log."""


class Event:
    """Something that happened; what a rule is asked about."""

    def __init__(self, name, payload, message=None):
        self.name, self.payload, self.message = name, payload, message


class Run:
    def __init__(self, journey, version, definition, key, entry, now, order):
        self.journey, self.version, self.definition = journey, version, definition
        self.key, self.entered_at, self.order = key, now, order
        self.entry = self.event = entry
        self.is_fresh = True            # the event itself brought the run here, not a timer
        self.context, self.rows, self.visit = {}, [], 0
        self.step, self.state, self.due = None, None, None
        self.frozen = self.frozen_at = self.held_at = None
        self.holdout = self.is_watched = self.began_absent = False
        self.restarts = 0               # of this visit
        self.happened = {}              # branches of a ranked wait: branch -> (event, is_fresh)
        self.collected, self.digested = [], set()
        self.parent = self.child = None
        self.unsent = None              # the message whose next channel a pause held up

    @property
    def here(self):
        """The step at which the run stands."""
        return self.definition["steps"][self.step]

    @property
    def is_active(self):
        return self.state != "ended"

    def row(self, to, outcome, reason=None, now=None, **more):
        self.rows.append({"visit": self.visit, "from": self.step, "to": to, "outcome": outcome,
                          "reason": reason, "clock": now, "due": None, "arm": None, "value": None,
                          "currency": None, "context": None, "version": self.version, **more})

    def timer_came(self):
        """A timer, a decision or a child brings no event: the entry's holds again."""
        self.event, self.is_fresh = self.entry, False


VERBS = ("send", "delay", "wait", "digest", "branch", "split", "update", "call", "emit", "enter",
         "approve", "exit")


def verb_of(step):
    return next(v for v in VERBS if v in step)


def timeout_of(step):
    """The "until" of a step that waits, or None."""
    spec = step[verb_of(step)]
    return spec.get("until") if isinstance(spec, dict) else None
