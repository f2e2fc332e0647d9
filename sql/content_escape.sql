-- content: hostile values in every kind of part (HTML, URL, header, JSON, SMS), lists, and locales
CREATE EXTENSION journey_orch;
SET client_min_messages = warning;
CREATE TABLE customer (id bigint PRIMARY KEY, name text, locale text);
CREATE TABLE viewed (customer_id bigint, n integer, product text, href text);
-- One customer a hostile value: what ends lines, tags, attributes, strings and URLs.
INSERT INTO customer (id, name)
SELECT ordinality, value FROM unnest(ARRAY[
  E'a\r\nBcc: all@evil.example', E'a\nSubject: x', E'a\rTo: x', E'a\r\n\r\n<html>', E'a\u0085X: 1', E'a\u2028X: 1', E'a\u2029X: 1', E'a\x0bX\x0cY\x1cZ', E'a\x07\x1b[31m\x7f',
  '<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', $$' onmouseover='alert(1)$$, '&amp;&lt;', '</p><!-- ', 'javascript:alert(1)', 'a&b=c#d?e/f:g@h', 'x y+z%20', '100% "q" \ /',
  'Ünïcödé ✓ 🎉', '{{ 1 + 1 }}', '{{{ customer.id }}}', '$$; DROP TABLE x', '=?UTF-8?B?QmNj?=', E'tab\there', ' ', '']) WITH ORDINALITY AS v(value, ordinality);
SELECT journey_orch.bind_customer('customer', 'id', locale_sql => 'locale');

SELECT journey_orch.set_template('all', 'email', subject => 'Hi {{ customer.name }}', body => 'Hi {{ customer.name }}',
  html => '<p title="{{ customer.name }}" class=''{{ customer.name }}''>{{ customer.name }} <a href="https://shop.example/?q={{ journey_orch.url_encode(customer.name) }}">x</a></p>',
  headers => '{"X-Name": "{{{ customer.name }}}", "X-Raw": "a{{{ customer.name }}}b"}');
-- SMS is a body without HTML; a push payload is JSON that the hole makes.
SELECT journey_orch.set_template('all', 'push', body => '{"title": {{{ to_json(customer.name)::text }}}, "link": "https://shop.example/{{ journey_orch.url_encode(customer.name) }}"}');
CREATE TABLE shown AS
SELECT c.id, c.name, r.* FROM customer AS c, journey_orch.render('all', c.id::text) AS r;

-- No subject and no header has a line end or another control character, in any form a mail library takes for one.
SELECT count(*) AS headers, count(*) FILTER (WHERE line ~ E'[\\x01-\\x1f\\x7f\u0080-\u009f\u2028\u2029]') AS with_controls
FROM (SELECT subject AS line FROM shown WHERE channel = 'email' UNION ALL SELECT h.value FROM shown, jsonb_each_text(headers) AS h WHERE channel = 'email') AS l;
-- The names of headers are those of the template.
SELECT DISTINCT h.key FROM shown, jsonb_object_keys(headers) AS h(key) ORDER BY 1;
-- HTML: outside of the template's own tags there is no angle bracket, and no quote that ends an attribute; the markup is the same for all.
SELECT count(*) FILTER (WHERE html ~ E'^<p title="[^"<>]*" class=''[^''<>]*''>[^<>"'']* <a href="https://shop\\.example/\\?q=[-._~A-Za-z0-9%]*">x</a></p>$') AS good, count(*) FROM shown WHERE channel = 'email';
-- And it is the value still: unescaped it is what it was, control characters apart.
SELECT count(*) AS wrong FROM shown WHERE channel = 'email' AND
  replace(replace(replace(replace(replace(regexp_replace(html, E'^<p title="([^"]*)".*$', '\1'), '&lt;', '<'), '&gt;', '>'), '&quot;', '"'), '&#39;', ''''), '&amp;', '&')
  IS DISTINCT FROM regexp_replace(name, E'[\\x01-\\x08\\x0b-\\x1f\\x7f\u0080-\u009f]', '', 'g');
-- Body: no control character but line ends and tabs; nothing of a value is taken for a hole.
SELECT count(*) FILTER (WHERE body ~ E'[\\x01-\\x08\\x0b-\\x1f\\x7f\u0080-\u009f]') AS with_controls, count(*) FILTER (WHERE body IN ('Hi 2', 'Hi ' || id)) AS holes FROM shown WHERE channel = 'email';
-- JSON: it parses, and holds the value.
SELECT count(*) AS payloads, count(*) FILTER (WHERE body::jsonb->>'title' IS DISTINCT FROM name) AS wrong, count(*) FILTER (WHERE body::jsonb->>'link' !~ '^https://shop\.example/[-._~A-Za-z0-9%]*$') AS bad_links FROM shown WHERE channel = 'push';

-- The functions by themselves.
SELECT journey_orch.url_encode('aZ09-._~'), journey_orch.url_encode('é/ ?&=+%' || chr(10)), journey_orch.url_encode('') = '' AS empty, journey_orch.url_encode(NULL) IS NULL AS nothing;
SELECT journey_orch.html_escape(E'<a href="x">\'&\u0007</a>'), journey_orch.html_escape(NULL) IS NULL AS nothing;
SELECT journey_orch.html_list(ARRAY['a<b', NULL, 'c', '']), journey_orch.html_list('{a,b}', before => '<p>', after => '</p>'), journey_orch.html_list('{}') = '' AS empty, journey_orch.html_list(NULL) IS NULL AS nothing,
  journey_orch.html_list('{{a,b},{c,d}}', '', ';');
-- For authors, not for everybody.
CREATE ROLE regress_escape_nobody;
GRANT USAGE ON SCHEMA journey_orch TO regress_escape_nobody;
SET ROLE regress_escape_nobody;
SELECT journey_orch.html_escape('x');
SELECT journey_orch.url_encode('x');
SELECT journey_orch.html_list('{x}');
RESET ROLE;
REVOKE USAGE ON SCHEMA journey_orch FROM regress_escape_nobody;
DROP ROLE regress_escape_nobody;

-- Lists: the n viewed products as text and as HTML, hostile names and addresses included.
INSERT INTO viewed VALUES (1, 1, 'Chair <b>', 'https://shop.example/1'), (1, 2, 'Lamp "x"', 'javascript:alert(1)'), (1, 3, 'Desk', 'https://shop.example/?a="><script>'), (1, 4, 'Rug', 'https://shop.example/4');
SELECT journey_orch.set_template('seen', 'email', body => $${{ (SELECT string_agg('- ' || product, E'\n' ORDER BY n DESC) FROM (SELECT * FROM public.viewed WHERE customer_id = customer.id ORDER BY n DESC LIMIT 3) AS v) }}$$,
  html => $$<ul>{{{ journey_orch.html_list(ARRAY(SELECT product FROM public.viewed WHERE customer_id = customer.id ORDER BY n DESC LIMIT 3)) }}}</ul>
{{{ (SELECT string_agg(format('<a href="%s">%s</a>', journey_orch.html_escape(CASE WHEN href LIKE 'https://%' THEN href ELSE '#' END), journey_orch.html_escape(product)), ' ' ORDER BY n) FROM public.viewed WHERE customer_id = customer.id) }}}$$);
SELECT body, html FROM journey_orch.render('seen', '1');
SELECT body, html FROM journey_orch.render('seen', '2');

-- Locales: shortened subtag by subtag, with region and script, in whatever spelling; else the default.
SELECT count(journey_orch.set_template('hello', 'email', 'default')), count(journey_orch.set_template('hello', 'email', l, locale => l))
FROM unnest('{fr,fr-CA,zh-Hant,zh,sr-Latn-RS,de-1996,es-419,en}'::text[]) AS l;
SELECT l AS wanted, r.locale AS found, r.body FROM unnest('{fr-CA,fr_CA.UTF-8,FR-ca,fr-BE,fr,zh-Hant-TW,zh_hant_hk,zh-Hans-CN,zh-TW,sr-Latn-RS,sr-Latn-BA,sr-Cyrl-RS,sr,de-DE-1996,de-1996,es-419,es-MX,en-US-x-shop,pt,"",C,POSIX,not a locale,fr-}'::text[])
  WITH ORDINALITY AS w(l, n), journey_orch.render('hello', '1', locale => l) AS r ORDER BY n;
-- The same from the customer's row.
UPDATE customer SET locale = (ARRAY['fr_CA', 'zh-Hant-TW', NULL, 'xx'])[id] WHERE id <= 4;
SELECT c.locale, r.locale AS found FROM customer AS c, journey_orch.render('hello', c.id::text) AS r WHERE id <= 4 ORDER BY id;
