"""test/model/customer.py: one customer, and the order of what happens to him.

An event is offered to his runs in the order of their entry, then to the entry
rules.  What his runs emit or start is next, at the same instant.  A timer that
is due before an event fires before it, one of the same instant after it.
"""
from zoneinfo import available_timezones

from dates import Dates, Plan
from entry import Entry
from language import value
from life import Life
from offers import Offers
from run import Run, verb_of
from sends import SETTLING, Sends
from steps import Steps
from waits import Waits

ZONES = available_timezones()


class Customer(Entry, Dates, Offers, Waits, Steps, Sends, Life):
    def __init__(self, world, name, columns):
        self.world, self.id = world, name
        self.born, self.columns = columns, None if columns.get("absent") else columns
        self.runs, self.refused, self.messages = [], [], []
        self.memory, self.entries = {}, {}          # what entry rules remember
        self.plans = {}                             # of journeys that a date of his enters
        self.digests = {}                           # when the last digest of a step ended
        self.newest = {}                            # the newest event of a name in the log
        self.jobs = []                              # what his runs cause, in order
        self.now, self.ticket, self.enqueued = None, 0, 0

    def cover(self, run, disturbance):
        self.world.tally.count(run, disturbance)

    # what an expression sees

    def zone(self, definition):
        for name in ((self.columns or {}).get("tz"), definition.get("timezone")):
            if name and name in ZONES:
                return name
        return "UTC"

    def scope(self, run, event=None):
        event = event or run.event
        return {"event": event.payload, "event_name": event.name, "context": run.context,
                "customer": self.columns or dict.fromkeys(self.born), "now": self.now,
                "entered_at": run.entered_at, "entry_event": run.entry.payload, "key": run.key,
                "step": run.step, "version": run.version, "timezone": self.zone(run.definition)}

    def eval(self, run, expression, event=None):
        return value(expression[1], self.scope(run, event))

    # what happens, in its order

    def inside(self, journey):
        return [r for r in self.runs if r.journey == journey and r.is_active]

    def happen(self, event):
        """An event: his runs first, then the entries that name it, by priority."""
        message = event.message if event.name in SETTLING else None
        for run in [r for r in self.runs if r.is_active or r.is_watched]:
            self.offer(run, event)
            if message and message.run is run:
                self.settle_message(message, event.name)
                message = None
        if message:
            self.settle_message(message, event.name)
        journeys = [j for j in self.world.journeys.values() if j.live and j.live["entry"].get("on") == event.name]
        for journey in sorted(journeys, key=lambda j: -j.live.get("priority", 50)):
            self.enter_by_event(journey, event)

    def settle(self):
        """What his runs caused is his next input."""
        while self.jobs:
            self.jobs.pop(0)()

    def timers(self, limit, inclusive):
        """Fire what is due before an instant (or at it), earliest first."""
        while True:
            due = [r for r in self.runs if r.due is not None and r.is_active
                   and (r.due < limit or inclusive and r.due == limit)]
            due += [m for m in self.messages if m.due is not None
                    and (m.due < limit or inclusive and m.due == limit)]
            due += [p for p in self.plans.values() if p.due is not None
                    and (p.due < limit or inclusive and p.due == limit)]
            if not due:
                return
            first = min(due, key=lambda r: (r.due, isinstance(r, Run) + 2 * isinstance(r, Plan), r.order))
            self.now = max(self.now, first.due) if isinstance(first, Plan) else first.due
            if isinstance(first, Run):
                self.fire(first)
            elif isinstance(first, Plan):
                self.enter_by_date(first)
            else:
                self.retry(first)
            self.settle()

    def fire(self, run):
        """A run's timer: goal and exit rules look at it as at an event."""
        if self.is_over(run, None):
            return
        if run.state == "held":
            self.let_go(run)
            return
        if verb_of(run.here) == "wait" and run.here["wait"].get("ranked") and run.happened:
            self.take_best(run)
            return
        run.timer_came()
        if verb_of(run.here) == "digest":
            self.end_digest(run, "timeout")
        elif verb_of(run.here) == "delay":
            self.go(run, run.here["next"])
        else:
            self.go(run, run.here[verb_of(run.here)]["until"]["next"], "timeout")

    # moving

    def go(self, run, target, reason=None, **more):
        """Move to a step and execute it and what follows."""
        self.move(run, target, reason, **more)
        self.forward(run)

    def move(self, run, target, reason=None, **more):
        run.visit += 1
        run.row(target, "advanced", reason, self.now, **more)
        run.step, run.state, run.due = target, "moving", None
        run.restarts, run.happened, run.collected, run.child = 0, {}, [], None
