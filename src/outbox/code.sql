/* outbox: channels, and what relays call */

CREATE OR REPLACE FUNCTION journey_orch.set_channel(
  channel text, address_sql text, kind text DEFAULT 'push', drain text DEFAULT 'claim',
  rate numeric DEFAULT NULL, send_window jsonb DEFAULT NULL, unit_cost numeric DEFAULT NULL,
  currency text DEFAULT NULL, max_attempts integer DEFAULT 5, retry_after interval DEFAULT '1 minute',
  retry_max interval DEFAULT '1 day', expires_after interval DEFAULT NULL,
  size_limit integer DEFAULT NULL, consent text DEFAULT 'topic', dispositions text[] DEFAULT NULL,
  opt_out text DEFAULT 'none')
RETURNS void
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_set_channel';
REVOKE ALL ON FUNCTION journey_orch.set_channel(text, text, text, text, numeric, jsonb, numeric, text, integer, interval, interval, interval, integer, text, text[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.set_channel(text, text, text, text, numeric, jsonb, numeric, text, integer, interval, interval, interval, integer, text, text[], text)
  TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.set_channel(text, text, text, text, numeric, jsonb, numeric, text, integer, interval, interval, interval, integer, text, text[], text) IS
  'Declares a channel: where its messages go (address_sql: text, over customer, event, context, journey), how it is drained, how fast, how often a failed message is tried again, and what its messages must be like. The same call twice changes nothing.';

/* ---- presets ---- */

/* What add_preset_channel() begins with.  Where a source is named the value is
   its limit or advice; "own" means that nothing but experience speaks for it. */
CREATE OR REPLACE VIEW journey_orch.channel_preset AS
SELECT p.preset, p.kind, 'claim'::text AS drain, p.address_sql, NULL::numeric AS rate,
       NULL::jsonb AS send_window, NULL::numeric AS unit_cost, NULL::text AS currency,
       p.max_attempts, p.retry_after, p.retry_max, p.expires_after, p.size_limit,
       'topic'::text AS consent, p.dispositions,
       CASE p.preset WHEN 'email' THEN 'link' WHEN 'sms' THEN 'stop' ELSE 'none' END AS opt_out, p.source
  FROM (VALUES
    ('email', 'push', 'customer.email', 18, '30 minutes'::interval, '8 hours'::interval, NULL::interval, 102400, NULL::text[],
     'Retry not before 30 minutes, for four to five days: RFC 5321, 4.5.4.1. Size: Gmail clips what is longer than 102 KB.'),
    ('sms', 'push', 'customer.phone', 6, '1 minute', '1 hour', '1 day', 1600, NULL,
     'Size: 1,600 characters, ten segments (3GPP TS 23.040, 9.2.3.24.1) and what providers take. Retry and expiry: own.'),
    ('push', 'push', 'customer.device_token', 6, '10 seconds', '1 hour', '1 day', 4096, NULL,
     'Size: 4,096 bytes of payload, APNs and FCM alike. First retry after 10 seconds: FCM. Expiry: own.'),
    ('in_app', 'inbox', '''in_app''', 1, '1 minute', '1 hour', '30 days', 65536, NULL, 'Own.'),
    ('web', 'inbox', '''web''', 1, '1 minute', '1 hour', '30 days', 65536, NULL, 'Own.'),
    ('social', 'audience', NULL, 100, '1 minute', '1 day', NULL, NULL, NULL,
     'Tried for three months, because a customer must leave the audience for certain. Own.'),
    ('call_centre', 'task', 'customer.phone', 1, '1 minute', '1 hour', '7 days', NULL,
     '{reached,no_answer,busy,voicemail,call_back,refused,wrong_number}', 'Own.'),
    ('retail', 'inbox', '''till''', 1, '1 minute', '1 hour', '30 days', 4096, NULL, 'Own.')
  ) AS p (preset, kind, address_sql, max_attempts, retry_after, retry_max, expires_after, size_limit, dispositions, source);
REVOKE ALL ON journey_orch.channel_preset FROM PUBLIC;
GRANT SELECT ON journey_orch.channel_preset TO journey_orch_analyst, journey_orch_operator, journey_orch_author;
COMMENT ON VIEW journey_orch.channel_preset IS 'One row a preset of add_preset_channel(): values of set_channel(), and why these.';
COMMENT ON COLUMN journey_orch.channel_preset.preset IS 'Name, and name of the channel unless another is given.';
COMMENT ON COLUMN journey_orch.channel_preset.kind IS 'push, inbox, audience or task.';
COMMENT ON COLUMN journey_orch.channel_preset.drain IS 'claim or stream.';
COMMENT ON COLUMN journey_orch.channel_preset.address_sql IS 'Address, unless another is given; NULL: it must be given.';
COMMENT ON COLUMN journey_orch.channel_preset.rate IS 'Messages a second: it is what you have agreed with your provider, so no preset has one.';
COMMENT ON COLUMN journey_orch.channel_preset.send_window IS 'When its messages may go out; none.';
COMMENT ON COLUMN journey_orch.channel_preset.unit_cost IS 'What one message costs; yours to say.';
COMMENT ON COLUMN journey_orch.channel_preset.currency IS 'In which currency.';
COMMENT ON COLUMN journey_orch.channel_preset.max_attempts IS 'Attempts before a message is a dead letter.';
COMMENT ON COLUMN journey_orch.channel_preset.retry_after IS 'First back-off; doubles.';
COMMENT ON COLUMN journey_orch.channel_preset.retry_max IS 'Longest back-off.';
COMMENT ON COLUMN journey_orch.channel_preset.expires_after IS 'How long a message is worth sending when its step does not say.';
COMMENT ON COLUMN journey_orch.channel_preset.size_limit IS 'Most bytes of subject, body and html together.';
COMMENT ON COLUMN journey_orch.channel_preset.consent IS 'topic, opt_in or none.';
COMMENT ON COLUMN journey_orch.channel_preset.dispositions IS 'How a task may end.';
COMMENT ON COLUMN journey_orch.channel_preset.opt_out IS 'How a marketing message must let people out: link, stop or none.';
COMMENT ON COLUMN journey_orch.channel_preset.source IS 'Where the values come from.';

CREATE OR REPLACE FUNCTION journey_orch.add_preset_channel(
  preset text, address_sql text DEFAULT NULL, channel text DEFAULT NULL, settings jsonb DEFAULT '{}')
RETURNS void
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_add_preset_channel';
REVOKE ALL ON FUNCTION journey_orch.add_preset_channel(text, text, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.add_preset_channel(text, text, text, jsonb) TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.add_preset_channel(text, text, text, jsonb) IS
  'set_channel() with the values of a row of view channel_preset; settings, an object by argument name, replaces some of them. Without a name the channel is called as the preset.';

CREATE OR REPLACE FUNCTION journey_orch.grant_channel(channel text, role regrole)
RETURNS void
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_grant_channel';
REVOKE ALL ON FUNCTION journey_orch.grant_channel(text, regrole) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.grant_channel(text, regrole) TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.grant_channel(text, regrole) IS
  'Lets a role drain a channel; it must also be a member of journey_orch_relay.';

CREATE OR REPLACE FUNCTION journey_orch.revoke_channel(channel text, role regrole)
RETURNS void
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_revoke_channel';
REVOKE ALL ON FUNCTION journey_orch.revoke_channel(text, regrole) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.revoke_channel(text, regrole) TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.revoke_channel(text, regrole) IS
  'Takes back what grant_channel() gave; claims that the role holds stay valid.';

CREATE OR REPLACE FUNCTION journey_orch.claim(
  channel text, relay text, max_messages integer DEFAULT 100, lease interval DEFAULT '1 minute')
RETURNS TABLE (claim_id bigint, message_id uuid, customer_id text, channel text, address text,
  subject text, body text, html text, headers jsonb, payload jsonb, attempt integer,
  expires_at timestamptz, enqueued_at timestamptz, enrollment_id uuid, journey text, step text,
  topic text, template text)
LANGUAGE C VOLATILE ROWS 100
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_claim';
REVOKE ALL ON FUNCTION journey_orch.claim(text, text, integer, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.claim(text, text, integer, interval)
  TO journey_orch_relay, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.claim(text, text, integer, interval) IS
  'Hands out at most max_messages messages of a channel, held for the lease; nobody else is given them meanwhile. READ COMMITTED only, meant for a transaction of its own.';

CREATE OR REPLACE FUNCTION journey_orch.ack(
  claim_id bigint, message_ids uuid[] DEFAULT NULL, receipts jsonb DEFAULT NULL)
RETURNS TABLE (message_id uuid, outcome text)
LANGUAGE C VOLATILE ROWS 100
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_ack';
REVOKE ALL ON FUNCTION journey_orch.ack(bigint, uuid[], jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.ack(bigint, uuid[], jsonb)
  TO journey_orch_relay, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.ack(bigint, uuid[], jsonb) IS
  'Says that messages of a claim were sent (NULL: all of it). Outcome of each: ok; already, settled before; stale, the lease ran out and it was offered again. receipts is an object by message id: {"id", "cost", "currency"}.';

CREATE OR REPLACE FUNCTION journey_orch.nack(
  claim_id bigint, message_id uuid, error text, permanent boolean DEFAULT false,
  retry_after interval DEFAULT NULL, hard_bounce boolean DEFAULT false)
RETURNS text
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_nack';
REVOKE ALL ON FUNCTION journey_orch.nack(bigint, uuid, text, boolean, interval, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.nack(bigint, uuid, text, boolean, interval, boolean)
  TO journey_orch_relay, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.nack(bigint, uuid, text, boolean, interval, boolean) IS
  'Says that a message of a claim could not be sent; the engine decides what comes of it. hard_bounce: its address does not exist, and is suppressed. Outcome as of ack().';

CREATE OR REPLACE FUNCTION journey_orch.extend(claim_id bigint, lease interval)
RETURNS timestamptz
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_extend';
REVOKE ALL ON FUNCTION journey_orch.extend(bigint, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.extend(bigint, interval)
  TO journey_orch_relay, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.extend(bigint, interval) IS
  'Makes the lease of a claim end this long after now (real clock), and returns when that is.';

CREATE OR REPLACE FUNCTION journey_orch.report(
  message_id uuid, status text, at timestamptz DEFAULT NULL, detail jsonb DEFAULT '{}')
RETURNS bigint
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_report';
REVOKE ALL ON FUNCTION journey_orch.report(uuid, text, timestamptz, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.report(uuid, text, timestamptz, jsonb)
  TO journey_orch_relay, journey_orch_operator, journey_orch_app;
COMMENT ON FUNCTION journey_orch.report(uuid, text, timestamptz, jsonb) IS
  'Says what became of a sent message (delivered, opened, clicked, bounced …): an event message.<status> of its customer, whose id is returned. The same report twice is one event.';

CREATE OR REPLACE FUNCTION journey_orch.report_provider(
  channel text, provider_message_id text, status text, at timestamptz DEFAULT NULL,
  detail jsonb DEFAULT '{}')
RETURNS bigint
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_report_provider';
REVOKE ALL ON FUNCTION journey_orch.report_provider(text, text, text, timestamptz, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.report_provider(text, text, text, timestamptz, jsonb)
  TO journey_orch_relay, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.report_provider(text, text, text, timestamptz, jsonb) IS
  'report() by the provider''s own id of the message, which the receipts of an ack brought. NULL: the ack has not come yet, the report waits for it.';

CREATE OR REPLACE FUNCTION journey_orch.report_many(reports jsonb)
RETURNS integer
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_report_many';
REVOKE ALL ON FUNCTION journey_orch.report_many(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.report_many(jsonb) TO journey_orch_relay, journey_orch_operator, journey_orch_app;
COMMENT ON FUNCTION journey_orch.report_many(jsonb) IS
  'report() for a JSON array of objects with message_id (or channel and provider_message_id), status, at and detail; all or none. Returns how many.';

CREATE OR REPLACE PROCEDURE journey_orch.wait_for_messages(
  channels text[], timeout interval, INOUT ready text[] DEFAULT NULL)
LANGUAGE C
AS 'MODULE_PATHNAME', 'journey_orch_wait_for_messages';
REVOKE ALL ON PROCEDURE journey_orch.wait_for_messages(text[], interval, text[]) FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE journey_orch.wait_for_messages(text[], interval, text[])
  TO journey_orch_relay, journey_orch_operator;
COMMENT ON PROCEDURE journey_orch.wait_for_messages(text[], interval, text[]) IS
  'Sleeps, without a snapshot, until one of the channels has work or the time is over; ready names those that have. Not inside a transaction block.';

/* ---- opens and clicks of machines ---- */

CREATE OR REPLACE FUNCTION journey_orch.set_machine_agent(
  agent text, user_agent text DEFAULT NULL, network cidr DEFAULT NULL, within interval DEFAULT NULL,
  links integer DEFAULT NULL, statuses text[] DEFAULT '{opened,clicked}', is_machine boolean DEFAULT true,
  is_active boolean DEFAULT true, source text DEFAULT NULL, checked_on date DEFAULT NULL)
RETURNS text
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_set_machine_agent';
REVOKE ALL ON FUNCTION journey_orch.set_machine_agent(text, text, cidr, interval, integer, text[], boolean, boolean, text, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.set_machine_agent(text, text, cidr, interval, integer, text[], boolean, boolean, text, date)
  TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.set_machine_agent(text, text, cidr, interval, integer, text[], boolean, boolean, text, date) IS
  'Declares how opens and clicks of a machine are known: by user agent, network, time after sending, links at once. Returns created, replaced, removed or unchanged.';

/* What is shipped.  A rule of an operator with the same name takes its place. */
CREATE OR REPLACE VIEW journey_orch._shipped_machine_agent AS
SELECT v.agent, v.is_machine, v.statuses::text[] AS statuses, v.user_agent, v.network::cidr AS network,
       v.within::interval AS within, v.links::integer AS links, v.source, DATE '2026-11-23' AS checked_on
  FROM (VALUES
    ('all_links_at_once', true, '{clicked}', NULL, NULL, '1 second', 3,
     'autoemails.com/help/agent/mark-bot-unsubscribe: three links in less than two seconds'),
    ('apple_mail_privacy', true, '{opened}', '^Mozilla/5\.0$', NULL, NULL, NULL,
     'twilio.com/en-us/blog/apple-machine-open-indicator (2021-10-13): anonymous opens; that the user agent is bare is unreviewed'),
    ('gmail_image_proxy', false, '{opened}', 'GoogleImageProxy', NULL, NULL, NULL,
     'scientiamobile.com/what-is-google-image-proxy (2018-11): fetches when the person opens'),
    ('gmail_prefetch', true, '{opened}', 'Chrome/42\.0\.2311\.135 .*Edge/12\.246 Mozilla/5\.0$', NULL, NULL, NULL,
     'bird.com/blog/gmail-prefetching-images (2022-01-25)'),
    ('link_preview', true, '{opened,clicked}', '(facebookexternalhit|twitterbot|linkedinbot|slackbot|telegrambot|discordbot|whatsapp)', NULL, NULL, NULL,
     'the names that these services give themselves; unreviewed'),
    ('link_scanner', true, '{opened,clicked}', '(barracuda|proofpoint|mimecast|ciscosecureemail)', NULL, NULL, NULL,
     'check.live-direct-marketing.online/blog/bot-clicks-security-scanners-detect; unreviewed'),
    ('program', true, '{opened,clicked}', '^(curl|wget|python-|go-http-client|libwww-perl|java)/?', NULL, NULL, NULL,
     'the names that these programs give themselves'),
    ('too_soon', true, '{opened,clicked}', NULL, NULL, '2 seconds', NULL,
     'support.sendgrid.com/hc/en-us/articles/4416801410459: clicks at the time of delivery; the two seconds are ours')
  ) AS v (agent, is_machine, statuses, user_agent, network, within, links, source);
COMMENT ON VIEW journey_orch._shipped_machine_agent IS
  'Private: rules about machines that come with the extension.';

CREATE OR REPLACE VIEW journey_orch.machine_agent AS
SELECT r.agent, r.is_active, r.is_machine, r.statuses, r.user_agent, r.network, r.within, r.links,
       r.source, r.checked_on, false AS is_shipped
  FROM journey_orch.machine_rule r
UNION ALL
SELECT s.agent, true, s.is_machine, s.statuses, s.user_agent, s.network, s.within, s.links,
       s.source, s.checked_on, true
  FROM journey_orch._shipped_machine_agent s
 WHERE NOT EXISTS (SELECT FROM journey_orch.machine_rule r WHERE r.agent = s.agent);
REVOKE ALL ON journey_orch.machine_agent FROM PUBLIC;
GRANT SELECT ON journey_orch.machine_agent TO journey_orch_analyst, journey_orch_operator;
COMMENT ON VIEW journey_orch.machine_agent IS
  'One row a rule by which opens and clicks of machines are known. Rules that say "a person" come first, then by name; the first that fits decides.';
COMMENT ON COLUMN journey_orch.machine_agent.agent IS 'Name of the rule; reports that it decided about carry it.';
COMMENT ON COLUMN journey_orch.machine_agent.is_active IS 'False: a rule that was switched off.';
COMMENT ON COLUMN journey_orch.machine_agent.is_machine IS 'What it says of a report that fits: a machine, or (false) a person.';
COMMENT ON COLUMN journey_orch.machine_agent.statuses IS 'Statuses of the reports that it looks at.';
COMMENT ON COLUMN journey_orch.machine_agent.user_agent IS 'Regular expression that detail.user_agent matches, cases alike; NULL: any.';
COMMENT ON COLUMN journey_orch.machine_agent.network IS 'Network that detail.ip lies in; NULL: any.';
COMMENT ON COLUMN journey_orch.machine_agent.within IS 'At most so long after the message was delivered or acknowledged; with links: after each other.';
COMMENT ON COLUMN journey_orch.machine_agent.links IS 'At least so many different links (detail.url) of the message were reported within that time.';
COMMENT ON COLUMN journey_orch.machine_agent.source IS 'Where the rule is from.';
COMMENT ON COLUMN journey_orch.machine_agent.checked_on IS 'When somebody looked there last.';
COMMENT ON COLUMN journey_orch.machine_agent.is_shipped IS 'It came with the extension, and no operator has changed it.';

/* ---- what applications pull: inboxes, offers, tasks ---- */

CREATE OR REPLACE FUNCTION journey_orch.inbox(customer text, channel text, max integer DEFAULT 50)
RETURNS TABLE (message_id uuid, subject text, body text, html text, headers jsonb, payload jsonb,
  journey text, step text, topic text, template text, enqueued_at timestamptz, expires_at timestamptz,
  shown_at timestamptz, clicked_at timestamptz)
LANGUAGE C VOLATILE ROWS 5
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_inbox';
REVOKE ALL ON FUNCTION journey_orch.inbox(text, text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.inbox(text, text, integer) TO journey_orch_app, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.inbox(text, text, integer) IS
  'The live messages that a customer has in a channel of kind inbox, newest first: not expired, dismissed, redeemed or withdrawn, and allowed by the gates now.';

CREATE OR REPLACE FUNCTION journey_orch.offers(customer text, channel text DEFAULT 'retail')
RETURNS TABLE (message_id uuid, offer text, body text, headers jsonb, journey text, step text, expires_at timestamptz)
LANGUAGE sql VOLATILE ROWS 5
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT i.message_id, i.subject, i.body, i.headers, i.journey, i.step, i.expires_at
    FROM journey_orch.inbox(customer, channel, 1000) AS i
$$;
REVOKE ALL ON FUNCTION journey_orch.offers(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.offers(text, text) TO journey_orch_app, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.offers(text, text) IS
  'What inbox() lists, as a till wants it: the offers of a customer that can be redeemed now.';

CREATE OR REPLACE FUNCTION journey_orch.redeem(message_id uuid, detail jsonb DEFAULT '{}')
RETURNS text
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_redeem';
REVOKE ALL ON FUNCTION journey_orch.redeem(uuid, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.redeem(uuid, jsonb) TO journey_orch_app, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.redeem(uuid, jsonb) IS
  'Redeems an offer, once: ok; already, somebody has; gone, it has expired or was withdrawn or dismissed. Of two tills at once one gets ok.';

CREATE OR REPLACE FUNCTION journey_orch._ensure_task_channel(channel text, assignee text)
RETURNS void
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch__ensure_task_channel';
REVOKE ALL ON FUNCTION journey_orch._ensure_task_channel(text, text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION journey_orch.take_task(channel text, assignee text)
RETURNS TABLE (message_id uuid, customer_id text, address text, subject text, body text, html text,
  headers jsonb, journey text, step text, topic text, enqueued_at timestamptz, expires_at timestamptz)
LANGUAGE sql VOLATILE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT journey_orch._ensure_task_channel(channel, assignee);
  WITH taken AS MATERIALIZED (
    SELECT c.* FROM journey_orch.claim(channel, assignee, 1) AS c
  ), acked AS MATERIALIZED (
    SELECT a.outcome FROM taken AS t CROSS JOIN LATERAL journey_orch.ack(t.claim_id) AS a
  ), stored AS (
    INSERT INTO journey_orch.task (message_id, channel, customer_id, enrollment_id, assignee, address, subject, body,
                                   journey, step, topic, expires_at, taken_at)
    SELECT t.message_id, t.channel, t.customer_id, t.enrollment_id, assignee, t.address, t.subject, t.body,
           t.journey, t.step, t.topic, t.expires_at, journey_orch.clock()
      FROM taken AS t
     WHERE EXISTS (SELECT FROM acked)
    RETURNING task.message_id
  )
  SELECT t.message_id, t.customer_id, t.address, t.subject, t.body, t.html, t.headers, t.journey, t.step, t.topic,
         t.enqueued_at, t.expires_at
    FROM taken AS t
    JOIN stored AS s ON s.message_id = t.message_id;
$$;
REVOKE ALL ON FUNCTION journey_orch.take_task(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.take_task(text, text) TO journey_orch_app, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.take_task(text, text) IS
  'Assigns the next message of a channel of kind task to a person or queue, and returns it; no row when there is none. Nobody else is given it. READ COMMITTED only.';

CREATE OR REPLACE FUNCTION journey_orch.tasks(assignee text DEFAULT NULL, channel text DEFAULT NULL)
RETURNS TABLE (message_id uuid, channel text, assignee text, customer_id text, address text, subject text, body text,
  journey text, step text, topic text, taken_at timestamptz, expires_at timestamptz, is_withdrawn boolean)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT t.message_id, t.channel, t.assignee, t.customer_id, t.address, t.subject, t.body, t.journey, t.step, t.topic,
         t.taken_at, t.expires_at,
         EXISTS (SELECT FROM journey_orch.withdrawal AS w
                  WHERE w.lane = journey_orch.lane_of(t.customer_id) AND w.enrollment_id = t.enrollment_id)
    FROM journey_orch.task AS t
   WHERE t.completed_at IS NULL
     AND (tasks.assignee IS NULL OR t.assignee = tasks.assignee)
     AND (tasks.channel IS NULL OR t.channel = tasks.channel)
   ORDER BY t.taken_at, t.message_id
$$;
REVOKE ALL ON FUNCTION journey_orch.tasks(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.tasks(text, text) TO journey_orch_app, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.tasks(text, text) IS
  'The open tasks of an assignee (NULL: of all), oldest first. is_withdrawn: the run that wanted it was ended since by its goal or an exit rule.';

CREATE OR REPLACE FUNCTION journey_orch.complete_task(message_id uuid, disposition text, note text DEFAULT NULL)
RETURNS text
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_complete_task';
REVOKE ALL ON FUNCTION journey_orch.complete_task(uuid, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.complete_task(uuid, text, text) TO journey_orch_app, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.complete_task(uuid, text, text) IS
  'Ends a task with one of its channel''s dispositions, which becomes event message.disposition. Outcome ok, or already.';

CREATE OR REPLACE FUNCTION journey_orch.assign_task(message_id uuid, assignee text)
RETURNS text
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_assign_task';
REVOKE ALL ON FUNCTION journey_orch.assign_task(uuid, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.assign_task(uuid, text) TO journey_orch_app, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.assign_task(uuid, text) IS
  'Gives an open task to somebody else. Outcome ok, or already: it is completed.';

/* ---- views ---- */

/* The columns that the views below derive a message's state from: every
   message that was handed out, in its newest claim, and what came of it. */
CREATE OR REPLACE VIEW journey_orch._message_claim AS
SELECT DISTINCT ON (h.message_id, attempt)
       h.message_id,
       COALESCE(h.attempt, 1::smallint) AS attempt,
       c.claim_id,
       c.claimed_at,
       COALESCE(extended.lease_until, c.lease_until) AS lease_until,
       COALESCE(named.outcome, rest.outcome) AS outcome,
       COALESCE(named.at, rest.at) AS outcome_at,
       named.detail ->> 'error' AS error,
       c.channel
  FROM journey_orch.claim c
 CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(c.held), pg_catalog.unnest(c.attempts)) AS h (message_id, attempt)
  LEFT JOIN (SELECT o.claim_id, m.message_id, o.outcome, o.at, o.detail
               FROM journey_orch.claim_outcome o
              CROSS JOIN LATERAL pg_catalog.unnest(o.message_ids) AS m (message_id)) named
    ON named.claim_id = c.claim_id AND named.message_id = h.message_id
  LEFT JOIN journey_orch.claim_outcome rest
    ON rest.claim_id = c.claim_id AND rest.message_ids IS NULL AND rest.outcome <> 'extended'
  LEFT JOIN (SELECT DISTINCT ON (o.claim_id) o.claim_id, o.lease_until
               FROM journey_orch.claim_outcome o
              WHERE o.outcome = 'extended'
              ORDER BY o.claim_id, o.recorded_at DESC) extended
    ON extended.claim_id = c.claim_id
 ORDER BY h.message_id, attempt, c.claim_id DESC;
COMMENT ON VIEW journey_orch._message_claim IS
  'Private: attempts that were handed out, with their newest claim and what came of it.';

/* An id begins with the place of the first attempt (decision 0006), which a
   message has not that was withheld or deferred before it: from the 17th
   character on it is the same.

   One place says what the state of a message is; docs/relays.md lists the
   states, and sql/outbox.sql walks through them. */
CREATE OR REPLACE VIEW journey_orch.message_status AS
SELECT s.message_id, j.name AS journey, s.version, s.step, s.enrollment_id, s.customer_id,
       s.channel, s.template, s.arm,
       CASE WHEN s.stopped IS NOT NULL THEN s.stopped
            WHEN s.outcome = 'acked' THEN 'sent'
            WHEN s.outcome = 'dead' OR s.live_state = 'dead' THEN 'dead'
            WHEN s.is_withheld THEN 'withheld'
            WHEN s.live_state = 'deferred' AND s.expires_at <= journey_orch.clock() THEN 'expired'
            WHEN s.live_state = 'deferred' THEN 'deferred'
            WHEN s.outcome = 'failed' THEN 'failed'
            WHEN s.claim_id IS NOT NULL AND s.outcome IS NULL
             AND s.lease_until > pg_catalog.clock_timestamp() THEN 'claimed'
            WHEN s.is_withdrawn THEN 'withdrawn'
            WHEN s.expires_at <= journey_orch.clock() THEN 'expired'
            ELSE 'enqueued'
       END AS state,
       s.attempt, s.enqueued_at, s.claimed_at,
       CASE WHEN s.outcome = 'acked' THEN s.outcome_at END AS sent_at,
       CASE WHEN s.outcome IN ('failed', 'dead') THEN s.outcome_at END AS failed_at,
       COALESCE(s.live_error, s.error) AS error,
       s.topic, s.visit, s.event_id, s.expires_at,
       CASE WHEN s.is_withheld OR s.live_error = s.reason THEN s.gate END AS gate,
       CASE WHEN s.is_withheld OR s.live_error = s.reason THEN s.rule END AS rule,
       CASE WHEN s.is_withheld OR s.live_error = s.reason THEN s.reason END AS reason,
       s.visit = 0 AS is_test
  FROM (SELECT COALESCE(o.id, m.message_id, d.message_id) AS message_id,
               COALESCE(o.journey_id, m.journey_id, d.journey_id) AS journey_id,
               COALESCE(o.version, m.version, d.version) AS version,
               COALESCE(o.step, m.step, d.step) AS step,
               COALESCE(o.enrollment_id, m.enrollment_id, d.enrollment_id) AS enrollment_id,
               COALESCE(o.aggregateid, m.customer_id, d.customer_id) AS customer_id,
               COALESCE(o.aggregatetype, m.channel, d.channel) AS channel,
               COALESCE(o.type, m.template, d.template) AS template,
               COALESCE(o.arm, m.arm, d.arm) AS arm,
               COALESCE(o.attempt, m.attempt, 0) AS attempt,
               COALESCE(o.enqueued_at, m.enqueued_at) AS enqueued_at,
               COALESCE(o.topic, m.topic, d.topic) AS topic,
               COALESCE(o.visit, m.visit, d.visit) AS visit,
               COALESCE(o.event_id, m.event_id) AS event_id,
               COALESCE(o.expires_at, m.expires_at) AS expires_at,
               m.state AS live_state,
               m.error AS live_error,
               h.claim_id, h.claimed_at, h.lease_until, h.outcome, h.outcome_at, h.error,
               stopped.outcome AS stopped,
               d.gate, d.rule, d.reason,
               COALESCE(d.answer = 'withhold'
                 AND (d.attempt > COALESCE(o.attempt, 0)
                      OR d.stage = 'claim' AND d.attempt = o.attempt), false) AS is_withheld,
               COALESCE(w.before_position > o.position & 70368744177663, false) AS is_withdrawn
          FROM (SELECT DISTINCT ON (a.id) a.id, a.aggregatetype, a.aggregateid, a.type,
                       a.position, a.enrollment_id, a.event_id, a.enqueued_at, a.expires_at,
                       a.journey_id, a.version, a.visit, a.attempt, a.step, a.topic, a.arm
                  FROM journey_orch.outbox a
                 ORDER BY a.id, a.attempt DESC) o
          FULL JOIN journey_orch.message m ON m.message_id = o.id
          FULL JOIN (SELECT DISTINCT ON (identity) pg_catalog.substr(x.message_id::text, 17) AS identity, x.message_id, x.enrollment_id, x.customer_id,
                            x.journey_id, x.version, x.step, x.visit, x.channel, x.template, x.topic,
                            x.arm, x.attempt, x.stage, x.answer, x.gate, x.rule, x.reason
                       FROM journey_orch.gate_decision x
                      ORDER BY identity, x.decided_at DESC, x.attempt DESC, x.recorded_at DESC) d
            ON d.identity = pg_catalog.substr(COALESCE(o.id, m.message_id)::text, 17)
          LEFT JOIN journey_orch._message_claim h
            ON h.message_id = o.id AND h.attempt = o.attempt
          LEFT JOIN (SELECT i.message_id, x.outcome
                       FROM journey_orch.claim_outcome x
                      CROSS JOIN LATERAL pg_catalog.unnest(x.message_ids) AS i (message_id)
                      WHERE x.outcome IN ('withdrawn', 'expired')) stopped
            ON stopped.message_id = o.id
          LEFT JOIN (SELECT x.enrollment_id, pg_catalog.max(x.before_position) AS before_position
                       FROM journey_orch.withdrawal x
                      GROUP BY x.enrollment_id) w
            ON w.enrollment_id = o.enrollment_id) s
  LEFT JOIN journey_orch.journey j ON j.journey_id = s.journey_id;
GRANT SELECT ON journey_orch.message_status TO journey_orch_analyst, journey_orch_operator;
COMMENT ON VIEW journey_orch.message_status IS
  'One row a message, as long as the outbox keeps it: where it came from, and how far its newest attempt has got.';
COMMENT ON COLUMN journey_orch.message_status.message_id IS 'Id of the message, the same in all attempts; the idempotency key for providers.';
COMMENT ON COLUMN journey_orch.message_status.journey IS 'Name of the journey that sent it.';
COMMENT ON COLUMN journey_orch.message_status.version IS 'Version of the journey.';
COMMENT ON COLUMN journey_orch.message_status.step IS 'The send step.';
COMMENT ON COLUMN journey_orch.message_status.enrollment_id IS 'The run that sent it.';
COMMENT ON COLUMN journey_orch.message_status.customer_id IS 'Whom it is for.';
COMMENT ON COLUMN journey_orch.message_status.channel IS 'Channel of the newest attempt.';
COMMENT ON COLUMN journey_orch.message_status.template IS 'Template that was rendered.';
COMMENT ON COLUMN journey_orch.message_status.arm IS 'Arm of the experiment the run was in, if any.';
COMMENT ON COLUMN journey_orch.message_status.state IS 'enqueued, deferred, claimed, sent, failed, withdrawn, withheld, expired or dead.';
COMMENT ON COLUMN journey_orch.message_status.attempt IS 'Number of the newest attempt, from 1; 0: none was made.';
COMMENT ON COLUMN journey_orch.message_status.enqueued_at IS 'When the newest attempt was enqueued (engine clock).';
COMMENT ON COLUMN journey_orch.message_status.claimed_at IS 'When the newest attempt was last handed out (engine clock).';
COMMENT ON COLUMN journey_orch.message_status.sent_at IS 'When it was acknowledged (engine clock).';
COMMENT ON COLUMN journey_orch.message_status.failed_at IS 'When the newest attempt failed (engine clock).';
COMMENT ON COLUMN journey_orch.message_status.error IS 'What the relay said of the last failure.';
COMMENT ON COLUMN journey_orch.message_status.topic IS 'Topic it is about, if the step names one.';
COMMENT ON COLUMN journey_orch.message_status.visit IS 'Ordinal of the step visit in its run; 0 of a test message.';
COMMENT ON COLUMN journey_orch.message_status.is_test IS 'True for what send_test() sent: count it nowhere.';
COMMENT ON COLUMN journey_orch.message_status.event_id IS 'The event that caused it, if one did.';
COMMENT ON COLUMN journey_orch.message_status.expires_at IS 'When it is not worth sending any more (engine clock); NULL: never.';
COMMENT ON COLUMN journey_orch.message_status.gate IS 'The gate that withheld it, or deferred it last.';
COMMENT ON COLUMN journey_orch.message_status.rule IS 'Name of the rule by which it did, where the gate has rules.';
COMMENT ON COLUMN journey_orch.message_status.reason IS 'Why, in one word: docs/gates.md has the list.';

/* A message whose time was over at the claim needs no row of gate_decision: its
   own row says when that was. */
CREATE OR REPLACE VIEW journey_orch.withheld_message AS
SELECT d.message_id, j.name AS journey, d.version, d.step, d.enrollment_id, d.customer_id,
       d.channel, d.template, d.arm, d.gate, d.rule, d.reason, d.evidence, d.decided_at,
       d.stage, d.attempt, d.topic, d.visit
  FROM journey_orch.gate_decision d
  LEFT JOIN journey_orch.journey j ON j.journey_id = d.journey_id
 WHERE d.answer = 'withhold'
UNION ALL
SELECT o.id, j.name, o.version, o.step, o.enrollment_id, o.aggregateid,
       o.aggregatetype, o.type, o.arm, 'expiry', NULL, 'expired',
       pg_catalog.jsonb_build_object('expires_at', o.expires_at), x.at,
       'claim', o.attempt, o.topic, o.visit
  FROM (SELECT c.at, i.message_id
          FROM journey_orch.claim_outcome c
         CROSS JOIN LATERAL pg_catalog.unnest(c.message_ids) AS i (message_id)
         WHERE c.outcome = 'expired') x
  JOIN (SELECT DISTINCT ON (a.id) a.* FROM journey_orch.outbox a ORDER BY a.id, a.attempt DESC) o
    ON o.id = x.message_id
  LEFT JOIN journey_orch.journey j ON j.journey_id = o.journey_id;
REVOKE ALL ON journey_orch.withheld_message FROM PUBLIC;
GRANT SELECT ON journey_orch.withheld_message TO journey_orch_analyst, journey_orch_operator;
COMMENT ON VIEW journey_orch.withheld_message IS
  'One row a message and channel that a gate did not let through, with what the gate saw then.';
COMMENT ON COLUMN journey_orch.withheld_message.message_id IS 'Id of the message.';
COMMENT ON COLUMN journey_orch.withheld_message.journey IS 'Name of the journey that meant to send it.';
COMMENT ON COLUMN journey_orch.withheld_message.version IS 'Version of the journey.';
COMMENT ON COLUMN journey_orch.withheld_message.step IS 'The send step.';
COMMENT ON COLUMN journey_orch.withheld_message.enrollment_id IS 'The run that meant to send it.';
COMMENT ON COLUMN journey_orch.withheld_message.customer_id IS 'Whom it was for.';
COMMENT ON COLUMN journey_orch.withheld_message.channel IS 'Channel on which it was withheld.';
COMMENT ON COLUMN journey_orch.withheld_message.template IS 'Template that was, or would have been, rendered.';
COMMENT ON COLUMN journey_orch.withheld_message.arm IS 'Arm of the experiment the run was in, if any.';
COMMENT ON COLUMN journey_orch.withheld_message.gate IS 'The gate that decided.';
COMMENT ON COLUMN journey_orch.withheld_message.rule IS 'Name of the rule by which it did, where the gate has rules.';
COMMENT ON COLUMN journey_orch.withheld_message.reason IS 'Why, in one word: docs/gates.md has the list.';
COMMENT ON COLUMN journey_orch.withheld_message.evidence IS 'What the gate saw.';
COMMENT ON COLUMN journey_orch.withheld_message.decided_at IS 'When it was decided (engine clock).';
COMMENT ON COLUMN journey_orch.withheld_message.stage IS 'enqueue: before it reached the outbox; claim: when a relay asked for it.';
COMMENT ON COLUMN journey_orch.withheld_message.attempt IS 'The attempt that was offered, or at the enqueue the one that was to be.';
COMMENT ON COLUMN journey_orch.withheld_message.topic IS 'Topic it was about, if the step names one.';
COMMENT ON COLUMN journey_orch.withheld_message.visit IS 'Ordinal of the step visit in its run.';

CREATE OR REPLACE VIEW journey_orch.dead_letter AS
SELECT m.message_id, j.name AS journey, m.version, m.step, m.enrollment_id, m.customer_id,
       m.channel, m.template, m.arm, m.attempt, m.enqueued_at, m.error, m.topic, m.payload
  FROM journey_orch.message m
  LEFT JOIN journey_orch.journey j ON j.journey_id = m.journey_id
 WHERE m.state = 'dead';
GRANT SELECT ON journey_orch.dead_letter TO journey_orch_analyst, journey_orch_operator;
COMMENT ON VIEW journey_orch.dead_letter IS
  'One row a message that was given up: it failed for good, too often, or its relays never answered.';
COMMENT ON COLUMN journey_orch.dead_letter.message_id IS 'Id of the message.';
COMMENT ON COLUMN journey_orch.dead_letter.journey IS 'Name of the journey that sent it.';
COMMENT ON COLUMN journey_orch.dead_letter.version IS 'Version of the journey.';
COMMENT ON COLUMN journey_orch.dead_letter.step IS 'The send step.';
COMMENT ON COLUMN journey_orch.dead_letter.enrollment_id IS 'The run that sent it.';
COMMENT ON COLUMN journey_orch.dead_letter.customer_id IS 'Whom it was for.';
COMMENT ON COLUMN journey_orch.dead_letter.channel IS 'Channel of the last attempt.';
COMMENT ON COLUMN journey_orch.dead_letter.template IS 'Template that was rendered.';
COMMENT ON COLUMN journey_orch.dead_letter.arm IS 'Arm of the experiment the run was in, if any.';
COMMENT ON COLUMN journey_orch.dead_letter.attempt IS 'How many attempts were made.';
COMMENT ON COLUMN journey_orch.dead_letter.enqueued_at IS 'When the message was enqueued (engine clock).';
COMMENT ON COLUMN journey_orch.dead_letter.error IS 'What the relay said of the last failure.';
COMMENT ON COLUMN journey_orch.dead_letter.topic IS 'Topic it was about, if the step names one.';
COMMENT ON COLUMN journey_orch.dead_letter.payload IS 'What would have been sent.';

CREATE OR REPLACE VIEW journey_orch.channel_status AS
SELECT c.channel,
       fresh.messages + held.returned AS ready,
       held.in_flight,
       live.deferred,
       live.dead,
       pg_catalog.clock_timestamp() - LEAST(fresh.oldest, held.oldest) AS oldest_age,
       c.kind, c.drain,
       newest.recorded_at AS last_claim_at,
       newest.relay AS last_relay,
       c.rate, c.unit_cost, c.currency, live.live
  FROM journey_orch.channel c
  LEFT JOIN LATERAL (SELECT k.claim_id, k.positions, k.open_claims, k.recorded_at, k.relay
                       FROM journey_orch.claim k
                      WHERE k.channel = c.channel
                      ORDER BY k.claim_id DESC
                      LIMIT 1) newest ON true
 CROSS JOIN LATERAL (SELECT pg_catalog.count(*) AS messages, pg_catalog.min(o.recorded_at) AS oldest
                       FROM pg_catalog.unnest(COALESCE(newest.positions, pg_catalog.array_fill(0::bigint, ARRAY[16]))
                              || CASE WHEN pg_catalog.cardinality(newest.positions) > 16 THEN NULL
                                      ELSE pg_catalog.array_fill(1::bigint << 46, ARRAY[16])
                                        || pg_catalog.array_fill(2::bigint << 46, ARRAY[16]) END)
                              WITH ORDINALITY AS p (position, ordinal)
                      CROSS JOIN LATERAL (SELECT a.recorded_at
                                            FROM journey_orch.outbox a
                                           WHERE a.lane = (p.ordinal - 1) % 16
                                             AND a.aggregatetype = c.channel
                                             AND a.position >= p.position
                                             AND a.position < ((p.ordinal + 15) / 16) << 46) o
                      WHERE c.drain = 'claim' AND c.kind <> 'inbox') fresh
 CROSS JOIN LATERAL (SELECT COALESCE(pg_catalog.sum(t.remaining) FILTER (WHERE t.lease_until > pg_catalog.clock_timestamp()), 0)::bigint AS in_flight,
                            COALESCE(pg_catalog.sum(t.remaining) FILTER (WHERE t.lease_until <= pg_catalog.clock_timestamp()), 0)::bigint AS returned,
                            pg_catalog.min(t.recorded_at) FILTER (WHERE t.lease_until <= pg_catalog.clock_timestamp()) AS oldest
                       FROM (SELECT k.recorded_at,
                                    pg_catalog.cardinality(k.held) - outcomes.settled AS remaining,
                                    COALESCE(outcomes.lease_until, k.lease_until) AS lease_until
                               FROM journey_orch.claim k
                              CROSS JOIN LATERAL (SELECT COALESCE(pg_catalog.sum(pg_catalog.cardinality(x.message_ids))
                                                                    FILTER (WHERE x.outcome IN ('acked', 'failed', 'reoffered', 'dead')), 0) AS settled,
                                                         pg_catalog.bool_or(x.message_ids IS NULL AND x.outcome <> 'extended') AS is_closed,
                                                         (pg_catalog.array_agg(x.lease_until ORDER BY x.recorded_at DESC)
                                                           FILTER (WHERE x.outcome = 'extended'))[1] AS lease_until
                                                    FROM journey_orch.claim_outcome x
                                                   WHERE x.claim_id = k.claim_id) outcomes
                              WHERE k.claim_id = ANY (newest.open_claims || newest.claim_id)
                                AND outcomes.is_closed IS NOT TRUE
                                AND pg_catalog.cardinality(k.held) > outcomes.settled) t) held
 CROSS JOIN LATERAL (SELECT pg_catalog.count(*) FILTER (WHERE m.state = 'deferred') AS deferred,
                            pg_catalog.count(*) FILTER (WHERE m.state = 'dead') AS dead,
                            pg_catalog.count(*) FILTER (WHERE m.state = 'live') AS live
                       FROM journey_orch.message m
                      WHERE m.channel = c.channel) live;
GRANT SELECT ON journey_orch.channel_status TO journey_orch_analyst, journey_orch_operator,
  journey_orch_relay;
COMMENT ON VIEW journey_orch.channel_status IS
  'One row a channel: how much waits to be sent, and for how long.';
COMMENT ON COLUMN journey_orch.channel_status.channel IS 'Name of the channel.';
COMMENT ON COLUMN journey_orch.channel_status.ready IS 'Messages that claim() would look at now, those of leases that ran out included; gates may still stop some. 0 for a stream.';
COMMENT ON COLUMN journey_orch.channel_status.in_flight IS 'Messages that relays hold.';
COMMENT ON COLUMN journey_orch.channel_status.deferred IS 'Messages that wait for their next attempt.';
COMMENT ON COLUMN journey_orch.channel_status.dead IS 'Messages that were given up (view dead_letter).';
COMMENT ON COLUMN journey_orch.channel_status.oldest_age IS 'How long the oldest ready message has waited (real clock); NULL: none is ready.';
COMMENT ON COLUMN journey_orch.channel_status.kind IS 'push, inbox, audience or task.';
COMMENT ON COLUMN journey_orch.channel_status.drain IS 'claim or stream.';
COMMENT ON COLUMN journey_orch.channel_status.last_claim_at IS 'When a relay was last given something (real clock).';
COMMENT ON COLUMN journey_orch.channel_status.last_relay IS 'What that relay called itself.';
COMMENT ON COLUMN journey_orch.channel_status.rate IS 'Most messages handed out a second; NULL: no limit.';
COMMENT ON COLUMN journey_orch.channel_status.unit_cost IS 'What one message costs.';
COMMENT ON COLUMN journey_orch.channel_status.currency IS 'In which currency.';
COMMENT ON COLUMN journey_orch.channel_status.live IS 'Messages that customers have in their inboxes.';

COMMENT ON TABLE journey_orch.outbox IS
  'One row an attempt of a message, ready to be sent; insert-only. The first five columns are those of Debezium''s outbox event router.';
COMMENT ON TABLE journey_orch.withdrawal IS 'Messages of a run that must not be sent any more: those before a position.';
COMMENT ON TABLE journey_orch.claim IS 'One row a lease of a relay; the newest of a channel is its cursor. Insert-only.';
COMMENT ON TABLE journey_orch.claim_outcome IS 'What became of messages of a claim. Insert-only.';
COMMENT ON TABLE journey_orch.task IS 'Tasks that somebody has taken, open and completed.';
COMMENT ON TABLE journey_orch.delivery IS 'One row a report on a message. Insert-only.';
COMMENT ON TABLE journey_orch.machine_rule IS 'Operators'' own rules about machines. Read view machine_agent instead.';
COMMENT ON TABLE journey_orch.receipt IS 'What providers said when they took messages: their own ids, and costs. Insert-only.';
COMMENT ON TABLE journey_orch.early_report IS 'Reports by a provider''s id that wait for the ack which brings it.';
COMMENT ON TABLE journey_orch.message IS 'Messages that wait for a retry, whose run waits for them, or that were given up.';
COMMENT ON TABLE journey_orch.channel IS 'Channels, by set_channel().';
COMMENT ON TABLE journey_orch.channel_grant IS 'Which roles may drain a channel, by grant_channel().';

/* ---- history ---- */

CREATE OR REPLACE FUNCTION journey_orch.last_message(
  customer text,
  channel text DEFAULT NULL,
  OUT message_id uuid,
  OUT channel text,
  OUT journey text,
  OUT step text,
  OUT template text,
  OUT topic text,
  OUT enqueued_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
SELECT o.id, o.aggregatetype, j.name, o.step, o.type, o.topic, o.enqueued_at
FROM journey_orch.channel AS c
CROSS JOIN generate_series(0, 2) AS q(queue)
CROSS JOIN LATERAL (SELECT * FROM journey_orch.outbox AS o
                    WHERE o.lane = journey_orch.lane_of($1) AND o.aggregatetype = c.channel AND o.aggregateid = $1 AND o.visit > 0
                      AND o.position >= q.queue::bigint << 46 AND o.position < (q.queue + 1)::bigint << 46
                    ORDER BY o.position DESC LIMIT 1) AS o
LEFT JOIN journey_orch.journey AS j ON j.journey_id = o.journey_id
WHERE c.channel = coalesce($2, c.channel)
ORDER BY o.enqueued_at DESC, o.position DESC LIMIT 1
$$;
REVOKE ALL ON FUNCTION journey_orch.last_message(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.last_message(text, text) TO journey_orch_author, journey_orch_operator, journey_orch_analyst;
COMMENT ON FUNCTION journey_orch.last_message(text, text) IS
'The newest message of a customer in a channel, or in any, that the log still has; all NULL when there is none. For holes of templates.';

/* ---- what the gates would say ---- */

CREATE OR REPLACE FUNCTION journey_orch.ask_gates(
  customer text,
  channel text,
  topic text DEFAULT NULL,
  address text DEFAULT NULL,
  journey text DEFAULT NULL,
  kind text DEFAULT NULL,
  OUT decision text,
  OUT gate text,
  OUT rule text,
  OUT reason text,
  OUT until timestamptz,
  OUT evidence jsonb)
LANGUAGE c STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_ask_gates';
REVOKE ALL ON FUNCTION journey_orch.ask_gates(text, text, text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.ask_gates(text, text, text, text, text, text)
  TO journey_orch_operator, journey_orch_author, journey_orch_privacy;
COMMENT ON FUNCTION journey_orch.ask_gates(text, text, text, text, text, text) IS
'What the gates would say of a message to a customer now: allow, defer or withhold, with gate, rule and evidence. Counts and keeps nothing.';
