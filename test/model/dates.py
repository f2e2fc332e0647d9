"""test/model/dates.py: entry by a date that the customer's row holds.

A customer has a plan for each journey that a date enters: when he enters next.
It is looked at when the journey is published, when his row changes, and at the
instant itself.
"""
import clocks
from run import Event, Run

STEP = "$entry"


class Plan:
    """What is known of a customer's date for one journey."""

    def __init__(self, journey, order):
        self.journey, self.order = journey, order
        self.value = None               # the date that the plan is about
        self.due, self.times = None, 0  # when he enters next, and which recurrence that is
        self.taken = set()              # (date, recurrence) by which he has entered


class Dates:
    """Of a customer: his dates."""

    def look_at_dates(self, journey=None):
        """His row may have changed, or the journey was published or stopped."""
        for one in self.world.journeys.values() if journey is None else [journey]:
            if one.live and "date" in one.live["entry"]:
                self.look_at_date(one)

    def look_at_date(self, journey):
        """Plan the entry; a date that has passed is one that became known after its instant."""
        if self.columns is None or journey.state == "archived":
            self.plans.pop(journey.name, None)
            return
        plan = self.plans.setdefault(journey.name, Plan(journey, len(self.plans)))
        was_pending, before, plan.due = plan.due is not None, plan.value, None
        plan.value = self.date_of(journey)
        if journey.state != "live" or plan.value is None:
            return
        if was_pending and plan.value == before:
            # only the zone can have moved it, and it has not passed by that
            plan.due = self.with_jitter(journey, self.occurrence(plan, plan.times))
            return
        self.plan_next(plan, journey, self.now)

    def plan_next(self, plan, journey, known):
        """The first recurrence that is not over."""
        form, times = journey.live["entry"]["date"], 0
        at = self.occurrence(plan, 0)
        while at < known or (plan.value, times) in plan.taken:
            if "every" not in form:
                if form.get("past", "skip") == "enter" and (plan.value, 0) not in plan.taken:
                    plan.due, plan.times = at, 0
                return
            times += 1
            at = self.occurrence(plan, times)
        plan.due, plan.times = self.with_jitter(journey, at), times

    def date_of(self, journey):
        probe = Run(journey.name, journey.version, journey.live, None, Event("$date", {}), self.now, None)
        return self.eval(probe, journey.live["entry"]["date"]["value"])

    def occurrence(self, plan, times):
        """The instant of a recurrence, without jitter."""
        definition = plan.journey.live
        form = definition["entry"]["date"]
        return clocks.date_instant(plan.value, form, self.zone(definition),
                                   (form["every"], times) if times else None)

    def with_jitter(self, journey, at):
        form = journey.live["entry"]["date"]
        if "jitter" not in form:
            return at
        return clocks.jitter(at, form, self.zone(journey.live), journey.name, STEP, self.id)

    def enter_by_date(self, plan):
        """The instant has come: what the row says now counts."""
        journey = plan.journey
        self.look_at_date(journey)
        if self.plans.get(journey.name) is not plan or plan.due is None or plan.due > self.now:
            return
        event = Event("$date", {"date": str(plan.value), "occurrence": plan.times})
        plan.taken.add((plan.value, plan.times))
        plan.due = None
        if "every" in journey.live["entry"]["date"]:
            self.plan_next(plan, journey, max(self.now, self.occurrence(plan, plan.times)))
        self.enter_by_event(journey, event)
