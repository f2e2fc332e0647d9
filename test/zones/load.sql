/*
 * test/zones/load.sql
 *    The cases of test/zones/reference.py as journeys.  An event names a form
 *    and enters the journeys that have it, one for each policy.
 *
 * A case is a customer of its own, in its zone.  Where a form counts from an
 * arrival, a first step waits until that instant; the step that is tested is
 * "t", and the instant at which a run leaves it is what counts.
 *
 * Variables: cases (the file), begin and finish (of the virtual clock).
 */
SET timezone = 'UTC';
CREATE EXTENSION journey_orch;
CREATE TABLE public.zone_case
(
  id             integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  zone           text NOT NULL,
  event          text NOT NULL,
  start          bigint,
  local          timestamp,
  forward_second bigint NOT NULL,            -- seconds since 1970, by policy
  forward_first  bigint NOT NULL,
  skip_second    bigint NOT NULL,
  skip_first     bigint NOT NULL
);
\copy public.zone_case (zone, event, start, local, forward_second, forward_first, skip_second, skip_first) FROM PSTDIN WITH (NULL '')
SELECT journey_orch.bind_customer('public.zone_case', 'id', 'zone');
SELECT journey_orch.set_clock(:'begin');

-- "0130" of an event as a local time
CREATE FUNCTION public.hour(text) RETURNS text LANGUAGE sql IMMUTABLE AS
$$SELECT substr($1, 1, 2) || ':' || substr($1, 3, 2)$$;

/* One journey a form and policy; readings in a window need no policy. */
CREATE TABLE public.zone_journey AS
SELECT e.event, policy, format('%s__%s', e.event, policy) AS journey,
       CASE part[1]
         WHEN 'until' THEN '{"until": "(event->>''local'')::timestamp"}'::jsonb
         WHEN 'day' THEN '{"for": "1 day"}'::jsonb
         WHEN 'month' THEN '{"for": "1 month"}'
         WHEN 'at' THEN jsonb_build_object('at', public.hour(part[2]))
         WHEN 'window' THEN jsonb_build_object('window',
           jsonb_build_object('from', public.hour(part[2]), 'to', public.hour(part[3])) ||
           CASE WHEN part[4] IS NULL THEN '{}'::jsonb ELSE jsonb_build_object('weekdays', ARRAY[part[4]]) END)
         ELSE jsonb_build_object('weekdays', ARRAY[e.event])
       END ||
       CASE WHEN has_policy THEN jsonb_build_object('gap', split_part(policy, '_', 1), 'overlap', split_part(policy, '_', 2))
            ELSE '{}'::jsonb END AS delay
  FROM (SELECT DISTINCT event, string_to_array(event, '_') AS part,
               event ~ '^(until|day|month|at)' AS has_policy
          FROM public.zone_case) AS e,
       unnest(ARRAY['forward_second', 'forward_first', 'skip_second', 'skip_first']) AS policy
  WHERE has_policy OR policy = 'forward_second';

SELECT count(journey_orch.define(jsonb_build_object(
         'journey', journey, 'entry', jsonb_build_object('on', event),
         'start', CASE event WHEN 'until' THEN 't' ELSE 's' END,
         'steps', jsonb_build_object('t', jsonb_build_object('delay', delay, 'next', 'done'), 'done', '{"exit": "done"}'::jsonb) ||
           CASE event WHEN 'until' THEN '{}'::jsonb
                ELSE '{"s": {"delay": {"until": "to_timestamp((event->>''start'')::bigint)"}, "next": "t"}}' END)))
  FROM public.zone_journey;
SELECT count(p.*) FROM public.zone_journey, journey_orch.publish(journey) AS p;
SELECT count(journey_orch.emit(event, id::text, jsonb_strip_nulls(jsonb_build_object('start', start, 'local', local))))
  FROM public.zone_case;
CALL journey_orch.run();
SELECT journey_orch.set_clock(:'finish');
CALL journey_orch.run();

/* When each run left "t", and when it had to. */
CREATE TABLE public.zone_found AS
SELECT l.customer_id::integer AS id, j.name AS journey, l.clock AS found
  FROM journey_orch.step_log AS l
  JOIN journey_orch.journey AS j USING (journey_id)
  WHERE l.from_step = 't' AND l.to_step = 'done';
ANALYZE public.zone_found, public.zone_case, public.zone_journey;
CREATE TABLE public.zone_result AS
SELECT c.id, c.zone, j.journey, c.start, c.local, f.found,
       to_timestamp(CASE j.policy WHEN 'forward_second' THEN c.forward_second WHEN 'forward_first' THEN c.forward_first
                      WHEN 'skip_second' THEN c.skip_second ELSE c.skip_first END) AS expected
  FROM public.zone_case AS c
  JOIN public.zone_journey AS j USING (event)
  LEFT JOIN public.zone_found AS f USING (id, journey);
