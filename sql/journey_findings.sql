-- journey: at least one definition for every finding code, its path and hint;
-- shapes that no author writes; ten thousand steps
CREATE EXTENSION journey_orch;
SET timezone = 'UTC';
\set SHOW_CONTEXT never
\pset format unaligned

CREATE SCHEMA shop;
CREATE TABLE shop.customer (id bigint PRIMARY KEY, email text, plan text, points integer, born_on date);
CREATE TABLE shop.secret (customer_id bigint, note text);
SELECT journey_orch.bind_customer('shop.customer', 'id');
SELECT journey_orch.set_channel('email', 'customer.email');
SELECT journey_orch.set_template('hello', 'email', 'Hello') > 0 AS template;
SELECT journey_orch.set_topic('news', 'marketing', 'none');
SELECT journey_orch.set_quiet_hours('legal_advice', '21:00', '08:00', '{"topic": "fax"}', source => 'somebody said');

-- A definition that has no finding, to be changed.
CREATE FUNCTION pg_temp.definition(change jsonb) RETURNS jsonb LANGUAGE sql AS $$
  SELECT '{"journey": "j", "entry": {"on": "signed_up"}, "start": "a", "steps": {"a": {"exit": "done"}}}'::jsonb || change
$$;
-- The same with these steps.
CREATE FUNCTION pg_temp.steps(steps text) RETURNS jsonb LANGUAGE sql AS $$
  SELECT pg_temp.definition(jsonb_build_object('steps', steps::jsonb))
$$;

SELECT count(*) AS findings FROM journey_orch.check_definition(pg_temp.definition('{}'));

-- Every form of time that is fine: a date may end the run, so there is a way out.
SELECT count(*) AS findings FROM unnest(ARRAY[
  '{"for": "24 hours", "at": "09:00", "weekdays": ["monday"], "gap": "skip", "jitter": "1 day"}',
  '{"for": "1 month", "overlap": "first"}', '{"at": "00:00", "window": {"from": "22:00", "to": "00:01"}, "missed": "continue"}',
  '{"window": {"from": "23:59", "to": "00:00", "weekdays": ["saturday"]}}', '{"weekdays": ["sunday"], "window": {"from": "22:00", "to": "06:00", "weekdays": ["saturday"]}}',
  '{"until": "customer.born_on", "offset": "-1 day 2 hours", "at": "09:00", "every": "1 year", "past": "next", "missing": {"exit": "no_birthday"}}',
  '{"until": "(event->>''due'')::timestamp", "past": "exit", "missing": {"skip_to": "a"}, "jitter": "1 hour"}']::jsonb[]) AS delay,
  journey_orch.check_definition(pg_temp.definition(jsonb_build_object('late_after', '10 minutes', 'steps', jsonb_build_object(
    'a', '{"delay": "1 day", "next": "b"}'::jsonb, 'b', jsonb_build_object('delay', delay, 'next', 'c'), 'c', '{"exit": "done"}'::jsonb))));
SELECT count(*) AS findings FROM journey_orch.check_definition(pg_temp.steps('{"a": {"delay": "1 day", "next": "b"}, "b": {"delay": {"until": "customer.born_on", "past": "exit"}, "next": "a"}}'));
-- Waits and digests that are fine: time passes in a digest and in a ranked wait, and a look-back on a circle meets itself.
SELECT count(*) AS findings FROM unnest(ARRAY[
  '{"wait": {"for": [{"on": "ordered", "next": "b"}, {"when": "customer.points > 1", "next": "c"}, {"when": "customer.points > 1 AND event ? ''n''", "retest_on": ["ordered", "message.opened"], "next": "b"}], "until": {"after": "1 day", "next": "c"}}, "restart_on": {"on": "cart", "when": "event ? ''n''", "max": 10000}}',
  '{"wait": {"ranked": true, "for": [{"on": "left", "next": "c"}, {"when": "customer.points > 1", "next": "a"}, {"when": "true", "next": "b"}], "until": {"after": "1 day", "next": "c"}}}',
  '{"digest": {"on": "said", "when": "event ? ''n''", "for": "1 hour", "max": 1, "look_back": "1 day"}, "into": "list", "next": "e"}',
  '{"digest": {"on": "said", "for": {"for": "24 hours", "at": "09:00", "weekdays": ["monday"], "jitter": "1 hour"}, "max": 10000}, "next": "e"}']::jsonb[]) AS step,
  journey_orch.check_definition(pg_temp.definition(jsonb_build_object('steps', jsonb_build_object('a', step, 'e', '{"branch": [{"when": "customer.points > 1", "next": "a"}, {"when": "customer.points > 2", "next": "b"}], "else": "c"}'::jsonb,
    'b', '{"exit": "done"}'::jsonb, 'c', '{"exit": "late"}'::jsonb)))) AS f WHERE f.code <> 'unreachable_step';

CREATE TEMP TABLE corpus (n serial, code text, definition jsonb);
INSERT INTO corpus (code, definition) VALUES
  ('wrong_type', pg_temp.definition('{"priority": "high"}')),
  ('wrong_type', pg_temp.definition('{"priority": 1.5}')),
  ('wrong_type', pg_temp.definition('{"entry": ["signed_up"]}')),
  ('wrong_type', '[]'),
  ('wrong_type', 'null'),
  ('wrong_type', '"text"'),
  ('wrong_value', pg_temp.definition('{"absent_customer": "maybe"}')),
  ('wrong_value', pg_temp.definition('{"on_render_error": "panic"}')),
  ('wrong_value', pg_temp.definition('{"entry": {"on": "x", "reentry": {"policy": "always"}}}')),
  ('bad_name', pg_temp.definition('{"journey": "Welcome!"}')),
  ('bad_name', pg_temp.definition('{"entry": {"on": "$enter"}}')),
  ('bad_name', pg_temp.definition('{"start": "a b", "steps": {"a b": {"exit": "done"}}}')),
  ('wrong_length', pg_temp.steps('{"a": {"update": {"x": ""}, "next": "b"}, "b": {"exit": "done"}}')),
  ('wrong_count', pg_temp.steps('{"a": {"branch": [], "else": "b"}, "b": {"exit": "done"}}')),
  ('wrong_count', pg_temp.steps('{}')),
  ('out_of_range', pg_temp.definition('{"priority": 101}')),
  ('out_of_range', pg_temp.steps('{"a": {"split": {"arms": {"x": 0}}, "next": {"x": "b"}}, "b": {"exit": "done"}}')),
  ('duplicate', pg_temp.steps('{"a": {"send": {"channels": ["email", "email"], "template": "hello"}, "next": "b"}, "b": {"exit": "done"}}')),
  ('missing_key', '{}'),
  ('missing_key', pg_temp.steps('{"a": {"delay": "1 hour"}}')),
  ('missing_key', pg_temp.definition('{"exit": [{"reason": "why"}]}')),
  ('unknown_key', pg_temp.definition('{"entry": {"on": "x", "re_entry": {}}}')),
  ('unknown_key', pg_temp.steps('{"a": {"exit": "done", "next": "a"}}')),
  ('unknown_key', pg_temp.definition('{"a/b~c": 1}')),
  ('no_verb', pg_temp.steps('{"a": {"sned": {"channels": ["email"], "template": "hello"}, "next": "b"}, "b": {"exit": "done"}}')),
  ('no_verb', pg_temp.steps('{"a": {}}')),
  ('two_verbs', pg_temp.steps('{"a": {"delay": "1 hour", "exit": "done"}}')),
  ('wrong_form', pg_temp.definition('{"entry": {"when": "true"}}')),
  ('bad_cron', pg_temp.definition('{"entry": {"schedule": {"cron": "0 9 * * 1-8", "audience": "SELECT 1"}}}')),
  ('not_built', pg_temp.steps('{"a": {"decide": {"model": "churn", "arms": {"low": 0, "high": 0.7}}, "next": {"low": "b", "high": "c"}}, "b": {"exit": "done"}, "c": {"exit": "failed"}}')),
  ('unknown_step', pg_temp.definition('{"start": "b"}')),
  ('unknown_step', pg_temp.steps('{"a": {"delay": "1 hour", "next": "welcom"}, "welcome": {"exit": "done"}}')),
  ('unknown_step', pg_temp.steps('{"a": {"wait": {"for": [{"on": "message.opened", "of": "c", "next": "b"}], "until": {"after": "1 day", "next": "b"}}}, "b": {"exit": "done"}}')),
  ('unreachable_step', pg_temp.steps('{"a": {"exit": "done"}, "b": {"delay": "1 hour", "next": "c"}, "c": {"exit": "late"}}')),
  ('dead_end', pg_temp.steps('{"a": {"branch": [{"when": "true", "next": "b"}], "else": "d"}, "b": {"delay": "1 day", "next": "c"}, "c": {"delay": "1 day", "next": "b"}, "d": {"exit": "done"}}')),
  ('instant_cycle', pg_temp.steps('{"a": {"update": {"n": "1"}, "next": "b"}, "b": {"branch": [{"when": "true", "next": "a"}], "else": "c"}, "c": {"exit": "done"}}')),
  ('instant_cycle', pg_temp.steps('{"a": {"update": {"n": "1"}, "next": "a"}}')),
  ('waits_forever', pg_temp.steps('{"a": {"wait": {"for": [{"on": "ordered", "next": "b"}]}}, "b": {"exit": "done"}}')),
  ('shadowed_branch', pg_temp.steps('{"a": {"wait": {"for": [{"on": "ordered", "next": "b"}, {"on": "ordered", "when": "(event->>''n'')::int > 1", "next": "b"}], "until": {"after": "1 day", "next": "b"}}}, "b": {"exit": "done"}}')),
  ('missing_arm', pg_temp.steps('{"a": {"split": {"arms": {"x": 1, "y": 1}}, "next": {"x": "b"}}, "b": {"exit": "done"}}')),
  ('unknown_arm', pg_temp.steps('{"a": {"split": {"arms": {"x": 1}}, "next": {"x": "b", "y": "b"}}, "b": {"exit": "done"}}')),
  ('bad_of', pg_temp.steps('{"a": {"wait": {"for": [{"on": "message.opened", "of": "b", "next": "b"}], "until": {"after": "1 day", "next": "b"}}}, "b": {"exit": "done"}}')),
  ('bad_of', pg_temp.steps('{"a": {"send": {"channels": ["email"], "template": "hello"}, "next": "w"}, "w": {"wait": {"for": [{"on": "opened", "of": "a", "next": "b"}], "until": {"after": "1 day", "next": "b"}}}, "b": {"exit": "done"}}')),
  ('no_entry_key', pg_temp.definition('{"exit": [{"on": "cancelled", "match_key": "event->>''id''"}]}')),
  ('no_entry_key', pg_temp.definition('{"entry": {"on": "x", "reentry": {"cooldown": "1 day", "cooldown_scope": "key"}}}')),
  ('bad_duration', pg_temp.steps('{"a": {"delay": "soon", "next": "b"}, "b": {"exit": "done"}}')),
  ('bad_duration', pg_temp.steps('{"a": {"delay": "-1 hour", "next": "b"}, "b": {"exit": "done"}}')),
  ('bad_duration', pg_temp.steps('{"a": {"delay": "1 month -1 day", "next": "b"}, "b": {"exit": "done"}}')),
  ('bad_duration', pg_temp.steps('{"a": {"delay": "200 years", "next": "b"}, "b": {"exit": "done"}}')),
  ('bad_duration', pg_temp.definition('{"goal": {"on": "ordered", "within": "0"}}')),
  ('bad_timezone', pg_temp.definition('{"timezone": "Europe/Berln"}')),
  ('bad_timezone', pg_temp.definition('{"timezone": "UTC3"}')),
  ('reserved_name', pg_temp.steps('{"a": {"exit": "goal"}}')),
  ('reserved_name', pg_temp.definition('{"exit": [{"on": "x", "reason": "left"}]}')),
  ('reserved_name', pg_temp.steps('{"a": {"emit": "message.opened", "next": "b"}, "b": {"exit": "done"}}')),
  ('reserved_name', pg_temp.steps('{"a": {"emit": "consent.granted", "next": "b"}, "b": {"exit": "done"}}')),
  ('unknown_channel', pg_temp.steps('{"a": {"send": {"channels": ["fax"], "template": "hello"}, "next": "b"}, "b": {"exit": "done"}}')),
  ('unknown_template', pg_temp.steps('{"a": {"send": {"channels": ["email"], "template": "hullo"}, "next": "b"}, "b": {"exit": "done"}}')),
  ('unknown_role', pg_temp.steps('{"a": {"approve": {"role": "no_such_role", "until": {"after": "1 day", "next": "b"}}, "next": {"yes": "b"}}, "b": {"exit": "done"}}')),
  ('unknown_journey', pg_temp.steps('{"a": {"enter": "no_such_journey", "next": "b"}, "b": {"exit": "done"}}')),
  ('enter_refused', pg_temp.definition('{"entry": {"api": true}, "start": "w", "steps": {"w": {"delay": "1 day", "next": "a"}, "a": {"enter": "j", "next": "b"}, "b": {"exit": "done"}}}')),
  ('enter_cycle', pg_temp.steps('{"a": {"update": {"n": "1"}, "next": "b"}, "b": {"enter": {"journey": "j", "wait": true, "until": {"after": "1 day", "next": "c"}}, "next": "c"}, "c": {"exit": "done"}}')),
  ('undeclared_topic', pg_temp.steps('{"a": {"send": {"channels": ["email"], "template": "hello", "topic": "nws"}, "next": "b"}, "b": {"exit": "done"}}')),
  ('expression_syntax', pg_temp.steps('{"a": {"branch": [{"when": "customer.plan = ", "next": "b"}], "else": "b"}, "b": {"exit": "done"}}')),
  ('expression_syntax', pg_temp.steps('{"a": {"branch": [{"when": "true; DROP TABLE shop.customer", "next": "b"}], "else": "b"}, "b": {"exit": "done"}}')),
  ('expression_name', pg_temp.steps('{"a": {"branch": [{"when": "customer.plam = ''pro''", "next": "b"}], "else": "b"}, "b": {"exit": "done"}}')),
  ('expression_name', pg_temp.steps('{"a": {"branch": [{"when": "EXISTS (SELECT FROM shop.orders)", "next": "b"}], "else": "b"}, "b": {"exit": "done"}}')),
  ('expression_type', pg_temp.steps('{"a": {"branch": [{"when": "customer.points", "next": "b"}], "else": "b"}, "b": {"exit": "done"}}')),
  ('expression_type', pg_temp.definition('{"goal": {"on": "ordered", "value": "event->''amount''"}}')),
  ('expression_refused', pg_temp.steps('{"a": {"branch": [{"when": "now() > journey.entered_at", "next": "b"}], "else": "b"}, "b": {"exit": "done"}}')),
  ('expression_refused', pg_temp.definition('{"entry": {"on": "x", "when": "context ? ''a''"}}')),
  ('expression_refused', pg_temp.steps('{"a": {"update": {"n": "count(*)"}, "next": "b"}, "b": {"exit": "done"}}')),
  ('expression_invalid', pg_temp.steps('{"a": {"update": {"n": "99999999999::int"}, "next": "b"}, "b": {"exit": "done"}}')),
  -- the date may have passed on arrival, and the hour may be this one
  ('instant_cycle', pg_temp.steps('{"a": {"delay": {"until": "customer.born_on", "past": "next"}, "next": "b"}, "b": {"update": {"n": "1"}, "next": "a"}}')),
  ('instant_cycle', pg_temp.steps('{"a": {"delay": {"at": "09:00"}, "next": "a"}}')),
  ('instant_cycle', pg_temp.steps('{"a": {"wait": {"for": [{"on": "ordered", "next": "b"}], "until": {"date": "customer.born_on", "next": "b", "missing": {"skip_to": "a"}}}}, "b": {"exit": "done"}}')),
  ('unknown_step', pg_temp.steps('{"a": {"delay": {"until": "customer.born_on", "past": {"skip_to": "c"}}, "next": "b"}, "b": {"exit": "done"}}')),
  ('dead_end', pg_temp.steps('{"a": {"delay": {"until": "customer.born_on", "past": {"skip_to": "b"}}, "next": "b"}, "b": {"delay": "1 day", "next": "b"}}')),
  ('never_due', pg_temp.steps('{"a": {"delay": {"at": "18:00", "window": {"from": "09:00", "to": "18:00"}}, "next": "b"}, "b": {"exit": "done"}}')),
  ('never_due', pg_temp.steps('{"a": {"delay": {"for": "1 day", "window": {"from": "09:00", "to": "09:00"}}, "next": "b"}, "b": {"exit": "done"}}')),
  ('never_due', pg_temp.steps('{"a": {"delay": {"weekdays": ["monday"], "window": {"from": "22:00", "to": "06:00", "weekdays": ["saturday"]}}, "next": "b"}, "b": {"exit": "done"}}')),
  ('never_due', pg_temp.steps('{"a": {"delay": {"at": "02:00", "weekdays": ["monday"], "window": {"from": "22:00", "to": "06:00", "weekdays": ["monday"]}}, "next": "b"}, "b": {"exit": "done"}}')),
  ('no_effect', pg_temp.steps('{"a": {"delay": {"weekdays": ["monday"], "missed": "continue"}, "next": "b"}, "b": {"exit": "done"}}')),
  ('no_effect', pg_temp.steps('{"a": {"delay": {"window": {"from": "09:00", "to": "18:00"}, "gap": "skip"}, "next": "b"}, "b": {"exit": "done"}}')),
  ('no_effect', pg_temp.steps('{"a": {"delay": {"for": "24 hours", "overlap": "first"}, "next": "b"}, "b": {"exit": "done"}}')),
  ('no_effect', pg_temp.steps('{"a": {"delay": {"until": "customer.born_on", "every": "1 month"}, "next": "b"}, "b": {"exit": "done"}}')),
  ('bad_duration', pg_temp.steps('{"a": {"delay": {"until": "customer.born_on", "offset": "3 dys"}, "next": "b"}, "b": {"exit": "done"}}')),
  ('bad_duration', pg_temp.steps('{"a": {"delay": {"at": "09:00", "jitter": "-1 hour"}, "next": "b"}, "b": {"exit": "done"}}')),
  ('bad_duration', pg_temp.definition('{"late_after": "0 hours"}')),
  ('expression_type', pg_temp.steps('{"a": {"delay": {"until": "event->>''due''"}, "next": "b"}, "b": {"exit": "done"}}')),
  ('expression_type', pg_temp.steps('{"a": {"wait": {"for": [{"on": "ordered", "next": "b"}], "until": {"date": "customer.id", "next": "b"}}}, "b": {"exit": "done"}}')),
  ('reserved_name', pg_temp.steps('{"a": {"delay": {"until": "customer.born_on", "missing": {"exit": "missing_date"}}, "next": "b"}, "b": {"exit": "done"}}')),
  -- waits and digests
  ('ranked_forever', pg_temp.steps('{"a": {"wait": {"ranked": true, "for": [{"on": "ordered", "next": "b"}]}}, "b": {"exit": "done"}}')),
  ('no_effect', pg_temp.steps('{"a": {"wait": {"for": [{"on": "ordered", "next": "b"}]}, "restart_on": "ping"}, "b": {"exit": "done"}}')),
  ('shadowed_branch', pg_temp.steps('{"a": {"wait": {"for": [{"on": "ordered", "next": "b"}, {"when": " TRUE ", "next": "b"}, {"when": "customer.points > 1", "next": "c"}], "until": {"after": "1 day", "next": "c"}}}, "b": {"exit": "done"}, "c": {"exit": "late"}}')),
  ('shadowed_branch', pg_temp.steps('{"a": {"wait": {"for": [{"on": "ordered", "next": "b"}, {"when": "true", "next": "b"}, {"on": "left", "next": "c"}], "until": {"after": "1 day", "next": "c"}, "ranked": true}}, "b": {"exit": "done"}, "c": {"exit": "late"}}')),
  ('shadowed_branch', pg_temp.steps('{"a": {"wait": {"for": [{"when": "customer.points > 1", "next": "b"}, {"when": "customer.points > 1", "retest_on": ["ordered"], "next": "c"}], "until": {"after": "1 day", "next": "c"}}}, "b": {"exit": "done"}, "c": {"exit": "late"}}')),
  ('instant_cycle', pg_temp.steps('{"a": {"wait": {"for": [{"when": "customer.points > 1", "next": "a"}, {"on": "ordered", "next": "b"}], "until": {"after": "1 day", "next": "c"}}}, "b": {"exit": "done"}, "c": {"exit": "late"}}')),
  ('instant_cycle', pg_temp.steps('{"a": {"wait": {"ranked": true, "for": [{"when": "customer.points > 1", "next": "a"}], "until": {"date": "customer.born_on", "next": "b"}}}, "b": {"exit": "done"}}')),
  ('instant_cycle', pg_temp.steps('{"a": {"digest": {"on": "said", "for": {"at": "09:00"}}, "next": "b"}, "b": {"branch": [{"when": "customer.points > 1", "next": "a"}], "else": "c"}, "c": {"exit": "done"}}')),
  ('expression_type', pg_temp.steps('{"a": {"wait": {"for": [{"when": "customer.points", "retest_on": ["ordered"], "next": "b"}], "until": {"after": "1 day", "next": "c"}}}, "b": {"exit": "done"}, "c": {"exit": "late"}}')),
  ('expression_name', pg_temp.steps('{"a": {"delay": "1 hour", "restart_on": {"on": "cart", "when": "custmer.points > 1"}, "next": "b"}, "b": {"exit": "done"}}')),
  ('out_of_range', pg_temp.steps('{"a": {"delay": "1 hour", "restart_on": {"on": "cart", "max": 0}, "next": "b"}, "b": {"exit": "done"}}')),
  ('wrong_form', pg_temp.steps('{"a": {"delay": "1 hour", "restart_on": {"when": "true"}, "next": "b"}, "b": {"exit": "done"}}')),
  ('no_entry_key', pg_temp.steps('{"a": {"delay": "1 hour", "restart_on": {"on": "cart", "match_key": "event->>''id''"}, "next": "b"}, "b": {"exit": "done"}}')),
  ('wrong_count', pg_temp.steps('{"a": {"wait": {"for": [{"when": "customer.points > 1", "retest_on": [], "next": "b"}], "until": {"after": "1 day", "next": "c"}}}, "b": {"exit": "done"}, "c": {"exit": "late"}}')),
  ('never_collects', pg_temp.steps('{"a": {"digest": {"on": "said", "for": "1 hour", "look_back": "1 hour"}, "next": "b"}, "b": {"exit": "done"}}')),
  ('never_collects', pg_temp.definition('{"entry": {"on": "said", "reentry": {"policy": "after_exit", "cooldown": "2 hours"}}, "steps": {"a": {"digest": {"on": "said", "for": "1 hour", "look_back": "1 hour"}, "next": "b"}, "b": {"exit": "done"}}}')),
  ('expression_refused', pg_temp.steps('{"a": {"digest": {"on": "said", "for": "1 hour", "match_key": "context->>''id''"}, "next": "b"}, "b": {"exit": "done"}}')),
  ('never_due', pg_temp.steps('{"a": {"digest": {"on": "said", "for": {"for": "1 day", "window": {"from": "09:00", "to": "09:00"}}}, "next": "b"}, "b": {"exit": "done"}}')),
  ('missing_key', pg_temp.steps('{"a": {"digest": {"on": "said", "for": {"until": "customer.born_on"}}, "next": "b"}, "b": {"exit": "done"}}'));
INSERT INTO corpus (code, definition) VALUES
  ('expression_name', pg_temp.definition('{"entry": {"on": "x", "audience": "SELECT id FROM shop.custmer"}}')),
  ('expression_refused', pg_temp.definition('{"entry": {"on": "x", "audience": "SELECT customer.id"}}')),
  ('expression_syntax', pg_temp.definition('{"entry": {"on": "x", "audience": "id"}}')),
  ('expression_syntax', pg_temp.definition('{"entry": {"on": "x", "audience": "SELECT 1; SELECT 2"}}')),
  ('bad_cron', pg_temp.definition('{"entry": {"schedule": {"cron": "0 9 31 2 *", "audience": "SELECT 1"}}}')),
  ('bad_cron', pg_temp.definition('{"entry": {"schedule": {"cron": "@daily", "audience": "SELECT 1"}}}')),
  ('bad_timezone', pg_temp.definition('{"entry": {"schedule": {"cron": "0 9 * * *", "timezone": "Mars", "audience": "SELECT 1"}}}')),
  ('expression_name', pg_temp.definition('{"entry": {"schedule": {"cron": "0 9 * * *", "audience": "SELECT id FROM shop.custmer"}}}')),
  ('no_entry_key', pg_temp.definition('{"entry": {"on": "x", "audience": "SELECT 1", "reentry": {"policy": "any", "cooldown": "1 day", "cooldown_scope": "key"}}}'));

-- Templates of a mail channel, of one where people answer STOP, and of one that needs neither.
SET client_min_messages = warning;
ALTER TABLE shop.customer ADD COLUMN gone text;
SELECT count(journey_orch.set_channel(c, 'customer.email', opt_out => o)) FROM (VALUES ('mail', 'link'), ('text', 'stop'), ('app', 'none')) AS v(c, o);
SELECT count(journey_orch.set_template('promo', c, 'Buy!')) FROM unnest('{mail,text,app}'::text[]) AS c;
SELECT count(journey_orch.set_template(name, 'mail', body, html => html, locale => locale)) FROM (VALUES
  ('full', '{{ message.postal_address }} {{ message.unsubscribe_url }}', NULL, NULL),
  ('half', '{{ message.postal_address }} {{ message.unsubscribe_url }}', '<p>{{ message.postal_address }}</p>', NULL),
  ('half', '{{ to_jsonb(message) }}', '<p>{{ to_jsonb(message) }}</p>', 'de'), ('half', '{{ message.preferences_url }}', NULL, 'fr-CA'),
  ('french', 'Salut', NULL, 'fr'), ('broken', 'Hello {{ customer.gone }}', NULL, NULL),
  ('needs', $${{ context->>'a' }} {{ context->'b'->>'c' }} {{ context['c'] }} {{ context#>>'{d,0}' }} {{ coalesce((SELECT context->>'e' FROM (SELECT 1) AS context2(x)), context->>'f') }} {{ event->>'g' }} {{ context ? 'h' }}$$, NULL, NULL)) AS v(name, body, html, locale);
ALTER TABLE shop.customer DROP COLUMN gone;
SET client_min_messages = notice;
CREATE FUNCTION pg_temp.sending(channel text, template text, topic text DEFAULT 'news') RETURNS jsonb LANGUAGE sql AS $$
  SELECT pg_temp.steps(format('{"a": {"send": {"channels": ["%s"], "template": "%s", "topic": "%s"}, "next": "b"}, "b": {"exit": "done"}}', channel, template, topic))
$$;
INSERT INTO corpus (code, definition) VALUES
  ('no_postal_address', pg_temp.sending('mail', 'promo')), ('no_unsubscribe', pg_temp.sending('text', 'promo')), ('no_sender', pg_temp.sending('mail', 'full')),
  ('no_unsubscribe', pg_temp.sending('mail', 'half')), ('no_default_locale', pg_temp.sending('mail', 'french', 'post')), ('broken_template', pg_temp.sending('mail', 'broken')),
  ('missing_variable', pg_temp.sending('mail', 'needs', 'post')),
  ('missing_variable', pg_temp.steps('{"a": {"update": {"a": "1"}, "next": "b"}, "b": {"call": "1", "into": "c", "next": "d"}, "d": {"digest": {"on": "said", "for": "1 hour"}, "next": "x"}, "x": {"send": {"channels": ["mail"], "template": "needs"}, "next": "y"}, "y": {"exit": "done"}}'));
-- The rule is about marketing, and about channels that ask for it; a run that enter() starts may bring anything along.
SELECT count(*) AS findings FROM unnest(ARRAY[pg_temp.sending('app', 'promo'), pg_temp.sending('email', 'hello'),
  pg_temp.sending('mail', 'needs', 'post') || '{"entry": {"api": true}}', pg_temp.sending('mail', 'promo', 'post')]) AS d, journey_orch.check_definition(d) AS f
  WHERE f.code NOT IN ('undeclared_topic');
SELECT journey_orch.set_topic('post', 'transactional') FROM journey_orch.set_topic('legal', 'legal');
SELECT count(*) AS findings FROM unnest('{post,legal}'::text[]) AS t, journey_orch.check_definition(pg_temp.sending('mail', 'promo', t));
-- A rule that nobody has reviewed.
INSERT INTO corpus (code, definition) VALUES
  ('unreviewed_rule', pg_temp.steps('{"a": {"send": {"channels": ["email"], "template": "hello", "topic": "fax"}, "next": "b"}, "b": {"exit": "done"}}'));

SELECT c.n, f.* FROM corpus AS c CROSS JOIN LATERAL journey_orch.check_definition(c.definition) WITH ORDINALITY AS f
  ORDER BY c.n, f.ordinality;

-- every definition has the finding it is here for
SELECT n, code FROM corpus AS c
  WHERE NOT EXISTS (SELECT FROM journey_orch.check_definition(c.definition) AS f WHERE f.code = c.code)
  ORDER BY n;
-- every code of the source has a definition; expression_rights has its own below
SELECT code FROM journey_orch._finding_codes() EXCEPT SELECT code FROM corpus ORDER BY code;

-- expressions are checked with the rights of whoever would own the journey
CREATE ROLE jo_test_findings_author IN ROLE journey_orch_author;
GRANT USAGE ON SCHEMA shop TO jo_test_findings_author;
GRANT SELECT ON shop.customer TO jo_test_findings_author;
SET ROLE jo_test_findings_author;
SELECT severity, code, path, message, hint FROM journey_orch.check_definition(
  '{"journey": "j", "entry": {"on": "signed_up", "when": "EXISTS (SELECT FROM shop.secret AS s WHERE s.customer_id = customer.id)"},
    "start": "a", "steps": {"a": {"exit": "done"}}}');
RESET ROLE;
REVOKE ALL ON SCHEMA shop FROM jo_test_findings_author;
REVOKE ALL ON shop.customer FROM jo_test_findings_author;
DROP ROLE jo_test_findings_author;

-- all findings at once: structure, names, expressions and the graph
SELECT severity, code, path FROM journey_orch.check_definition('
{"journey": "many", "priorty": 1, "timezone": "Mars/Olympus",
 "entry": {"on": "signed_up", "when": "custmer.id = 1", "reentry": {"policy": "sometimes"}},
 "goal": {"on": "ordered", "value": "event->''amount''", "within": "never"},
 "start": "a",
 "steps": {
   "a": {"send": {"channels": ["fax"], "template": "hi", "topic": "gossip"}, "next": "b"},
   "b": {"delay": "1 fortnight", "next": "zz"},
   "c": {"split": {"arms": {"x": 1, "y": 1}}, "next": {"x": "d", "z": "d"}},
   "d": {"exit": "goal", "convert": {"value": "''x''"}}}}');

-- shapes that no author writes: findings, and never an error
CREATE FUNCTION pg_temp.codes(definition jsonb) RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(code || ' ' || n, ', ' ORDER BY code) FROM (
    SELECT code, count(*) AS n FROM journey_orch.check_definition(definition) GROUP BY code) AS f
$$;
SELECT n, pg_temp.codes(definition) FROM (VALUES
  (1, pg_temp.definition('{"steps": []}')),
  (2, pg_temp.definition('{"steps": {"": {"exit": "done"}}}')),
  (3, pg_temp.definition('{"steps": {"a": null}}')),
  (4, pg_temp.definition('{"steps": {"a": {"wait": {"for": [null, 1, [], {"on": 1, "next": 2}]}}}}')),
  (5, pg_temp.definition('{"steps": {"a": {"send": {"channels": {"email": 1}, "template": []}, "next": {}}}}')),
  (6, pg_temp.definition('{"steps": {"a": {"branch": [1, {"when": 1, "next": null}], "else": []}}}')),
  (7, pg_temp.definition('{"steps": {"a": {"split": {"arms": []}, "next": "a"}}}')),
  (8, pg_temp.definition('{"steps": {"a": {"update": {"A": 1, "b": {}}, "next": 1}}}')),
  (9, pg_temp.definition('{"exit": {"on": "x"}, "goal": [], "start": {}}')),
  (10, pg_temp.definition('{"priority": 1e400, "entry": {"on": "x", "holdout": -1e-400}}')),
  (11, pg_temp.definition('{"steps": {"a": {"delay": {"until": "x", "past": {"skip_to": "b"}}, "next": "a"}}}')),
  (12, pg_temp.definition(jsonb_build_object('steps', jsonb_build_object(repeat('x', 10000), '{"exit": "done"}'::jsonb)))),
  (13, pg_temp.definition(jsonb_build_object('timezone', repeat('x', 100000)))),
  (14, pg_temp.definition(jsonb_build_object('timezone', '', 'journey', E'\u00e9\n"<>&')))
  ) AS shapes(n, definition) ORDER BY n;
-- deeper than any stack, where the grammar has nothing
SELECT pg_temp.codes(pg_temp.definition(jsonb_build_object('x', (repeat('[', 5000) || repeat(']', 5000))::jsonb)));
-- a long list
SELECT pg_temp.codes(pg_temp.steps(json_build_object('a', json_build_object('send', json_build_object(
    'channels', json_agg('email'::text), 'template', 'hello'), 'next', 'b'), 'b', json_build_object('exit', 'done'))::text))
  FROM generate_series(1, 100000);
SELECT * FROM journey_orch.check_definition(NULL);

-- ten thousand steps: in a chain, all wrong, in one circle, one too many
SET statement_timeout = '60s';
CREATE FUNCTION pg_temp.chain(n integer, step text, last text) RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_build_object('journey', 'long', 'entry', '{"on": "x"}'::jsonb, 'start', 's1',
    'steps', jsonb_object_agg('s' || i, CASE WHEN i = n THEN last::jsonb
      ELSE replace(step, '%', (i + 1)::text)::jsonb END))
    FROM generate_series(1, n) AS i
$$;
SELECT pg_temp.codes(pg_temp.chain(10000, '{"delay": "1 hour", "next": "s%"}', '{"exit": "done"}')) AS chain;
SELECT pg_temp.codes(pg_temp.chain(10000, '{"branch": [{"when": "(event->>''n'')::int = %", "next": "s%"}], "else": "s%"}', '{"exit": "done"}')) AS branches;
SELECT pg_temp.codes(pg_temp.chain(10000, '{"branch": [{"when": "(event->>''n'')::in = %", "next": "t%"}], "else": "s1", "x": 1}', '{"exit": "done"}')) AS all_wrong;
SELECT pg_temp.codes(pg_temp.chain(10000, '{"update": {"n": "%"}, "next": "s%"}', '{"update": {"n": "1"}, "next": "s1"}')) AS circle;
SELECT pg_temp.codes(pg_temp.chain(10001, '{"delay": "1 hour", "next": "s%"}', '{"exit": "done"}')) AS one_too_many;
SELECT journey_orch.define(pg_temp.chain(10000, '{"delay": "1 hour", "next": "s%"}', '{"exit": "done"}')) AS version;
SELECT * FROM journey_orch.publish('long');
SELECT length(journey_orch.mermaid('long')) > 100000 AS picture;
