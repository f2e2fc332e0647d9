"""test/model/life.py: what the life of a journey does to the runs inside.

Publish, pause and resume; world.py has what they do to the journey itself.
"""
from datetime import timedelta

from run import timeout_of, verb_of

RESTING = ("delayed", "waiting")


class Life:
    """Of a customer: his runs when their journey is published or paused."""

    def supersede(self, run, journey, inflight):
        """Another version was published."""
        self.cover(run, "edit")
        if inflight == "exit":
            self.end(run, "superseded", early=True)
        elif inflight == "move":
            step = journey.live["steps"].get(run.step)
            if step and (run.state == "held" or verb_of(step) == verb_of(run.here)):
                self.move_to_version(run, journey, step)

    def move_to_version(self, run, journey, step):
        """Go on at the same step of the new version: no arrival, and a stored due time stays."""
        run.row(None, "moved", None, self.now)
        run.version, run.definition = journey.version, journey.live
        run.row(run.step, "moved", None, self.now)
        run.rows[-1]["from"] = None
        if run.state not in RESTING:
            run.rows[-1]["due"] = run.due
            return
        form = step["delay"] if "delay" in step else step["digest"]["for"] if "digest" in step else timeout_of(step)
        if form is None:
            run.due = run.frozen = None
        elif run.due is None and run.frozen is None:
            onward = form.get("next", step.get("next")) if isinstance(form, dict) else step.get("next")
            if not self.due(run, step, form, onward):
                self.forward(run)
            self.stand_still(run)
            return
        run.rows[-1]["due"] = run.due or run.frozen

    def freeze(self, run):
        """Pause: whoever waits is disturbed by it, if only later."""
        if run.state in RESTING:
            self.cover(run, "pause")
        self.stand_still(run)

    def stand_still(self, run):
        """While a pause extends waits, the time of a run stands still."""
        pause = self.world.journeys[run.journey].pause
        if pause and pause["waits"] == "extend" and run.due is not None and run.state in RESTING:
            run.frozen, run.frozen_at, run.due = run.due, self.now, None

    def thaw(self, run):
        """Resume: what was left of the time is left now."""
        if run.frozen is not None and run.state in RESTING and run.due is None:
            run.due = run.frozen + (self.now - run.frozen_at)
        run.frozen = None

    def release(self, run, place, rate):
        """Resume: who is held goes on, at the rate, in the order of arrival."""
        if rate:
            # docs unclear: who is first is released by a timer too, after the events of the instant
            run.due = self.now + timedelta(microseconds=round(place * 1000000 / rate))
        else:
            self.let_go(run)

    def let_go(self, run):
        run.row(run.step, "released", "resumed", self.now)
        run.due, run.held_at = None, None
        self.forward(run, released=True)
