/*
 * test/pgtap/surface.sql
 *    What holds for every object of the schema, whoever adds the next one:
 *    comments, names, search paths, privileges; and the argument names of the
 *    SQL surface, which are a contract with applications that name them.
 */
\set QUIET 1
\pset format unaligned
\pset tuples_only true
\pset pager off
CREATE EXTENSION pgtap;
CREATE EXTENSION journey_orch;

BEGIN;
SET search_path = public, pg_catalog;
SELECT plan(15);

CREATE TEMPORARY VIEW routine AS
SELECT p.oid, p.proname, p.prokind, p.proargnames, p.proconfig, p.proacl, p.prorettype, p.prosecdef,
       p.oid::regprocedure::text AS signature
  FROM pg_proc p
 WHERE p.pronamespace = 'journey_orch'::regnamespace;

SELECT is_empty(
  $$SELECT signature FROM routine WHERE proname !~ '^_' AND obj_description(oid, 'pg_proc') IS NULL$$,
  'every public function has a comment');
SELECT is_empty(
  $$SELECT relname FROM pg_class WHERE relnamespace = 'journey_orch'::regnamespace AND relkind = 'v' AND relname !~ '^_'
     AND obj_description(oid, 'pg_class') IS NULL$$,
  'every public view has a comment');
SELECT is_empty(
  $$SELECT relname, attname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
     WHERE relnamespace = 'journey_orch'::regnamespace AND relkind = 'v' AND relname !~ '^_' AND attnum > 0
       AND NOT attisdropped AND col_description(attrelid, attnum) IS NULL$$,
  'every column of a public view has a comment');
SELECT is_empty(
  $$SELECT signature, name FROM routine, unnest(proargnames) AS name
      JOIN pg_get_keywords() ON word = name AND catcode IN ('R', 'T')$$,
  'no argument name is a reserved word');
SELECT is_empty(
  $$SELECT signature FROM routine WHERE proname !~ '^_' AND prorettype <> 'trigger'::regtype
       AND array_position(proargnames, '') IS NOT NULL$$,
  'every argument of a public function has a name');
SELECT is_empty(
  $$SELECT signature FROM routine WHERE prokind <> 'p' AND prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
       AND NOT coalesce(proconfig @> '{"search_path=pg_catalog, pg_temp"}', false)$$,
  'every function fixes its search_path');
SELECT is_empty(
  $$SELECT signature FROM routine WHERE prokind = 'p' AND proconfig IS NOT NULL AND NOT prosecdef = false$$,
  'no procedure is a security definer: it could not commit');
SELECT is_empty(
  $$SELECT signature FROM routine WHERE has_function_privilege('public', oid, 'EXECUTE')$$,
  'EXECUTE is granted to PUBLIC on nothing');
SELECT is_empty(
  $$SELECT relname FROM pg_class WHERE relnamespace = 'journey_orch'::regnamespace AND relkind IN ('r', 'p', 'v', 'S')
       AND CASE relkind WHEN 'S' THEN has_sequence_privilege('public', oid, 'USAGE, SELECT, UPDATE')
                        ELSE has_table_privilege('public', oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') END$$,
  'nothing is granted to PUBLIC on tables, views and sequences');
SELECT is(
  (SELECT array_agg(rolname::text ORDER BY rolname) FROM pg_roles WHERE rolname ~ '^journey_orch_'
      AND NOT rolcanlogin AND NOT rolsuper AND NOT rolbypassrls AND NOT rolcreaterole AND NOT rolcreatedb AND NOT rolreplication),
  '{journey_orch_analyst,journey_orch_app,journey_orch_author,journey_orch_engine,journey_orch_operator,journey_orch_privacy,journey_orch_relay}'::text[],
  'the seven roles exist and can do nothing by themselves');
SELECT is_empty(
  $$SELECT relname FROM pg_class WHERE relnamespace = 'journey_orch'::regnamespace AND relkind IN ('r', 'p', 'v', 'S')
       AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid
                          AND refclassid = 'pg_extension'::regclass AND deptype = 'e')$$,
  'right after CREATE EXTENSION everything is a member of the extension');
SELECT is_empty(
  $$SELECT relname FROM pg_class WHERE relnamespace = 'journey_orch'::regnamespace AND relispartition$$,
  'CREATE EXTENSION makes no leaf');
SELECT is_empty(
  $$SELECT relname, attname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
      JOIN pg_get_keywords() ON word = attname AND catcode = 'R'
     WHERE relnamespace = 'journey_orch'::regnamespace AND relkind = 'v' AND attnum > 0$$,
  'no column of a view has to be quoted');

-- The argument names applications may use; more may follow, with defaults.
CREATE TEMPORARY TABLE contract (name text PRIMARY KEY, arguments text[] NOT NULL);
INSERT INTO contract VALUES
  ('check_definition', '{definition}'),
  ('define', '{definition}'),
  ('publish', '{journey,version,existing,inflight,preview}'),
  ('pause', '{journey,newcomers,waits}'),
  ('resume', '{journey,rate}'),
  ('stop', '{journey,inflight}'),
  ('archive', '{journey}'),
  ('approve_version', '{journey,version,note}'),
  ('approve_template', '{name,channel,note,locale}'),
  ('set_template', '{name,channel,body,subject,html,locale,headers}'),
  ('send_test', '{journey,step,customer,seed_list,event,context,version,channel}'), ('html_escape', '{value}'), ('html_list', '{items,before,after}'), ('url_encode', '{value}'), ('last_message', '{customer,channel}'),
  ('set_sender', '{name,postal_address,base_url,topic}'),
  ('render', '{template,customer,event,context,channel,locale,topic}'),
  ('bind_customer', '{relation,id_sql,timezone_sql,locale_sql,region_sql}'),
  ('watch', '{relation,event,customer_sql,operations,condition_sql,payload_sql,columns}'),
  ('unwatch', '{relation,event}'),
  ('set_topic', '{topic,class,consent,description}'),
  ('halt', '{scope,name,reason}'),
  ('unhalt', '{scope,name}'),
  ('grant_consent', '{customer,channel,topic,source,evidence,expires_at}'),
  ('withdraw_consent', '{customer,channel,topic,source}'),
  ('consent_state', '{customer,channel,topic,as_of}'),
  ('request_consent', '{customer,channel,topic,source,evidence,valid}'),
  ('confirm_consent', '{token}'),
  ('unsubscribe_token', '{customer,channel,topic}'),
  ('unsubscribe', '{token}'),
  ('preferences', '{token}'),
  ('set_preference', '{token}'),
  ('inbound', '{channel,address,body}'),
  ('suppress', '{channel,address,reason}'),
  ('unsuppress', '{channel,address,reason}'),
  ('set_quiet_hours', '{name,from_time,to_time,scope,weekdays,region,holidays,action,source,valid_from}'),
  ('drop_quiet_hours', '{name}'),
  ('set_cap', '{name,scope,max_messages,per,calendar,action}'),
  ('drop_cap', '{name}'),
  ('review_rule', '{name,note}'),
  ('install_rule_set', '{name}'),
  ('set_phone_zone', '{prefix,zones,source,region}'),
  ('set_holiday', '{region,day,name}'),
  ('add_business_days', '{day,n,region}'),
  ('forget', '{customer,reason}'),
  ('erasure_hash', '{customer}'),
  ('hold_customer', '{customer,reason}'),
  ('release_customer', '{customer}'),
  ('set_global_holdout', '{share}'),
  ('in_global_holdout', '{customer}'),
  ('retry_fan_out', '{journey,event_id}'),
  ('schedule', '{name,journey,cron,audience_sql,timezone,missed}'),
  ('unschedule', '{name}'),
  ('run_schedules', '{}'),
  ('schedule_times', '{cron,timezone,since,max}'),
  ('emit', '{event,customer,payload,occurred_at,idempotency_key}'),
  ('emit_many', '{events}'),
  ('settle', '{timeout}'),
  ('claim', '{channel,relay,max_messages,lease}'),
  ('ack', '{claim_id,message_ids,receipts}'),
  ('nack', '{claim_id,message_id,error,permanent,retry_after,hard_bounce}'),
  ('extend', '{claim_id,lease}'),
  ('report', '{message_id,status,at,detail}'),
  ('redeliver', '{message_id,note}'),
  ('redeliver_many', '{filter_sql,preview,note}'),
  ('discard', '{message_id,note}'),
  ('set_machine_agent', '{agent,user_agent,network,within,links,statuses,is_machine,is_active,source,checked_on}'),
  ('report_provider', '{channel,provider_message_id,status,at,detail}'),
  ('set_channel', '{channel,address_sql,kind,drain,rate,send_window,unit_cost,currency}'),
  ('add_preset_channel', '{preset,address_sql,channel,settings}'), ('inbox', '{customer,channel,max}'), ('offers', '{customer,channel}'), ('redeem', '{message_id,detail}'),
  ('take_task', '{channel,assignee}'), ('tasks', '{assignee,channel}'), ('assign_task', '{message_id,assignee}'), ('complete_task', '{message_id,disposition,note}'),
  ('grant_channel', '{channel,role}'),
  ('start_worker', '{}'),
  ('stop_worker', '{}'),
  ('run', '{until,max_batches}'),
  ('run_here', '{until}'),
  ('simulate', '{journey,version,customers,virtual_customers,customer_sql,events,events_sql,since,until,seed,others,max_rows}'),
  ('simulate_definition', '{definition,customers,virtual_customers,customer_sql,events,events_sql,since,until,seed,others,max_rows}'),
  ('clock', '{}'),
  ('set_clock', '{at,force}'),
  ('advance_clock', '{by,force}'),
  ('reset_clock', '{}'),
  ('verify', '{depth}'),
  ('maintain', '{}');
SELECT is_empty(
  $$SELECT name, arguments FROM contract
     WHERE NOT EXISTS (SELECT FROM routine
                        WHERE proname = name
                          AND (coalesce(proargnames, '{}'))[:cardinality(arguments)] = arguments)$$,
  'the functions of the surface have the arguments that the contract names');
SELECT is_empty(
  $$SELECT name FROM unnest('{journey_status,enrollment_status,funnel,step_flow,exit_reason,message_status,channel_status,
      lane_status,worker_status,event_error,halt_status,quiet_hours,cap,phone_zone,holiday_calendar,upcoming_entry,planning_status,global_holdout,holdout_result,fan_out_status,
      schedule_status,schedule_occurrence}'::name[]) AS name
     WHERE to_regclass('journey_orch.' || name) IS NULL$$,
  'the views of the surface exist');

SELECT * FROM finish();
ROLLBACK;
