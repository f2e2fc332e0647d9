"""test/model/waits.py: steps in which time passes.

A step's do_ returns True when the run rests there, False when it went on.
"""
import json

import clocks
from language import Raised
from run import verb_of


def branch_key(branch):
    """What makes a branch of a ranked wait the same one in another version."""
    return json.dumps([branch.get(k) for k in ("on", "when", "match_key", "of")])


class Waits:
    """Of a customer: delay, wait, digest, and the events that end them."""

    def do_delay(self, run, step):
        run.state = "delayed"
        return self.due(run, step, step["delay"], step["next"])

    def do_wait(self, run, step):
        """A condition that is already true is taken before "until" is computed."""
        run.state = "waiting"
        spec = step["wait"]
        for place, branch in enumerate(spec["for"], 1):
            if "on" not in branch and self.eval(run, branch["when"]) is True:
                if not spec.get("ranked"):
                    self.move(run, branch["next"], f"branch {place}")
                    return False
                run.happened[branch_key(branch)] = run.event, run.is_fresh
                break
        return self.until(run, step)

    def until(self, run, step):
        """The timeout of a step that waits; without it the wait lasts."""
        until = step[verb_of(step)].get("until")
        if until is None:
            return True
        return self.due(run, step, until, until["next"])

    def offer_to_step(self, run, event):
        """An event that neither goal nor exit rule took comes to the step."""
        try:
            verb = verb_of(run.here)
            if verb == "send":
                return
            if verb == "wait" and self.offer_to_wait(run, event):
                return
            if verb == "digest" and self.meets(run, run.here["digest"], event):
                self.collect(run, event)
                return
            self.offer_restart(run, event)
        except Raised as error:
            # the event that raised is the one that brings the run to on_failure
            if "on_failure" in run.here:
                run.event, run.is_fresh = event, True
            self.fail(run, str(error))

    def offer_to_wait(self, run, event):
        """The first branch in the list wins; True when it took the run."""
        spec = run.here["wait"]
        for place, branch in enumerate(spec["for"], 1):
            if branch_key(branch) in run.happened:
                return False
            if not self.happens(run, branch, event):
                continue
            if spec.get("ranked"):
                run.happened[branch_key(branch)] = event, True
                return False
            run.event, run.is_fresh = event, True
            self.go(run, branch["next"], event.name if "on" in branch else f"branch {place}")
            return True
        return False

    def happens(self, run, branch, event):
        if "on" not in branch and event.name not in branch.get("retest_on", [event.name]):
            return False
        return self.meets(run, branch, event)

    def best(self, run):
        """The first branch of a ranked wait that has happened: (branch, reason)."""
        for place, branch in enumerate(run.here["wait"]["for"], 1):
            if branch_key(branch) in run.happened:
                return branch, branch.get("on", f"branch {place}")
        return None, None

    def take_best(self, run):
        """The end of a ranked wait in which something has happened."""
        branch, reason = self.best(run)
        if branch is None:
            run.timer_came()
            self.go(run, run.here["wait"]["until"]["next"], "timeout")
            return
        run.event, run.is_fresh = run.happened[branch_key(branch)]
        self.go(run, branch["next"], reason)

    # starting the time again

    def offer_restart(self, run, event):
        rule = run.here.get("restart_on")
        if rule is None:
            return
        rule = {"on": rule} if isinstance(rule, str) else rule
        verb = verb_of(run.here)
        if verb == "wait" and "until" not in run.here["wait"] or run.restarts >= rule.get("max", 100):
            return
        if not self.meets(run, rule, event):
            return
        run.restarts += 1
        run.event, run.is_fresh = event, True
        run.row(run.step, "restarted", event.name, self.now)
        run.due = run.frozen = None
        if verb == "delay":
            rests = self.due(run, run.here, run.here["delay"], run.here["next"])
        else:
            rests = self.until(run, run.here)
        if not rests:
            self.forward(run)
        elif run.is_active:
            self.stand_still(run)

    # collecting

    def do_digest(self, run, step):
        """The event that brought the run here is the first one collected."""
        run.state = "waiting"
        spec = step["digest"]
        if run.is_fresh and run.event not in run.digested and self.meets(run, spec, run.event):
            if self.collects_all(run, run.event):
                return False
        return self.due(run, step, spec["for"], None)

    def collect(self, run, event):
        if self.collects_all(run, event):
            self.forward(run)

    def collects_all(self, run, event):
        """Add an event; True when the digest is over by it and the run has moved."""
        spec = run.here["digest"]
        is_first = not run.collected
        run.collected.append(event)
        run.digested.add(event)
        if len(run.collected) >= spec.get("max", 1000):
            reason = "max"
        elif is_first and "look_back" in spec and self.was_quiet(run, spec["look_back"]):
            reason = "look_back"
        else:
            return False
        run.event, run.is_fresh = event, True
        self.move_from_digest(run, reason)
        return True

    def was_quiet(self, run, look_back):
        """No digest of this step, for customer and key, ended within look_back."""
        ended = self.digests.get((run.journey, run.key, run.step))
        return ended is None or self.now >= clocks.add(ended, look_back, self.zone(run.definition))

    def move_from_digest(self, run, reason):
        self.digests[(run.journey, run.key, run.step)] = self.now
        into, newest = run.here.get("into", run.step), run.collected[-run.here["digest"].get("max", 1000):]
        self.put(run, {into: [event.payload for event in newest]}, run.here["next"], reason)

    def end_digest(self, run, reason):
        self.move_from_digest(run, reason)
        self.forward(run)

    # due times

    def due(self, run, step, form, onward):
        """Compute a due time; True when the run rests until then."""
        name = self.zone(run.definition)
        if isinstance(form, str):
            return self.rest(run, {}, name, onward, clocks.add(self.now, form, name))
        if "after" in form:
            return self.rest(run, {}, name, onward, clocks.add(self.now, form["after"], name))
        if "until" in form or "date" in form:
            return self.due_at_date(run, form, name, onward)
        at = clocks.due_by_form(self.now, form, name)
        if at is None:
            return self.go_on(run, onward, "missed")
        return self.rest(run, form, name, onward, at)

    def rest(self, run, form, name, onward, at):
        """Rest until an instant, or go on where it is not later than now."""
        if "jitter" in form:
            at = clocks.jitter(at, form, name, run.journey, run.step, self.id)
        if at <= self.now:
            return self.go_on(run, onward, None)
        run.due = run.rows[-1]["due"] = at
        if clocks.changes_between(self.now, at, name):
            self.cover(run, "clock change")
        return True

    def go_on(self, run, onward, reason):
        """The time is over on arrival."""
        if verb_of(run.here) == "digest":
            self.move_from_digest(run, "timeout")
            return False
        if run.here.get("wait", {}).get("ranked") and run.happened:
            branch, reason = self.best(run)
            run.event, run.is_fresh = run.happened[branch_key(branch)]
            onward = branch["next"]
        elif reason is None and "wait" in run.here:
            reason = "timeout"
        self.move(run, onward, reason)
        return False

    def due_at_date(self, run, form, name, onward):
        at = self.eval(run, form.get("until") or form.get("date"))
        if at is None:
            return self.by_policy(run, form.get("missing", "continue"), onward, "missing_date")
        due = clocks.date_instant(at, form, name)
        if due < self.now:
            if form.get("past", "continue") != "next":
                return self.by_policy(run, form.get("past", "continue"), onward, "past_date")
            count = 0
            while due < self.now:
                count += 1
                due = clocks.date_instant(at, form, name, (form.get("every", "1 year"), count))
        return self.rest(run, form, name, onward, due)

    def by_policy(self, run, policy, onward, reason):
        if policy == "continue":
            return self.go_on(run, onward, reason)
        if isinstance(policy, dict) and "skip_to" in policy:
            self.move(run, policy["skip_to"], reason)
            return False
        self.end(run, policy["exit"] if isinstance(policy, dict) else reason)
        return True
