-- test/steps/journeys.sql: eleven journeys, two hundred customers and a month of
-- their events, the same whenever it runs.  Everything happens at multiples of
-- three hours, and so do the ends of most delays: events and timers often meet
-- at one instant.  The month crosses the change of the clocks in Berlin.
\set ON_ERROR_STOP 1
SET client_min_messages = warning;
CREATE EXTENSION journey_orch;
SET search_path = public, journey_orch;

CREATE TABLE customer (id text PRIMARY KEY, plan text, zone text);
INSERT INTO customer SELECT 'c' || i, (ARRAY['free', 'pro', 'team'])[1 + i % 3], (ARRAY['UTC', 'Europe/Berlin', 'Asia/Kolkata'])[1 + i % 3]
  FROM generate_series(1, 190) AS i;      -- c191 to c200 are absent
SELECT bind_customer('customer', 'id', 'zone');
SELECT set_channel('email', 'customer.id');
SELECT set_template('note', 'email', 'On {{ journey.now }} for {{ customer.plan }}: {{ event->>''n'' }}');

CREATE FUNCTION dice(what text, i int, sides int) RETURNS int IMMUTABLE LANGUAGE sql AS
  $$SELECT ('x' || left(md5(what || i), 7))::bit(28)::int % sides$$;
CREATE TABLE history AS
  SELECT timestamptz '2026-03-15 00:00+00' + dice('instant', i, 240) * interval '3 hours' AS instant, i,
         jsonb_build_object('event', (ARRAY['seen', 'cart', 'bought', 'opened', 'left', 'ping'])[1 + dice('event', i, 6)], 'customer', 'c' || 1 + dice('customer', i, 200),
                            'payload', jsonb_build_object('n', i, 'cart', dice('cart', i, 3), 'amount', dice('amount', i, 100))) AS event
    FROM generate_series(1, 2400) AS i;

CREATE FUNCTION make(name text, entry jsonb, start text, steps jsonb, more jsonb DEFAULT '{}') RETURNS void LANGUAGE sql AS $$
  SELECT define(jsonb_build_object('journey', name, 'entry', entry, 'start', start, 'steps', steps) || more);
  SELECT publish(name);
$$;
SELECT set_clock('2026-03-14 00:00+00');
SELECT make('delays', '{"on": "seen", "reentry": {"policy": "after_exit"}}', 'a', '{"a": {"delay": "6 hours", "next": "b"}, "b": {"delay": "1 day", "next": "c"}, "c": {"delay": "3 hours", "next": "x"}, "x": {"exit": "x"}}');
SELECT make('answer', '{"on": "cart", "reentry": {"policy": "after_exit"}}', 'a', '{"a": {"wait": {"for": [{"on": "opened", "when": "(event->>''amount'')::int > 50", "next": "warm"}, {"on": "opened", "next": "cool"}], "until": {"after": "2 days", "next": "cold"}}},
  "warm": {"exit": "warm"}, "cool": {"delay": "12 hours", "next": "warm"}, "cold": {"exit": "cold"}}');
SELECT make('restart', '{"on": "cart", "key": "event->>''cart''", "reentry": {"policy": "any"}}', 'a', '{"a": {"delay": "1 day", "restart_on": "cart", "next": "b"}, "b": {"send": {"channels": ["email"], "template": "note"}, "next": "c"},
  "c": {"wait": {"for": [{"on": "bought", "match_key": "event->>''cart''", "next": "x"}], "until": {"after": "3 days", "next": "y"}}, "restart_on": "ping"}, "x": {"exit": "x"}, "y": {"exit": "y"}}', '{"exit": [{"on": "left", "match_key": "event->>''cart''", "reason": "gone"}]}');
SELECT make('goal', '{"on": "seen", "reentry": {"policy": "any", "cooldown": "9 hours"}}', 'a', '{"a": {"send": {"channels": ["email"], "template": "note", "expires_after": "1 day"}, "next": "b"}, "b": {"delay": "5 days", "next": "x"}, "x": {"exit": "x"}}',
  '{"goal": {"on": "bought", "value": "(event->>''amount'')::numeric", "within": "2 days"}}');
SELECT make('keeps', '{"on": "opened", "reentry": {"policy": "any", "cooldown": "1 day", "cooldown_scope": "key"}, "key": "event->>''cart''"}', 'a', '{"a": {"delay": "2 days", "next": "x"}, "x": {"exit": "x", "convert": {"value": "(event->>''amount'')::numeric"}}}',
  '{"goal": {"on": "bought", "exit": false, "value": "(event->>''amount'')::numeric"}}');
SELECT make('split', '{"on": "left", "reentry": {"policy": "after_exit"}}', 'a', '{"a": {"split": {"arms": {"a": 30, "b": 70}}, "next": {"a": "b", "b": "c"}}, "b": {"delay": "3 hours", "next": "d"}, "c": {"delay": "1 month", "next": "d"},
  "d": {"branch": [{"when": "customer.plan = ''pro''", "next": "x"}, {"when": "customer.plan IN (SELECT plan FROM public.customer WHERE id = ''c3'')", "next": "y"}], "else": "z"}, "x": {"exit": "x"}, "y": {"exit": "y"}, "z": {"exit": "z"}}');
SELECT make('counting', '{"on": "ping"}', 'a', '{"a": {"update": {"n": "coalesce((context->>''n'')::int, 0) + 1", "at": "journey.now"}, "next": "b"}, "b": {"wait": {"for": [{"on": "ping", "next": "a"}, {"on": "bought", "when": "(context->>''n'')::int > 2", "next": "x"}],
  "until": {"after": "4 days", "next": "x"}}}, "x": {"exit": "x"}}');
SELECT make('rule', '{"on": "bought", "reentry": {"policy": "after_exit"}}', 'a', '{"a": {"delay": "8 days", "next": "x"}, "x": {"exit": "x"}}', '{"exit": [{"when": "(event->>''amount'')::int = 7", "reason": "seven"}, {"on": "cart", "when": "(event->>''n'')::int % 5 = 0", "reason": "fifth"}]}');
SELECT make('breaks', '{"on": "opened", "reentry": {"policy": "any"}}', 'a', '{"a": {"delay": "3 hours", "next": "b"}, "b": {"update": {"share": "100 / ((event->>''amount'')::int % 4)"}, "next": "x"}, "x": {"exit": "x"}}');
SELECT make('strangers', '{"on": "seen", "reentry": {"policy": "never"}}', 'a', '{"a": {"delay": "2 days", "next": "b"}, "b": {"branch": [{"when": "customer.id IS NULL", "next": "x"}], "else": "y"}, "x": {"exit": "unknown"}, "y": {"exit": "known"}}', '{"absent_customer": "enter", "timezone": "America/New_York"}');
SELECT make('clocked', '{"on": "seen", "reentry": {"policy": "after_exit"}}', 'a', '{"a": {"delay": {"for": "6 hours", "at": "09:00", "jitter": "6 hours"}, "next": "b"}, "b": {"delay": {"window": {"from": "21:00", "to": "03:00", "weekdays": ["monday", "wednesday", "saturday"]}}, "restart_on": "ping", "next": "c"},
  "c": {"delay": {"until": "journey.entered_at + (event->>''n'')::int % 5 * interval ''1 day''", "at": "12:00", "past": "next", "every": "1 day"}, "restart_on": "cart", "next": "w"},
  "w": {"wait": {"for": [{"on": "opened", "next": "x"}], "until": {"date": "timestamp ''2026-03-29 02:30'' + (event->>''n'')::int % 3 * interval ''1 day''", "past": {"skip_to": "y"}, "next": "z"}}, "restart_on": "cart"}, "x": {"exit": "x"}, "y": {"exit": "y"}, "z": {"exit": "z"}}');

-- All that must not depend on who applied it when.  A run is named by its
-- journey and entry event, because ids differ between databases.
CREATE VIEW run AS
SELECT enrollment_id, journey_id || '/' || event_id AS run FROM step_log WHERE outcome = 'entered';
CREATE VIEW outcome AS
SELECT 'log' AS what, concat_ws('|', lane, run, clock, arrived_at, due_at, event_id, journey_id, version, visit, outcome, customer_id, key, from_step, to_step, reason, arm, value, currency, context, decision) AS line
  FROM step_log LEFT JOIN run USING (enrollment_id)
UNION ALL SELECT 'attempt', concat_ws('|', run, to_jsonb(o) - '{id,enrollment_id,position,segment,recorded_at}'::text[]) FROM outbox AS o JOIN run USING (enrollment_id)
UNION ALL SELECT 'withdrawal', concat_ws('|', run, at, reason) FROM withdrawal JOIN run USING (enrollment_id)
UNION ALL SELECT 'run', concat_ws('|', run, to_jsonb(e) - '{enrollment_id,generation,hint_at}'::text[]) FROM enrollment AS e JOIN run USING (enrollment_id)
UNION ALL SELECT 'memory', to_jsonb(m)::text FROM entry_memory AS m;
