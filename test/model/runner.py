"""test/model/runner.py: the same histories in a database and in the model.

    runner.py --histories N [--first SEED] [--database NAME] [--least N]

Plays batches of histories, compares step log and messages, prints the first
difference of each history that differs, shrinks the first few, and ends with
the table of what was covered, in which every row must have occurred; --least
wants every cell of it so often.
"""
import argparse
import json
import os
import sys
import time

import engine
import histories
from clocks import instant
from shrink import shrink
from table import Tally
from world import World

FIELDS = ("visit", "from", "to", "outcome", "reason", "arm", "clock", "due", "value", "currency",
          "context", "version")
TALLY = Tally()


def tagged(history, tag):
    return json.loads(json.dumps(history).replace("@", f"h{tag}h"))


def in_utc(at):
    return (instant(at) if isinstance(at, str) else at).astimezone(histories.UTC).isoformat()


def without_actor(context):
    """A context without who decided, which is a fact of the session."""
    if isinstance(context, dict):
        return {k: without_actor(v) for k, v in context.items() if k != "actor"}
    return context


def plain(row):
    """A row in a form that both sides share."""
    made = {key: row.get(key) for key in FIELDS}
    for key in ("clock", "due"):
        made[key] = made[key] and in_utc(made[key])
    if made["value"] is not None:
        made["value"] = float(made["value"])
    if row["outcome"] == "refused" and row["visit"] == 0:
        made["version"] = None
    made["context"] = without_actor(made["context"]) or None
    return made


def order(row):
    return (row["clock"], row["visit"], json.dumps(row, sort_keys=True))


def traces(rows):
    """Runs as [customer, journey, key, whether refused, rows]."""
    found = {}
    for row in rows:
        run = "refused" if row["outcome"] == "refused" and row["visit"] == 0 else row["run"]
        found.setdefault((row["customer"], row["journey"], row["key"] or "", run), []).append(plain(row))
    made = ([c, j, k, run == "refused", sorted(of_run, key=order)] for (c, j, k, run), of_run in found.items())
    return sorted(made, key=lambda t: (*t[:4], json.dumps(t[4])))


def message(m):
    return [m["customer"], m["journey"], m["step"], m["visit"], m["state"],
            [[a["channel"], in_utc(a["clock"]), a["text"]] for a in m["attempts"]]]


def expectation(history, phases):
    world = World(history, TALLY).play(histories.expanded(history, phases))
    log, messages = [], []
    for name, one in world.customers.items():
        for number, run in enumerate(one.runs):
            log += [{"customer": name, "journey": run.journey, "key": run.key, "run": number, **row}
                    for row in run.rows]
        log += [{"customer": name, "visit": 0, "outcome": "refused", "run": None, **row} for row in one.refused]
        messages += [message({**vars(m), "state": m.shown_state(world.clock)}) for m in one.messages]
    return traces(log), sorted(messages)


def reality(rows):
    return (traces([r for r in rows if "outcome" in r]),
            sorted(message(r) for r in rows if "message" in r))


def difference(expected, got):
    """The first difference, as text, or None."""
    if expected == got:
        return None
    (log, messages), (real_log, real_messages) = expected, got
    missing, more = without(log, real_log), without(real_log, log)
    if missing:
        return unlike(missing[0], more)
    if more:
        return f"the model has no run like {more[0][:4]}:\n{show(more[0][4])}"
    missing, more = without(messages, real_messages), without(real_messages, messages)
    return f"messages\n  model only : {missing}\n  engine only: {more}" if missing or more else None


def without(some, others):
    """What of a list another one lacks, counting repetitions."""
    left, lacking = list(others), []
    for one in some:
        if one in left:
            left.remove(one)
        else:
            lacking.append(one)
    return lacking


def unlike(trace, others):
    """A run of the model beside the nearest one of the engine."""
    near = [t for t in others if t[:4] == trace[:4]] or [t for t in others if t[:2] == trace[:2]]
    if not near:
        return f"the engine has no run like {trace[:4]}:\n{show(trace[4])}"
    near = max(near, key=lambda t: sum(r in t[4] for r in trace[4]))
    for a, b in zip(trace[4] + [None], near[4] + [None]):
        if a != b:
            break
    return (f"{trace[:4]}\n  model : {brief(a)}\n  engine: {brief(b)}\n"
            f"  model run:\n{show(trace[4])}\n  engine run:\n{show(near[4])}")


def brief(row):
    if row is None:
        return "nothing"
    return " ".join(f"{k}={row[k]}" for k in FIELDS if row[k] is not None)


def show(rows):
    return "\n".join("    " + brief(r) for r in rows)


def compare(batch, phases, database):
    """Differences by position in the list; "verify" where a law does not hold."""
    seeds = [h["seed"] for h in batch]
    tags = seeds if len(set(seeds)) == len(seeds) else list(range(len(batch)))
    named = [tagged(h, tag) for h, tag in zip(batch, tags)]
    failures, groups = {}, {}
    rows = engine.play(named, phases, database)
    of_run = {row["run"]: row["customer"] for row in rows if row.get("run")}
    for row in rows:
        if "law" in row:
            whose = next((of_run[run] for run in of_run if run in row["detail"]), None)
            failures[tags.index(int(whose.split("h")[1])) if whose else "verify"] = str(row)
        else:
            groups.setdefault(int(row["customer"].split("h")[1]), []).append(row)
    for n, (tag, h) in enumerate(zip(tags, named)):
        rows = groups.get(tag, [])
        errors = [r for r in rows if "event_error" in r]
        found = difference(expectation(h, phases), reality(rows))
        if found is None and errors:
            found = f"event_error: {errors}"
        if found:
            failures.setdefault(n, found)
    return failures


def report(batch, failures, phases, database, shrinks):
    """Print what differs; returns how many were shrunk."""
    shrunk = 0
    for n, text in failures.items():
        print(f"--- seed {batch[n]['seed'] if isinstance(n, int) else '-'}: {text}")
        if isinstance(n, int) and shrunk < shrinks:
            shrunk += 1
            small, found = shrink(batch[n], lambda some: compare(some, phases, database))
            print(f"--- seed {batch[n]['seed']} shrunk: {json.dumps(small)}\n{found}")
    return shrunk


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--histories", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--database", default="jo_model")
    parser.add_argument("--shrink", type=int, default=0)
    parser.add_argument("--least", type=int)
    parser.add_argument("--stop", action="store_true")
    made = parser.parse_args()
    if os.environ.get("SEED"):
        made.seed, made.shrink = int(os.environ["SEED"]), 1
    return made


def main():
    asked = arguments()
    began, failed, played, shrinks = time.time(), 0, 0, asked.shrink
    batches = {}
    for seed in [asked.seed] if asked.seed is not None else range(asked.first, asked.first + asked.histories):
        batches.setdefault(seed // histories.BATCH, []).append(histories.history(seed))
    for number, batch in batches.items():
        phases = histories.skeleton(number)
        failures = compare(batch, phases, asked.database)
        played += len(batch)
        failed += len(failures)
        shrinks -= report(batch, failures, phases, asked.database, shrinks)
        if failed and asked.stop:
            return 1
        print(f"# batch {number}: {len(batch)} histories, {len(failures)} differ, {time.time() - began:.0f} s",
              flush=True)
    print(TALLY.text())
    thin = [] if asked.seed is not None else TALLY.thin(histories.all_rows(), asked.least)
    for row, disturbance, count in thin:
        print(f"--- {row}, {disturbance}: occurred {count} times")
    print(f"# {played} histories, {failed} differ, {time.time() - began:.0f} s")
    return 1 if failed or thin else 0


if __name__ == "__main__":
    sys.exit(main())
