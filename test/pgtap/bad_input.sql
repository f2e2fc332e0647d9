/*
 * test/pgtap/bad_input.sql
 *    Every public function refuses bad input with an error that helps, changes
 *    nothing, and is refused to a role without rights.  A function without
 *    cases fails here.  What definitions and expressions may be made of is in
 *    bad_definition.sql.
 */
\set QUIET 1
\pset format unaligned
\pset tuples_only true
\pset pager off
SET client_min_messages = warning;
CREATE EXTENSION pgtap;
CREATE EXTENSION journey_orch;
\ir parts/refusal.sql

CREATE TABLE customer (id text PRIMARY KEY, plan text, email text);
INSERT INTO customer VALUES ('1', 'free', 'a@example.com');
CREATE VIEW person AS SELECT * FROM customer UNION ALL SELECT 'twice', 'free', 'b@example.com' FROM generate_series(1, 2);
CREATE TABLE orders (id int PRIMARY KEY, customer_id text, amount numeric, note text);
CREATE VIEW order_view AS SELECT * FROM orders;
CREATE MATERIALIZED VIEW order_matview AS SELECT * FROM orders;
CREATE SEQUENCE number;
CREATE INDEX orders_amount ON orders (amount);
CREATE TYPE pair AS (a int, b int);
CREATE TABLE keyless (c text);
CREATE TEMP TABLE temp_orders (id int, customer_id text);

-- A good call of each function, which must be refused to a role without rights
-- (and, where it writes, in a read-only transaction).
CREATE TABLE good_call (function text PRIMARY KEY, args text NOT NULL, writes boolean NOT NULL DEFAULT true);
INSERT INTO good_call VALUES
  ('lane_of', '''1''', false), ('bucket', '''e'', ''s'', ''1''', false), ('clock', '', false),
  ('set_clock', '''2027-01-01''', true), ('advance_clock', '''1 day''', true), ('reset_clock', '', true),
  ('bind_customer', '''customer'', ''id'', ''plan''', true), ('set_topic', '''news''', true),
  ('halt', '''global''', true), ('unhalt', '''global''', true),
  ('set_quiet_hours', '''n'', ''21:00'', ''08:00''', true), ('drop_quiet_hours', '''n''', true), ('set_cap', '''n'', ''{}'', 1, ''1 day''', true), ('drop_cap', '''n''', true), ('review_rule', '''n''', true), ('install_rule_set', '''us_tcpa''', true),
  ('set_phone_zone', '''+1'', ''{UTC}''', true), ('set_holiday', '''US'', ''2026-01-01'', ''New Year''', true), ('drop_holiday', '''US'', ''2026-01-01''', true),
  ('add_business_days', '''2026-01-01'', 1', false),
  ('set_global_holdout', '0.1', true), ('in_global_holdout', '''1''', false), ('retry_fan_out', '''j'', 1', true),
  ('schedule', '''s'', ''j'', ''* * * * *'', ''SELECT 1''', true), ('unschedule', '''s''', true), ('run_schedules', '', true), ('schedule_times', '''* * * * *''', false),
  ('watch', '''orders'', ''ordered'', ''NEW.customer_id''', true), ('unwatch', '''orders'', ''ordered''', true),
  ('emit', '''ordered'', ''1''', true), ('emit_many', '''[{"event": "ordered", "customer": "1"}]''', true),
  ('set_channel', '''email'', ''customer.email''', true), ('add_preset_channel', '''email''', true),
  ('inbox', '''1'', ''box''', false), ('offers', '''1'', ''box''', false), ('redeem', 'gen_random_uuid()', true), ('take_task', '''calls'', ''ann''', true), ('tasks', '''ann''', false),
  ('assign_task', 'gen_random_uuid(), ''ann''', true), ('complete_task', 'gen_random_uuid(), ''done''', true), ('grant_channel', '''email'', ''journey_orch_relay''', true),
  ('revoke_channel', '''email'', ''journey_orch_relay''', true),
  ('set_template', '''hello'', ''email'', ''Hello''', true), ('render', '''hello'', ''1''', false), ('set_sender', '''Shop''', true), ('send_test', '''j'', ''a'', ''1'', ''{x}''', true), ('html_escape', '''x''', false), ('html_list', '''{x}''', false), ('url_encode', '''x''', false), ('last_message', '''1''', false),
  ('check_definition', '''{}''', false), ('definition_schema', '', false),
  ('define', $$'{"journey": "j", "entry": {"on": "x"}, "start": "a", "steps": {"a": {"exit": "done"}}}'$$, true),
  ('publish', '''j''', true), ('pause', '''j''', true), ('resume', '''j''', true), ('stop', '''j''', true), ('archive', '''j''', true), ('approve_version', '''j'', 1', true), ('approve_template', '''hello'', ''email''', true), ('definition', '''j''', false), ('mermaid', '''j''', false),
  ('dot', '''j''', false), ('definition_svg', '''j''', false), ('diff', '''j''', false),
  ('redeliver', 'gen_random_uuid()', true), ('redeliver_many', '''false''', true), ('discard', 'gen_random_uuid()', true),
  ('set_machine_agent', '''x'', ''curl'', source => ''s''', true), ('claim', '''email'', ''me''', true), ('ack', '1', true), ('nack', '1, gen_random_uuid(), ''no''', true),
  ('extend', '1, ''1 minute''', true), ('report', 'gen_random_uuid(), ''delivered''', true), ('report_many', '''[]''', true), ('report_provider', '''email'', ''p'', ''delivered''', true),
  ('wait_for_messages', '''{email}'', ''1 s'', NULL', false),
  ('enter', '''j'', ''1''', true), ('leave', '''j'', ''1''', true), ('command_status', '1', false),
  ('approve', 'gen_random_uuid(), ''yes''', true), ('approve_many', '''{}'', ''yes''', true),
  ('run', '', true), ('run_here', '', true), ('settle', '', false), ('start_worker', '', false), ('stop_worker', '', false),
  ('simulate', '''j''', false), ('simulate_definition', $$'{"journey": "k", "entry": {"on": "x"}, "start": "a", "steps": {"a": {"exit": "done"}}}'$$, false),
  ('ask_gates', '''1'', ''email''', false), ('consent_state', '''1'', ''email'', ''news''', false), ('grant_consent', '''1'', ''email'', ''news'', ''form'', ''{"text_version": "v", "method": "m"}''', true), ('withdraw_consent', '''1''', true), ('request_consent', '''1'', ''email'', ''news'', ''form'', ''{"text_version": "v", "method": "m"}''', true),
  ('confirm_consent', '''x''', false), ('record_objection', '''1''', true), ('lift_objection', '''1'', ''sale'', ''form'', ''{"text_version": "v", "method": "m"}''', false), ('may_ask', '''1''', false),
  ('set_do_not_call', '''l'', ''{voice}''', true), ('import_do_not_call', '''l'', ''{}'', ''2025-01-01''', false), ('suppress', '''email'', ''a@example.com'', ''manual''', true), ('import_suppressions', '''email'', ARRAY[sha256(''a'')], ''manual''', true), ('unsuppress', '''email'', ''a@example.com''', true),
  ('rotate_token_key', '', true), ('unsubscribe_token', '''1'', ''email'', ''news''', false), ('preference_token', '''1''', false), ('unsubscribe', '''x''', false), ('preferences', '''x''', false), ('set_preference', '''x'', ''news'', true', false),
  ('set_keyword', '''halt'', ''de'', ''stop''', true), ('inbound', '''sms'', ''+15550100'', ''stop''', true), ('confirm_inbound', '1', true),
  ('health', '', false), ('verify', '', false), ('maintain', '', false),
  ('forget', '''1'', ''asked''', true), ('erasure_hash', '''1''', false), ('hold_customer', '''1'', ''audit''', true), ('release_customer', '''1''', true);

INSERT INTO refusal (function, args, sqlstate, message, has_hint) VALUES
  ('lane_of', 'repeat(''x'', 2000), 1', '42883', 'lane_of', true),
  ('bucket', '''a'', ''b''', '42883', 'bucket', true),
  ('clock', '1', '42883', 'clock', true),
  ('set_clock', 'NULL', '22004', '"at"', true), ('set_clock', '''infinity''', '22023', 'finite', true),
  ('set_clock', '''-infinity''', '22023', 'finite', true), ('set_clock', '''294276-12-31''', '22008', 'too late', false),
  ('set_clock', '''2026-01-01'', NULL', '22004', '"force"', true), ('set_clock', '''1999-01-01''', '22023', 'back', true),
  ('set_clock', '''tomorrowish''', '22007', 'tomorrowish', false),
  ('advance_clock', 'NULL', '22004', '"by"', true), ('advance_clock', '''-1 day''', '22023', 'back', true),
  ('advance_clock', '''178000000 years''', '22023', '178000000 years', true), ('advance_clock', '''-178000000 years''', '22023', '-178000000 years', true), ('advance_clock', '''291500 years''', '22023', '291500 years', true),
  ('advance_clock', '''2147483647 days 2562047788 hours''', '22023', '2147483647 days', true), ('advance_clock', '''-6800 years'', true', '22023', '-6800 years', true),
  ('advance_clock', '''1 day'', NULL', '22004', '"force"', true),
  ('reset_clock', '1', '42883', 'reset_clock', true),
  ('bind_customer', 'NULL, ''id''', '22004', '"relation"', false), ('bind_customer', '''customer'', NULL', '22004', '"id_sql"', false),
  ('bind_customer', '''customer'', ''''', 'JO002', '"id_sql"', true), ('bind_customer', '''customer'', ''nope''', '42703', '"nope"', false),
  ('bind_customer', '''nowhere'', ''id''', '42P01', '"nowhere"', false), ('bind_customer', '''customer'', ''1''', 'JO002', '"id_sql" uses no column', true),
  ('bind_customer', '''customer'', ''id'', ''nope''', '42703', '"nope"', false), ('bind_customer', '''customer'', ''id'', NULL, ''nope''', '42703', '"nope"', false),
  ('bind_customer', '''customer'', ''id'', NULL, NULL, ''nope''', '42703', '"nope"', false),
  ('bind_customer', '''temp_orders'', ''id''', '42P16', 'temp_orders', false), ('bind_customer', '''pg_class'', ''oid''', '22023', 'pg_class', true),
  ('bind_customer', '''journey_orch.event'', ''customer_id''', '22023', 'event', true), ('bind_customer', '''number'', ''last_value''', '42809', 'number', false),
  ('bind_customer', '''orders_amount'', ''amount''', '42809', 'orders_amount', false), ('bind_customer', '''pair'', ''a''', '42809', 'pair', false),
  ('bind_customer', '999999999::regclass, ''a''', '42P01', '999999999', false),
  ('set_quiet_hours', 'NULL, ''21:00'', ''08:00''', '22004', '"name"', false), ('set_quiet_hours', '''n'', NULL, ''08:00''', '22004', '"from_time"', false), ('set_quiet_hours', '''n'', ''21:00'', ''21:00''', '22023', '"from_time" and "to_time"', true),
  ('set_quiet_hours', '''n'', ''21:00'', ''08:00'', NULL', '22004', '"scope"', false), ('set_quiet_hours', '''n'', ''21:00'', ''08:00'', ''{"x": 1}''', '22023', '"x"', true), ('set_quiet_hours', '''n'', ''21:00'', ''08:00'', ''{"class": "legal"}''', '22023', '"legal"', true),
  ('set_quiet_hours', '''n'', ''21:00'', ''08:00'', weekdays => ''{mon}''', '22023', '"mon"', true), ('set_quiet_hours', '''n'', ''21:00'', ''08:00'', weekdays => ''{}''', '22023', 'no day', true), ('set_quiet_hours', '''n'', ''21:00'', ''08:00'', region => ''Florida''', '22023', '"Florida"', true),
  ('set_quiet_hours', '''n'', ''21:00'', ''08:00'', action => ''exit''', '22023', '"exit"', true), ('set_quiet_hours', '''n'', ''21:00'', ''25:00''', '22008', '25:00', false), ('drop_quiet_hours', 'NULL', '22004', '"name"', false),
  ('review_rule', 'NULL', '22004', '"name"', false), ('review_rule', '''nope''', '42704', '"nope"', true), ('install_rule_set', 'NULL', '22004', '"name"', false), ('install_rule_set', '''nope''', '22023', '"nope"', true),
  ('set_cap', 'NULL, ''{}'', 1, ''1 day''', '22004', '"name"', false), ('set_cap', '''n'', NULL, 1, ''1 day''', '22004', '"scope"', false), ('set_cap', '''n'', ''{}'', NULL, ''1 day''', '22004', '"max_messages"', false), ('set_cap', '''n'', ''{}'', 1, NULL', '22004', '"per"', false),
  ('set_cap', '''n'', ''{}'', 0, ''1 day''', '22023', '"max_messages".*0', true), ('set_cap', '''n'', ''{}'', 1, ''-1 day''', '22023', '"per"', false), ('set_cap', '''n'', ''{}'', 1, ''1 month''', '22023', '"per"', true), ('set_cap', '''n'', ''{}'', 1, ''9999 days''', '22023', '400 days', false),
  ('set_cap', '''n'', ''{}'', 1, ''1 hour'', true', '22023', 'day, week or month', true), ('set_cap', '''n'', ''{}'', 1, ''1 day'', NULL', '22004', '"calendar"', false), ('set_cap', '''n'', ''{}'', 1, ''1 day'', false, ''stop''', '22023', '"stop"', true),
  ('set_cap', '''n'', ''{"class": "legal"}'', 1, ''1 day''', '22023', '"legal"', true), ('set_cap', '''n'', ''[]'', 1, ''1 day''', '22023', 'object', true), ('drop_cap', 'NULL', '22004', '"name"', false),
  ('set_phone_zone', 'NULL, ''{UTC}''', '22004', '"prefix"', false), ('set_phone_zone', '''1'', ''{UTC}''', '22023', 'prefix "1"', true), ('set_phone_zone', '''+1'', NULL', '22004', '"zones"', false), ('set_phone_zone', '''+1'', ''{}''', '22023', '"zones"', false),
  ('set_phone_zone', '''+1'', ''{nope}''', '22023', '"nope"', true), ('set_phone_zone', '''+1'', ''{NULL}''', '22004', '"zones"', false), ('set_phone_zone', '''+1'', ''{UTC}'', NULL, ''nowhere''', '22023', '"nowhere"', true),
  ('set_holiday', '''nope'', ''2026-01-01'', ''x''', '22023', '"nope"', true), ('set_holiday', '''US'', NULL, ''x''', '22004', '"day"', false), ('set_holiday', '''US'', ''infinity'', ''x''', '22023', '"day"', false), ('set_holiday', '''US'', ''2026-01-01'', NULL', '22004', '"name"', false),
  ('drop_holiday', 'NULL, ''2026-01-01''', '22004', '"region"', false), ('add_business_days', 'NULL, 1', '22004', '"day"', false), ('add_business_days', '''2026-01-01'', NULL', '22004', '"n"', false), ('add_business_days', '''2026-01-01'', -1', '22023', '"n".*-1', false),
  ('add_business_days', '''2026-01-01'', 1, ''nope''', '22023', '"nope"', true), ('add_business_days', '''5874897-12-31'', 1', '22008', 'out of range', false),
  ('halt', 'NULL', '22004', '"scope"', false), ('halt', '''''', '22023', '"scope"', false), ('halt', '''all''', '22023', 'scope "all"', true), ('halt', '''global'', ''email''', '22023', 'no name, but "email"', true),
  ('halt', '''channel''', '22004', '"name"', true), ('halt', '''topic'', ''''', '22023', '"name"', false), ('halt', '''channel'', ''nope''', '42704', '"nope"', true), ('halt', '''journey'', ''nope''', '42704', '"nope"', true),
  ('unhalt', 'NULL', '22004', '"scope"', false), ('unhalt', '''journey''', '22004', '"name"', true), ('unhalt', '''all''', '22023', 'scope "all"', true),
  ('set_topic', 'NULL', '22004', '"topic"', false), ('set_topic', '''''', '22023', '"topic"', false),
  ('set_topic', 'repeat(''t'', 201)', '22023', '"topic".* 200 bytes', false), ('set_topic', '''a'', NULL', '22004', '"class"', false),
  ('set_topic', '''a'', ''nope''', '22023', 'class "nope"', true), ('set_topic', '''a'', ''legal'', NULL', '22004', '"consent"', false),
  ('set_topic', '''a'', ''legal'', ''nope''', '22023', 'consent "nope"', true),
  ('set_global_holdout', 'NULL', '22004', '"share"', false), ('set_global_holdout', '-0.1', '22023', 'not -0\.1', true),
  ('set_global_holdout', '1.1', '22023', 'not 1\.1', true), ('set_global_holdout', '''NaN''', '22023', 'not NaN', true),
  ('set_global_holdout', '''infinity''', '22023', 'not Infinity', true), ('set_global_holdout', '0.00005', '22023', 'multiple of 0\.0001', true),
  ('set_global_holdout', '1e1000', '22023', 'not 10{59}', true), ('set_global_holdout', '''half''', '22P02', 'half', false),
  ('schedule', 'NULL, ''j'', ''* * * * *'', ''SELECT 1''', '22004', '"name"', false), ('schedule', ''''', ''j'', ''* * * * *'', ''SELECT 1''', '22023', '"name"', false),
  ('schedule', '''S'', ''j'', ''* * * * *'', ''SELECT 1''', '22023', '"S"', true), ('schedule', 'repeat(''s'', 2000), ''j'', ''* * * * *'', ''SELECT 1''', '22023', 's{60}', true),
  ('schedule', '''s'', NULL, ''* * * * *'', ''SELECT 1''', '22004', '"journey"', false), ('schedule', '''s'', ''nope'', ''* * * * *'', ''SELECT 1''', '42704', '"nope"', true),
  ('schedule', '''s'', ''j'', NULL, ''SELECT 1''', '22004', '"cron"', false), ('schedule', '''s'', ''j'', ''soon'', ''SELECT 1''', '22023', '"soon"', true),
  ('schedule', '''s'', ''j'', repeat(''* '', 3000), ''SELECT 1''', '22023', 'five fields|\* \* \*', true), ('schedule', '''s'', ''j'', ''* * * * *'', NULL', '22004', '"audience_sql"', false),
  ('schedule', '''s'', ''j'', ''* * * * *'', ''nope''', '42601', '"audience_sql"', false), ('schedule', '''s'', ''j'', ''* * * * *'', ''SELECT customer.id''', 'JO002', '"audience_sql"', true),
  ('schedule', '''s'', ''j'', ''* * * * *'', ''SELECT 1'', ''Mars''', '22023', '"Mars"', true), ('schedule', '''s'', ''j'', ''* * * * *'', ''SELECT 1'', ''''', '22023', '"timezone"', false),
  ('schedule', '''s'', ''j'', ''* * * * *'', ''SELECT 1'', NULL, NULL', '22004', '"missed"', false), ('schedule', '''s'', ''j'', ''* * * * *'', ''SELECT 1'', NULL, ''maybe''', '22023', '"maybe"', true),
  ('unschedule', 'NULL', '22004', '"name"', false), ('unschedule', '''''', '22023', '"name"', false), ('run_schedules', '1', '42883', 'run_schedules', true),
  ('schedule_times', 'NULL', '22004', '"cron"', false), ('schedule_times', '''soon''', '22023', '"soon"', true), ('schedule_times', '''* * * * *'', ''Mars''', '22023', '"Mars"', true),
  ('schedule_times', '''* * * * *'', ''UTC'', ''infinity''', '22023', '"since"', false), ('schedule_times', '''* * * * *'', ''UTC'', NULL, NULL', '22004', '"max"', false),
  ('retry_fan_out', 'NULL, 1', '22004', '"journey"', false), ('retry_fan_out', '''j'', NULL', '22004', '"event_id"', false),
  ('retry_fan_out', '''j'', 1', '42704', '"j" has no failed fan-out of event 1', true), ('retry_fan_out', 'repeat(''j'', 2000), 1', '42704', 'j{60}', true),
  ('in_global_holdout', '1', '42883', 'in_global_holdout', true),
  ('watch', 'NULL, ''x'', ''NEW.customer_id''', '22004', '"relation"', false), ('watch', '''nowhere'', ''x'', ''1''', '42P01', 'nowhere', false),
  ('watch', '''orders'', NULL, ''NEW.customer_id''', '22004', '"event"', false), ('watch', '''orders'', '''', ''NEW.customer_id''', '22023', '"event"', false),
  ('watch', '''orders'', repeat(''x'', 201), ''NEW.customer_id''', '22023', 'xxx\.\.\..*200 bytes', false),
  ('watch', '''orders'', ''$x'', ''NEW.customer_id''', '22023', '"\$x"', false), ('watch', '''orders'', ''message.sent'', ''NEW.customer_id''', '22023', '"message.sent"', false),
  ('watch', '''orders'', ''x'', NULL', '22004', '"customer_sql"', false), ('watch', '''orders'', ''x'', ''''', '22023', '"customer_sql"', false),
  ('watch', '''orders'', ''x'', ''NEW.nope''', '42703', 'nope.*"customer_sql"', true), ('watch', '''orders'', ''x'', ''OLD.customer_id''', '22023', '"customer_sql" reads OLD', true),
  ('watch', '''orders'', ''x'', ''NEW.customer_id'', ''{delete}''', '22023', '"customer_sql" reads NEW', true),
  ('watch', '''orders'', ''x'', ''NEW.customer_id'', NULL', '22004', '"operations"', false), ('watch', '''orders'', ''x'', ''NEW.customer_id'', ''{}''', '22023', '"operations"', true),
  ('watch', '''orders'', ''x'', ''NEW.customer_id'', ''{truncate}''', '22023', '"truncate"', true), ('watch', '''orders'', ''x'', ''NEW.customer_id'', ''{NULL}''', '22023', '"NULL"', true),
  ('watch', '''orders'', ''x'', ''NEW.customer_id'', condition_sql => ''1''', '42804', 'integer.*"condition_sql"', true),
  ('watch', '''orders'', ''x'', ''NEW.customer_id'', condition_sql => ''''', '22023', '"condition_sql"', false),
  ('watch', '''orders'', ''x'', ''NEW.customer_id'', payload_sql => ''NEW.amount''', '42804', 'numeric.*"payload_sql"', true),
  ('watch', '''orders'', ''x'', ''NEW.customer_id'', payload_sql => ''to_jsonb(NEW)'', columns => ''{id}''', '22023', '"payload_sql" and "columns"', false),
  ('watch', '''orders'', ''x'', ''NEW.customer_id'', columns => ''{nope}''', '42703', '"nope".*"columns"', false), ('watch', '''orders'', ''x'', ''NEW.customer_id'', columns => ''{}''', '22023', '"columns"', true),
  ('watch', '''orders'', ''x'', ''NEW.customer_id'', columns => ''{id,id}''', '42701', '"id".*"columns"', false), ('watch', '''orders'', ''x'', ''NEW.customer_id'', columns => ''{ctid}''', '42703', '"ctid"', false),
  ('watch', '''order_view'', ''x'', ''NEW.customer_id''', '42809', 'order_view', true), ('watch', '''order_matview'', ''x'', ''NEW.customer_id''', '42809', 'order_matview', true),
  ('watch', '''temp_orders'', ''x'', ''NEW.customer_id''', '0A000', 'temp_orders', true), ('watch', '''pg_class'', ''x'', ''NEW.relname''', '42809', 'pg_class', false),
  ('watch', '''journey_orch.event'', ''x'', ''NEW.customer_id''', '42809', 'event', false), ('watch', '''number'', ''x'', ''1''', '42809', 'number', false),
  ('watch', '''orders_amount'', ''x'', ''1''', '42809', 'orders_amount', false), ('watch', '''pair'', ''x'', ''1''', '42809', 'pair', false),
  ('unwatch', 'NULL, ''x''', '22004', '"relation"', false), ('unwatch', '''orders'', NULL', '22004', '"event"', false), ('unwatch', '''orders'', ''''', '22023', '"event"', false),
  ('unwatch', '''orders'', ''nope''', '42704', '"orders".*"nope"', true), ('unwatch', '999999999::regclass, ''a''', '42P01', '999999999', false),
  ('emit', 'NULL, ''1''', '22004', '"event"', false), ('emit', '''x'', NULL', '22004', '"customer"', false), ('emit', ''''', ''1''', '22023', '"event"', false),
  ('emit', '''x'', ''''', '22023', '"customer"', false), ('emit', '''x'', repeat(''é'', 501)', '22023', '"customer".*1000 bytes', false),
  ('emit', '''$x'', ''1''', '22023', '"\$x"', false), ('emit', '''message.sent'', ''1''', '22023', '"message.sent"', false), ('emit', '''consent.granted'', ''1''', '22023', '"consent.granted"', false), ('emit', '''journey.x'', ''1''', '22023', '"journey.x"', false),
  ('emit', 'repeat(''x'', 201), ''1''', '22023', '"event".*200 bytes', false), ('emit', '''x'', ''1'', ''[]''', '22023', '"payload"', false), ('emit', '''x'', ''1'', ''null''', '22023', '"payload"', false),
  ('emit', '''x'', ''1'', ''{"a"''', '22P02', 'json', false), ('emit', '''x'', ''1'', ''{}'', ''soon''', '22007', 'soon', false),
  ('emit', '''x'', ''1'', idempotency_key => ''''', '22023', '"idempotency_key"', false), ('emit', '''x'', ''1'', idempotency_key => repeat(''k'', 1001)', '22023', '"idempotency_key".*1000 bytes', false),
  ('emit', '''x'', ''1'', ''{"a": 2}'', idempotency_key => ''used''', 'JO004', '"used".*"x"', true),
  ('emit_many', 'NULL', '22004', '"events"', false), ('emit_many', '''{}''', '22023', '"events"', false), ('emit_many', '''1''', '22023', '"events"', false),
  ('emit_many', '''[1]''', '22023', 'element 1 of "events"', true), ('emit_many', '''[null]''', '22023', 'element 1 of "events"', true), ('emit_many', '''[[]]''', '22023', 'element 1 of "events"', true),
  ('emit_many', '''[{"event": "x", "customer": "1"}, {}]''', '22023', 'element 2 of "events".*"event" is missing.*"customer" is missing', true),
  ('emit_many', '''[{"event": 1, "customer": 1}]''', '22023', '"event" is not a string.*"customer" is not a string', true), ('emit_many', '''[{"event": "", "customer": ""}]''', '22023', 'empty.*empty', true),
  ('emit_many', '''[{"event": "x", "customer": "1", "payload": []}]''', '22023', '"payload"', true), ('emit_many', '''[{"event": "x", "customer": "1", "payloads": {}}]''', '22023', '"payloads"', true),
  ('emit_many', '''[{"event": "x", "customer": "1", "occurred_at": "yesterday"}]''', '22023', 'element 1 .*"occurred_at" is "yesterday"', true), ('emit_many', '''[{"event": "x", "customer": "1", "trace": 5}]''', '22023', '"trace"', true),
  ('emit_many', '(''[{"event": "x", "customer": "1", "occurred_at": "'' || repeat(''y'', 2000) || ''"}]'')::jsonb', '22023', '"y{60}\.\.\."', true),
  ('emit_many', '''[{"event": "x", "customer": "1", "idempotency_key": ""}]''', '22023', '"idempotency_key"', true),
  ('emit_many', '''[{"event": "x", "customer": "1", "payload": {"a": 2}, "idempotency_key": "used"}]''', 'JO004', '"used"', true),
  ('emit_many', '''[{"specversion": "1.0"}]''', '22023', '"source" is missing.*"id" is missing.*"type" is missing.*"subject" is missing', true),
  ('emit_many', '''[{"specversion": "0.3", "id": "1", "source": "/s", "type": "x", "subject": "1"}]''', '22023', '"specversion"', true),
  ('emit_many', '''[{"specversion": "1.0", "id": "", "source": "", "type": "x", "subject": "1"}]''', '22023', '"source" is empty.*"id" is empty', true),
  ('emit_many', '''[{"specversion": "1.0", "id": "1", "source": "/s", "type": "x", "subject": "1", "data_base64": "AA"}]''', '22023', '"data_base64"', true),
  ('emit_many', '''[{"specversion": "1.0", "id": "1", "source": "/s", "type": "x", "subject": "1", "time": "2026-02-30T00:00:00Z"}]''', '22023', 'element 1 .*"time" is "2026-02-30T00:00:00Z"', true),
  ('set_channel', 'NULL, ''customer.email''', '22004', '"channel"', false), ('set_channel', '''c'', NULL', '22004', '"address_sql"', false), ('set_channel', ''''', ''customer.email''', '22023', 'name of a channel', true),
  ('set_channel', 'repeat(''c'', 2000), ''customer.email''', '22023', '"c{60}\.\.\.".*name of a channel', true), ('set_channel', '''C d'', ''customer.email''', '22023', '"C d"', true),
  ('set_channel', '''c'', ''''', 'JO002', 'empty', false), ('set_channel', '''c'', ''customer.nope''', '42703', 'nope', false),
  ('set_channel', '''c'', ''customer.email'', NULL', '22004', '"kind"', false), ('set_channel', '''c'', ''customer.email'', ''nope''', '22023', '"nope"', true),
  ('set_channel', '''c'', ''customer.email'', drain => NULL', '22004', '"drain"', false), ('set_channel', '''c'', ''customer.email'', drain => ''nope''', '22023', '"nope"', true),
  ('set_channel', '''c'', ''customer.email'', rate => 0', '22023', 'rate', false), ('set_channel', '''c'', ''customer.email'', unit_cost => 1', '22023', 'unit_cost and currency', false),
  ('set_channel', '''c'', ''customer.email'', unit_cost => -1, currency => ''EUR''', '22023', 'unit_cost', false),
  ('set_channel', '''c'', ''customer.email'', unit_cost => ''NaN'', currency => ''EUR''', '22023', 'unit_cost.*1000000', false),
  ('set_channel', '''c'', ''customer.email'', unit_cost => ''infinity'', currency => ''EUR''', '22023', 'unit_cost', false),
  ('set_channel', '''c'', ''customer.email'', unit_cost => ''-infinity'', currency => ''EUR''', '22023', 'unit_cost', false),
  ('set_channel', '''c'', ''customer.email'', unit_cost => 1000001, currency => ''EUR''', '22023', 'unit_cost', false), ('set_channel', '''c'', ''customer.email'', unit_cost => 1, currency => ''euro''', '22023', '"euro"', false),
  ('set_channel', '''c'', ''customer.email'', unit_cost => 1, currency => repeat(''E'', 2000)', '22023', '"E{60}\.\.\."', false), ('set_channel', '''c'', ''customer.email'', repeat(''k'', 2000)', '22023', '"k{60}\.\.\."', true),
  ('set_channel', '''c'', ''customer.email'', max_attempts => 0', '22023', 'max_attempts.* 0', false), ('set_channel', '''c'', ''customer.email'', max_attempts => NULL', '22004', '"max_attempts"', false),
  ('set_channel', '''c'', ''customer.email'', retry_after => ''-1 s''', '22023', 'retry_after', false),
  ('set_channel', '''c'', ''customer.email'', retry_after => ''25 h''', '22023', 'retry_after.*one day', false), ('set_channel', '''c'', ''customer.email'', retry_after => ''178000000 years''', '22023', 'retry_after', false), ('set_channel', '''c'', ''customer.email'', retry_after => NULL', '22004', '"retry_after"', false),
  ('set_channel', '''c'', ''customer.email'', rate => ''NaN''', '22023', 'rate.*1000000', true), ('set_channel', '''c'', ''customer.email'', rate => 1e-400', '22023', 'rate', true),
  ('set_channel', '''c'', ''customer.email'', retry_max => ''1 s''', '22023', 'retry_max', false), ('set_channel', '''c'', ''customer.email'', retry_max => ''31 days''', '22023', 'retry_max', false), ('set_channel', '''c'', ''customer.email'', retry_max => NULL', '22004', '"retry_max"', false),
  ('set_channel', '''c'', ''customer.email'', expires_after => ''-1 s''', '22023', 'expires_after', false), ('set_channel', '''c'', ''customer.email'', expires_after => ''178000000 years''', '22023', 'expires_after', false),
  ('set_channel', '''c'', ''customer.email'', size_limit => 0', '22023', 'size_limit.* 0', true), ('set_channel', '''c'', ''customer.email'', consent => ''nope''', '22023', '"nope"', true), ('set_channel', '''c'', ''customer.email'', consent => NULL', '22004', '"consent"', false), ('set_channel', '''c'', ''customer.email'', opt_out => ''nope''', '22023', '"nope"', true), ('set_channel', '''c'', ''customer.email'', opt_out => NULL', '22004', '"opt_out"', false),
  ('set_channel', '''c'', ''customer.email'', dispositions => ''{a}''', '22023', 'dispositions', true), ('set_channel', '''c'', ''customer.email'', ''task''', '22023', 'dispositions', true),
  ('set_channel', '''c'', ''customer.email'', ''task'', dispositions => ''{a,NULL}''', '22004', 'element 2', true), ('set_channel', '''c'', ''customer.email'', ''task'', dispositions => array_fill(''''::text, ARRAY[1])', '22023', 'element 1', false),
  ('set_channel', '''c'', ''customer.email'', ''task'', dispositions => array_fill(''x''::text, ARRAY[101])', '22023', '100', false), ('set_channel', '''c'', ''customer.email'', ''inbox'', ''stream''', '22023', 'stream', false),
  ('inbox', 'NULL, ''box''', '22004', '"customer"', false), ('inbox', '''1'', NULL', '22004', '"channel"', false), ('inbox', '''1'', ''box'', 0', '22023', 'max.* 0', false), ('inbox', '''1'', ''nope''', '42704', '"nope"', true), ('inbox', '''1'', ''email''', '55000', '"email"', false),
  ('inbox', '''1'', ''box'', NULL', '22004', '"max"', false), ('offers', 'NULL, ''box''', '22004', '"customer"', false), ('offers', '''1'', ''nope''', '42704', '"nope"', true), ('offers', '''1'', ''email''', '55000', '"email"', false), ('offers', '''1'', NULL', '22004', '"channel"', false),
  ('redeem', 'NULL', '22004', '"message_id"', false), ('redeem', '''00000000-0000-0000-0000-000000000000''', '42704', '00000000', true), ('redeem', 'gen_random_uuid(), NULL', '22004', '"detail"', false), ('redeem', 'gen_random_uuid(), ''[]''', '22023', '"detail"', false),
  ('redeem', 'gen_random_uuid(), ''{"amount": "x"}''', '22023', 'amount', true),
  ('take_task', 'NULL, ''ann''', '22004', '"channel"', false), ('take_task', '''calls'', NULL', '22004', '"assignee"', false), ('take_task', '''calls'', ''''', '22023', 'assignee', false), ('take_task', '''nope'', ''ann''', '42704', '"nope"', true), ('take_task', '''email'', ''ann''', '55000', '"email"', false),
  ('tasks', '1, 2', '42883', 'tasks', true),
  ('assign_task', 'NULL, ''ann''', '22004', '"message_id"', false), ('assign_task', 'gen_random_uuid(), NULL', '22004', '"assignee"', false), ('assign_task', 'gen_random_uuid(), repeat(''x'', 201)', '22023', 'assignee', false), ('assign_task', '''00000000-0000-0000-0000-000000000000'', ''ann''', '42704', '00000000', true),
  ('complete_task', 'NULL, ''done''', '22004', '"message_id"', false), ('complete_task', 'gen_random_uuid(), NULL', '22004', '"disposition"', false), ('complete_task', '''00000000-0000-0000-0000-000000000000'', ''done''', '42704', '00000000', true),
  ('add_preset_channel', 'NULL', '22004', '"preset"', false), ('add_preset_channel', '''nope''', '42704', '"nope"', true), ('add_preset_channel', 'repeat(''p'', 2000)', '42704', '"p{60}\.\.\."', true),
  ('add_preset_channel', '''email'', settings => NULL', '22004', '"settings"', false), ('add_preset_channel', '''email'', settings => ''[]''', '22023', '"settings"', true), ('add_preset_channel', '''email'', settings => ''{"nope": 1}''', '22023', '"nope"', true),
  ('add_preset_channel', '''email'', ''customer.nope''', '42703', 'nope', false), ('add_preset_channel', '''social''', '22004', '"address_sql"', false), ('add_preset_channel', '''email'', channel => ''C d''', '22023', '"C d"', true),
  ('grant_channel', 'NULL, ''postgres''', '22004', '"channel"', false), ('grant_channel', '''email'', NULL', '22004', '"role"', false), ('grant_channel', '''nope'', ''postgres''', '42704', '"nope"', true),
  ('grant_channel', 'repeat(''c'', 2000), ''postgres''', '42704', '"c{60}\.\.\."', true),
  ('grant_channel', '''email'', ''nobody_at_all''', '42704', '"nobody_at_all"', false), ('grant_channel', '''email'', 999999::oid::regrole', '42704', '999999', false),
  ('revoke_channel', 'NULL, ''postgres''', '22004', '"channel"', false), ('revoke_channel', '''email'', NULL', '22004', '"role"', false), ('revoke_channel', '''nope'', ''postgres''', '42704', '"nope"', true),
  ('set_template', 'NULL, ''email'', ''b''', '22004', '"name"', false), ('set_template', '''t'', NULL, ''b''', '22004', '"channel"', false), ('set_template', '''t'', ''email'', NULL', '22004', '"body"', false),
  ('set_template', ''''', ''email'', ''b''', '22023', '"name"', false), ('set_template', '''t'', '''', ''b''', '22023', '"channel"', false), ('set_template', 'repeat(''t'', 201), ''email'', ''b''', '22023', '"name".*200 bytes', false),
  ('set_template', '''t'', ''email'', ''b'', headers => NULL', '22004', '"headers"', false), ('set_template', '''t'', ''email'', ''b'', headers => ''[]''', '22023', 'headers', true),
  ('set_template', '''t'', ''email'', ''b'', headers => ''{"A": 1}''', '22023', '"A"', false), ('set_template', '''t'', ''email'', ''b'', headers => ''{"": "x"}''', '22023', '""', true),
  ('set_template', '''t'', ''email'', ''b'', headers => ''{"x\ny": "x"}''', '22023', 'name of a header', true), ('set_template', '''t'', ''email'', ''b'', locale => ''not a locale''', '22023', '"not a locale"', true),
  ('set_template', '''t'', ''email'', ''b'', locale => repeat(''l'', 2000)', '22023', '"l{60}\.\.\."', true),
  ('set_template', '''t'', ''email'', ''{{}}''', '42601', 'hole is empty', true), ('set_template', '''t'', ''email'', ''{{ 1''', '42601', 'not closed', true), ('set_template', '''t'', ''email'', ''{{{ 1 }}''', '42601', 'not closed', true),
  ('set_template', '''t'', ''email'', ''b'', ''{{ customer.nope }}''', '42703', 'subject.*nope', false), ('set_template', '''t'', ''email'', ''b'', html => ''{{ nope }}''', '42703', 'html.*nope', false),
  ('send_test', 'NULL, ''a'', ''1'', ''{x}''', '22004', 'argument', false), ('send_test', '''j'', NULL, ''1'', ''{x}''', '22004', 'argument', false), ('send_test', '''j'', ''a'', NULL, ''{x}''', '22004', 'argument', false), ('send_test', '''j'', ''a'', ''1'', NULL', '22004', 'argument', false),
  ('send_test', '''nope'', ''a'', ''1'', ''{x}''', '42704', '"nope"', true), ('send_test', '''j'', ''nope'', ''1'', ''{x}''', '42704', '"nope"', true), ('send_test', '''j'', ''a'', ''1'', ''{x}''', '22023', 'sends no message', false), ('send_test', '''j'', ''a'', ''1'', ''{x}'', version => 99', '42704', 'version 99', false),
  ('send_test', '''j'', ''a'', ''1'', ''{}''', '22023', '1 to 100', false), ('send_test', '''j'', ''a'', ''1'', ''{a,NULL}''', '22004', 'element 2', false), ('send_test', '''j'', ''a'', ''1'', array_fill(''x''::text, ''{101}'')', '22023', 'not 101', false), ('send_test', '''j'', ''a'', ''1'', ARRAY[repeat(''x'', 1001)]', '22023', 'element 1', false),
  ('send_test', '''j'', ''a'', ''1'', ''{x}'', event => ''[]''', '22023', '"event"', false), ('send_test', '''j'', ''a'', ''1'', ''{x}'', context => ''1''', '22023', '"context"', false), ('send_test', '''j'', ''a'', ''1'', ''{x}'', version => 0', '22023', 'version', true),
  ('html_escape', '1', '42883', 'html_escape', true), ('html_list', '''x''', '22P02', 'array', false), ('url_encode', '1', '42883', 'url_encode', true), ('last_message', '1, 2', '42883', 'last_message', true),
  ('set_sender', 'NULL', '22004', '"name"', false), ('set_sender', '''''', '22023', '"name"', false), ('set_sender', 'repeat(''n'', 201)', '22023', '"name".*200 bytes', false), ('set_sender', 'E''a\nb''', '22023', '"name".*control', false),
  ('set_sender', '''a'', ''''', '22023', '"postal_address"', false), ('set_sender', '''a'', repeat(''b'', 501)', '22023', '"postal_address".*500 bytes', false), ('set_sender', '''a'', ''b'', ''http://shop.example''', '22023', '"http://shop.example"', true),
  ('set_sender', '''a'', ''b'', ''https://shop.example>''', '22023', 'base URL', true), ('set_sender', '''a'', ''b'', ''https://'' || repeat(''c'', 2000)', '22023', '"base_url".*300 bytes', false), ('set_sender', '''a'', topic => ''''', '22023', '"topic"', false),
  ('render', 'NULL, ''1''', '22004', '"template"', false), ('render', '''hello'', NULL', '22004', '"customer"', false), ('render', '''nope'', ''1''', '42704', '"nope"', false), ('render', '''hello'', ''nope''', '42704', '"nope"', false),
  ('render', 'repeat(''t'', 2000), ''1''', '42704', '"t{60}\.\.\."', false), ('render', '''hello'', repeat(''c'', 2000)', '42704', '"c{60}\.\.\."', false), ('render', '''hello'', ''twice''', '21000', '"twice"', true),
  ('render', '''hello'', ''1'', ''[1]''', '22023', '"event"', true), ('render', '''hello'', ''1'', ''3''', '22023', '"event"', true), ('render', '''hello'', ''1'', ''null''', '22023', '"event"', true), ('render', '''hello'', ''1'', ''{}'', ''[]''', '22023', '"context"', true), ('render', '''hello'', ''1'', ''{}'', ''"x"''', '22023', '"context"', true),
  ('render', '''hello'', ''1'', NULL', '22004', '"event"', false), ('render', '''hello'', ''1'', ''{}'', NULL', '22004', '"context"', false), ('render', '''hello'', ''1'', channel => ''nope''', '42704', '"nope"', false),
  ('check_definition', 'NULL', '22004', '"definition"', false), ('check_definition', '''{''', '22P02', 'json', false), ('definition_schema', '1', '42883', 'definition_schema', true),
  ('define', 'NULL', '22004', '"definition"', false), ('define', '''[]''', 'JO001', 'must be an object', true), ('define', '''{"journey": 1}''', 'JO001', '/journey', true),
  ('publish', 'NULL', '22004', '"journey"', false), ('publish', '''nope''', '42704', '"nope"', true), ('publish', '''j'', 99', '42704', 'version 99 of journey "j"', false), ('publish', '''j'', 0', '22023', 'version.* 0', true),
  ('publish', '''j'', NULL, NULL', '22004', '"existing"', false), ('publish', '''j'', NULL, ''nope''', '22023', '"nope"', true), ('publish', '''j'', NULL, ''future'', NULL', '22004', '"inflight"', false),
  ('publish', '''j'', NULL, ''future'', ''nope''', '22023', '"nope"', true), ('publish', '''j'', NULL, ''future'', ''finish'', NULL', '22004', '"preview"', false),
  ('pause', 'NULL', '22004', '"journey"', false), ('pause', '''nope''', '42704', '"nope"', true), ('pause', '''j'', NULL', '22004', '"newcomers"', false), ('pause', '''j'', ''nope''', '22023', '"nope"', true),
  ('pause', '''j'', ''queue'', NULL', '22004', '"waits"', false), ('pause', '''j'', ''queue'', ''nope''', '22023', '"nope"', true), ('pause', '''j''', '55000', '"j" was never published', true),
  ('resume', 'NULL', '22004', '"journey"', false), ('resume', '''nope''', '42704', '"nope"', true), ('resume', '''j'', 0', '22023', 'rate', true), ('resume', '''j'', -1', '22023', 'rate', true),
  ('resume', '''j'', ''NaN''', '22023', 'rate', true), ('resume', '''j'', ''Infinity''', '22023', 'rate', true), ('resume', '''j'', 1e300', '22023', 'rate', true), ('resume', '''j''', '55000', '"j" was never published', true),
  ('stop', 'NULL', '22004', '"journey"', false), ('stop', '''nope''', '42704', '"nope"', true), ('stop', '''j'', NULL', '22004', '"inflight"', false), ('stop', '''j'', ''move''', '22023', '"move"', true), ('stop', '''j''', '55000', '"j" was never published', true),
  ('approve_version', 'NULL, 1', '22004', '"journey"', false), ('approve_version', '''j'', NULL', '22004', '"version"', false), ('approve_version', '''nope'', 1', '42704', '"nope"', true),
  ('approve_version', '''j'', 99', '42704', 'version 99 of journey "j"', false), ('approve_version', '''j'', 0', '22023', 'version.* 0', true), ('approve_version', '''j'', 1', '42501', 'cannot be approved by its author', true),
  ('approve_template', 'NULL, ''email''', '22004', '"name"', false), ('approve_template', '''hello'', NULL', '22004', '"channel"', false), ('approve_template', '''nope'', ''email''', '42704', '"nope"', true),
  ('approve_template', '''hello'', ''nope''', '42704', '"nope"', true), ('approve_template', '''hello'', ''email'', locale => ''de''', '42704', '"hello"', true), ('approve_template', '''hello'', ''email'', locale => ''not a locale''', '42704', '"hello"', true),
  ('approve_template', '''hello'', ''email'', version => 99', '42704', 'no version 99', true), ('approve_template', '''hello'', ''email'', version => 0', '42704', 'no version 0', true), ('approve_template', '''hello'', ''email''', '42501', 'cannot be approved by its author', true),
  ('archive', 'NULL', '22004', '"journey"', false), ('archive', '''nope''', '42704', '"nope"', true), ('archive', '''j''', '55000', '"j" was never published', true),
  ('definition', 'NULL', '22004', '"journey"', false), ('definition', '''nope''', '42704', '"nope"', true), ('definition', '''j'', 99', '42704', 'version 99 of journey "j"', false), ('definition', '''j'', -1', '22023', 'version.* -1', true),
  ('mermaid', 'NULL', '22004', '"journey"', false), ('mermaid', '''nope''', '42704', '"nope"', true), ('mermaid', '''j'', 99', '42704', 'version 99', false),
  ('dot', 'NULL', '22004', '"journey"', false), ('dot', '''nope''', '42704', '"nope"', true), ('dot', '''j'', 99', '42704', 'version 99 of journey "j"', false), ('dot', '''j'', 0', '22023', 'version 0', true),
  ('definition_svg', 'NULL', '22004', '"journey"', false), ('definition_svg', '''nope''', '42704', '"nope"', true), ('definition_svg', '''j'', 99', '42704', 'version 99 of journey "j"', false), ('definition_svg', '''j'', 0', '22023', 'version 0', true),
  ('diff', 'NULL', '22004', '"journey"', false), ('diff', '''nope''', '42704', '"nope"', true), ('diff', '''j'', 99, 1', '42704', 'version 99 of journey "j"', false), ('diff', '''j'', 1, 99', '42704', 'version 99 of journey "j"', false),
  ('diff', '''j'', 0, 1', '22023', 'version 0', true), ('diff', '''j'', 1, -1', '22023', 'version -1', true),
  ('claim', 'NULL, ''me''', '22004', '"channel"', false), ('claim', '''email'', NULL', '22004', '"relay"', false), ('claim', '''nope'', ''me''', '42704', '"nope"', true), ('claim', '''email'', ''''', '22023', 'relay', false),
  ('claim', '''email'', repeat(''r'', 201)', '22023', 'relay', false), ('claim', '''email'', ''me'', NULL', '22004', '"max_messages"', false), ('claim', '''email'', ''me'', 0', '22023', 'max_messages.* 0', false),
  ('claim', '''email'', ''me'', 2147483647', '22023', 'max_messages', false), ('claim', '''email'', ''me'', 1, NULL', '22004', '"lease"', false), ('claim', '''email'', ''me'', 1, ''0''', '22023', 'lease', true),
  ('claim', '''email'', ''me'', 1, ''178000000 years''', '22023', 'lease', true),
  ('ack', 'NULL', '22004', '"claim_id"', false), ('ack', '0', 'JO005', 'claim 0', true), ('ack', '-9223372036854775808', 'JO005', '-9223372036854775808', true), ('ack', '1, ''{not a uuid}''', '22P02', 'uuid', false),
  ('nack', 'NULL, gen_random_uuid(), ''e''', '22004', '"claim_id"', false), ('nack', '1, NULL, ''e''', '22004', '"message_id"', false), ('nack', '1, gen_random_uuid(), NULL', '22004', '"error"', false),
  ('nack', '1, gen_random_uuid(), ''e''', 'JO005', 'claim 1', true), ('nack', '1, gen_random_uuid(), ''e'', NULL', '22004', '"permanent"', false), ('nack', '1, gen_random_uuid(), ''e'', false, ''-1 s''', '22023', 'retry_after', false),
  ('nack', '1, gen_random_uuid(), ''e'', true, ''1 s''', '22023', 'retry_after', true), ('nack', '1, gen_random_uuid(), ''e'', false, ''1 s'', true', '22023', 'retry_after', true), ('nack', '1, gen_random_uuid(), ''e'', false, NULL, NULL', '22004', '"hard_bounce"', false),
  ('extend', 'NULL, ''1 s''', '22004', '"claim_id"', false), ('extend', '1, NULL', '22004', '"lease"', false), ('extend', '1, ''0''', '22023', 'lease', true), ('extend', '1, ''1 s''', 'JO005', 'claim 1', true),
  ('report', 'NULL, ''delivered''', '22004', '"message_id"', false), ('report', 'gen_random_uuid(), NULL', '22004', '"status"', false), ('report', 'gen_random_uuid(), ''nope''', '22023', '"nope"', true),
  ('report', 'gen_random_uuid(), ''delivered''', '42704', 'message', false), ('report', 'gen_random_uuid(), ''delivered'', NULL, ''[]''', '22023', 'detail', false), ('report', 'gen_random_uuid(), ''delivered'', ''infinity''', '22023', 'time', false),
  ('report', 'gen_random_uuid(), ''converted'', NULL, ''{"amount": 1}''', '22023', 'converted', true), ('report', 'gen_random_uuid(), ''redeemed'', NULL, ''{"amount": "x", "currency": "EUR"}''', '22023', 'redeemed', true),
  ('redeliver', 'NULL', '22004', '"message_id"', false), ('redeliver', 'gen_random_uuid()', '42704', 'no dead letter', true), ('redeliver', '''x''', '22P02', 'uuid', false),
  ('discard', 'NULL', '22004', '"message_id"', false), ('discard', 'gen_random_uuid()', '42704', 'no dead letter', true), ('redeliver_many', '''false'', NULL', '22004', '"preview"', false), ('redeliver_many', '''false'', false, repeat(''n'', 10001)', '22023', '"note".* 10000', false),
  ('redeliver_many', '''true) OR (true''', '42601', 'syntax', false), ('redeliver_many', '''true FROM orders''', 'JO002', 'FROM', true), ('redeliver_many', '''nope''', '42703', 'nope', false), ('redeliver_many', '''1''', '42804', 'boolean', false), ('redeliver_many', 'repeat(''1+'', 600000) || ''1''', '54000', 'too long', false),
  ('set_machine_agent', 'NULL', '22004', '"agent"', false), ('set_machine_agent', '''''', '22023', '""', true), ('set_machine_agent', 'repeat(''a'', 64)', '22023', '"a{64}"', true), ('set_machine_agent', '''nope''', '42704', '"nope"', true),
  ('set_machine_agent', '''x'', ''(''', '2201B', 'regular expression', false), ('set_machine_agent', '''x'', repeat(''x'', 1001), source => ''s''', '22023', 'user_agent', false), ('set_machine_agent', '''x'', ''y''', '22023', 'source', true),
  ('set_machine_agent', '''x'', network => ''10.0.0.1/8'', source => ''s''', '22P02', '10.0.0.1/8', false), ('set_machine_agent', '''x'', within => ''178000000 years'', source => ''s''', '22023', 'within', false), ('set_machine_agent', '''x'', links => 2147483647, source => ''s''', '22023', 'links', true),
  ('set_machine_agent', '''x'', ''y'', source => ''s'', statuses => ''{nope}''', '22023', '"nope"', true), ('set_machine_agent', '''x'', ''y'', source => ''s'', statuses => NULL', '22004', '"statuses"', false),
  ('report_provider', 'NULL, ''p'', ''delivered''', '22004', '"channel"', false), ('report_provider', '''email'', NULL, ''delivered''', '22004', '"provider_message_id"', false), ('report_provider', '''email'', ''p'', NULL', '22004', '"status"', false),
  ('report_provider', '''email'', ''p'', ''delivered'', NULL, NULL', '22004', '"detail"', false), ('report_provider', '''email'', ''p'', ''nope''', '22023', '"nope"', true), ('report_provider', '''email'', '''', ''delivered''', '22023', 'delivered.*provider_message_id', false),
  ('report_provider', '''email'', repeat(''p'', 501), ''delivered''', '22023', 'delivered.*500 bytes', false), ('report_provider', '''nope'', ''p'', ''delivered''', '42704', '"nope"', true), ('report_provider', '''email'', ''p'', ''delivered''', '42704', '"p"', true),
  ('report_provider', '''email'', ''p'', ''delivered'', ''-infinity''', '22023', 'finite', false), ('report_many', '''[{"provider_message_id": "p", "status": "opened"}]''', '22023', 'element 1 .*"channel" is missing', true),
  ('report_many', format('''[{"provider_message_id": "p", "channel": "email", "message_id": "%1$s", "status": "opened"}]''', gen_random_uuid()), '22023', 'element 1 .*both', true), ('report_many', '''[{"provider_message_id": "p", "channel": "email", "status": "opened"}]''', '42704', '"p"', true),
  ('report_many', 'NULL', '22004', '"reports"', false), ('report_many', '''{}''', '22023', 'reports', false), ('report_many', '''[1]''', '22023', 'element 1 of "reports".*not an object', true), ('report_many', '''[{}]''', '22023', 'element 1 .*"message_id" is missing', true),
  ('report_many', '''[{"message_id": "x", "status": "delivered"}]''', '22023', 'element 1 .*"message_id" is "x"', true), ('report_many', '''[{"message_id": 1, "status": 2}]''', '22023', 'element 1 .*"message_id" is not a string', true),
  ('report_many', '''[{"message_id": "00000000000000000000000000000000", "status": 2}]''', '22023', 'element 1 .*"status" is not a string', true),
  ('report_many', '''[{"message_id": "{00000000-0000-0000-0000-00000000000", "status": "opened"}]''', '22023', '"message_id" is "\{0', true),
  ('report_many', '(''[{"message_id": "'' || repeat(''x'', 2000) || ''", "status": "opened"}]'')::jsonb', '22023', '"x{60}\.\.\."', true),
  ('report_many', format('''[{"message_id": "%1$s", "status": "opened", "at": "soon"}]''', gen_random_uuid()), '22023', 'element 1 .*"at" is "soon"', true),
  ('report_many', format('''[{"message_id": "%1$s", "status": "opened", "at": "infinity"}]''', gen_random_uuid()), '22023', '"at" is "infinity"', true),
  ('report_many', format('''[{"message_id": "%1$s", "status": "opened", "at": "2026-02-30"}]''', gen_random_uuid()), '22023', '"at" is "2026-02-30"', true),
  ('report_many', format('''[{"message_id": "%1$s", "status": "nope"}]''', gen_random_uuid()), '22023', 'element 1 .*"nope"', true),
  ('report_many', format('''[{"message_id": "%1$s", "status": "opened", "detail": 1}]''', gen_random_uuid()), '22023', 'element 1 .*"detail" is not an object', true),
  ('report', 'gen_random_uuid(), repeat(''s'', 2000)', '22023', '"s{60}\.\.\."', true),
  ('set_topic', '''a'', repeat(''c'', 100)', '22023', '"c{60}\.\.\."', true), ('publish', '''j'', NULL, repeat(''w'', 2000)', '22023', '"w{60}\.\.\."', true),
  ('wait_for_messages', '''{email}'', ''1 s'', NULL', '25001', 'transaction', true), ('run', '', '25001', 'transaction block', true), ('run', '''infinity'', 0', '25001', 'transaction block', true),
  ('run_here', '''soon''', '22007', 'soon', false), ('settle', 'NULL', '22004', 'timeout', false), ('settle', '''178000000 years''', '22023', '178000000 years', true), ('settle', '''-1 second''', '22023', '-00:00:01', true), ('settle', '''25 hours''', '22023', '25:00:00', true),
  ('start_worker', '1', '42883', 'start_worker', true), ('stop_worker', '1', '42883', 'stop_worker', true), ('health', '1', '42883', 'health', true),
  ('maintain', '1', '42883', 'maintain', true),
  ('forget', 'NULL, ''asked''', '22004', '"customer"', false), ('forget', '''1'', NULL', '22004', '"reason"', false), ('forget', ''''', ''asked''', '22023', '"customer"', false),
  ('forget', '''1'', ''''', '22023', '"reason"', false), ('forget', 'repeat(''c'', 1001), ''asked''', '22023', '"customer".* 1000', false), ('forget', '''held'', ''asked''', '55000', 'must not be erased.*court', true),
  ('erasure_hash', 'NULL', '22004', '"customer"', false), ('erasure_hash', '''''', '22023', '"customer"', false), ('erasure_hash', 'repeat(''c'', 1001)', '22023', '"customer".* 1000', false),
  ('hold_customer', 'NULL, ''audit''', '22004', '"customer"', false), ('hold_customer', '''1'', NULL', '22004', '"reason"', false), ('hold_customer', ''''', ''audit''', '22023', '"customer".* 1000', false), ('hold_customer', 'repeat(''c'', 1001), ''audit''', '22023', '"customer".* 1000', false),
  ('release_customer', 'NULL', '22004', '"customer"', false),
  ('enter', 'NULL, ''1''', '22004', '"journey"', false), ('enter', '''j'', NULL', '22004', '"customer"', false), ('enter', '''nope'', ''1''', '42704', '"nope"', true), ('enter', '''j'', ''''', '22023', '"customer"', false),
  ('enter', '''j'', repeat(''c'', 1001)', '22023', '"customer".* 1000', false), ('enter', '''j'', ''1'', ''[]''', '22023', '"context"', false), ('enter', '''j'', ''1'', ''1''', '22023', '"context"', false), ('enter', '''j'', ''1'', ''{''', '22P02', 'json', false),
  ('enter', '''j'', ''1'', ''{}'', ''''', '22023', '"key"', false), ('enter', '''j'', ''1'', ''{}'', repeat(''k'', 1001)', '22023', '"key".* 1000', false), ('enter', '''j'', ''1'', ''{}'', NULL, ''''', '22023', '"idempotency_key"', false),
  ('enter', '''j'', ''1'', ''{"a": 2}'', NULL, ''used''', 'JO004', '"used"', true),
  ('leave', 'NULL, ''1''', '22004', '"journey"', false), ('leave', '''j'', NULL', '22004', '"customer"', false), ('leave', '''nope'', ''1''', '42704', '"nope"', true), ('leave', '''j'', ''1'', ''''', '22023', '"key"', false),
  ('leave', '''j'', ''1'', NULL, ''Because!''', '22023', '"Because!"', true), ('leave', '''j'', ''1'', NULL, ''''', '22023', '"reason"', true), ('leave', '''j'', ''1'', NULL, ''goal''', '22023', '"goal"', true), ('leave', '''j'', ''1'', NULL, repeat(''r'', 64)', '22023', '"reason"', true),
  ('command_status', 'NULL', '22004', '"id"', false), ('command_status', '0', '42704', 'command 0', true), ('command_status', '-9223372036854775808', '42704', '-9223372036854775808', true),
  ('approve', 'NULL, ''yes''', '22004', '"enrollment_id"', false), ('approve', 'gen_random_uuid(), NULL', '22004', '"decision"', false), ('approve', 'gen_random_uuid(), ''yes''', '42704', 'asks nobody', true), ('approve', '''x'', ''yes''', '22P02', 'uuid', false),
  ('approve', 'gen_random_uuid(), ''yes'', repeat(''n'', 10001)', '22023', '"note".* 10000', false),
  ('approve_many', 'NULL, ''yes''', '22004', '"enrollment_ids"', false), ('approve_many', '''{}'', NULL', '22004', '"decision"', false), ('approve_many', '''{NULL}'', ''yes''', '22004', 'contain NULL', false), ('approve_many', 'ARRAY[gen_random_uuid()], ''yes''', '42704', 'asks nobody', true),
  ('simulate', 'NULL', '22004', '"journey"', false), ('simulate', '''nope''', '42704', '"nope"', true), ('simulate', '''j'', 0', '22023', 'version 0', true), ('simulate', '''j'', 7', '42704', 'version 7', false),
  ('simulate', '''j'', customers => ''{NULL}'', events => ''[]''', '22004', '"customers"', false), ('simulate', '''j'', customers => ''{1,2,1}'', events => ''[]''', '22023', '"1" comes twice', true),
  ('simulate', '''j'', customers => ''{1}'', virtual_customers => 1', '22023', 'together', true), ('simulate', '''j'', virtual_customers => 0, events => ''[]''', '22023', '"virtual_customers"', true),
  ('simulate', '''j'', virtual_customers => 1', '22023', 'need events', true), ('simulate', '''j'', customer_sql => ''event''', '22023', '"customer_sql"', true), ('simulate', '''j'', events => ''[]''', '22023', 'events need customers', true),
  ('simulate', '''j'', virtual_customers => 1, events => ''[]'', customer_sql => ''nope(1)''', '42883', 'nope', true), ('simulate', '''j'', virtual_customers => 1, events => ''[]'', customer_sql => ''customer''', '42703|JO002', 'customer', false),
  ('simulate', '''j'', virtual_customers => 1, events => ''[]'', customer_sql => ''1''', '42804', 'jsonb', false), ('simulate', '''j'', virtual_customers => 1, events => ''[]'', customer_sql => $$''[]''::jsonb$$', '22023', 'no JSON object for customer 1', true),
  ('simulate', '''j'', virtual_customers => 1, events => ''[]'', customer_sql => $$jsonb_build_object(''id'', 1 / ((event->>''n'')::int - 1))$$', '22012', '"customer_sql" raised for customer 1: division by zero', false),
  ('simulate', '''j'', virtual_customers => 2, events_sql => $$to_jsonb((event->>''n'')::int / 0)$$', '22012', '"events_sql" raised for customer 1', false), ('simulate', '''j'', virtual_customers => 2, events_sql => $$to_jsonb(1)$$', '22023', '"events_sql" must be a JSON array', true),
  ('simulate', '''j'', virtual_customers => 1, events_sql => $$to_jsonb(now())$$', 'JO002', 'now', true), ('simulate', '''j'', virtual_customers => 1, events_sql => ''1; DROP TABLE customer''', '42601|JO002', '.', false),
  ('simulate', '''j'', customers => ''{1}'', events => ''{}''', '22023', '"events" must be a JSON array', true), ('simulate', '''j'', customers => ''{1}'', events => ''[1]''', '22023', 'element 1 of "events" is no object', true),
  ('simulate', '''j'', customers => ''{1}'', events => ''[{"event": "x"}, {}]''', '22023', 'element 2 .*neither', true), ('simulate', '''j'', customers => ''{1}'', events => ''[{"event": 1}]''', '22023', 'element 1 .*"event" that is no string', true),
  ('simulate', '''j'', customers => ''{1}'', events => ''[{"event": "$enter"}]''', '22023', '"\$enter"', true), ('simulate', '''j'', customers => ''{1}'', events => ''[{"event": "x", "enter": {}}]''', '22023', 'both "event" and "enter"', true),
  ('simulate', '''j'', customers => ''{1}'', events => ''[{"event": "x", "payload": []}]''', '22023', '"payload" that is no object', true), ('simulate', '''j'', customers => ''{1}'', events => ''[{"enter": {}, "payload": {}}]''', '22023', 'does not take', true),
  ('simulate', '''j'', customers => ''{1}'', events => ''[{"event": "x", "afer": "1 day"}]''', '22023', 'unknown member "afer"', true), ('simulate', '''j'', customers => ''{1}'', events => ''[{"event": "x", "at": "2026-01-02", "after": "1 day"}]''', '22023', 'both "at" and "after"', true),
  ('simulate', '''j'', customers => ''{1}'', events => ''[{"event": "x", "at": "soon"}]''', '22007', 'soon', false), ('simulate', '''j'', customers => ''{1}'', events => ''[{"event": "x", "after": "soon"}]''', '22007', 'soon', false),
  ('simulate', '''j'', customers => ''{1}'', events => ''[{"event": "x", "after": "-1 day"}]''', '22023', 'not between', true), ('simulate', '''j'', customers => ''{1}'', events => ''[{"event": "x", "after": "2 years"}]''', '22023', 'not between', true),
  ('simulate', '''j'', customers => ''{1}'', events => ''[{"event": "x", "after": "9999999 years"}]''', '22008', 'out of range', false), ('simulate', '''j'', customers => ''{1}'', events => ''[]'', since => ''-infinity''', '22023', '"since" must be finite', true),
  ('simulate', '''j'', until => ''infinity''', '22023', '"until"', true), ('simulate', '''j'', until => ''294000-01-01''', '22023', '"until"', true), ('simulate', '''j'', since => ''2026-01-02'', until => ''2026-01-01''', '22023', '"since"', true),
  ('simulate', '''j'', since => ''soon''', '22007', 'soon', false), ('simulate', '''j'', customers => ''{1}'', events => ''[]'', since => ''293900-01-01''', '22023', '"until"', true),
  ('simulate', '''j'', seed => NULL', '22004', '"seed"', false), ('simulate', '''j'', others => NULL', '22004', '"others"', false), ('simulate', '''j'', max_rows => NULL', '22004', '"max_rows"', false), ('simulate', '''j'', max_rows => 0', '22023', '"max_rows"', true),
  ('simulate', '''j'', max_rows => 1, virtual_customers => 9, events => ''[{"enter": {}}]''', '54000', 'more than 1 rows', true),
  ('simulate', '''j'', customers => ''{1}'', events => ''[{"event": "x", "of": "a"}]''', '22023', 'element 1 .*"of"', true), ('simulate', '''j'', customers => ''{1}'', events => ''[{"event": "message.sent", "of": "a"}]''', '22023', 'element 1 .*"of"', true),
  ('simulate', '''j'', customers => ''{1}'', events => ''[{"event": "message.opened", "of": "a", "at": "2026-01-01"}]''', '22023', 'both "of" and "at"', true), ('simulate', '''j'', customers => ''{1}'', events => ''[{"event": "message.opened", "of": "a", "after": "-1 hour"}]''', '22023', 'before the message', true),
  ('simulate_definition', 'NULL', '22004', '"definition"', false), ('simulate_definition', '''{}''', 'JO001', 'errors?', true), ('simulate_definition', '''1''', 'JO001', 'error', true), ('simulate_definition', '''{"journey": "j"}''', 'JO001', '"j"', true),
  ('ask_gates', 'NULL, ''email''', '22004', '"customer"', false), ('consent_state', 'NULL, ''email'', ''news''', '22004', '"customer"', false), ('ask_gates', '''1'', NULL', '22004', '"channel"', false),
  ('grant_consent', 'NULL, ''email'', ''news'', ''form'', ''{"text_version": "v", "method": "m"}''', '22004', '"customer"', false), ('grant_consent', ''''', ''email'', ''news'', ''form'', ''{"text_version": "v", "method": "m"}''', '22023', '"customer"', false),
  ('grant_consent', 'repeat(''x'', 1001), ''email'', ''news'', ''form'', ''{"text_version": "v", "method": "m"}''', '22023', '"customer".* 1000', false), ('withdraw_consent', 'NULL', '22004', '"customer"', false), ('withdraw_consent', '''''', '22023', '"customer"', false),
  ('withdraw_consent', 'repeat(''x'', 1001)', '22023', '"customer".* 1000', false), ('request_consent', 'NULL, ''email'', ''news'', ''form'', ''{"text_version": "v", "method": "m"}''', '22004', '"customer"', false), ('request_consent', ''''', ''email'', ''news'', ''form'', ''{"text_version": "v", "method": "m"}''', '22023', '"customer"', false),
  ('request_consent', 'repeat(''x'', 1001), ''email'', ''news'', ''form'', ''{"text_version": "v", "method": "m"}''', '22023', '"customer".* 1000', false), ('record_objection', 'NULL', '22004', '"customer"', false), ('record_objection', '''''', '22023', '"customer"', false),
  ('record_objection', 'repeat(''x'', 1001)', '22023', '"customer".* 1000', false), ('lift_objection', 'NULL, ''sale'', ''form'', ''{"text_version": "v", "method": "m"}''', '22004', '"customer"', false), ('lift_objection', ''''', ''sale'', ''form'', ''{"text_version": "v", "method": "m"}''', '22023', '"customer"', false),
  ('lift_objection', 'repeat(''x'', 1001), ''sale'', ''form'', ''{"text_version": "v", "method": "m"}''', '22023', '"customer".* 1000', false), ('may_ask', 'NULL', '22004', '"customer"', false), ('may_ask', '''''', '22023', '"customer"', false),
  ('may_ask', 'repeat(''x'', 1001)', '22023', '"customer".* 1000', false), ('grant_consent', '''1'', '''', ''news'', ''form'', ''{"text_version": "v", "method": "m"}''', '22023', '"channel"', false), ('grant_consent', '''1'', ''email'', repeat(''x'', 201), ''form'', ''{"text_version": "v", "method": "m"}''', '22023', '"topic".* 200', false),
  ('grant_consent', '''1'', ''email'', ''news'', NULL, ''{"text_version": "v", "method": "m"}''', '22004', '"source"', false), ('grant_consent', '''1'', ''email'', ''news'', '''', ''{"text_version": "v", "method": "m"}''', '22023', '"source"', false), ('grant_consent', '''1'', ''email'', ''news'', ''form'', NULL', '22004', '"evidence"', false),
  ('grant_consent', '''1'', ''email'', ''news'', ''form'', ''[]''', '22023', '"evidence"', false), ('grant_consent', '''1'', ''email'', ''news'', ''form''', '22023', '"text_version"', true), ('grant_consent', '''1'', ''email'', ''news'', ''form'', ''{"text_version": "v"}''', '22023', '"method"', true),
  ('request_consent', '''1'', '''', ''news'', ''form'', ''{"text_version": "v", "method": "m"}''', '22023', '"channel"', false), ('request_consent', '''1'', ''email'', repeat(''x'', 201), ''form'', ''{"text_version": "v", "method": "m"}''', '22023', '"topic".* 200', false), ('request_consent', '''1'', ''email'', ''news'', NULL, ''{"text_version": "v", "method": "m"}''', '22004', '"source"', false),
  ('request_consent', '''1'', ''email'', ''news'', '''', ''{"text_version": "v", "method": "m"}''', '22023', '"source"', false), ('request_consent', '''1'', ''email'', ''news'', ''form'', NULL', '22004', '"evidence"', false), ('request_consent', '''1'', ''email'', ''news'', ''form'', ''[]''', '22023', '"evidence"', false),
  ('request_consent', '''1'', ''email'', ''news'', ''form''', '22023', '"text_version"', true), ('request_consent', '''1'', ''email'', ''news'', ''form'', ''{"text_version": "v"}''', '22023', '"method"', true), ('grant_consent', '''1'', ''email'', ''news'', ''form'', ''{"text_version": "v", "method": "m"}'', basis => NULL', '22004', '"basis"', false),
  ('grant_consent', '''1'', ''email'', ''news'', ''form'', ''{"text_version": "v", "method": "m"}'', basis => ''hearsay''', '22023', '"hearsay"', true), ('grant_consent', '''1'', ''email'', ''news'', ''form'', ''{"text_version": "v", "method": "m"}'', basis => ''inquiry''', '22023', '"reference"', true), ('grant_consent', '''1'', ''email'', ''news'', ''form'', ''{"reference": "r"}'', ''2030-01-01'', ''inquiry''', '22023', '"expires_at"', true),
  ('grant_consent', '''1'', ''email'', ''news'', ''form'', ''{"reference": "r"}'', NULL, ''inquiry'', timezone => ''Nowhere/Else''', '22023', 'Nowhere', false), ('grant_consent', '''1'', ''email'', ''news'', ''form'', ''{"text_version": "v", "method": "m"}'', given_at => ''2027-01-01''', '22023', '"given_at"', true), ('grant_consent', '''1'', ''email'', ''news'', ''form'', ''{"text_version": "v", "method": "m"}'', given_at => ''-infinity''', '22023', '"given_at"', true),
  ('grant_consent', '''1'', ''email'', ''news'', ''form'', ''{"text_version": "v", "method": "m"}'', ''2020-01-01''', '22023', '"expires_at"', false), ('withdraw_consent', '''1'', ''''', '22023', '"channel"', false), ('withdraw_consent', '''1'', source => ''''', '22023', '"source"', false),
  ('withdraw_consent', '''1'', evidence => NULL', '22004', '"evidence"', false), ('request_consent', '''1'', ''email'', ''news'', ''form'', ''{"text_version": "v", "method": "m"}'', NULL', '22004', '"valid"', false), ('request_consent', '''1'', ''email'', ''news'', ''form'', ''{"text_version": "v", "method": "m"}'', ''0''', '22023', '"valid"', false),
  ('request_consent', '''1'', ''email'', ''news'', ''form'', ''{"text_version": "v", "method": "m"}'', ''2 years''', '22023', '"valid"', false), ('confirm_consent', 'NULL', '22004', '"token"', false), ('confirm_consent', '''''', 'JO009', 'not valid', false),
  ('confirm_consent', 'repeat(''x'', 100000)', 'JO009', 'not valid', false), ('confirm_consent', '''AQAAAAI!''', 'JO009', 'not valid', false), ('record_objection', '''1'', NULL', '22004', '"kind"', false),
  ('record_objection', '''1'', ''nope''', '22023', '"nope"', true), ('lift_objection', '''1'', NULL, ''form'', ''{"text_version": "v", "method": "m"}''', '22004', '"kind"', false), ('lift_objection', '''1'', ''nope'', ''form'', ''{"text_version": "v", "method": "m"}''', '22023', '"nope"', true),
  ('may_ask', '''1'', NULL', '22004', '"kind"', false), ('may_ask', '''1'', ''nope''', '22023', '"nope"', true), ('record_objection', '''1'', evidence => ''1''', '22023', '"evidence"', false),
  ('lift_objection', '''1'', ''sale'', NULL, ''{"text_version": "v", "method": "m"}''', '22004', '"source"', false), ('lift_objection', '''1'', ''sale'', ''form'', ''{}''', '22023', '"text_version"', true), ('set_do_not_call', 'NULL, ''{voice}''', '22004', '"list"', false),
  ('set_do_not_call', '''l'', NULL', '22004', '"channels"', false), ('set_do_not_call', '''l'', ''{NULL}''', '22004', '"channels"', false), ('set_do_not_call', '''l'', ''{}''', '22023', '"channels"', false),
  ('set_do_not_call', '''l'', ''{voice}'', NULL', '22004', '"max_age"', false), ('set_do_not_call', '''l'', ''{voice}'', ''-1 day''', '22023', '"max_age"', false), ('set_do_not_call', 'repeat(''x'', 201), ''{voice}''', '22023', '"list".* 200', false),
  ('import_do_not_call', 'NULL, ''{}'', ''2025-01-01''', '22004', '"list"', false), ('import_do_not_call', '''l'', NULL, ''2025-01-01''', '22004', '"numbers"', false), ('import_do_not_call', '''l'', ''{NULL}'', ''2025-01-01''', '22004', '"numbers"', false),
  ('import_do_not_call', '''l'', ''{}'', NULL', '22004', '"listed_at"', false), ('import_do_not_call', '''l'', ''{}'', ''2027-01-01''', '22023', '"listed_at"', true), ('import_do_not_call', '''nope'', ''{}'', ''2025-01-01''', '42704', '"nope"', true),
  ('import_do_not_call', '''l'', ''{}'', ''2025-01-01'', replaces => NULL', '22004', '"replaces"', false), ('suppress', ''''', ''a@example.com'', ''manual''', '22023', '"channel"', false), ('suppress', '''email'', ''a@example.com'', NULL', '22004', '"reason"', false),
  ('suppress', '''email'', ''a@example.com'', ''nope''', '22023', '"nope"', true), ('suppress', '''email'', ''a@example.com'', ''manual'', ''''', '22023', '"topic"', false), ('suppress', '''email'', ''a@example.com'', ''manual'', NULL, ''2020-01-01''', '22023', '"expires_at"', true),
  ('suppress', '''email'', ''a@example.com'', ''manual'', source => ''''', '22023', '"source"', false), ('import_suppressions', ''''', ARRAY[sha256(''a'')], ''manual''', '22023', '"channel"', false), ('import_suppressions', '''email'', ARRAY[sha256(''a'')], NULL', '22004', '"reason"', false),
  ('import_suppressions', '''email'', ARRAY[sha256(''a'')], ''nope''', '22023', '"nope"', true), ('import_suppressions', '''email'', ARRAY[sha256(''a'')], ''manual'', ''''', '22023', '"topic"', false), ('import_suppressions', '''email'', ARRAY[sha256(''a'')], ''manual'', NULL, ''2020-01-01''', '22023', '"expires_at"', true),
  ('import_suppressions', '''email'', ARRAY[sha256(''a'')], ''manual'', source => ''''', '22023', '"source"', false), ('suppress', '''email'', NULL, ''manual''', '22004', '"address"', false), ('suppress', '''email'', '' '', ''manual''', '22023', '"address"', false),
  ('suppress', '''email'', repeat(''x'', 2001), ''manual''', '22023', '"address".* 2000', false), ('suppress', '''email'', ''a@example.com'', ''manual'', detail => ''1''', '22023', '"detail"', false), ('import_suppressions', '''email'', NULL, ''manual''', '22004', '"sha256"', false),
  ('import_suppressions', '''email'', ''{NULL}'', ''manual''', '22004', '"sha256"', false), ('import_suppressions', '''email'', ARRAY[''ab''::bytea], ''manual''', '22023', '32 bytes, not 2', true), ('unsuppress', ''''', ''a@example.com''', '22023', '"channel"', false),
  ('unsuppress', '''email'', NULL', '22004', '"address"', false), ('unsuppress', '''email'', ''a@example.com'', ''nope''', '22023', '"nope"', true),
  ('rotate_token_key', 'NULL', '22004', '"revoke_older"', false), ('unsubscribe_token', 'NULL, ''email'', ''news''', '22004', '"customer"', false), ('unsubscribe_token', ''''', ''email'', ''news''', '22023', '"customer"', false),
  ('unsubscribe_token', 'repeat(''x'', 1001), ''email'', ''news''', '22023', '"customer".* 1000', false), ('preference_token', 'NULL', '22004', '"customer"', false), ('preference_token', '''''', '22023', '"customer"', false),
  ('preference_token', 'repeat(''x'', 1001)', '22023', '"customer".* 1000', false), ('unsubscribe_token', '''1'', '''', ''news''', '22023', '"channel"', false), ('unsubscribe_token', '''1'', ''email'', repeat(''x'', 201)', '22023', '"topic".* 200', false),
  ('preference_token', '''1'', ''''', '22023', '"channel"', false), ('unsubscribe', 'NULL', '22004', '"token"', false), ('unsubscribe', '''nope''', 'JO009', 'not valid', false),
  ('preferences', 'NULL', '22004', '"token"', false), ('preferences', '''''', 'JO009', 'not valid', false), ('preferences', 'repeat(''x'', 5000)', 'JO009', 'not valid', false),
  ('unsubscribe', 'journey_orch.preference_token(''1''), NULL', '22004', '"everything"', false), ('set_preference', 'NULL, ''news'', true', '22004', '"token"', false), ('set_preference', 'journey_orch.preference_token(''1''), NULL, true', '22004', '"topic"', false),
  ('set_preference', 'journey_orch.preference_token(''1''), ''nope'', true', '42704', '"nope"', true), ('set_preference', 'journey_orch.preference_token(''1''), ''news'', NULL', '22004', '"wanted"', false), ('set_preference', 'journey_orch.preference_token(''1''), ''news'', true, ''[]''', '22023', '"evidence"', false),
  ('set_preference', 'journey_orch.unsubscribe_token(''1'', ''email'', ''news''), ''news'', true', 'JO009', 'not valid', false), ('set_keyword', 'NULL, ''de'', ''stop''', '22004', '"word"', false), ('set_keyword', '''!'', ''de'', ''stop''', '22023', '"word"', false),
  ('set_keyword', '''a'', '''', ''stop''', '22023', '"language"', false), ('set_keyword', '''a'', ''de'', NULL', '22004', '"action"', false), ('set_keyword', '''a'', ''de'', ''nope''', '22023', '"nope"', true),
  ('inbound', 'NULL, ''+15550100'', ''stop''', '22004', '"channel"', false), ('inbound', '''sms'', NULL, ''stop''', '22004', '"address"', false), ('inbound', '''sms'', '' '', ''stop''', '22023', '"address"', false),
  ('inbound', '''sms'', ''+15550100'', NULL', '22004', '"body"', false), ('inbound', '''sms'', ''+15550100'', ''stop'', ''''', '22023', '"customer"', false), ('inbound', '''sms'', ''+15550100'', ''stop'', scope => NULL', '22004', '"scope"', false),
  ('inbound', '''sms'', ''+15550100'', ''stop'', scope => ''nope''', '22023', '"nope"', true), ('inbound', '''sms'', ''+15550100'', ''stop'', scope => ''topic''', '22023', '"topic"', true), ('inbound', '''sms'', ''+15550100'', ''stop'', topic => ''news''', '22023', '"topic"', true),
  ('confirm_inbound', 'NULL', '22004', '"inbound_id"', false),
  ('verify', 'NULL', '22004', 'NULL', true), ('verify', '''nope''', '22023', '"nope"', true), ('verify', '''''', '22023', '""', true);

BEGIN;
SELECT plan(10 + (SELECT count(*)::int FROM refusal));
CREATE ROLE bad_input_nobody;
CREATE ROLE bad_input_author IN ROLE journey_orch_author, journey_orch_relay;
GRANT USAGE ON SCHEMA journey_orch TO bad_input_nobody, bad_input_author;

SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_proc p LEFT JOIN good_call g ON g.function = p.proname
                   WHERE p.pronamespace = 'journey_orch'::regnamespace AND p.proname !~ '^_' AND p.prorettype <> 'trigger'::regtype
                     AND (g.function IS NULL OR NOT EXISTS (SELECT FROM refusal WHERE refusal.function = p.proname))$$,
  'every public function has its cases here');

-- Something to refuse: a channel, a template, a topic, a draft, a used key.
SELECT journey_orch.bind_customer('person', 'id'), journey_orch.set_channel('email', 'customer.email'), journey_orch.set_channel('box', 'customer.email', 'inbox'),
  journey_orch.set_channel('calls', 'customer.email', 'task', dispositions => '{done}'), journey_orch.set_template('hello', 'email', 'Hi') \gset _
SELECT journey_orch.define('{"journey": "j", "entry": {"on": "x", "reentry": {"policy": "any"}}, "start": "a", "steps": {"a": {"exit": "done"}}}') \gset _
SELECT journey_orch.hold_customer('held', 'court order') AS held \gset _
SELECT journey_orch.set_clock('2026-01-01 00:00+00'), journey_orch.emit('x', '1', '{"a": 1}', idempotency_key => 'used'), journey_orch.enter('j', '1', '{"a": 1}', idempotency_key => 'used') AS entered \gset _

SELECT try_case(refusal) FROM refusal ORDER BY n;

-- Whoever has no rights is refused, whatever he passes.
CREATE FUNCTION sqlstate_of(sql text, before text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE before;
  EXECUTE sql;
  RETURN 'none';
EXCEPTION WHEN others THEN
  RETURN SQLSTATE;
END
$$;
CREATE VIEW call AS
  SELECT g.*, CASE WHEN EXISTS (SELECT FROM pg_proc WHERE pronamespace = 'journey_orch'::regnamespace AND proname = g.function AND prokind = 'p')
                   THEN 'CALL ' ELSE 'SELECT * FROM ' END || format('journey_orch.%s(%s)', g.function, g.args) AS sql
    FROM good_call g;
SELECT is_empty($$SELECT function, code FROM call, sqlstate_of(sql, 'SET LOCAL ROLE bad_input_nobody') AS code WHERE code <> '42501'$$,
  'every function refuses a role without rights');
SELECT is_empty($$SELECT function, code FROM call, sqlstate_of(sql, 'SET LOCAL transaction_read_only = on') AS code
                   WHERE writes AND code NOT IN ('25006', CASE function WHEN 'run' THEN '25001' ELSE '25006' END)$$,
  'and what writes refuses a read-only transaction');
SELECT is(sqlstate_of(sql, 'SET LOCAL ROLE bad_input_author'), '42501', title)
  FROM (VALUES ($$SELECT journey_orch.watch('orders', 'x', 'NEW.customer_id')$$, 'an author may watch his own tables only'),
               ($$SELECT journey_orch.bind_customer('customer', 'id')$$, 'and bind what he may read'),
               ($$SELECT * FROM journey_orch.claim('email', 'me')$$, 'and a relay claims from channels granted to it')) AS c (sql, title);

-- A row without a customer is recorded, and the statement that wrote it succeeds.
SELECT journey_orch.watch('orders', 'ordered', 'NEW.customer_id', condition_sql => '100 / NEW.amount > 0') \gset _
SELECT lives_ok($$INSERT INTO orders VALUES (1, NULL, 1), (2, '', 1), (3, repeat('x', 1001), 1), (4, '1', 0), (5, '1', 1)$$,
  'an expression that yields NULL, or raises, does not fail the statement');
SELECT is((SELECT string_agg(row_key || ' ' || sqlstate, ', ' ORDER BY row_key) FROM journey_orch.capture_error), '1 22004, 2 22023, 3 22001, 4 22012',
  'each such row is recorded');
SELECT is((SELECT count(*) FROM journey_orch.event WHERE name = 'ordered'), 1::bigint, 'and the good row is captured');

-- After all that the session still works.
SELECT count(*) FROM journey_orch.publish('j') \gset _
SELECT journey_orch.emit('x', '1') \gset _
SELECT journey_orch.run_here() \gset _
SELECT is((SELECT array_agg(state) FROM journey_orch.enrollment_status), '{ended}', 'a journey still runs');
SELECT * FROM finish();
ROLLBACK;
