"""test/model/runner.py: the same histories in a database and in the model.

    runner.py --histories N [--first SEED] [--database NAME]

Plays batches of histories, compares step log and messages, prints the first
difference of each history that differs, shrinks the first few, and ends with
the table of what was covered.
"""
import argparse
import copy
import json
import os
import subprocess
import sys
import time
from collections import Counter

import generator
import interpreter
import language

SETUP = """
CREATE EXTENSION journey_orch;
CREATE SCHEMA shop;
CREATE TABLE shop.customer (id text PRIMARY KEY, tz text, plan text, points integer, bad text,
  due timestamptz, day date);
CREATE TABLE shop.note (customer text, n integer);
CREATE FUNCTION shop.note(customer text, n integer) RETURNS jsonb LANGUAGE sql AS
  $$ INSERT INTO shop.note VALUES (customer, n); SELECT jsonb_build_object('n', n) $$;
SELECT journey_orch.bind_customer('shop.customer', 'id', timezone_sql => 'tz');
SELECT journey_orch.set_channel('email', '''somebody@example.com''');
"""
LOG = """
SELECT json_build_object('customer', s.customer_id, 'journey', j.name, 'key', s.key, 'visit', s.visit,
  'from', s.from_step, 'to', s.to_step, 'outcome', s.outcome, 'reason', s.reason, 'arm', s.arm,
  'clock', s.clock, 'due', s.due_at, 'value', s.value, 'currency', s.currency, 'context', s.context,
  'version', s.version, 'run', s.enrollment_id)
FROM journey_orch.step_log AS s JOIN journey_orch.journey AS j USING (journey_id) ORDER BY s.batch;
SELECT json_build_object('message', true, 'customer', o.aggregateid, 'journey', m.journey, 'step', o.step,
  'visit', m.visit, 'clock', m.enqueued_at, 'text', o.payload->>'body', 'state', m.state)
FROM journey_orch.outbox AS o JOIN journey_orch.message_status AS m ON m.message_id = o.id;
SELECT json_build_object('law', law, 'detail', detail) FROM journey_orch.verify() WHERE NOT holds;
SELECT json_build_object('event_error', message, 'customer', customer_id) FROM journey_orch.event_error;
"""


def quote(value):
    if value is None:
        return "NULL"
    if isinstance(value, (dict, list)):
        value = json.dumps(value)
    return "'" + str(value).replace("'", "''") + "'"


def statement(op):
    kind = op[0]
    if kind == "event":
        return f"SELECT journey_orch.emit({quote(op[2])}, {quote(op[1])}, {quote(op[3])});"
    if kind == "row":
        if not op[2]:
            return ""
        return ("UPDATE shop.customer SET " + ", ".join(f"{k} = {quote(v)}" for k, v in op[2].items())
                + f" WHERE id = {quote(op[1])};")
    if kind in ("enter", "leave"):
        more = "".join(f", {k} => {quote(v)}" for k, v in op[3].items() if v is not None)
        return f"SELECT journey_orch.{kind}({quote(op[2])}, {quote(op[1])}{more});"
    more = "".join(f", {k} => {quote(v)}" for k, v in op[3].items())
    return f"SELECT * FROM journey_orch.{op[1]}({quote(op[2])}{more});"


def script(histories, phases):
    out = [SETUP]
    for name, body in language.TEMPLATES.items():
        out.append(f"SELECT journey_orch.set_template({quote(name)}, 'email', {quote(body)});")
    out.append(f"SELECT journey_orch.set_clock({quote(phases[0][0])});")
    out.append("BEGIN;")
    for h in histories:
        for name, columns in h["customers"].items():
            out.append("INSERT INTO shop.customer VALUES (" + ", ".join(
                map(quote, [name, *(columns[k] for k in ("tz", "plan", "points", "bad", "due", "day"))])) + ");")
    out.append("COMMIT;")
    for h in histories:
        for versions in h["journeys"].values():
            for definition in versions:
                out.append(f"SELECT journey_orch.define({quote(language.to_sql(definition))});")
    before = None
    for number, (at, run) in enumerate(phases):
        if at != before:
            out.append(f"SELECT journey_orch.set_clock({quote(at)});")
            before = at
        is_open = False
        for h in histories:
            for op in h["ops"]:
                if op[0] != number:
                    continue
                is_act = op[1] == "act"
                if is_act == is_open:
                    out.append("COMMIT;" if is_open else "BEGIN;")
                    is_open = not is_open
                out.append(statement(op[1:]))
        if is_open:
            out.append("COMMIT;")
        if run:
            out.append("CALL journey_orch.run();")
    out.append("\\o")
    out.append(LOG)
    return "\n".join(out)


def play(histories, phases, database):
    """Run histories in a fresh database; rows by the tag of the history."""
    env = {**os.environ, "PGOPTIONS": "-c client_min_messages=warning -c timezone=UTC"}
    subprocess.run(["dropdb", "--if-exists", "--force", database], check=True, env=env)
    subprocess.run(["createdb", database], check=True, env=env)
    text = "\\o /dev/null\n" + script(histories, phases)
    done = subprocess.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", "-"],
                          input=text, capture_output=True, text=True, env=env)
    if done.returncode:
        raise RuntimeError(done.stderr[:3000])
    return [json.loads(line) for line in done.stdout.splitlines()]


def tagged(history, tag):
    return json.loads(json.dumps(history).replace("@", tag))


FIELDS = ("visit", "from", "to", "outcome", "reason", "arm", "clock", "due", "value", "currency",
          "context", "version")


def plain(row):
    """A row in a form that both sides share."""
    made = {}
    for key in FIELDS:
        v = row.get(key)
        if key in ("clock", "due") and v is not None:
            v = (interpreter.instant(v) if isinstance(v, str) else v)
            v = v.astimezone(generator.UTC).isoformat()
        if key == "value" and v is not None:
            v = float(v)
        if key == "version" and row["outcome"] == "refused":
            v = None
        made[key] = v
    return made


def order(row):
    return (row["clock"], row["visit"], json.dumps(row, sort_keys=True))


def traces(rows, by):
    """Runs as (customer, journey, key, rows), and what was refused."""
    found = {}
    for row in rows:
        run = by(row) if row["outcome"] != "refused" else "refused"
        found.setdefault((row["customer"], row["journey"], row["key"], run), []).append(plain(row))
    return sorted(
        ([c, j, k or "", run == "refused", sorted(made, key=order)] for (c, j, k, run), made in found.items()),
        key=lambda t: (t[0], t[1], t[2], t[3], json.dumps(t[4])))


COVERED = Counter()


def expectation(history, phases):
    made = {**history, "ops": generator.expanded(history, phases)}
    log, messages = [], []
    for customer in made["customers"]:
        one = interpreter.Customer(made, customer).play()
        COVERED.update(one.covered)
        for number, run in enumerate(one.runs):
            log += [{"customer": customer, "journey": run.journey, "key": run.key, "run": number, **row}
                    for row in run.rows]
        log += [{"customer": customer, "visit": 0, "outcome": "refused", "run": None, **row}
                for row in one.refused]
        messages += [[customer, m["journey"], m["step"], m["visit"], m["clock"].isoformat(), m["text"], m["state"]]
                     for m in one.messages]
    return traces(log, lambda r: r["run"]), sorted(messages)


def reality(rows):
    log = [r for r in rows if "outcome" in r]
    messages = sorted([r["customer"], r["journey"], r["step"], r["visit"],
                       interpreter.instant(r["clock"]).astimezone(generator.UTC).isoformat(), r["text"], r["state"]]
                      for r in rows if "message" in r and "text" in r)
    return traces(log, lambda r: r["run"]), messages


def difference(expected, got):
    """The first difference, as text, or None."""
    if expected == got:
        return None
    (log, messages), (real_log, real_messages) = expected, got
    for trace in log:
        if trace not in real_log:
            near = [t for t in real_log if t[:4] == trace[:4] and t not in log] or \
                [t for t in real_log if t[:2] == trace[:2] and t not in log]
            if not near:
                return f"the engine has no run like {trace[:4]}:\n{show(trace[4])}"
            near = max(near, key=lambda t: sum(r in t[4] for r in trace[4]))
            for a, b in zip(trace[4] + [None], near[4] + [None]):
                if a != b:
                    return (f"{trace[:4]}\n  model : {brief(a)}\n  engine: {brief(b)}\n"
                            f"  model run:\n{show(trace[4])}\n  engine run:\n{show(near[4])}")
    for trace in real_log:
        if trace not in log:
            return f"the model has no run like {trace[:4]}:\n{show(trace[4])}"
    if log != real_log:
        return f"runs in different numbers: model {len(log)}, engine {len(real_log)}"
    only, real = [m for m in messages if m not in real_messages], [m for m in real_messages if m not in messages]
    return f"messages\n  model only : {only}\n  engine only: {real}"


def brief(row):
    if row is None:
        return "nothing"
    return " ".join(f"{k}={row[k]}" for k in FIELDS if row[k] is not None)


def show(rows):
    return "\n".join("    " + brief(r) for r in rows)


def compare(histories, phases, database):
    """Differences by position in the list."""
    named = [tagged(h, f"h{n}h") for n, h in enumerate(histories)]
    rows = play(named, phases, database)
    failures = {}
    groups = {}
    for row in rows:
        if "law" in row:
            failures.setdefault("verify", str(row))
            continue
        if "customer" in row:
            groups.setdefault(int(row["customer"].split("h")[1]), []).append(row)
    for n, h in enumerate(named):
        found = difference(expectation(h, phases), reality([r for r in groups.get(n, []) if "event_error" not in r]))
        errors = [r for r in groups.get(n, []) if "event_error" in r]
        if found is None and errors:
            found = f"event_error: {errors}"
        if found:
            failures[n] = found
    return failures


def smaller(history):
    """Histories with one thing less."""
    for c in history["customers"]:
        if len(history["customers"]) > 1:
            made = copy.deepcopy(history)
            del made["customers"][c]
            made["ops"] = [op for op in made["ops"] if op[1] == "act" or op[2] != c]
            yield made
    for j in history["journeys"]:
        if len(history["journeys"]) > 1:
            made = copy.deepcopy(history)
            del made["journeys"][j]
            made["ops"] = [op for op in made["ops"] if op[3] != j]
            yield made
    for n, op in enumerate(history["ops"]):
        if op[1] == "act" and op[2] == "publish" and op[4]["version"] == 1:
            continue
        made = copy.deepcopy(history)
        del made["ops"][n]
        yield made
    for j, versions in history["journeys"].items():
        for v, definition in enumerate(versions):
            for key in ("goal", "exit", "priority", "timezone"):
                if key in definition:
                    made = copy.deepcopy(history)
                    del made["journeys"][j][v][key]
                    yield made
            for key in ("when", "key", "reentry", "holdout"):
                if key in definition["entry"]:
                    made = copy.deepcopy(history)
                    del made["journeys"][j][v]["entry"][key]
                    yield made
            for name, step in definition["steps"].items():
                for key in ("on_failure", "restart_on"):
                    if key in step:
                        made = copy.deepcopy(history)
                        del made["journeys"][j][v]["steps"][name][key]
                        yield made
                onward = step.get("next") if isinstance(step.get("next"), str) else None
                onward = onward or step.get("else") or step.get("wait", {}).get("until", {}).get("next")
                if onward and "exit" not in step:
                    made = copy.deepcopy(history)
                    made["journeys"][j][v] = without(made["journeys"][j][v], name, onward)
                    yield made


def without(definition, name, onward):
    """A definition in which a step is skipped."""
    del definition["steps"][name]

    def walk(node, key=None):
        if isinstance(node, dict):
            return {k: walk(v, k) for k, v in node.items()}
        if isinstance(node, list):
            return [walk(x) for x in node]
        return onward if node == name and key != "journey" else node
    if definition["start"] == name:
        definition["start"] = onward
    definition["steps"] = walk(definition["steps"])
    return definition


def shrink(history, phases, database):
    found = compare([history], phases, database).get(0)
    if not found:
        return history, None
    for _ in range(25):
        candidates = list(smaller(history))
        try:
            failures = compare(candidates, phases, database)
        except RuntimeError:
            failures = {}
            for n, candidate in enumerate(candidates):
                try:
                    if compare([candidate], phases, database):
                        failures = {n: compare([candidate], phases, database)[0]}
                        break
                except (RuntimeError, KeyError):
                    continue
        numbers = [n for n in failures if isinstance(n, int)]
        if not numbers:
            break
        best = min(numbers, key=lambda n: len(json.dumps(candidates[n])))
        history, found = candidates[best], failures[best]
    return history, found


def table():
    """Verb x policy x disturbance, how often each occurred in the model."""
    columns = ["none", "edit", "pause", "exit", "clock change", "error"]
    lines = ["# " + "verb and policy".ljust(26) + "".join(c.rjust(14) for c in columns)]
    for label in sorted({label for label, _ in COVERED}):
        lines.append("# " + label.ljust(26) + "".join(str(COVERED[(label, c)]).rjust(14) for c in columns))
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--histories", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--database", default="jo_model")
    parser.add_argument("--shrink", type=int, default=0)
    arguments = parser.parse_args()
    if os.environ.get("SEED"):
        arguments.seed, arguments.shrink = int(os.environ["SEED"]), 1
    began, failed, played, shrunk = time.time(), 0, 0, 0
    seeds = [arguments.seed] if arguments.seed is not None else \
        list(range(arguments.first, arguments.first + arguments.histories))
    batches = {}
    for seed in seeds:
        batches.setdefault(seed // generator.HISTORIES, []).append(seed)
    for batch, of_batch in batches.items():
        phases = generator.skeleton(batch)
        histories = [generator.history(seed) for seed in of_batch]
        failures = compare(histories, phases, arguments.database)
        played += len(histories)
        for n, text in failures.items():
            failed += 1
            seed = of_batch[n] if isinstance(n, int) else "-"
            print(f"--- seed {seed}: {text}")
            if isinstance(n, int) and shrunk < arguments.shrink:
                shrunk += 1
                small, found = shrink(histories[n], phases, arguments.database)
                print(f"--- seed {seed} shrunk: {json.dumps(small)}\n{found}")
        print(f"# batch {batch}: {len(histories)} histories, {len(failures)} differ, {time.time() - began:.0f} s",
              flush=True)
    print(table())
    print(f"# {played} histories, {failed} differ, {time.time() - began:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
