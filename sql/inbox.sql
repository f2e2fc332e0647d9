/*
 * Channels of kind inbox: messages that applications pull, and offers that a till
 * redeems.  Lanes are applied by CALL run(), so what is not applied yet shows.
 */
SET client_min_messages = warning;
CREATE EXTENSION journey_orch;
CREATE ROLE inbox_app;
GRANT journey_orch_app TO inbox_app;
RESET client_min_messages;
\set VERBOSITY terse
SET TimeZone = 'UTC';
SET search_path = public, journey_orch;
SET journey_orch.claim_freshness = 0;

CREATE TABLE customer (id bigint PRIMARY KEY, name text, email text);
INSERT INTO customer SELECT i, 'c' || i, 'c' || i || '@example.com' FROM generate_series(1, 9) AS i;
GRANT SELECT ON customer TO inbox_app;
SELECT bind_customer('public.customer', 'id');
SELECT set_clock('2026-03-01 12:00+00');
SELECT add_preset_channel('in_app'), add_preset_channel('retail', settings => '{"expires_after": "3 days"}'), add_preset_channel('email');
SELECT set_template('tip', 'in_app', 'Hello {{ customer.name }}', 'A tip', '<p>Hello {{ customer.name }}</p>', headers => '{"X-Deep-Link": "/tips"}');
SELECT set_template('coupon', 'retail', 'Show this at the till', '10 % off');
SELECT set_template('tip', 'email', 'Hello');

SELECT define('{
  "journey": "tips", "timezone": "UTC",
  "entry": {"on": "signed_up"}, "start": "tip", "goal": {"on": "ordered"},
  "steps": {
    "tip":   {"send": {"channels": ["in_app", "email"], "template": "tip"}, "on_failure": "lost", "next": "watch"},
    "watch": {"wait": {"for": [{"on": "message.clicked", "of": "tip", "next": "keen"},
                               {"on": "message.dismissed", "of": "tip", "next": "cold"}],
                       "until": {"after": "40 days", "next": "cold"}}},
    "keen":  {"exit": "keen"}, "cold": {"exit": "cold"}, "lost": {"exit": "lost"}}}') > 0 AS defined;
SELECT define('{
  "journey": "coupons", "timezone": "UTC",
  "entry": {"on": "visited"}, "start": "offer",
  "steps": {
    "offer": {"send": {"channels": ["retail"], "template": "coupon"}, "next": "watch"},
    "watch": {"wait": {"for": [{"on": "message.redeemed", "of": "offer", "next": "used"}],
                       "until": {"after": "7 days", "next": "unused"}}},
    "used":  {"exit": "used"}, "unused": {"exit": "unused"}}}') > 0 AS defined;
SELECT count(p) FROM unnest('{tips,coupons}'::text[]) AS j, publish(j) AS p;

/* ---- live at once, without a relay; the run does not wait for one ---- */
SELECT count(emit('signed_up', i::text)) FROM generate_series(1, 6) AS i;
CALL run();
SELECT customer_id, step, state FROM enrollment_status ORDER BY 1;
SELECT subject, body, html, headers, payload ? 'address' AS has_address, journey, step, topic, template, enqueued_at, expires_at, shown_at
  FROM inbox('1', 'in_app');
SELECT count(*) FROM inbox('7', 'in_app');
SELECT count(*) FROM inbox('nobody', 'in_app');
SELECT channel, ready, live FROM channel_status ORDER BY 1;
SELECT state, count(*) FROM message_status GROUP BY 1;

/* ---- shown, clicked and dismissed come back, by the application ---- */
SELECT message_id AS c1 FROM inbox('1', 'in_app') \gset
SELECT message_id AS c2 FROM inbox('2', 'in_app') \gset
GRANT USAGE ON SCHEMA public TO inbox_app;
SET ROLE inbox_app;
SELECT count(report(:'c1', 'shown', '2026-03-01 12:01+00'));
SELECT count(report(:'c1', 'clicked', '2026-03-01 12:02+00'));
SELECT report_many(jsonb_build_array(jsonb_build_object('message_id', :'c2', 'status', 'shown'),
                                     jsonb_build_object('message_id', :'c2', 'status', 'dismissed')));
/* what is reported is there at once, what it means only when the lane has applied it */
SELECT count(*) FROM inbox('2', 'in_app');
RESET ROLE;
CALL run();
SET ROLE inbox_app;
SELECT shown_at, clicked_at FROM inbox('1', 'in_app');
SELECT count(*) FROM inbox('2', 'in_app');
SELECT count(*) FROM claim('in_app', 'r');
RESET ROLE;
SELECT * FROM claim('in_app', 'r');
SELECT customer_id, state, exit_reason FROM enrollment_status WHERE customer_id IN ('1', '2') ORDER BY 1;
SELECT customer_id, state FROM message ORDER BY customer_id;

/* ---- an exit of the run withdraws it: from the commit of the event on ---- */
SELECT count(*) FROM inbox('3', 'in_app');
SELECT count(emit('ordered', '3'));
SELECT count(*) FROM inbox('3', 'in_app');
CALL run();
SELECT count(*) FROM inbox('3', 'in_app');
SELECT customer_id, state FROM message_status WHERE customer_id = '3';
/* a paused journey hides its own */
SELECT count(*) FROM pause('tips');
SELECT count(*) FROM inbox('4', 'in_app');
CALL run();
SELECT count(*) FROM inbox('4', 'in_app');
SELECT count(*) FROM resume('tips');
CALL run();
SELECT count(*) FROM inbox('4', 'in_app');
/* and it expires, leaving no row */
SELECT set_clock('2026-03-31 11:59+00');
CALL run();
SELECT count(*) FROM inbox('4', 'in_app');
SELECT set_clock('2026-03-31 12:00+00');
SELECT count(*) FROM inbox('4', 'in_app');
CALL run();
SELECT count(*) FROM message;
SELECT state, count(*) FROM message_status GROUP BY 1 ORDER BY 1;

/* ---- offers ---- */
SELECT count(emit('visited', i::text)) FROM generate_series(1, 4) AS i;
CALL run();
SET ROLE inbox_app;
SELECT offer, body, journey, expires_at FROM offers('1');
SELECT message_id AS o1 FROM offers('1') \gset
SELECT message_id AS o2 FROM offers('2') \gset
SELECT message_id AS o3 FROM offers('3') \gset
SELECT redeem(:'o1', '{"amount": 34.5, "currency": "EUR", "till": 7}');
SELECT redeem(:'o1', '{"till": 8}');
SELECT count(*) FROM offers('1');
SELECT count(report(:'o2', 'dismissed'));
SELECT redeem(:'o2');
/* reporting it says the same as redeeming it */
SELECT count(report(:'o3', 'redeemed'));
SELECT redeem(:'o3');
RESET ROLE;
CALL run();
SELECT customer_id, exit_reason FROM enrollment_status WHERE journey = 'coupons' ORDER BY 1;
SELECT customer_id, status, detail FROM delivery WHERE channel = 'retail' ORDER BY 1;
SELECT message_id AS o4 FROM offers('4') \gset
SELECT advance_clock('3 days');
SELECT redeem(:'o4');
CALL run();
SELECT redeem(:'o4');
SELECT redeem(:'c1');

/* ---- wrong arguments ---- */
SELECT inbox(NULL, 'in_app');
SELECT inbox('1', NULL);
SELECT inbox('1', 'in_app', NULL);
SELECT inbox('1', 'in_app', 0);
SELECT inbox('1', 'nope');
SELECT inbox('1', 'email');
SELECT offers('1', 'nope');
SELECT redeem(NULL);
SELECT redeem(:'o4', NULL);
SELECT redeem(:'o4', '[]');
SELECT redeem(:'o4', '{"amount": 1}');
SELECT redeem('00000000-0000-0000-0000-000000000000');
SELECT set_channel('x', '''x''', kind => 'inbox', drain => 'stream');
SET ROLE inbox_app;
SELECT count(report(message_id, 'opened')) FROM (SELECT '00000000-0000-0000-0000-000000000000'::uuid) AS m (message_id);
RESET ROLE;
SELECT law, detail FROM verify() WHERE NOT holds;
DROP OWNED BY inbox_app;
DROP ROLE inbox_app;
