"""test/model/engine.py: the same histories in a database.

One psql session plays a batch; what it prints is the step log, the messages
and what verify() says.
"""
import json
import os
import subprocess

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
SELECT journey_orch.set_channel('email', '''somebody@example.com''', max_attempts => 3);
SELECT journey_orch.set_channel('sms', 'customer.plan', max_attempts => 3);

-- What an operator does when the journey's state forbids it changes nothing.
CREATE FUNCTION shop.act(command text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE command;
EXCEPTION WHEN object_not_in_prerequisite_state THEN NULL;
END $$;

-- The relay: what it holds, and what it says of it (sends.py, answer()).
CREATE TABLE shop.held (n bigint GENERATED ALWAYS AS IDENTITY, claim_id bigint, message_id uuid, customer text,
  channel text, answer text);
CREATE FUNCTION shop.answer(said text) RETURNS text LANGUAGE sql AS $$
  SELECT CASE WHEN p < 45 THEN 'sent' WHEN p < 60 THEN 'clicked' WHEN p < 68 THEN 'opened' WHEN p < 75 THEN 'bounced'
    WHEN p < 87 THEN 'never' WHEN p < 94 THEN 'later' ELSE 'hold' END
  FROM (SELECT ('x' || left(md5(regexp_replace(said, 'h\\d+h', '@', 'g')), 6))::bit(24)::integer % 100) AS x (p) $$;
CREATE FUNCTION shop.hold(channel text, round integer) RETURNS void LANGUAGE sql AS $$
  UPDATE shop.held SET answer = 'sent' WHERE held.channel = hold.channel;
  INSERT INTO shop.held (claim_id, message_id, customer, channel, answer)
    SELECT claim_id, message_id, customer_id, channel,
      shop.answer(concat_ws(' ', customer_id, journey, step, channel, round))
    FROM journey_orch.claim(channel, 'model', 10000, '1 day') WITH ORDINALITY ORDER BY ordinality $$;
CREATE FUNCTION shop.say(of_channel text) RETURNS void LANGUAGE sql AS $$
  SELECT journey_orch.nack(claim_id, message_id, 'no', permanent => answer = 'never',
      retry_after => CASE answer WHEN 'later' THEN interval '2 hours' END)
    FROM (SELECT * FROM shop.held WHERE channel = of_channel AND answer IN ('never', 'later') ORDER BY n) AS h;
  SELECT journey_orch.ack(claim_id, ids)
    FROM (SELECT claim_id, array_agg(message_id ORDER BY n) AS ids FROM shop.held
      WHERE channel = of_channel AND answer NOT IN ('never', 'later', 'hold') GROUP BY claim_id ORDER BY min(n)) AS h;
  SELECT journey_orch.report_many(coalesce(jsonb_agg(jsonb_build_object('message_id', message_id, 'status', answer)
      ORDER BY n), '[]'))
    FROM shop.held WHERE channel = of_channel AND answer IN ('clicked', 'opened', 'bounced');
  DELETE FROM shop.held WHERE channel = of_channel AND answer <> 'hold' $$;
"""
LOG = """
SELECT json_build_object('customer', s.customer_id, 'journey', j.name, 'key', s.key, 'visit', s.visit,
  'from', s.from_step, 'to', s.to_step, 'outcome', s.outcome, 'reason', s.reason, 'arm', s.arm,
  'clock', s.clock, 'due', s.due_at, 'value', s.value, 'currency', s.currency, 'context', s.context,
  'version', s.version, 'run', s.enrollment_id)
FROM journey_orch.step_log AS s JOIN journey_orch.journey AS j USING (journey_id) ORDER BY s.batch;
SELECT json_build_object('message', o.id, 'customer', o.aggregateid, 'journey', m.journey, 'step', o.step,
  'visit', m.visit, 'state', m.state, 'attempts', json_agg(json_build_object('channel', o.aggregatetype,
  'clock', o.enqueued_at, 'text', o.payload->>'body') ORDER BY o.attempt))
FROM journey_orch.outbox AS o JOIN journey_orch.message_status AS m ON m.message_id = o.id
GROUP BY o.id, o.aggregateid, m.journey, o.step, m.visit, m.state;
SELECT json_build_object('law', law, 'detail', detail) FROM journey_orch.verify() WHERE NOT holds;
SELECT json_build_object('event_error', message, 'customer', customer_id) FROM journey_orch.event_error;
"""
COLUMNS = ("tz", "plan", "points", "bad", "due", "day")


def quote(value):
    if value is None:
        return "NULL"
    if isinstance(value, (dict, list)):
        value = json.dumps(value)
    return "'" + str(value).replace("'", "''") + "'"


def row(name, columns):
    """Write a customer's row, whether there is one or not."""
    values = ", ".join(quote(columns[k]) for k in COLUMNS)
    return (f"INSERT INTO shop.customer VALUES ({quote(name)}, {values}) ON CONFLICT (id) DO UPDATE SET "
            f"({', '.join(COLUMNS)}) = ({values});")


def statement(kind, *op):
    if kind == "event":
        customer, name, payload = op
        return f"SELECT journey_orch.emit({quote(name)}, {quote(customer)}, {quote(payload)});"
    if kind == "row":
        return row(*op)
    if kind == "delete":
        return f"DELETE FROM shop.customer WHERE id = {quote(op[0])};"
    if kind == "approve":
        customer, journey, decision = (quote(x) for x in op)
        return (f"SELECT journey_orch.approve(enrollment_id, {decision}) FROM journey_orch.approval WHERE customer_id = "
                f"{customer} AND journey = {journey} AND {decision} = ANY (decisions) ORDER BY enrollment_id;")
    if kind in ("enter", "leave"):
        customer, journey, arguments = op
        more = "".join(f", {k} => {quote(v)}" for k, v in arguments.items() if v is not None)
        return f"SELECT journey_orch.{kind}({quote(journey)}, {quote(customer)}{more});"
    verb, journey, arguments = op
    more = "".join(f", {k} => {quote(v)}" for k, v in arguments.items())
    return "SELECT shop.act(" + quote(f"SELECT count(*) FROM journey_orch.{verb}({quote(journey)}{more})") + ");"


def transactions(histories, number):
    """The operations of a phase; acts and decisions each in a transaction of their own."""
    is_open = False
    for h in histories:
        for op in h["ops"]:
            if op[0] != number:
                continue
            if (op[1] in ("act", "approve")) == is_open:
                yield "COMMIT;" if is_open else "BEGIN;"
                is_open = not is_open
            yield statement(*op[1:])
    if is_open:
        yield "COMMIT;"


def script(histories, phases):
    yield SETUP
    for name, body in language.TEMPLATES.items():
        for channel in ("email", "sms"):
            yield f"SELECT journey_orch.set_template({quote(name)}, {quote(channel)}, {quote(body)});"
    yield f"SELECT journey_orch.set_clock({quote(phases[0][0])});"
    yield "BEGIN;"
    for h in histories:
        for name, columns in h["customers"].items():
            if not columns.get("absent"):
                yield row(name, columns)
    yield "COMMIT;"
    for h in histories:
        for versions in h["journeys"].values():
            for definition in versions:
                yield f"SELECT journey_orch.define({quote(language.to_sql(definition))});"
    before = None
    for number, (at, run, channel) in enumerate(phases):
        if at != before:
            yield f"SELECT journey_orch.set_clock({quote(at)});"
            before = at
        yield from transactions(histories, number)
        if run:
            yield "CALL journey_orch.run();"
        if channel:
            yield f"SELECT shop.hold({quote(channel)}, {number});"
            yield f"SELECT shop.say({quote(channel)});"
    yield "\\o"
    yield LOG


def play(histories, phases, database):
    """Run histories in a fresh database; what it says of them, as objects."""
    env = {**os.environ, "PGOPTIONS": "-c client_min_messages=warning -c timezone=UTC"}
    subprocess.run(["dropdb", "--if-exists", "--force", database], check=True, env=env)
    subprocess.run(["createdb", database], check=True, env=env)
    done = subprocess.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", "-"],
                          input="\\o /dev/null\n" + "\n".join(script(histories, phases)),
                          capture_output=True, text=True, env=env)
    if done.returncode:
        raise RuntimeError(done.stderr[:3000])
    return [json.loads(line) for line in done.stdout.splitlines()]
