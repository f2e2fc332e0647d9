"""test/model/sends.py: a message, from its step to what its relay says of it.

A message is tried on the channels of its step in their order.  Each attempt is
a row of the outbox; what a relay answers comes to the customer's lane as an
input like any other.
"""
import hashlib
import re
from datetime import timedelta

import clocks
from language import render, Raised
from run import Event

SETTLING = ("message.sent", "message.failed")
MAX_ATTEMPTS = 3
RETRY = timedelta(hours=2)
ADDRESSES = {"email": lambda customer: "somebody@example.com",
             "sms": lambda customer: customer["plan"]}


def answer(channel, round_of, message):
    """What the relay says of a message that it has claimed: simulated, but not random."""
    name = re.sub(r"h\d+h", "@", f"{message.customer} {message.journey} {message.step} {channel} {round_of}")
    place = int(hashlib.md5(name.encode()).hexdigest()[:6], 16) % 100
    for answer, upper in (("sent", 45), ("clicked", 60), ("opened", 68), ("bounced", 75),
                          ("never", 87), ("later", 94), ("hold", 100)):
        if place < upper:
            return answer
    raise AssertionError("no answer")


class Message:
    def __init__(self, run, customer, spec, expires_at, is_awaited):
        self.run, self.customer, self.journey = run, customer, run.journey
        self.step, self.visit, self.order = run.step, run.visit, run.order
        self.spec, self.channels, self.expires_at = spec, spec["channels"], expires_at
        self.is_awaited, self.event = is_awaited, run.event
        self.place, self.failures, self.is_lost, self.attempts = 0, 0, False, []
        self.state, self.due, self.ticket = None, None, 0
        self.is_withheld = False        # a claim met its paused journey
        self.is_recalled = False        # its run was ended by a goal, a rule, a publish or stop

    @property
    def channel(self):
        return self.channels[self.place]

    def is_late(self, clock):
        return self.expires_at is not None and clock >= self.expires_at

    def shown_state(self, clock):
        """The state in view message_status: it need not wait for a claim to see that it is too late."""
        return "expired" if self.is_late(clock) and self.state in ("enqueued", "deferred") else self.state


class Sends:
    """Of a customer: his messages."""

    def do_send(self, run, step):
        if run.unsent:
            return self.next_channel(run)
        if run.holdout:
            return self.shadow(run, step)
        spec = step["send"]
        expires_at = None
        if "expires_after" in spec:
            expires_at = clocks.add(self.now, spec["expires_after"], self.zone(run.definition))
        message = Message(run, self.id, spec, expires_at, "on_failure" in step or len(spec["channels"]) > 1)
        try:
            is_enqueued = self.try_channels(message)
        except Raised as error:
            # on_render_error: 'park', whatever on_failure says
            self.park(run, str(error))
            return True
        if not is_enqueued:
            if "on_failure" in step:
                self.cover(run, "error")
            self.move(run, step.get("on_failure", step["next"]), "no_address")
            return False
        self.messages.append(message)
        if message.is_awaited:
            run.state = "sending"
            return True
        self.move(run, step["next"], "enqueued")
        return False

    def try_channels(self, message):
        """Enqueue on the first channel, from the one in turn on, that has an address."""
        while message.place < len(message.channels):
            if ADDRESSES[message.channel](self.columns or {"plan": None}) is not None:
                self.enqueue(message, self.text(message))
                return True
            message.place += 1
        return False

    def text(self, message):
        """What the template says now: that of the version in which the run stands at the step."""
        run = message.run
        spec = run.here.get("send", message.spec) if run.visit == message.visit else message.spec
        return render(spec["template"], self.scope(run, message.event))

    def enqueue(self, message, text):
        self.enqueued += 1
        message.ticket, message.state, message.due, message.is_withheld = self.enqueued, "enqueued", None, False
        message.attempts.append({"channel": message.channel, "clock": self.now, "text": text})

    def retry(self, message):
        """The back-off of a message is over."""
        self.enqueue(message, message.attempts[-1]["text"])

    def withdraw(self, run):
        """Take back what no relay has claimed; what one has will not be tried again."""
        for message in self.messages:
            if message.run is run:
                message.is_recalled = True
                if message.state == "dead":
                    # docs unclear: a dead letter of a run that is ended early is shown as failed
                    message.state = "failed"
                if message.state in ("enqueued", "deferred"):
                    # one whose newest attempt failed will have no other
                    has_failed = message.due is not None and not message.is_withheld
                    message.state, message.due = "failed" if has_failed else "withdrawn", None

    def release_messages(self, journey):
        """Resume: they are due now, after the events of this instant."""
        for message in self.messages:
            if message.journey == journey.name and message.state == "deferred" and message.due is None:
                message.due = self.now

    # the relay

    def relay(self, channel, round_of, clock):
        """Claim what is ready; return what is said of it, in the order in which it is said."""
        said = {"nack": [], "ack": [], "report": []}
        ready = [m for m in self.messages if m.channel == channel and m.state in ("enqueued", "claimed")]
        for message in sorted(ready, key=lambda m: (m.state != "claimed", m.ticket)):
            if message.state == "claimed":
                said["ack"].append(self.acked(message))
            elif message.is_late(clock):
                message.state = "expired"
                said["nack"].append(self.expired(message))
            elif self.world.journeys[message.journey].pause:
                message.state, message.is_withheld = "deferred", True
                said["nack"].append(self.withheld(message))
            else:
                self.answered(message, answer(channel, round_of, message), said)
        return said["nack"] + said["ack"] + said["report"]

    def answered(self, message, word, said):
        message.state = "claimed"
        if word in ("never", "later"):
            message.state = "failed"
            said["nack"].append(lambda: self.failed(message, word == "never"))
        elif word != "hold":
            said["ack"].append(self.acked(message))
            if word != "sent":
                payload = {"status": word, "step": message.step, "channel": message.channel}
                event = Event(f"message.{word}", payload, message)
                said["report"].append(lambda: self.happen(event))

    def acked(self, message):
        """An acknowledgement is an event only where the run stays for it."""
        message.state = "sent"
        return lambda: message.is_awaited and self.happen(Event("message.sent", {}, message))

    def expired(self, message):
        return lambda: message.is_awaited and self.happen(Event("message.failed", {}, message))

    def withheld(self, message):
        return lambda: self.happen(Event("message.deferred", {}, message))

    def failed(self, message, is_permanent):
        """A relay could not send it: again later, on the next channel, or never."""
        message.failures += 1
        message.is_lost = is_permanent or message.failures >= MAX_ATTEMPTS
        self.happen(Event("message.failed", {}, message))

    def settle_message(self, message, name):
        """What becomes of a message, and of the run that stays for it."""
        run = message.run
        stays = run.state == "sending" and run.visit == message.visit
        if name == "message.failed" and message.state != "expired":
            if message.is_recalled:
                return
            if not message.is_lost:
                message.state, message.due = "deferred", self.now + RETRY
                return
            message.failures, message.place = 0, message.place + 1
            if stays and message.place < len(message.channels) and not message.is_late(self.now):
                run.unsent = message
                if self.world.journeys[run.journey].pause:
                    self.hold(run)
                elif not self.next_channel(run):
                    self.forward(run)
                return
            message.place, message.state = message.place - 1, "dead"
        if stays and name == "message.sent":
            self.go(run, run.here["next"], "sent")
        elif stays:
            self.give_up(run)
            self.forward(run)

    def next_channel(self, run):
        """Try the message on the channels that are left; True when the run stays for it."""
        message, run.unsent, run.state = run.unsent, None, "sending"
        if not message.is_late(self.now) and self.try_channels(message):
            return True
        message.place, message.state = len(message.channels) - 1, "dead"
        self.give_up(run)
        return False

    def give_up(self, run):
        if "on_failure" in run.here:
            self.cover(run, "error")
        self.move(run, run.here.get("on_failure", run.here["next"]), "failed")
