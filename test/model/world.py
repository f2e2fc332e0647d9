"""test/model/world.py: what docs/journeys.md says journeys do.

Plays one history, a list of operations in the order of their tickets, and
leaves the rows of the step log and the messages that should come of it.
Written from the documentation and never from the engine: where the two
disagree, one of them or the page is wrong.  A remark "docs unclear" marks a
reading that the page does not settle.

The rooms of the model, and what each says:

    entry.py     who may enter: state, re-entry, cool-down, caps, holdout
    dates.py     when a date of the customer's row enters him
    offers.py    what an event does to a run: goal, exit rules, its step
    waits.py     delay, wait, ranked wait, restart_on, digest
    steps.py     branch, split, update, call, emit, enter, approve, exit
    sends.py     a message from its step to what its relay says of it
    life.py      publish, pause, resume, stop, archive
    customer.py  one customer: his timers, his runs, the order of things
"""
from clocks import instant
from customer import Customer
from run import Event


class Journey:
    """A name under which versions are published."""

    def __init__(self, name, versions):
        self.name, self.versions = name, versions
        self.version, self.live = None, None
        self.state, self.is_closed, self.pause = "draft", False, None
        self.entered = 0


class World:
    """A history: its journeys, its customers, its clock."""

    def __init__(self, history, tally):
        self.journeys = {name: Journey(name, versions) for name, versions in history["journeys"].items()}
        self.customers = {name: Customer(self, name, columns) for name, columns in history["customers"].items()}
        self.tally, self.clock, self.ticket = tally, None, 0
        self.inputs = []

    def play(self, ops):
        for kind, *arguments in ops:
            self.ticket += 1
            getattr(self, "op_" + kind)(*arguments)
        return self

    def op_clock(self, at):
        self.clock = instant(at)

    def op_row(self, customer, columns):
        """A changed row is seen by whatever is evaluated from now on."""
        one = self.customers[customer]
        one.columns = {**(one.columns or one.born), **columns}
        self.tell_dates(one)

    def op_delete(self, customer):
        self.customers[customer].columns = None
        self.tell_dates(self.customers[customer])

    def tell_dates(self, customer):
        """A change of a row counts from its commit where a date is made of it."""
        if any("date" in v[0]["entry"] for v in (j.versions for j in self.journeys.values())):
            self.input(customer, customer.look_at_dates)

    def op_event(self, customer, name, payload):
        one, event = self.customers[customer], Event(name, payload)
        one.newest[name] = event
        self.input(one, lambda: one.happen(event))

    def op_enter(self, customer, journey, arguments):
        one = self.customers[customer]
        self.input(one, lambda: one.command_enter(self.journeys[journey], **arguments))

    def op_leave(self, customer, journey, arguments):
        one = self.customers[customer]
        self.input(one, lambda: one.command_leave(journey, **arguments))

    def op_approve(self, customer, journey, decision):
        """Decides for the runs that ask at this moment."""
        one = self.customers[customer]
        for run in one.asking(journey, decision):
            self.input(one, lambda run=run, visit=run.visit: one.command_approve(run, visit, decision))

    def op_act(self, verb, journey, arguments):
        journey = self.journeys[journey]
        if arguments.get("existing", "future") != "future":
            # who is there is seen now; what becomes of him is his lane's to say
            arguments = {**arguments, "existing": [
                (one, event) for one in self.customers.values()
                if (event := one.is_there_for(journey, arguments["version"], self.clock))],
                "is_closed": arguments["existing"] == "now"}
        self.input(None, lambda: getattr(self, "act_" + verb)(journey, **arguments))

    def op_relay(self, channel, round_of):
        """A relay drains a channel; what it says comes to the lanes."""
        for one in self.customers.values():
            for said in one.relay(channel, round_of, self.clock):
                self.input(one, said)

    def input(self, customer, job):
        self.inputs.append((self.ticket, self.clock, customer, job))

    def op_run(self):
        """What CALL run() does: inputs by ticket, timers merged before them.

        A control event is one of every customer's lane, so nobody may be
        ahead of it: all customers go from input to input together.
        """
        for ticket, at, customer, job in self.inputs:
            for one in self.customers.values() if customer is None else [customer]:
                one.timers(at, False)
                one.now, one.ticket = at, ticket
            if customer is None:
                self.now = at
                job()
                for one in self.customers.values():
                    one.settle()
            else:
                job()
                customer.settle()
        self.inputs = []
        for one in self.customers.values():
            one.timers(self.clock, True)

    # what the room life.py says happens to a journey and all its runs

    def runs_inside(self, journey):
        for one in self.customers.values():
            for run in one.inside(journey.name):
                yield one, run

    def act_publish(self, journey, version, existing=(), is_closed=False, inflight="finish"):
        if journey.state == "archived":
            return
        journey.version, journey.live, journey.state = version, journey.versions[version - 1], "live"
        journey.is_closed = is_closed
        for one, run in self.runs_inside(journey):
            if run.version != version:
                one.supersede(run, journey, inflight)
        for one, event in existing:
            one.enter_as_existing(journey, event)
        self.look_at_dates(journey)

    def look_at_dates(self, journey):
        for one in self.customers.values():
            one.look_at_dates(journey)

    def act_pause(self, journey, newcomers="queue", waits="run"):
        if journey.pause or journey.state not in ("live", "stopped"):
            return
        journey.pause = {"newcomers": newcomers, "waits": waits}
        for one, run in self.runs_inside(journey):
            one.freeze(run)

    def act_resume(self, journey, rate=None):
        if not journey.pause:
            return
        journey.pause, held = None, []
        for one, run in self.runs_inside(journey):
            one.thaw(run)
            if run.state == "held":
                held.append((run.held_at, run.order, one, run))
        for place, (_, _, one, run) in enumerate(sorted(held, key=lambda h: (h[0], h[1][0]))):
            one.release(run, place, rate)
        for one in self.customers.values():
            one.release_messages(journey)

    def act_stop(self, journey, inflight="finish"):
        if journey.state != "live":
            return
        journey.state = "stopped"
        self.look_at_dates(journey)
        if inflight == "exit":
            for one, run in list(self.runs_inside(journey)):
                one.end(run, "journey_stopped", early=True)

    def act_archive(self, journey):
        """Only of a stopped journey without people inside: else an error of the caller."""
        if journey.state == "stopped" and not any(self.runs_inside(journey)):
            journey.state = "archived"
            self.look_at_dates(journey)
