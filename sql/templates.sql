-- content: the examples of docs/templates.md, in their order
CREATE EXTENSION journey_orch;

CREATE SCHEMA shop;
CREATE TABLE shop.customer (id bigint PRIMARY KEY, name text, email text, language text, zone text);
CREATE TABLE shop.cart (customer_id bigint, product text, price numeric(10,2));
INSERT INTO shop.customer VALUES
  (1, 'Ann <3', 'ann@example.com', 'en', 'Europe/Berlin'),
  (2, 'Benoît', 'ben@example.com', 'fr_CA', 'America/Montreal');
INSERT INTO shop.cart VALUES (1, 'Chair', 49.9), (1, 'Lamp', 20);
SELECT journey_orch.bind_customer('shop.customer', id_sql => 'id', timezone_sql => 'zone', locale_sql => 'language');

SELECT journey_orch.set_template('cart_reminder', 'email',
  subject => '{{ customer.name }}, your cart waits',
  body => 'Dear {{ customer.name }}, you left {{ event->>''items'' }} items in your cart.',
  html => '<p>Dear {{ customer.name }}, you left <b>{{ event->>''items'' }}</b> items.</p>',
  headers => '{"Reply-To": "help@example.com", "X-Customer": "{{ customer.id }}"}');

SELECT subject, html, headers->>'X-Customer' AS x_customer
FROM journey_orch.render('cart_reminder', '1', event => '{"items": 2}');

SELECT journey_orch.set_template('cart_list', 'email', body => $$Your cart:
{{ (SELECT string_agg(format('- %s %s', product, price), E'\n' ORDER BY product)
    FROM shop.cart WHERE customer_id = customer.id) }}
Total {{ (SELECT sum(price) FROM shop.cart WHERE customer_id = customer.id) }}, until {{
  to_char((journey.now + interval '2 days') AT TIME ZONE journey.timezone, 'FMDay HH24:MI') }}.$$);
SELECT journey_orch.set_clock('2026-03-02 09:00+00');
SELECT body FROM journey_orch.render('cart_list', '1');

SELECT journey_orch.set_template('braces', 'push', body => $$A hole is written {{ '{{ sql }}' }} {here}.$$);
SELECT body FROM journey_orch.render('braces', '1');

SELECT journey_orch.set_template('cart_reminder', 'sms', body => 'Dear {{ customer.nam }}');

CREATE TABLE shop.purchase (customer_id bigint, product text, amount numeric(10,2), at timestamptz);
CREATE TABLE shop.viewed (customer_id bigint, product text, href text, at timestamptz);
INSERT INTO shop.purchase VALUES (1, 'Table', 300, '2026-01-05 10:00+00'), (1, 'Vase', 15.5, '2026-02-20 18:00+00');
INSERT INTO shop.viewed VALUES (1, 'Chair <b>', 'https://shop.example/chair', '2026-03-01 10:00+00'), (1, 'Lamp', 'https://shop.example/lamp', '2026-03-01 10:05+00'),
  (1, 'Sofa', 'https://shop.example/sofa?a=1&b=2', '2026-03-01 10:10+00');
SELECT journey_orch.set_template('again', 'email',
  body => $$Since your {{ (SELECT product FROM shop.purchase AS p WHERE p.customer_id = customer.id ORDER BY at DESC LIMIT 1) }} you looked at
{{ (SELECT string_agg('- ' || product, E'\n' ORDER BY at DESC)
    FROM (SELECT * FROM shop.viewed WHERE customer_id = customer.id ORDER BY at DESC LIMIT 2) AS v) }}$$,
  html => $$<ul>{{{ journey_orch.html_list(ARRAY(SELECT product FROM shop.viewed WHERE customer_id = customer.id ORDER BY at DESC)) }}}</ul>
{{{ (SELECT string_agg(format('<a href="%s">%s</a>', journey_orch.html_escape(href), journey_orch.html_escape(product)), E'\n' ORDER BY at DESC)
     FROM shop.viewed WHERE customer_id = customer.id) }}}$$);
SELECT body, html FROM journey_orch.render('again', '1');

SELECT journey_orch.set_template('payload', 'push',
  body => $${"title": {{{ to_json('For ' || customer.name)::text }}}, "link": "https://shop.example/find?q={{ journey_orch.url_encode('sofa & chair') }}"}$$);
SELECT body FROM journey_orch.render('payload', '1');

SELECT journey_orch.set_topic('news', 'marketing');
SELECT journey_orch.set_sender('The Shop', E'1 Main St\n12345 Springfield', 'https://shop.example/mail');
SELECT journey_orch.set_template('news', 'email', subject => 'New chairs', body => $$New chairs are here, {{ customer.name }}.

You get this because you chose news about {{ message.topic }} from {{ message.sender }}, {{ message.postal_address }}.
Stop: {{ message.unsubscribe_url }}
Choose: {{ message.preferences_url }}$$);
SELECT body FROM journey_orch.render('news', '1', topic => 'news');

SELECT journey_orch.set_template('welcome', 'email', body => 'Welcome, {{ customer.name }}!');
SELECT journey_orch.set_template('welcome', 'email', body => 'Bienvenue, {{ customer.name }} !', locale => 'fr');
SELECT customer, r.locale, r.body FROM unnest('{1,2}'::text[]) AS customer, journey_orch.render('welcome', customer) AS r;

SELECT journey_orch.set_template('welcome', 'email', body => 'Hello, {{ customer.name }}!');
SELECT locale, version, is_current, body FROM journey_orch.template WHERE name = 'welcome' ORDER BY locale, version;
