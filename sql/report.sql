-- report: what was opened and clicked by a machine, and what journeys make of it
SET client_min_messages = warning;
CREATE EXTENSION journey_orch;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';

SELECT journey_orch.set_clock('2026-03-02 09:00+00');
CREATE SCHEMA shop;
CREATE TABLE shop.customer (id text PRIMARY KEY);
INSERT INTO shop.customer SELECT c FROM unnest('{ann,bob,cat,dan,eve,fay}'::text[]) c;
SELECT journey_orch.bind_customer('shop.customer', 'id');
SELECT journey_orch.set_channel('email', 'customer.id');
SELECT journey_orch.set_topic('service');
SELECT journey_orch.set_template('hello', 'email', 'Hello') > 0 AS template;
SELECT journey_orch.define('{"journey": "hello", "entry": {"on": "signed_up"}, "start": "send", "steps": {
  "send": {"send": {"channels": ["email"], "template": "hello", "topic": "service"}, "next": "hear"},
  "hear": {"wait": {"for": [{"on": "message.opened", "of": "send", "when": "NOT (event->>''is_machine'')::boolean", "next": "read"}],
           "until": {"after": "2 days", "next": "unread"}}},
  "read": {"exit": "read"}, "unread": {"exit": "unread"}}}');
SELECT count(*) FROM journey_orch.publish('hello');
SELECT count(journey_orch.emit('signed_up', id)) FROM shop.customer;
CALL journey_orch.run();
SELECT count(*) FROM journey_orch.claim('email', 'r1');
SELECT count(*) FROM journey_orch.ack(1);
CREATE FUNCTION message(customer text) RETURNS uuid LANGUAGE sql AS
  $$ SELECT id FROM journey_orch.outbox WHERE aggregateid = customer $$;
-- A report, and what was made of it.
CREATE FUNCTION report(customer text, status text, at text, detail jsonb) RETURNS text LANGUAGE sql AS $$
  SELECT journey_orch.report(message(customer), status, ('2026-03-02 ' || at || '+00')::timestamptz, detail);
  SELECT concat_ws(' by ', CASE WHEN is_machine THEN 'machine' ELSE 'person' END, machine_agent)
    FROM journey_orch.delivery ORDER BY event_id DESC LIMIT 1
$$;

-- ---- the rules that are shipped ----
SELECT agent, is_machine, statuses, user_agent, network, within, links, is_shipped, is_active, source <> '' AS has_source, checked_on
  FROM journey_orch.machine_agent ORDER BY agent COLLATE "C";
SELECT report('ann', 'delivered', '10:00', '{}');
SELECT report('ann', 'opened', at, jsonb_build_object('user_agent', agent)) AS by, agent
  FROM (VALUES ('11:01', 'Mozilla/5.0'),
               ('11:02', 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)'),
               ('11:03', 'Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)'),
               ('11:04', 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0'),
               ('11:05', 'Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)'),
               ('11:06', 'BARRACUDA scanner'), ('11:07', 'curl/7.88.1'), ('11:08', 'A curly browser'), ('11:09', '')) v (at, agent);
-- a rule is about its statuses only
SELECT report('ann', 'clicked', '11:10', '{"user_agent": "Mozilla/5.0"}'), report('ann', 'converted', '11:11', '{"user_agent": "curl/1"}');
-- hints of another shape tell nothing; what the provider says itself goes before every rule
SELECT report('ann', 'opened', '11:20', '{"user_agent": 1, "ip": "nowhere"}'), report('ann', 'opened', '11:21', '{"ip": "300.1.1.1"}'),
       report('ann', 'opened', '11:22', '{"ip": ["::1"]}'), report('ann', 'opened', '11:23', '{"machine": true}'),
       report('ann', 'clicked', '11:24', '{"machine": false, "user_agent": "curl/1"}'), report('ann', 'opened', '11:25', '{"machine": "yes"}');
SELECT report('ann', 'opened', '11:26', jsonb_build_object('user_agent', repeat('é', 3000)));

-- too soon after it was delivered, else after the receipt, else nobody knows
SELECT report('bob', 'opened', '10:00:01', '{}') AS unknown, report('bob', 'delivered', '10:00', '{}') AS delivered,
       report('bob', 'opened', '10:00:02', '{}') AS soon, report('bob', 'clicked', '10:00:02.1', '{}') AS later, report('bob', 'opened', '09:59', '{}') AS before;
-- three links within a second; the first two were not to be known
SELECT report('cat', 'clicked', '10:00:00.0', '{"url": "a"}') AS first, report('cat', 'clicked', '10:00:00.4', '{"url": "b"}') AS second,
       report('cat', 'clicked', '10:00:00.5', '{"url": "b"}') AS again, report('cat', 'clicked', '10:00:01.0', '{"url": "c"}') AS third,
       report('cat', 'clicked', '10:00:30', '{"url": "d"}') AS calm, report('cat', 'clicked', '10:00:00.6', '{}') AS no_link;
-- ... but in one call they are
SELECT journey_orch.report_many((SELECT jsonb_agg(jsonb_build_object('message_id', message(c), 'status', 'clicked', 'at', '2026-03-02 12:00:00.' || i || '+00', 'detail', jsonb_build_object('url', 'l' || i)))
                                   FROM (VALUES ('dan', 1), ('dan', 2), ('eve', 1), ('dan', 3), ('eve', 1)) v (c, i)));
SELECT customer_id, detail->>'url' AS url, is_machine, machine_agent FROM journey_orch.delivery WHERE customer_id IN ('dan', 'eve') ORDER BY 1, 2;

-- ---- rules of one's own ----
SELECT journey_orch.set_machine_agent('office', network => '192.0.2.0/24', source => 'our own machines', checked_on => '2026-03-01');
SELECT journey_orch.set_machine_agent('office', network => '192.0.2.0/24', source => 'our own machines', checked_on => '2026-03-01');
SELECT journey_orch.set_machine_agent('office', network => '192.0.2.0/25', source => 'our own machines');
SELECT report('ann', 'opened', '12:00', '{"ip": "192.0.2.7"}'), report('ann', 'opened', '12:01', '{"ip": "192.0.2.200"}'), report('ann', 'opened', '12:02', '{"ip": "2001:db8::1"}');
-- a shipped one replaced, switched off, and as it was
SELECT journey_orch.set_machine_agent('gmail_image_proxy', user_agent => 'GoogleImageProxy', statuses => '{opened}', source => 'we count nobody there');
SELECT report('ann', 'opened', '12:03', '{"user_agent": "GoogleImageProxy"}');
SELECT journey_orch.set_machine_agent('gmail_image_proxy', is_active => false);
SELECT report('ann', 'opened', '12:04', '{"user_agent": "GoogleImageProxy"}');
SELECT agent, is_active, is_machine, is_shipped FROM journey_orch.machine_agent WHERE agent IN ('gmail_image_proxy', 'office') ORDER BY 1;
SELECT journey_orch.set_machine_agent('gmail_image_proxy'), journey_orch.set_machine_agent('office');
SELECT agent, is_active, is_machine, is_shipped FROM journey_orch.machine_agent WHERE agent IN ('gmail_image_proxy', 'office') ORDER BY 1;
SELECT journey_orch.set_machine_agent('gmail_image_proxy');
-- a person's rule goes before a machine's, whatever their names
SELECT journey_orch.set_machine_agent('zz_tester', user_agent => 'curl', is_machine => false, source => 'our testers');
SELECT report('ann', 'clicked', '12:05', '{"user_agent": "curl/1"}');
-- every clue must fit
SELECT journey_orch.set_machine_agent('zz_tester', user_agent => 'curl', network => '10.0.0.0/8', within => '1 hour', is_machine => false, source => 'our testers');
SELECT report('ann', 'clicked', '12:06', '{"user_agent": "curl/1", "ip": "10.1.1.1"}'), report('ann', 'clicked', '10:30', '{"user_agent": "curl/1"}'),
       report('ann', 'clicked', '10:40', '{"user_agent": "curl/1", "ip": "10.1.1.1"}');

-- ---- what is refused ----
SELECT journey_orch.set_machine_agent(NULL);
SELECT journey_orch.set_machine_agent('nobody');
SELECT journey_orch.set_machine_agent('nobody', is_active => false);
SELECT journey_orch.set_machine_agent('No body', user_agent => 'x', source => 's');
SELECT journey_orch.set_machine_agent('provider', user_agent => 'x', source => 's');
SELECT journey_orch.set_machine_agent('x', user_agent => 'x');
SELECT journey_orch.set_machine_agent('x', user_agent => '(', source => 's');
SELECT journey_orch.set_machine_agent('x', user_agent => '', source => 's');
SELECT journey_orch.set_machine_agent('x', within => '-1 s', source => 's');
SELECT journey_orch.set_machine_agent('x', within => '2 days', source => 's');
SELECT journey_orch.set_machine_agent('x', links => 2, source => 's');
SELECT journey_orch.set_machine_agent('x', links => 1, within => '1 s', source => 's');
SELECT journey_orch.set_machine_agent('x', user_agent => 'x', statuses => '{}', source => 's');
SELECT journey_orch.set_machine_agent('x', user_agent => 'x', statuses => '{opened,NULL}', source => 's');
SELECT journey_orch.set_machine_agent('x', user_agent => 'x', statuses => '{sent}', source => 's');
SELECT journey_orch.set_machine_agent('x', user_agent => 'x', is_active => false, source => 's');
SELECT journey_orch.set_machine_agent('x', user_agent => 'x', is_machine => NULL, source => 's');

-- ---- what a journey makes of it ----
-- fay's mail was fetched by a machine, and she never read it; ann's was opened by her too
SELECT report('fay', 'opened', '13:00', '{"user_agent": "Mozilla/5.0"}');
SELECT name, payload->'is_machine' AS is_machine, payload->'detail' AS detail FROM journey_orch.event WHERE customer_id = 'fay' AND kind = 'm';
SELECT journey_orch.set_clock('2026-03-05 09:00+00');
CALL journey_orch.run();
SELECT customer_id, exit_reason FROM journey_orch.enrollment_status WHERE customer_id IN ('ann', 'fay') ORDER BY 1;
-- after the run has ended
SELECT journey_orch.report(message('fay'), 'clicked', '2026-03-06') > 0 AS reported;
CALL journey_orch.run();
SELECT * FROM journey_orch.verify() WHERE NOT holds;
