"""test/model/simulated.py: simulate() against what really happened.

    simulated.py --histories N [--first SEED] [--database NAME]

The random histories of histories.py are played in a database.  Then simulate()
replays the event log, once for everybody and every journey, and once for some
customers alone: its rows must equal the step log and the messages.

A simulation reads customers as they are now and replays no act on a journey, so
a history loses its later acts, its changes of rows, its decisions and its
relay; no send waits for its message, and a cap over all customers is none; and
a call is given what it returns, as an author would declare it.  Of a due time and an event at the
same instant the log does not tell which was first in reality, so here all that
happens at an instant is emitted before the lanes run.
"""
import argparse
import copy
import sys
import time

import engine
import histories
import runner
from journeys import expr

REAL_LOG = engine.LOG
KEPT = ("event", "enter", "leave")
ROW = """
SELECT json_build_object('simulated', {tag}, 'customer', s.customer, 'journey', s.of_journey, 'key', s.key,
  'visit', s.visit, 'from', s.from_step, 'to', s.to_step, 'outcome', s.outcome, 'reason', s.reason, 'arm', s.arm,
  'clock', s.at, 'due', s.due_at, 'value', s.value, 'currency', s.currency, 'context', s.context,
  'version', s.of_version, 'run', s.enrollment_id, 'text', s.body)
FROM journey_orch.simulate({arguments}) AS s;
"""


def simulable(history):
    """The history without what a simulation does not replay."""
    made = copy.deepcopy(history)
    made["ops"] = [op for op in made["ops"] if op[1] in KEPT]
    for columns in made["customers"].values():
        columns.pop("absent", None)
    for name, versions in made["journeys"].items():
        made["journeys"][name] = versions[:1]
        made["ops"].insert(0, [0, "act", "publish", name, {"version": 1}])
        versions[0]["entry"].pop("caps", None)
        if versions[0]["entry"].pop("date", None):
            versions[0]["entry"]["on"] = "x@"
        for step in versions[0]["steps"].values():
            simplify(step)
    return made


def simplify(step):
    if "call" in step:
        step["call"], step["simulated"] = expr("call", ["v_three"]), {"n": 3}
    if "send" in step:
        step.pop("on_failure", None)
        step["send"]["channels"] = step["send"]["channels"][:1]
        step["send"].pop("expires_after", None)


def unambiguous(phases):
    """The phases without a relay, with the lanes run after the last one of an instant only."""
    following = [phase[0] for phase in phases[1:]] + [None]
    return [[at, run and at != after, None] for (at, run, _), after in zip(phases, following)]


def questions(named):
    """What to ask of simulate() once the histories were played."""
    made = ROW.format(tag=0, arguments=f"{engine.quote(next(iter(named[0]['journeys'])))}, others => true")
    for history in named[:20]:
        customer = next(iter(history["customers"]))
        for journey in history["journeys"]:
            made += ROW.format(tag=1, arguments=f"{engine.quote(journey)}, others => true, "
                               f"customers => ARRAY[{engine.quote(customer)}]")
    return made


def messages(rows, step, clock):
    return sorted([r["customer"], r["journey"], r[step], r["visit"], runner.in_utc(r[clock]), r["text"]] for r in rows)


def compare(batch, phases, database):
    """Differences by position in the list."""
    named = [runner.tagged(h, n) for n, h in enumerate(batch)]
    engine.LOG = REAL_LOG + questions(named)
    rows = engine.play(named, phases, database)
    failures, real, simulated, alone = {}, {}, {}, {}
    for row in rows:
        if "law" in row or "event_error" in row:
            failures.setdefault("verify", str(row))
            continue
        n = int(row["customer"].split("h")[1])
        if "simulated" not in row:
            real.setdefault(n, []).append(row)
        elif row["simulated"] == 0:
            simulated.setdefault(n, []).append(row)
        else:
            alone.setdefault((n, row["customer"]), []).append(row)
    for n in range(len(named)):
        found = difference(real.get(n, []), simulated.get(n, []))
        if found:
            failures[n] = found
    for (n, customer), again in alone.items():
        times = len(named[n]["journeys"])
        once = [r for r in simulated.get(n, []) if r["customer"] == customer]
        if n not in failures and sorted(map(plain, again)) != sorted(list(map(plain, once)) * times):
            failures[n] = f"customer {customer} alone is simulated otherwise than among others"
    return failures, sum(map(len, simulated.values()))


def plain(row):
    return str({k: v for k, v in row.items() if k != "simulated"})


def difference(real, simulated):
    log = runner.traces([r for r in real if "outcome" in r])
    got = runner.traces([r for r in simulated if r["outcome"] not in ("message", "called")])
    if log != got:
        return "log\n" + runner.difference((log, []), (got, [])).replace("model", "real").replace("engine", "simulated")
    sent = messages([{**r, **r["attempts"][0]} for r in real if "message" in r], "step", "clock")
    told = messages([r for r in simulated if r["outcome"] == "message"], "from", "clock")
    if sent != told:
        only, more = [m for m in sent if m not in told], [m for m in told if m not in sent]
        return f"messages\n  real only     : {only}\n  simulated only: {more}"
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--histories", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--database", default="jo_simulated")
    parser.add_argument("--shrink", type=int, help="ignored: run.sh passes it")
    arguments = parser.parse_args()
    began, failed, played, total = time.time(), 0, 0, 0
    batches = {}
    for seed in range(arguments.first, arguments.first + arguments.histories):
        batches.setdefault(seed // histories.BATCH, []).append(seed)
    for batch, seeds in batches.items():
        made = [simulable(histories.history(seed)) for seed in seeds]
        failures, rows = compare(made, unambiguous(histories.skeleton(batch)), arguments.database)
        played, failed, total = played + len(made), failed + len(failures), total + rows
        for n, text in failures.items():
            print(f"--- seed {seeds[n] if isinstance(n, int) else '-'}: {text}")
        print(f"# batch {batch}: {len(made)} histories, {rows} rows, {len(failures)} differ, "
              f"{time.time() - began:.0f} s", flush=True)
    print(f"# {played} histories, {total} simulated rows, {failed} differ, {time.time() - began:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
