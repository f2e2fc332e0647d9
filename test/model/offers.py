"""test/model/offers.py: what an event does to a run.

It is offered to the goal, then to the exit rules, then to the step that waits.
"""
import clocks
from language import Raised


class Offers:
    """Of a customer: events and his runs."""

    def meets(self, run, rule, event):
        """Whether an event (or a timer: None) meets on, of, match_key and when."""
        if "on" in rule and (event is None or rule["on"] != event.name):
            return False
        if "of" in rule and not (event.message and event.message.run is run
                                 and event.message.step == rule["of"]):
            return False
        if "match_key" in rule and self.eval(run, rule["match_key"], event) != run.key:
            return False
        return "when" not in rule or self.eval(run, rule["when"], event) is True

    def offer(self, run, event):
        """Offer an event of the customer to one of his runs."""
        # docs unclear: a run without its customer ends at any event of his, whatever its key
        if run.is_active and self.is_deserted(run):
            return
        if not run.is_active and self.misses_row(run):
            run.is_watched = False
            return
        entry = run.definition["entry"]
        if entry.get("on") == event.name and "key" in entry:
            if self.eval(run, entry["key"], event) != run.key:
                return
        if not run.is_active:
            self.watch(run, event)
        elif not self.is_over(run, event) and run.state in ("delayed", "waiting", "sending"):
            self.offer_to_step(run, event)

    def is_over(self, run, event):
        """Goal and exit rules; True when the run ended, or was parked by their error."""
        if self.is_deserted(run):
            return True
        try:
            return self.goal_and_rules(run, event)
        except Raised as error:
            self.park(run, str(error))
            return True

    def is_deserted(self, run):
        """The customer's row is gone: by default that ends the run when it is next looked at."""
        if self.misses_row(run):
            self.end(run, "customer_deleted", early=True)
            run.is_watched = False
            return True
        return False

    def misses_row(self, run):
        return self.columns is None and run.definition.get("deleted_customer", "exit") == "exit" \
            and not run.began_absent

    def goal_and_rules(self, run, event):
        goal = run.definition.get("goal")
        if event is not None and goal is not None and self.is_in_time(run, goal) \
                and self.meets(run, goal, event):
            run.row(None, "converted", "goal", self.now, **self.worth(run, goal, event))
            if goal.get("exit", True):
                self.end(run, "goal", early=True)
                return True
        for rule in run.definition.get("exit", []):
            if self.meets(run, rule, event):
                self.end(run, rule.get("reason", "exit_rule"), early=True)
                return True
        return False

    def is_in_time(self, run, goal):
        return "within" not in goal or \
            self.now <= clocks.add(run.entered_at, goal["within"], self.zone(run.definition))

    def worth(self, run, spec, event=None):
        return {key: self.eval(run, spec[key], event) if key in spec else None for key in ("value", "currency")}

    def watch(self, run, event):
        """The goal of a run that is over, while its time lasts."""
        goal = run.definition["goal"]
        if not self.is_in_time(run, goal):
            run.is_watched = False
            return
        try:
            if not self.meets(run, goal, event):
                return
            run.row(None, "converted", "goal", self.now, **self.worth(run, goal, event))
        except Raised:
            run.row(None, "refused", "goal_error", self.now)
            run.is_watched = False
            return
        if goal.get("exit", True):
            self.withdraw(run)
            run.is_watched = False

    def end(self, run, reason, early=False, **more):
        """The run is over; "early": somebody or something else ended it."""
        if early:
            self.cover(run, "exit")
        run.row(None, "ended", reason, self.now, **more)
        run.state, run.due = "ended", None
        memory = self.memory[(run.journey, run.key)]
        memory.active -= 1
        memory.ended = self.now
        run.is_watched = reason != "goal" and "within" in run.definition.get("goal", {})
        if early:
            self.withdraw(run)
            self.cancel_child(run)
        if run.parent:
            self.jobs.append(lambda: self.child_ended(run, reason))

    def park(self, run, code):
        self.cover(run, "error")
        run.row(run.step, "parked", code, self.now)
        run.state, run.due = "parked", None

    def fail(self, run, code):
        """An expression of the step raised: its way of failure, or parked."""
        target = run.here.get("on_failure")
        if target:
            self.cover(run, "error")
            self.go(run, target, "failed")
        else:
            self.park(run, code)
