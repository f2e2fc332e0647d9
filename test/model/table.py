"""test/model/table.py: verb and policy, by what disturbed the run that stood there.

A row is a verb, or a verb with one of its policies, or a policy of the whole
journey; a column is a disturbance.  A run that meets a disturbance counts for
every row that describes its step and its journey.
"""
from collections import Counter

from run import timeout_of, verb_of

DISTURBANCES = ["none", "edit", "pause", "exit", "clock change", "error"]
LOCAL = ("at", "weekdays", "window", "jitter")
CHOSEN = ("gap", "overlap", "missed")
TAKES_NO_TIME = ("send", "branch", "split", "update", "call", "emit", "enter", "exit")


def policy_name(value):
    return value if isinstance(value, str) else next(iter(value))


def of_time(verb, form):
    """Rows of a due time: its form and its policies."""
    if isinstance(form, str) or "after" in form:
        return [f"{verb} duration"]
    kind = next((k for k in ("until", "date", "for") if k in form), "local time")
    found = [f"{verb} {'date' if kind == 'until' else kind}"]
    found += [f"{verb} {key}" for key in LOCAL if key in form]
    found += [f"{verb} {key}={form[key]}" for key in CHOSEN if key in form]
    return found + [f"{verb} {key}={policy_name(form[key])}" for key in ("past", "missing") if key in form]


def of_step(step):
    verb = verb_of(step)
    spec = step[verb]
    found = [verb] + [f"{verb} {key}" for key in ("on_failure", "restart_on") if key in step]
    if verb == "delay":
        found += of_time(verb, spec)
    elif verb == "digest":
        found += of_time(verb, spec["for"]) + [f"digest {key}" for key in ("look_back", "max", "when") if key in spec]
    elif verb in ("wait", "approve") or verb == "enter" and isinstance(spec, dict) and spec.get("wait"):
        until = timeout_of(step)
        found += of_time(verb, until) if until else [f"{verb} for ever"]
    if verb == "wait":
        found += ["wait ranked"] if spec.get("ranked") else []
        for branch in spec["for"]:
            kind = "event" if "on" in branch else "retest_on" if "retest_on" in branch else "condition"
            found += [f"wait {kind}"] + [f"wait {key}" for key in ("match_key", "of") if key in branch]
    if isinstance(step.get("restart_on"), dict):
        found += [f"{verb} restart {key}" for key in ("when", "match_key", "max") if key in step["restart_on"]]
    if verb == "enter" and isinstance(spec, dict):
        found += ["enter wait"] if spec.get("wait") else []
        found += [f"enter {key}" for key in ("context", "key") if key in spec]
        found += [f"enter when_cancelled={spec['when_cancelled']}"] if "when_cancelled" in spec else []
    if verb == "send":
        found += ["send channels"] if len(spec["channels"]) > 1 else []
        found += ["send expires_after"] if "expires_after" in spec else []
    if verb == "exit" and "convert" in step:
        found += ["exit convert"]
    return found


def of_journey(definition):
    entry, goal = definition["entry"], definition.get("goal")
    reentry = entry.get("reentry", {})
    kind = next(k for k in ("on", "api", "journey", "date") if k in entry)
    found = [f"entry {kind}", "entry reentry=" + reentry.get("policy", "after_exit" if kind == "date" else "never")]
    if kind == "date":
        found += ["entry date every"] if "every" in entry["date"] else []
        found += [f"entry date past={entry['date']['past']}"] if "past" in entry["date"] else []
    found += [f"entry {key}" for key in ("when", "key", "holdout") if key in entry]
    found += ["entry cooldown=" + reentry.get("cooldown_scope", "customer")] if "cooldown" in reentry else []
    found += [f"entry {key}" for key in entry.get("caps", {})]
    found += [f"{key}={definition[key]}" for key in ("absent_customer", "deleted_customer") if key in definition]
    if goal:
        found += ["goal"] + [f"goal {key}" for key in ("when", "match_key", "of", "value", "within") if key in goal]
        found += ["goal exit=false"] if goal.get("exit") is False else []
    for rule in definition.get("exit", []):
        found += ["rule on" if "on" in rule else "rule"] + [f"rule {k}" for k in ("match_key", "of") if k in rule]
    return found


def rows_of(run):
    return set(of_step(run.here) + of_journey(run.definition))


def can_be(row, disturbance):
    """Whether a cell can exist; test/model/README.md has the reasons."""
    if disturbance != "clock change":
        return True
    verb = row.split()[0]
    if verb in TAKES_NO_TIME:
        return verb == "enter" and row in ("enter duration", "enter date", "enter wait") or \
            row.startswith("enter when_cancelled")
    return not row.endswith("for ever")


class Tally:
    """How often each cell occurred."""

    def __init__(self):
        self.cells = Counter()

    def count(self, run, disturbance):
        if run.is_active and run.step is not None:
            for row in rows_of(run):
                self.cells[row, disturbance] += 1

    def rows(self):
        return sorted({row for row, _ in self.cells})

    def thin(self, rows, least=None):
        """Cells that occurred too seldom; without "least" rows that did not occur."""
        if least is None:
            return [(row, "none", 0) for row in rows if not self.cells[row, "none"]]
        return [(row, d, self.cells[row, d]) for row in rows for d in DISTURBANCES
                if can_be(row, d) and self.cells[row, d] < least]

    def text(self):
        lines = ["# " + "verb and policy".ljust(30) + "".join(d.rjust(13) for d in DISTURBANCES)]
        for row in self.rows():
            cells = (str(self.cells[row, d]) if can_be(row, d) else "-" for d in DISTURBANCES)
            lines.append("# " + row.ljust(30) + "".join(c.rjust(13) for c in cells))
        return "\n".join(lines)
