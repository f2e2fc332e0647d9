/*
 * examples/play.sql
 *    Plays a story: lets days pass under the virtual clock while people act.
 *
 * The story brings story.act (when, who, what they do, as plain SQL in which
 * $1 is the person's id), story.person (id, name, zone) and the psql variables
 * "from" and "until".  Between these the clock goes on by :step (a day, unless
 * psql -v step='1 hour' says otherwise) and stops at each act.  At each stop
 * the journeys run, a relay drains every channel, and then people act.  How
 * long a step is makes no difference: what is due at 09:00 is of 09:00.  A
 * story may have the provider refuse an address ("refused") for some time
 * ("refused_during", a range).
 *
 * At the end it prints one line a message and one line a run.
 */
\if :{?step}
\else
\set step '1 day'
\endif
\if :{?refused}
\else
\set refused ''
\set refused_during empty
\endif

-- What the relay drains, and what it handed to its providers.
CREATE TABLE story.channel AS SELECT channel AS name FROM journey_orch.channel_status;
CREATE TABLE story.mailbox
(
  message_id  uuid PRIMARY KEY,
  claim_id    bigint NOT NULL,
  address     text NOT NULL,
  subject     text,
  body        text NOT NULL,
  is_settled  boolean NOT NULL DEFAULT false
);

CREATE TABLE story.refusal AS SELECT :'refused' AS address, :'refused_during'::tstzrange AS during;

-- The last message of a template that somebody was sent, for clicks and the like.
CREATE FUNCTION story.report(customer text, template text, status text) RETURNS bigint LANGUAGE sql AS $$
  SELECT journey_orch.report(message_id, status)
    FROM journey_orch.message_status AS m
   WHERE m.customer_id = report.customer AND m.template = report.template
   ORDER BY enqueued_at DESC
   LIMIT 1
$$;

-- One line for each thing that the journeys did: when, here and there, and what.
CREATE VIEW story.line AS
  WITH done AS (
    SELECT m.customer_id, m.enqueued_at AS at, 1 AS rank, m.channel || ' ' || m.template || coalesce(' @' || m.arm, '') || ', ' || m.state
             || ' | ' || coalesce(b.address, '') || ' | ' || coalesce(b.subject, '')
             || ' | ' || coalesce(replace(b.body, E'\n', ' / '), '') AS what
      FROM journey_orch.message_status AS m
      LEFT JOIN story.mailbox AS b USING (message_id)
     UNION ALL
    SELECT l.customer_id, l.clock, 2, j.name || ' converts | ' || coalesce(l.value || ' ' || l.currency, '')
      FROM journey_orch.step_log AS l
      JOIN journey_orch.journey AS j USING (journey_id)
     WHERE l.outcome = 'converted'
     UNION ALL
    SELECT l.customer_id, l.clock, 3, j.name || coalesce(' ' || l.key, '') || ' ends: ' || l.reason || ' | '
             || (SELECT string_agg(p.to_step, ' > ' ORDER BY p.visit)
                   FROM journey_orch.step_log AS p
                  WHERE p.enrollment_id = l.enrollment_id AND p.outcome IN ('entered', 'advanced'))
      FROM journey_orch.step_log AS l
      JOIN journey_orch.journey AS j USING (journey_id)
     WHERE l.outcome = 'ended')
  SELECT who, at, rank, what,
         who || ' | ' || to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' | '
             || to_char(at AT TIME ZONE timezone, 'Dy YYYY-MM-DD HH24:MI') || ' | ' || what AS line
    FROM done
    JOIN story.person USING (customer_id);

\o /dev/null
WITH stop AS (
  SELECT at FROM generate_series(timestamptz :'from', :'until', interval :'step') AS at
   UNION
  SELECT act.at FROM story.act
   UNION
  SELECT timestamptz :'until'),
happening AS (
  SELECT at, 0 AS number, part, statement
    FROM stop,
         (VALUES (1, 'SELECT journey_orch.set_clock(%L)'),
                 (2, 'CALL journey_orch.run()'),
                 (3, $$INSERT INTO story.mailbox (message_id, claim_id, address, subject, body)
                       SELECT m.message_id, m.claim_id, m.address, m.subject, m.body
                         FROM story.channel AS c, journey_orch.claim(c.name, 'story', max_messages => 1000) AS m$$),
                 (4, $$SELECT journey_orch.nack(claim_id, message_id, 'not known here', permanent => true)
                         FROM story.mailbox, story.refusal
                        WHERE NOT is_settled AND mailbox.address = refusal.address AND during @> journey_orch.clock()$$),
                 (5, $$WITH claimed AS (UPDATE story.mailbox SET is_settled = true WHERE NOT is_settled RETURNING claim_id)
                       SELECT journey_orch.ack(claim_id) FROM (SELECT DISTINCT claim_id FROM claimed) AS c$$)) AS turn (part, statement)
   UNION ALL
  SELECT act.at, act.number, 6, replace(act.does, '$1', quote_literal(person.customer_id))
    FROM story.act
    JOIN story.person USING (who))
SELECT CASE part WHEN 1 THEN format(statement, at) ELSE statement END
  FROM happening
 ORDER BY at, number, part
\gexec
\o
SELECT line FROM story.line ORDER BY who, at, rank, what \g (tuples_only=on format=unaligned)
