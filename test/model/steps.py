"""test/model/steps.py: steps that take no time, and those that ask others.

A step's do_ returns True when the run rests there or is over, False when it
went on.
"""
import copy

from entry import bucket
from language import Raised
from run import Event, verb_of


class Steps:
    """Of a customer: his runs, step by step."""

    def forward(self, run, released=False):
        """Execute steps from where the run stands until it rests or ends."""
        while True:
            journey = self.world.journeys[run.journey]
            if journey.pause and not released:
                self.hold(run)
                return
            released = False
            step = run.here
            self.cover(run, "none")
            run.state = "moving"
            try:
                if getattr(self, "do_" + verb_of(step))(run, step):
                    return
            except Raised as error:
                target = step.get("on_failure")
                if not target:
                    self.park(run, str(error))
                    return
                self.cover(run, "error")
                self.move(run, target, "failed")

    def hold(self, run):
        run.row(run.step, "held", "paused", self.now)
        self.cover(run, "pause")
        run.state, run.due, run.held_at = "held", None, self.now

    def put(self, run, values, target, reason=None, **more):
        """Put values into the context on the way to the next step."""
        run.context = {**run.context, **values}
        self.move(run, target, reason, context=values, **more)

    def shadow(self, run, step):
        """A held-out run does nothing to others."""
        self.move(run, step["next"], "holdout")
        return False

    def do_exit(self, run, step):
        more = {}
        if "convert" in step:
            more = self.worth(run, step["convert"])
            run.row(None, "converted", step["exit"], self.now, **more)
        self.end(run, step["exit"])
        return True

    def do_update(self, run, step):
        self.put(run, {k: self.eval(run, e) for k, e in step["update"].items()}, step["next"])
        return False

    def do_branch(self, run, step):
        for ordinal, branch in enumerate(step["branch"], 1):
            if self.eval(run, branch["when"]) is True:
                self.move(run, branch["next"], f"branch {ordinal}")
                return False
        self.move(run, step["else"], "else")
        return False

    def do_split(self, run, step):
        spec = step["split"]
        arms = sorted(spec["arms"].items(), key=lambda a: (len(a[0]), a[0]))
        total, upper = sum(weight for _, weight in arms), 0
        place = bucket(spec.get("experiment", f"{run.journey}/{run.step}"), spec.get("salt", ""), self.id)
        for arm, weight in arms:
            upper += weight
            if place < upper * 10000 // total:
                self.move(run, step["next"][arm], arm=arm)
                return False
        raise AssertionError("no arm")

    def do_call(self, run, step):
        if run.holdout:
            return self.shadow(run, step)
        result = {"n": self.eval(run, step["call"])}
        self.put(run, {step.get("into", run.step): result}, step["next"])
        return False

    def object(self, run, spec, key, default):
        """The value of a payload or context, which must be an object; NULL is {}."""
        if key not in spec:
            return default
        value = self.eval(run, spec[key])
        value = {} if value is None else value
        if not isinstance(value, dict):
            raise Raised("22023")
        return copy.deepcopy(value)

    def do_emit(self, run, step):
        if run.holdout:
            return self.shadow(run, step)
        spec = step["emit"] if isinstance(step["emit"], dict) else {"event": step["emit"]}
        event = Event(spec["event"], self.object(run, spec, "payload", copy.deepcopy(run.context)))
        self.newest[event.name] = event
        self.jobs.append(lambda: self.happen(event))
        self.move(run, step["next"])
        return False

    # the child of an enter step

    def do_enter(self, run, step):
        if run.holdout:
            return self.shadow(run, step)
        spec = step["enter"] if isinstance(step["enter"], dict) else {"journey": step["enter"]}
        context = self.object(run, spec, "context", {})
        key = self.eval(run, spec["key"]) if "key" in spec else None
        waits = spec.get("wait", False)
        visit = run.visit
        self.jobs.append(lambda: self.start_child(run, visit, spec, key, context, waits))
        if waits:
            run.state = "waiting"
            return self.until(run, step)
        self.move(run, step["next"])
        return False

    def start_child(self, parent, visit, spec, key, context, waits):
        name = spec["journey"]
        journey = self.world.journeys.get(name)
        stays = waits and parent.is_active and parent.visit == visit
        if waits and not stays and spec.get("when_cancelled", "exit") == "exit":
            self.refuse_child(journey, key, "parent_ended")
            return
        rule = self.refused_by_kind(journey, parent)
        if rule:
            self.refuse_child(journey, key, rule)
            child = None
        else:
            child, rule = self.admit(journey, key, Event("$enter", {}), context)
        if child is None:
            if stays:
                self.child_refused(parent, name, rule)
            return
        if stays:
            child.parent, parent.child = (parent, visit), child
        self.forward(child)

    def refuse_child(self, journey, key, rule):
        if journey is not None and rule != "journey_unknown":
            self.refuse(journey, key, rule)

    @staticmethod
    def refused_by_kind(journey, parent):
        """Whether the entry of the child takes those that this step sends."""
        if journey is None:
            return "journey_unknown"
        if journey.live is None:
            return "journey_draft"
        entry = journey.live["entry"]
        if "api" in entry:
            return "entry_by_api"
        if isinstance(entry.get("journey"), list) and parent.journey not in entry["journey"]:
            return "entry_by_journey"
        return None

    def child_refused(self, parent, name, rule):
        step = parent.here
        into = step.get("into", parent.step)
        if "on_failure" in step:
            self.cover(parent, "error")
        parent.timer_came()
        self.put(parent, {into: {"journey": name, "reason": "refused", "rule": rule}},
                 step.get("on_failure", step["next"]), "refused")
        self.forward(parent)

    def child_ended(self, child, reason):
        """The parent goes on, if it still waits for this child."""
        parent, visit = child.parent
        if parent.state != "waiting" or parent.visit != visit or self.is_deserted(parent):
            return
        parent.timer_came()
        self.put(parent, {parent.here.get("into", parent.step):
                          {"journey": child.journey, "reason": reason, "context": child.context}},
                 parent.here["next"], reason)
        self.forward(parent)

    def cancel_child(self, parent):
        """A run that ends early takes the child with it that it waits for."""
        child = parent.child
        if child is None or not child.is_active or parent.step is None:
            return
        if parent.here["enter"].get("when_cancelled", "exit") == "exit":
            child.parent = None
            self.jobs.append(lambda: child.is_active and self.end(child, "parent_ended", early=True))

    # a person's decision

    def do_approve(self, run, step):
        if run.holdout:
            names = sorted(step["next"], key=lambda n: (len(n), n))
            decision = "approved" if "approved" in names else names[0]
            self.move(run, step["next"][decision], "holdout")
            return False
        run.state = "waiting"
        return self.until(run, step)

    def asking(self, journey, decision):
        """Runs that wait for this decision (view approval)."""
        return [r for r in self.inside(journey) if r.state == "waiting" and "approve" in r.here
                and decision in r.here["next"]]

    def command_approve(self, run, visit, decision):
        """The first decision counts, unless the run went on or was parked meanwhile."""
        if run.state != "waiting" or run.visit != visit or self.is_deserted(run):
            return
        run.timer_came()
        output = {"decision": decision, "at": self.now.isoformat()}
        self.put(run, {run.here.get("into", run.step): output}, run.here["next"][decision], decision)
        self.forward(run)

    def command_leave(self, journey, key=None, reason="left"):
        for run in self.inside(journey):
            if key is None or key == run.key:
                self.end(run, reason, early=True)
