/* permission: functions and views */

/* ---- topics ---- */

CREATE OR REPLACE FUNCTION journey_orch.set_topic(
  topic text,
  class text DEFAULT 'service',
  consent text DEFAULT 'none',
  description text DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_set_topic';
REVOKE ALL ON FUNCTION journey_orch.set_topic(text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.set_topic(text, text, text, text) TO journey_orch_author;
COMMENT ON FUNCTION journey_orch.set_topic(text, text, text, text) IS
'Declares a topic of messages: class marketing, transactional, service or legal; consent opt_in, opt_out or none. Returns created, replaced or unchanged.';

CREATE OR REPLACE VIEW journey_orch.topic AS
SELECT t.topic, t.class, t.consent, t.description, t.changed_at
FROM journey_orch.message_topic AS t;
REVOKE ALL ON journey_orch.topic FROM PUBLIC;
GRANT SELECT ON journey_orch.topic TO journey_orch_analyst, journey_orch_author;
COMMENT ON VIEW journey_orch.topic IS 'One row a declared topic of messages.';
COMMENT ON COLUMN journey_orch.topic.topic IS 'Name of the topic.';
COMMENT ON COLUMN journey_orch.topic.class IS 'marketing, transactional, service or legal.';
COMMENT ON COLUMN journey_orch.topic.consent IS 'Consent a message about it needs: opt_in, opt_out or none.';
COMMENT ON COLUMN journey_orch.topic.description IS 'What the author wrote about it.';
COMMENT ON COLUMN journey_orch.topic.changed_at IS 'Real time of the last change.';

/* ---- consent ---- */

CREATE OR REPLACE FUNCTION journey_orch._token_make(
  purpose integer, customer text, channel text, topic text, expires timestamptz, reference bigint)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_token_make';
REVOKE ALL ON FUNCTION journey_orch._token_make(integer, text, text, text, timestamptz, bigint) FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._token_make(integer, text, text, text, timestamptz, bigint) IS
'The text of a token; expires NULL: the end of the day and 400 days.';

CREATE OR REPLACE FUNCTION journey_orch._token_read(
  token text, wanted integer, other integer,
  OUT purpose integer, OUT customer text, OUT channel text, OUT topic text, OUT expires timestamptz, OUT reference bigint)
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_token_read';
REVOKE ALL ON FUNCTION journey_orch._token_read(text, integer, integer) FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._token_read(text, integer, integer) IS
'What a token of one of two purposes says; raises JO009.';

CREATE OR REPLACE FUNCTION journey_orch._consent_event(event text, customer text, payload jsonb)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_consent_event';
REVOKE ALL ON FUNCTION journey_orch._consent_event(text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._consent_event(text, text, jsonb) IS
'Appends an event consent.… of a customer.';

CREATE OR REPLACE FUNCTION journey_orch._consent_lock(customer text)
RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_consent_lock';
REVOKE ALL ON FUNCTION journey_orch._consent_lock(text) FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._consent_lock(text) IS
'Lets what is said of a customer be said one after the other.';

CREATE OR REPLACE FUNCTION journey_orch._customer_zone(customer text)
RETURNS text
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_customer_zone';
REVOKE ALL ON FUNCTION journey_orch._customer_zone(text) FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._customer_zone(text) IS
'The time zone of a customer, or NULL.';

CREATE OR REPLACE FUNCTION journey_orch._rule_changed(relation text)
RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_rule_changed';
REVOKE ALL ON FUNCTION journey_orch._rule_changed(text) FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._rule_changed(text) IS
'Tells every session that a table of rules has changed.';

CREATE OR REPLACE FUNCTION journey_orch._keep_evidence()
RETURNS trigger
LANGUAGE c
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_keep_evidence';
REVOKE ALL ON FUNCTION journey_orch._keep_evidence() FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._keep_evidence() IS
'Refuses to change or remove evidence.';

CREATE OR REPLACE TRIGGER keep_evidence BEFORE UPDATE OR DELETE ON journey_orch.consent
  FOR EACH ROW EXECUTE FUNCTION journey_orch._keep_evidence();
CREATE OR REPLACE TRIGGER keep_all_evidence BEFORE TRUNCATE ON journey_orch.consent
  FOR EACH STATEMENT EXECUTE FUNCTION journey_orch._keep_evidence();
CREATE OR REPLACE TRIGGER keep_evidence BEFORE UPDATE OR DELETE ON journey_orch.objection
  FOR EACH ROW EXECUTE FUNCTION journey_orch._keep_evidence();
CREATE OR REPLACE TRIGGER keep_all_evidence BEFORE TRUNCATE ON journey_orch.objection
  FOR EACH STATEMENT EXECUTE FUNCTION journey_orch._keep_evidence();

CREATE OR REPLACE FUNCTION journey_orch.consent_state(
  customer text,
  channel text,
  topic text,
  as_of timestamptz DEFAULT NULL)
RETURNS text
LANGUAGE c STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_consent_state';
REVOKE ALL ON FUNCTION journey_orch.consent_state(text, text, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.consent_state(text, text, text, timestamptz)
  TO journey_orch_app, journey_orch_analyst, journey_orch_operator, journey_orch_privacy;
COMMENT ON FUNCTION journey_orch.consent_state(text, text, text, timestamptz) IS
'unknown, pending, granted, denied, withdrawn or expired: what a customer has said about a channel and topic (NULL: about all), now or at an instant.';

/* Raise unless "evidence" has the fields that a statement of this basis must be
   proven by. */
CREATE OR REPLACE FUNCTION journey_orch._need_evidence(basis text, evidence jsonb)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  field text;
BEGIN
  FOREACH field IN ARRAY CASE basis WHEN 'consent' THEN '{text_version,method}' ELSE '{reference}' END::text[] LOOP
    IF jsonb_typeof(evidence->field) IS DISTINCT FROM 'string' OR btrim(evidence->>field) = '' THEN
      RAISE EXCEPTION 'evidence of consent lacks "%"', field
        USING ERRCODE = '22023', HINT = CASE field
          WHEN 'text_version' THEN 'It is a text: the version or hash of what was shown.'
          WHEN 'method' THEN 'It is a text: how consent was given, such as checkbox, keyword or written.'
          ELSE 'It is a text: the order or inquiry that implies it.' END;
    END IF;
  END LOOP;
END
$$;
REVOKE ALL ON FUNCTION journey_orch._need_evidence(text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._need_evidence(text, jsonb) IS
'Raises unless evidence has the fields that consent of this basis is proven by.';

/* Record what a customer has said.  The caller holds his lock (_consent_lock),
   if "said_at" is NULL it was said now. */
CREATE OR REPLACE FUNCTION journey_orch._say(
  customer text, channel text, topic text, state text, basis text, said_at timestamptz, expires_at timestamptz,
  source text, evidence jsonb)
RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  id bigint;
  event text := CASE state WHEN 'granted' THEN 'consent.granted' WHEN 'pending' THEN 'consent.requested'
                           ELSE 'consent.withdrawn' END;
BEGIN
  -- A clock that was set back must not let an older word be the newest.
  INSERT INTO journey_orch.consent (customer_id, channel, topic, state, basis, at, expires_at, source, method, text_version,
                                    evidence, actor, recorded_at)
  SELECT _say.customer, _say.channel, _say.topic, _say.state, _say.basis,
         coalesce(said_at, greatest(journey_orch.clock(), max(c.at))), _say.expires_at, _say.source,
         _say.evidence->>'method', _say.evidence->>'text_version', _say.evidence, session_user, clock_timestamp()
  FROM journey_orch.consent AS c WHERE c.customer_id = customer
  RETURNING consent_id INTO id;
  -- A consent that was given before a withdrawal changes nothing now.
  IF state = 'granted' AND journey_orch.consent_state(customer, channel, topic) <> 'granted' THEN
    RETURN id;
  END IF;
  PERFORM journey_orch._consent_event(event, customer, jsonb_strip_nulls(jsonb_build_object(
    'consent_id', id, 'channel', channel, 'topic', topic, 'state', state, 'basis', basis, 'source', source,
    'expires_at', to_jsonb(expires_at),
    'token', CASE state WHEN 'pending' THEN journey_orch._token_make(3, customer, channel, topic, expires_at, id) END)));
  RETURN id;
END
$$;
REVOKE ALL ON FUNCTION journey_orch._say(text, text, text, text, text, timestamptz, timestamptz, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._say(text, text, text, text, text, timestamptz, timestamptz, text, jsonb) IS
'Records what a customer has said about messages, and tells it as an event.';

/* Raise unless the arguments that statements of consent have in common are good. */
CREATE OR REPLACE FUNCTION journey_orch._need_statement(
  function text, customer text, channel text, topic text, source text, evidence jsonb)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM journey_orch._need(function, 'customer', customer, 1000);
  PERFORM journey_orch._need_or_null(function, 'channel', channel, 200);
  PERFORM journey_orch._need_or_null(function, 'topic', topic, 200);
  PERFORM journey_orch._need(function, 'source', source, 200);
  PERFORM journey_orch._need_object(function, 'evidence', evidence);
END
$$;
REVOKE ALL ON FUNCTION journey_orch._need_statement(text, text, text, text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._need_statement(text, text, text, text, text, jsonb) IS
'Raises unless the arguments of a statement about consent are good.';

CREATE OR REPLACE FUNCTION journey_orch.grant_consent(
  customer text,
  channel text,
  topic text,
  source text,
  evidence jsonb DEFAULT '{}',
  expires_at timestamptz DEFAULT NULL,
  basis text DEFAULT 'consent',
  given_at timestamptz DEFAULT NULL,
  timezone text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  now timestamptz := journey_orch.clock();
  given timestamptz := coalesce(given_at, now);
  zone text;
BEGIN
  PERFORM journey_orch._need_statement('grant_consent', customer, channel, topic, source, evidence);
  PERFORM journey_orch._need('grant_consent', 'basis', basis, 1000);
  PERFORM journey_orch._need_one_of('basis', basis, '{consent,purchase,inquiry}');
  PERFORM journey_orch._need_evidence(basis, evidence);
  IF NOT isfinite(given) OR given > now THEN
    RAISE EXCEPTION 'argument "given_at" of grant_consent() is in the future'
      USING ERRCODE = '22023', HINT = 'It is compared with journey_orch.clock(); NULL: now.';
  END IF;
  IF basis <> 'consent' THEN
    IF expires_at IS NOT NULL THEN
      RAISE EXCEPTION 'argument "expires_at" of grant_consent() is only for basis "consent"'
        USING ERRCODE = '22023', HINT = 'What a purchase or an inquiry implies ends after 24 or 6 months.';
    END IF;
    zone := coalesce(timezone, journey_orch._customer_zone(customer), 'UTC');
    expires_at := (date_trunc('day', given AT TIME ZONE zone)
                   + CASE basis WHEN 'purchase' THEN interval '24 months' ELSE interval '6 months' END) AT TIME ZONE zone;
  ELSIF expires_at <= given THEN
    RAISE EXCEPTION 'argument "expires_at" of grant_consent() is not after the consent was given' USING ERRCODE = '22023';
  END IF;
  PERFORM journey_orch._consent_lock(customer);
  RETURN journey_orch._say(customer, channel, topic, 'granted', basis, given_at, expires_at, source, evidence);
END
$$;
REVOKE ALL ON FUNCTION journey_orch.grant_consent(text, text, text, text, jsonb, timestamptz, text, timestamptz, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.grant_consent(text, text, text, text, jsonb, timestamptz, text, timestamptz, text)
  TO journey_orch_app, journey_orch_privacy;
COMMENT ON FUNCTION journey_orch.grant_consent(text, text, text, text, jsonb, timestamptz, text, timestamptz, text) IS
'Records that a customer consents to messages of a channel and topic (NULL: all), with evidence; returns the consent_id. Basis purchase or inquiry: implied, and over after 24 or 6 months.';

CREATE OR REPLACE FUNCTION journey_orch._withdraw(
  customer text, channel text, topic text, state text, source text, evidence jsonb)
RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  last record;
BEGIN
  PERFORM journey_orch._consent_lock(customer);
  SELECT c.consent_id, c.at INTO last
  FROM journey_orch.consent AS c
  WHERE c.customer_id = customer AND c.channel IS NOT DISTINCT FROM _withdraw.channel
    AND c.topic IS NOT DISTINCT FROM _withdraw.topic AND c.state IN ('withdrawn', 'denied')
  ORDER BY c.at DESC, c.consent_id DESC LIMIT 1;
  -- Said already, and nothing that it stops was said since.
  IF FOUND AND NOT EXISTS (
    SELECT FROM journey_orch.consent AS c
    WHERE c.customer_id = customer AND c.state IN ('granted', 'pending') AND (c.at, c.consent_id) > (last.at, last.consent_id)
      AND (_withdraw.channel IS NULL OR c.channel IS NULL OR c.channel = _withdraw.channel)
      AND (_withdraw.topic IS NULL OR c.topic IS NULL OR c.topic = _withdraw.topic)) THEN
    RETURN last.consent_id;
  END IF;
  RETURN journey_orch._say(customer, channel, topic, state, 'consent', NULL, NULL, source, evidence);
END
$$;
REVOKE ALL ON FUNCTION journey_orch._withdraw(text, text, text, text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._withdraw(text, text, text, text, text, jsonb) IS
'Records that a customer does not want messages; nothing when he has said just that already.';

CREATE OR REPLACE FUNCTION journey_orch.withdraw_consent(
  customer text,
  channel text DEFAULT NULL,
  topic text DEFAULT NULL,
  source text DEFAULT NULL,
  evidence jsonb DEFAULT '{}')
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- As easy as giving it: no reason is asked, and no source.
  source := coalesce(source, 'unknown');
  PERFORM journey_orch._need_statement('withdraw_consent', customer, channel, topic, source, evidence);
  RETURN journey_orch._withdraw(customer, channel, topic, 'withdrawn', source, evidence);
END
$$;
REVOKE ALL ON FUNCTION journey_orch.withdraw_consent(text, text, text, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.withdraw_consent(text, text, text, text, jsonb)
  TO journey_orch_app, journey_orch_operator, journey_orch_privacy;
COMMENT ON FUNCTION journey_orch.withdraw_consent(text, text, text, text, jsonb) IS
'Records that a customer wants no messages of a channel and topic (NULL: of all); from commit on none is handed out. Returns the consent_id.';

CREATE OR REPLACE FUNCTION journey_orch.request_consent(
  customer text,
  channel text,
  topic text,
  source text,
  evidence jsonb DEFAULT '{}',
  valid interval DEFAULT '7 days')
RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  now timestamptz := journey_orch.clock();
  asked_id bigint;
  ends timestamptz := now + valid;
BEGIN
  PERFORM journey_orch._need_statement('request_consent', customer, channel, topic, source, evidence);
  PERFORM journey_orch._need_evidence('consent', evidence);
  IF valid IS NULL THEN
    RAISE EXCEPTION 'argument "valid" of request_consent() must not be null' USING ERRCODE = '22004';
  ELSIF valid <= interval '0' OR valid > interval '1 year' THEN
    RAISE EXCEPTION 'argument "valid" of request_consent() must be between nothing and a year' USING ERRCODE = '22023';
  END IF;
  PERFORM journey_orch._consent_lock(customer);
  IF journey_orch.consent_state(customer, channel, topic) = 'granted' THEN
    RAISE EXCEPTION 'customer "%" has consented already', left(customer, 60)
      USING ERRCODE = '55000', HINT = 'Look with journey_orch.consent_state() before you ask.';
  END IF;
  -- One confirmation only: who is asked again before he answered gets the same token.
  IF journey_orch.consent_state(customer, channel, topic) = 'pending' THEN
    SELECT c.consent_id, c.expires_at INTO asked_id, ends
    FROM journey_orch.consent AS c
    WHERE c.customer_id = customer AND c.channel IS NOT DISTINCT FROM request_consent.channel
      AND c.topic IS NOT DISTINCT FROM request_consent.topic AND c.state = 'pending' AND c.expires_at > now
    ORDER BY c.at DESC, c.consent_id DESC LIMIT 1;
  END IF;
  IF asked_id IS NULL THEN
    ends := now + valid;
    asked_id := journey_orch._say(customer, channel, topic, 'pending', 'consent', NULL, ends, source, evidence);
  END IF;
  RETURN journey_orch._token_make(3, customer, channel, topic, ends, asked_id);
END
$$;
REVOKE ALL ON FUNCTION journey_orch.request_consent(text, text, text, text, jsonb, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.request_consent(text, text, text, text, jsonb, interval) TO journey_orch_app;
COMMENT ON FUNCTION journey_orch.request_consent(text, text, text, text, jsonb, interval) IS
'Double opt-in: records that a customer was asked, and returns the token that confirms it, also told as event consent.requested.';

CREATE OR REPLACE FUNCTION journey_orch.confirm_consent(token text, evidence jsonb DEFAULT '{}')
RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  t record := journey_orch._token_read(token, 3, 3);
  asked journey_orch.consent;
BEGIN
  PERFORM journey_orch._need_object('confirm_consent', 'evidence', evidence);
  PERFORM journey_orch._consent_lock(t.customer);
  SELECT c.* INTO asked FROM journey_orch.consent AS c
  WHERE c.consent_id = t.reference AND c.customer_id = t.customer AND c.state = 'pending';
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the token is not valid' USING ERRCODE = 'JO009', DETAIL = 'What it confirms is gone.';
  END IF;
  IF EXISTS (SELECT FROM journey_orch.consent AS c
             WHERE c.customer_id = t.customer AND c.state = 'granted'
               AND c.evidence->>'request_id' = asked.consent_id::text) THEN
    RETURN 'already';
  END IF;
  IF EXISTS (SELECT FROM journey_orch.consent AS c
             WHERE c.customer_id = t.customer AND c.state IN ('withdrawn', 'denied')
               AND (c.at, c.consent_id) > (asked.at, asked.consent_id)
               AND (c.channel IS NULL OR c.channel = asked.channel) AND (c.topic IS NULL OR c.topic = asked.topic)) THEN
    RETURN 'withdrawn';
  END IF;
  PERFORM journey_orch._say(t.customer, asked.channel, asked.topic, 'granted', 'consent', NULL, NULL, asked.source,
    asked.evidence || evidence
      || jsonb_build_object('method', 'double_opt_in', 'request_method', asked.method, 'request_id', asked.consent_id::text,
                            'text_version', asked.text_version));
  RETURN 'confirmed';
END
$$;
REVOKE ALL ON FUNCTION journey_orch.confirm_consent(text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.confirm_consent(text, jsonb) TO journey_orch_app;
COMMENT ON FUNCTION journey_orch.confirm_consent(text, jsonb) IS
'The answer to request_consent(): confirmed, already, or withdrawn when the customer has changed his mind since. Raises JO009 when the token is late.';

CREATE OR REPLACE VIEW journey_orch.consent_status AS
SELECT DISTINCT ON (c.customer_id, c.channel, c.topic)
       c.customer_id, c.channel, c.topic, journey_orch.consent_state(c.customer_id, c.channel, c.topic) AS state,
       c.state AS said, c.at, c.expires_at, c.basis, c.source, c.method, c.text_version, c.evidence, c.actor, c.consent_id,
       c.recorded_at
FROM journey_orch.consent AS c
ORDER BY c.customer_id, c.channel, c.topic, c.at DESC, c.consent_id DESC;
REVOKE ALL ON journey_orch.consent_status FROM PUBLIC;
GRANT SELECT ON journey_orch.consent_status TO journey_orch_analyst, journey_orch_operator, journey_orch_privacy;
COMMENT ON VIEW journey_orch.consent_status IS
'One row for each channel and topic that a customer has said something about: what he said last, and what holds now.';
COMMENT ON COLUMN journey_orch.consent_status.customer_id IS 'Who.';
COMMENT ON COLUMN journey_orch.consent_status.channel IS 'Channel it was said about; NULL: all.';
COMMENT ON COLUMN journey_orch.consent_status.topic IS 'Topic it was said about; NULL: all.';
COMMENT ON COLUMN journey_orch.consent_status.state IS 'What holds now, also by what was said about all: unknown, pending, granted, denied, withdrawn or expired.';
COMMENT ON COLUMN journey_orch.consent_status.said IS 'What was said last about exactly this.';
COMMENT ON COLUMN journey_orch.consent_status.at IS 'Engine clock at which it was said.';
COMMENT ON COLUMN journey_orch.consent_status.expires_at IS 'Engine clock at which it ends; NULL: never.';
COMMENT ON COLUMN journey_orch.consent_status.basis IS 'consent, or what implies it: purchase or inquiry.';
COMMENT ON COLUMN journey_orch.consent_status.source IS 'Where it was said.';
COMMENT ON COLUMN journey_orch.consent_status.method IS 'How it was said.';
COMMENT ON COLUMN journey_orch.consent_status.text_version IS 'Version or hash of what was shown.';
COMMENT ON COLUMN journey_orch.consent_status.evidence IS 'Everything that was recorded with it.';
COMMENT ON COLUMN journey_orch.consent_status.actor IS 'Session user who recorded it.';
COMMENT ON COLUMN journey_orch.consent_status.consent_id IS 'Number of the row of evidence.';
COMMENT ON COLUMN journey_orch.consent_status.recorded_at IS 'Real time of the record.';

/* Record or lift an objection, one after the other within a customer. */
CREATE OR REPLACE FUNCTION journey_orch._object(
  customer text, kind text, is_raised boolean, source text, evidence jsonb)
RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  last record;
  id bigint;
BEGIN
  PERFORM journey_orch._consent_lock(customer);
  SELECT max(o.at) AS at,
         (array_agg(o.is_raised ORDER BY o.at DESC, o.objection_id DESC))[1] AS is_raised,
         (array_agg(o.objection_id ORDER BY o.at DESC, o.objection_id DESC))[1] AS id INTO last
  FROM journey_orch.objection AS o WHERE o.customer_id = customer AND o.kind = _object.kind;
  -- A signal that is sent with every page, as Global Privacy Control is, makes one row.
  IF coalesce(last.is_raised, false) = is_raised THEN
    RETURN last.id;
  END IF;
  INSERT INTO journey_orch.objection (customer_id, kind, is_raised, at, source, evidence, actor, recorded_at)
  VALUES (customer, kind, is_raised, greatest(journey_orch.clock(), last.at), source, evidence, session_user, clock_timestamp())
  RETURNING objection_id INTO id;
  IF is_raised THEN
    PERFORM journey_orch._consent_event('consent.withdrawn', customer,
      jsonb_build_object('objection', kind, 'objection_id', id, 'source', source));
  END IF;
  RETURN id;
END
$$;
REVOKE ALL ON FUNCTION journey_orch._object(text, text, boolean, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._object(text, text, boolean, text, jsonb) IS
'Records that an objection is raised or lifted; nothing when it is so already.';

CREATE OR REPLACE FUNCTION journey_orch.record_objection(
  customer text,
  kind text DEFAULT 'marketing',
  source text DEFAULT NULL,
  evidence jsonb DEFAULT '{}')
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  source := coalesce(source, 'unknown');
  PERFORM journey_orch._need_statement('record_objection', customer, NULL, NULL, source, evidence);
  PERFORM journey_orch._need('record_objection', 'kind', kind, 1000);
  PERFORM journey_orch._need_one_of('kind', kind, '{marketing,sale}');
  RETURN journey_orch._object(customer, kind, true, source, evidence);
END
$$;
REVOKE ALL ON FUNCTION journey_orch.record_objection(text, text, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.record_objection(text, text, text, jsonb)
  TO journey_orch_app, journey_orch_operator, journey_orch_privacy;
COMMENT ON FUNCTION journey_orch.record_objection(text, text, text, jsonb) IS
'Records that a customer objects to direct marketing (marketing), or to the sale or sharing of his data (sale, also by Global Privacy Control). No consent stands against it. Returns the objection_id.';

CREATE OR REPLACE FUNCTION journey_orch.lift_objection(
  customer text,
  kind text,
  source text,
  evidence jsonb)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM journey_orch._need_statement('lift_objection', customer, NULL, NULL, source, evidence);
  PERFORM journey_orch._need('lift_objection', 'kind', kind, 1000);
  PERFORM journey_orch._need_one_of('kind', kind, '{marketing,sale}');
  PERFORM journey_orch._need_evidence('consent', evidence);
  RETURN journey_orch._object(customer, kind, false, source, evidence);
END
$$;
REVOKE ALL ON FUNCTION journey_orch.lift_objection(text, text, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.lift_objection(text, text, text, jsonb) TO journey_orch_app, journey_orch_privacy;
COMMENT ON FUNCTION journey_orch.lift_objection(text, text, text, jsonb) IS
'Records, with the evidence that consent needs, that a customer takes an objection back; NULL when there was none.';

CREATE OR REPLACE FUNCTION journey_orch.may_ask(customer text, kind text DEFAULT 'sale')
RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  last record;
BEGIN
  PERFORM journey_orch._need('may_ask', 'customer', customer, 1000);
  PERFORM journey_orch._need('may_ask', 'kind', kind, 1000);
  PERFORM journey_orch._need_one_of('kind', kind, '{marketing,sale}');
  SELECT o.is_raised, o.at INTO last
  FROM journey_orch.objection AS o WHERE o.customer_id = customer AND o.kind = may_ask.kind
  ORDER BY o.at DESC, o.objection_id DESC LIMIT 1;
  RETURN NOT FOUND OR NOT last.is_raised
      OR (kind = 'sale' AND journey_orch.clock() >= (last.at AT TIME ZONE 'UTC' + interval '12 months') AT TIME ZONE 'UTC');
END
$$;
REVOKE ALL ON FUNCTION journey_orch.may_ask(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.may_ask(text, text)
  TO journey_orch_app, journey_orch_author, journey_orch_operator, journey_orch_privacy;
COMMENT ON FUNCTION journey_orch.may_ask(text, text) IS
'May the customer be asked to take an objection back? To the sale of his data: when 12 months have gone; to marketing: never.';

CREATE OR REPLACE VIEW journey_orch.objection_status AS
SELECT DISTINCT ON (o.customer_id, o.kind)
       o.customer_id, o.kind, o.is_raised, o.at, o.source, o.evidence, o.actor, o.objection_id, o.recorded_at
FROM journey_orch.objection AS o
ORDER BY o.customer_id, o.kind, o.at DESC, o.objection_id DESC;
REVOKE ALL ON journey_orch.objection_status FROM PUBLIC;
GRANT SELECT ON journey_orch.objection_status TO journey_orch_analyst, journey_orch_operator, journey_orch_privacy;
COMMENT ON VIEW journey_orch.objection_status IS 'One row a customer and kind of objection: what he said last.';
COMMENT ON COLUMN journey_orch.objection_status.customer_id IS 'Who.';
COMMENT ON COLUMN journey_orch.objection_status.kind IS 'marketing or sale.';
COMMENT ON COLUMN journey_orch.objection_status.is_raised IS 'True while it holds.';
COMMENT ON COLUMN journey_orch.objection_status.at IS 'Engine clock at which it was said.';
COMMENT ON COLUMN journey_orch.objection_status.source IS 'Where it was said.';
COMMENT ON COLUMN journey_orch.objection_status.evidence IS 'What was recorded with it.';
COMMENT ON COLUMN journey_orch.objection_status.actor IS 'Session user who recorded it.';
COMMENT ON COLUMN journey_orch.objection_status.objection_id IS 'Number of the row of evidence.';
COMMENT ON COLUMN journey_orch.objection_status.recorded_at IS 'Real time of the record.';

CREATE OR REPLACE FUNCTION journey_orch.set_do_not_call(
  list text,
  channels text[],
  max_age interval DEFAULT '31 days')
RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  outcome text;
BEGIN
  PERFORM journey_orch._need('set_do_not_call', 'list', list, 200);
  IF channels IS NULL OR array_position(channels, NULL) > 0 OR max_age IS NULL THEN
    RAISE EXCEPTION 'argument "%" of set_do_not_call() must not be null, nor hold a null',
      CASE WHEN max_age IS NULL THEN 'max_age' ELSE 'channels' END USING ERRCODE = '22004';
  ELSIF cardinality(channels) = 0 THEN
    RAISE EXCEPTION 'argument "channels" of set_do_not_call() must not be empty' USING ERRCODE = '22023';
  ELSIF max_age <= interval '0' OR max_age > interval '100 years' THEN
    RAISE EXCEPTION 'argument "max_age" of set_do_not_call() must be between nothing and 100 years' USING ERRCODE = '22023';
  END IF;
  INSERT INTO journey_orch.do_not_call_list AS l (list, channels, max_age)
  VALUES (set_do_not_call.list, set_do_not_call.channels, set_do_not_call.max_age)
  ON CONFLICT ON CONSTRAINT do_not_call_list_pkey DO UPDATE SET channels = excluded.channels, max_age = excluded.max_age
  WHERE (l.channels, l.max_age) IS DISTINCT FROM (excluded.channels, excluded.max_age)
  RETURNING CASE WHEN l.xmax = 0 THEN 'created' ELSE 'replaced' END INTO outcome;
  IF outcome IS NULL THEN
    RETURN 'unchanged';
  END IF;
  PERFORM journey_orch._rule_changed('do_not_call_list');
  RETURN outcome;
END
$$;
REVOKE ALL ON FUNCTION journey_orch.set_do_not_call(text, text[], interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.set_do_not_call(text, text[], interval) TO journey_orch_operator, journey_orch_privacy;
COMMENT ON FUNCTION journey_orch.set_do_not_call(text, text[], interval) IS
'Declares a do-not-call list and the channels it is about; older than max_age it stops every marketing message there without written consent. Returns created, replaced or unchanged.';

CREATE OR REPLACE FUNCTION journey_orch.import_do_not_call(
  list text,
  numbers text[],
  listed_at timestamptz,
  source text DEFAULT NULL,
  replaces boolean DEFAULT true)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  added bigint;
BEGIN
  PERFORM journey_orch._need('import_do_not_call', 'list', list, 200);
  PERFORM journey_orch._need_or_null('import_do_not_call', 'source', source, 200);
  IF numbers IS NULL OR listed_at IS NULL OR replaces IS NULL OR array_position(numbers, NULL) > 0 THEN
    RAISE EXCEPTION 'argument "%" of import_do_not_call() must not be null, nor hold a null',
      CASE WHEN listed_at IS NULL THEN 'listed_at' WHEN replaces IS NULL THEN 'replaces' ELSE 'numbers' END
      USING ERRCODE = '22004';
  ELSIF NOT isfinite(listed_at) OR listed_at > journey_orch.clock() THEN
    RAISE EXCEPTION 'argument "listed_at" of import_do_not_call() is in the future'
      USING ERRCODE = '22023', HINT = 'It is the time of which the list is, compared with journey_orch.clock().';
  END IF;
  PERFORM FROM journey_orch.do_not_call_list AS l WHERE l.list = import_do_not_call.list FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'do-not-call list "%" does not exist', list
      USING ERRCODE = '42704', HINT = 'Declare it with journey_orch.set_do_not_call().';
  END IF;
  IF replaces THEN
    DELETE FROM journey_orch.do_not_call AS d WHERE d.list = import_do_not_call.list;
  END IF;
  INSERT INTO journey_orch.do_not_call (list, address_hash)
  SELECT DISTINCT import_do_not_call.list, h.hash
  FROM (SELECT journey_orch._address_hash(n.number) AS hash FROM unnest(numbers) AS n (number)) AS h
  WHERE h.hash IS NOT NULL
  ON CONFLICT DO NOTHING;
  GET DIAGNOSTICS added = ROW_COUNT;
  UPDATE journey_orch.do_not_call_list AS l SET listed_at = import_do_not_call.listed_at, source = import_do_not_call.source
  WHERE l.list = import_do_not_call.list;
  PERFORM journey_orch._rule_changed('do_not_call_list');
  RETURN added;
END
$$;
REVOKE ALL ON FUNCTION journey_orch.import_do_not_call(text, text[], timestamptz, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.import_do_not_call(text, text[], timestamptz, text, boolean)
  TO journey_orch_operator, journey_orch_privacy;
COMMENT ON FUNCTION journey_orch.import_do_not_call(text, text[], timestamptz, text, boolean) IS
'Takes over the numbers of a do-not-call list as of an instant, in place of those before or besides them; returns how many are new. Keeps keyed hashes only.';

CREATE OR REPLACE VIEW journey_orch.do_not_call_status AS
SELECT l.list, l.channels, l.max_age, l.listed_at, l.source,
       (SELECT pg_catalog.count(*) FROM journey_orch.do_not_call AS d WHERE d.list = l.list) AS numbers,
       coalesce(l.listed_at OPERATOR(pg_catalog.+) l.max_age OPERATOR(pg_catalog.<) journey_orch.clock(), true) AS is_stale
FROM journey_orch.do_not_call_list AS l;
REVOKE ALL ON journey_orch.do_not_call_status FROM PUBLIC;
GRANT SELECT ON journey_orch.do_not_call_status TO journey_orch_analyst, journey_orch_operator, journey_orch_privacy;
COMMENT ON VIEW journey_orch.do_not_call_status IS 'One row a do-not-call list.';
COMMENT ON COLUMN journey_orch.do_not_call_status.list IS 'Name of the list.';
COMMENT ON COLUMN journey_orch.do_not_call_status.channels IS 'Channels it is about.';
COMMENT ON COLUMN journey_orch.do_not_call_status.max_age IS 'Older than this it proves nothing.';
COMMENT ON COLUMN journey_orch.do_not_call_status.listed_at IS 'Engine clock as of which it is; NULL: never imported.';
COMMENT ON COLUMN journey_orch.do_not_call_status.source IS 'Where it comes from.';
COMMENT ON COLUMN journey_orch.do_not_call_status.numbers IS 'How many numbers it has.';
COMMENT ON COLUMN journey_orch.do_not_call_status.is_stale IS 'True when it is too old: marketing on its channels needs written consent.';

/* ---- suppression ---- */

/* Raise unless an argument is there, not empty and of at most "bytes". */
CREATE OR REPLACE FUNCTION journey_orch._need(function text, argument text, value text, bytes integer)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF value IS NULL THEN
    RAISE EXCEPTION 'argument "%" of %() must not be null', argument, function USING ERRCODE = '22004';
  ELSIF value = '' THEN
    RAISE EXCEPTION 'argument "%" of %() must not be empty', argument, function USING ERRCODE = '22023';
  ELSIF octet_length(value) > bytes THEN
    RAISE EXCEPTION 'argument "%" of %() is longer than % bytes', argument, function, bytes USING ERRCODE = '22023';
  END IF;
END
$$;
REVOKE ALL ON FUNCTION journey_orch._need(text, text, text, integer) FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._need(text, text, text, integer) IS
'Raises unless an argument of a function is a text that is there, not empty and not too long.';

/* The same for an argument that may be NULL. */
CREATE OR REPLACE FUNCTION journey_orch._need_or_null(function text, argument text, value text, bytes integer)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF value IS NOT NULL THEN
    PERFORM journey_orch._need(function, argument, value, bytes);
  END IF;
END
$$;
REVOKE ALL ON FUNCTION journey_orch._need_or_null(text, text, text, integer) FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._need_or_null(text, text, text, integer) IS
'Raises unless an argument of a function is NULL, or a text that is not empty and not too long.';

/* Raise unless an argument is one of a list. */
CREATE OR REPLACE FUNCTION journey_orch._need_one_of(argument text, value text, allowed text[])
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF value <> ALL (allowed) THEN
    RAISE EXCEPTION 'invalid % "%"', argument, left(value, 60) || CASE WHEN length(value) > 60 THEN '...' ELSE '' END
      USING ERRCODE = '22023', HINT = format('It is one of %s.', array_to_string(allowed, ', '));
  END IF;
END
$$;
REVOKE ALL ON FUNCTION journey_orch._need_one_of(text, text, text[]) FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._need_one_of(text, text, text[]) IS
'Raises, with the list as hint, unless an argument is one of it.';

/* Raise unless an argument is a JSON object. */
CREATE OR REPLACE FUNCTION journey_orch._need_object(function text, argument text, value jsonb)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF value IS NULL THEN
    RAISE EXCEPTION 'argument "%" of %() must not be null', argument, function USING ERRCODE = '22004';
  ELSIF jsonb_typeof(value) <> 'object' THEN
    RAISE EXCEPTION 'argument "%" of %() must be a JSON object', argument, function USING ERRCODE = '22023';
  END IF;
END
$$;
REVOKE ALL ON FUNCTION journey_orch._need_object(text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._need_object(text, text, jsonb) IS
'Raises unless an argument of a function is a JSON object.';

CREATE OR REPLACE FUNCTION journey_orch._address_hash(address text)
RETURNS bytea
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_address_hash';
REVOKE ALL ON FUNCTION journey_orch._address_hash(text) FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._address_hash(text) IS
'The keyed hash of an address in its normal form; NULL for an empty one.';

CREATE OR REPLACE FUNCTION journey_orch._address_hash_of_sha256(sha256 bytea)
RETURNS bytea
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_address_hash_of_sha256';
REVOKE ALL ON FUNCTION journey_orch._address_hash_of_sha256(bytea) FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._address_hash_of_sha256(bytea) IS
'The keyed hash of an address of which only the SHA-256 of its normal form is known.';

CREATE OR REPLACE FUNCTION journey_orch._suppress(
  hash bytea, channel text, topic text, reason text, expires_at timestamptz, source text, detail jsonb)
RETURNS bigint
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  INSERT INTO journey_orch.suppressed_address AS s
    (address_hash, channel, topic, reason, expires_at, source, detail, at, actor, recorded_at)
  VALUES (hash, channel, topic, reason, expires_at, source, coalesce(detail, '{}'), journey_orch.clock(),
          session_user, clock_timestamp())
  ON CONFLICT (address_hash, (coalesce(channel, '')), (coalesce(topic, '')), reason) WHERE lifted_at IS NULL
  DO UPDATE SET expires_at = CASE WHEN s.expires_at IS NULL OR excluded.expires_at IS NULL THEN NULL
                                  ELSE greatest(s.expires_at, excluded.expires_at) END
  RETURNING s.suppression_id
$$;
REVOKE ALL ON FUNCTION journey_orch._suppress(bytea, text, text, text, timestamptz, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._suppress(bytea, text, text, text, timestamptz, text, jsonb) IS
'Suppresses a hash; one that is live already is kept, with the later expiry.';

CREATE OR REPLACE FUNCTION journey_orch._need_suppression(
  function text, channel text, topic text, reason text, expires_at timestamptz, source text)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM journey_orch._need_or_null(function, 'channel', channel, 200);
  PERFORM journey_orch._need_or_null(function, 'topic', topic, 200);
  PERFORM journey_orch._need_or_null(function, 'source', source, 200);
  PERFORM journey_orch._need(function, 'reason', reason, 1000);
  PERFORM journey_orch._need_one_of('reason', reason,
    '{hard_bounce,complaint,manual,legal,role_account,unsubscribed,erased}');
  IF expires_at <= journey_orch.clock() THEN
    RAISE EXCEPTION 'argument "expires_at" of %() is in the past', function
      USING ERRCODE = '22023', HINT = 'It is compared with journey_orch.clock(); NULL: never.';
  END IF;
END
$$;
REVOKE ALL ON FUNCTION journey_orch._need_suppression(text, text, text, text, timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._need_suppression(text, text, text, text, timestamptz, text) IS
'Raises unless the arguments of a suppression are good.';

CREATE OR REPLACE FUNCTION journey_orch.suppress(
  channel text,
  address text,
  reason text,
  topic text DEFAULT NULL,
  expires_at timestamptz DEFAULT NULL,
  source text DEFAULT NULL,
  detail jsonb DEFAULT '{}')
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM journey_orch._need_suppression('suppress', channel, topic, reason, expires_at, source);
  PERFORM journey_orch._need('suppress', 'address', btrim(address, E' \t\r\n\f\v'), 2000);
  PERFORM journey_orch._need_object('suppress', 'detail', detail);
  RETURN journey_orch._suppress(journey_orch._address_hash(address), channel, topic, reason, expires_at, source, detail);
END
$$;
REVOKE ALL ON FUNCTION journey_orch.suppress(text, text, text, text, timestamptz, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.suppress(text, text, text, text, timestamptz, text, jsonb)
  TO journey_orch_operator, journey_orch_privacy;
COMMENT ON FUNCTION journey_orch.suppress(text, text, text, text, timestamptz, text, jsonb) IS
'Lets nothing go to an address: on a channel, or on all (NULL), about a topic, or about all. Stores a keyed hash, never the address; returns the suppression_id.';

CREATE OR REPLACE FUNCTION journey_orch.import_suppressions(
  channel text,
  sha256 bytea[],
  reason text,
  topic text DEFAULT NULL,
  expires_at timestamptz DEFAULT NULL,
  source text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  before bigint;
  added bigint;
BEGIN
  PERFORM journey_orch._need_suppression('import_suppressions', channel, topic, reason, expires_at, source);
  IF sha256 IS NULL OR array_position(sha256, NULL) > 0 THEN
    RAISE EXCEPTION 'argument "sha256" of import_suppressions() must not be null, nor hold a null' USING ERRCODE = '22004';
  END IF;
  before := nextval('journey_orch.suppression_seq');
  SELECT count(DISTINCT i.id) FILTER (WHERE i.id > before) INTO added
  FROM (SELECT journey_orch._suppress(journey_orch._address_hash_of_sha256(u.hash), channel, topic, reason,
                                      expires_at, source, '{}') AS id
        FROM unnest(sha256) AS u (hash) ORDER BY u.hash) AS i;
  RETURN added;
END
$$;
REVOKE ALL ON FUNCTION journey_orch.import_suppressions(text, bytea[], text, text, timestamptz, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.import_suppressions(text, bytea[], text, text, timestamptz, text)
  TO journey_orch_operator, journey_orch_privacy;
COMMENT ON FUNCTION journey_orch.import_suppressions(text, bytea[], text, text, timestamptz, text) IS
'Suppresses addresses of which only the SHA-256 of the normal form is known; returns how many were not suppressed so before.';

CREATE OR REPLACE FUNCTION journey_orch.unsuppress(
  channel text,
  address text,
  reason text DEFAULT NULL,
  topic text DEFAULT NULL)
RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  lifted integer;
BEGIN
  PERFORM journey_orch._need_suppression('unsuppress', channel, topic, coalesce(reason, 'manual'), NULL, NULL);
  PERFORM journey_orch._need('unsuppress', 'address', btrim(address, E' \t\r\n\f\v'), 2000);
  UPDATE journey_orch.suppressed_address AS s
  SET lifted_at = journey_orch.clock(), lifted_by = session_user
  WHERE s.address_hash = journey_orch._address_hash(unsuppress.address)
    AND s.channel IS NOT DISTINCT FROM unsuppress.channel
    AND s.topic IS NOT DISTINCT FROM unsuppress.topic
    AND (unsuppress.reason IS NULL OR s.reason = unsuppress.reason)
    AND s.lifted_at IS NULL;
  GET DIAGNOSTICS lifted = ROW_COUNT;
  RETURN lifted;
END
$$;
REVOKE ALL ON FUNCTION journey_orch.unsuppress(text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.unsuppress(text, text, text, text) TO journey_orch_operator, journey_orch_privacy;
COMMENT ON FUNCTION journey_orch.unsuppress(text, text, text, text) IS
'Lifts the suppressions of an address with exactly this channel and topic, of one reason or all; returns how many.';

CREATE OR REPLACE VIEW journey_orch.suppression AS
SELECT s.suppression_id,
       CASE WHEN s.topic IS NOT NULL THEN 'topic' WHEN s.channel IS NOT NULL THEN 'channel' ELSE 'global' END AS scope,
       s.channel, s.topic, s.reason, pg_catalog.encode(s.address_hash, 'hex') AS address_hash, s.at, s.expires_at,
       s.lifted_at, s.source, s.detail, s.actor, s.recorded_at, s.lifted_by,
       s.lifted_at IS NULL AND (s.expires_at IS NULL OR s.expires_at > journey_orch.clock()) AS is_live
FROM journey_orch.suppressed_address AS s;
REVOKE ALL ON journey_orch.suppression FROM PUBLIC;
GRANT SELECT ON journey_orch.suppression TO journey_orch_analyst, journey_orch_operator, journey_orch_privacy;
COMMENT ON VIEW journey_orch.suppression IS 'One row a suppression of an address, those that are over included.';
COMMENT ON COLUMN journey_orch.suppression.suppression_id IS 'Its number.';
COMMENT ON COLUMN journey_orch.suppression.scope IS 'global, channel or topic.';
COMMENT ON COLUMN journey_orch.suppression.channel IS 'Channel; NULL: all.';
COMMENT ON COLUMN journey_orch.suppression.topic IS 'Topic; NULL: all.';
COMMENT ON COLUMN journey_orch.suppression.reason IS 'hard_bounce, complaint, manual, legal, role_account, unsubscribed or erased.';
COMMENT ON COLUMN journey_orch.suppression.address_hash IS 'Keyed hash of the address, in hexadecimal.';
COMMENT ON COLUMN journey_orch.suppression.at IS 'Engine clock at which it began.';
COMMENT ON COLUMN journey_orch.suppression.expires_at IS 'Engine clock at which it ends; NULL: never.';
COMMENT ON COLUMN journey_orch.suppression.lifted_at IS 'Engine clock at which it was lifted; NULL: it was not.';
COMMENT ON COLUMN journey_orch.suppression.source IS 'Where it comes from.';
COMMENT ON COLUMN journey_orch.suppression.detail IS 'What was said with it.';
COMMENT ON COLUMN journey_orch.suppression.actor IS 'Session user who recorded it.';
COMMENT ON COLUMN journey_orch.suppression.recorded_at IS 'Real time of the record.';
COMMENT ON COLUMN journey_orch.suppression.lifted_by IS 'Session user who lifted it.';
COMMENT ON COLUMN journey_orch.suppression.is_live IS 'True while it holds.';

/* ---- links, preferences, what comes back ---- */

CREATE OR REPLACE FUNCTION journey_orch.rotate_token_key(revoke_older boolean DEFAULT false)
RETURNS integer
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_rotate_token_key';
REVOKE ALL ON FUNCTION journey_orch.rotate_token_key(boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.rotate_token_key(boolean) TO journey_orch_operator, journey_orch_privacy;
COMMENT ON FUNCTION journey_orch.rotate_token_key(boolean) IS
'Makes a new key for the tokens of links; those made before go on to be good, or, after a leak, no more. Returns its number.';

CREATE OR REPLACE FUNCTION journey_orch.unsubscribe_token(customer text, channel text, topic text)
RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM journey_orch._need_statement('unsubscribe_token', customer, channel, topic, 'token', '{}');
  RETURN journey_orch._token_make(1, customer, channel, topic, NULL, 0);
END
$$;
REVOKE ALL ON FUNCTION journey_orch.unsubscribe_token(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.unsubscribe_token(text, text, text) TO journey_orch_app;
COMMENT ON FUNCTION journey_orch.unsubscribe_token(text, text, text) IS
'A token for unsubscribe(): for a link, good for 400 days, that tells neither customer nor address.';

CREATE OR REPLACE FUNCTION journey_orch.preference_token(customer text, channel text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM journey_orch._need_statement('preference_token', customer, channel, NULL, 'token', '{}');
  RETURN journey_orch._token_make(2, customer, channel, NULL, NULL, 0);
END
$$;
REVOKE ALL ON FUNCTION journey_orch.preference_token(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.preference_token(text, text) TO journey_orch_app;
COMMENT ON FUNCTION journey_orch.preference_token(text, text) IS
'A token for preferences() and set_preference(), good for 400 days; it may also subscribe.';

CREATE OR REPLACE FUNCTION journey_orch.unsubscribe(token text, everything boolean DEFAULT false)
RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  t record := journey_orch._token_read(token, 1, 2);
  before bigint;
BEGIN
  IF everything IS NULL THEN
    RAISE EXCEPTION 'argument "everything" of unsubscribe() must not be null' USING ERRCODE = '22004';
  END IF;
  PERFORM journey_orch._consent_lock(t.customer);
  before := coalesce((SELECT max(c.consent_id) FROM journey_orch.consent AS c WHERE c.customer_id = t.customer), 0);
  RETURN CASE WHEN journey_orch._withdraw(t.customer, CASE WHEN NOT everything THEN t.channel END,
                                          CASE WHEN NOT everything THEN t.topic END, 'withdrawn', 'unsubscribe', '{}') > before
              THEN 'unsubscribed' ELSE 'already' END;
END
$$;
REVOKE ALL ON FUNCTION journey_orch.unsubscribe(text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.unsubscribe(text, boolean) TO journey_orch_app;
COMMENT ON FUNCTION journey_orch.unsubscribe(text, boolean) IS
'One click: withdraws consent for the channel and topic of the token, or for everything. unsubscribed, or already when nothing was left to withdraw. Raises JO009.';

CREATE OR REPLACE FUNCTION journey_orch.preferences(token text)
RETURNS TABLE (topic text, description text, channel text, class text, consent text, state text, is_wanted boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  t record := journey_orch._token_read(token, 1, 2);
BEGIN
  RETURN QUERY
  SELECT m.topic, m.description, t.channel::text, m.class, m.consent, s.state,
         s.state = 'granted' OR (s.state IN ('unknown', 'expired') AND m.consent <> 'opt_in')
  FROM journey_orch.message_topic AS m,
       LATERAL (SELECT journey_orch.consent_state(t.customer, t.channel, m.topic) AS state) AS s
  WHERE m.class IN ('marketing', 'service')
  ORDER BY m.topic COLLATE "C";
END
$$;
REVOKE ALL ON FUNCTION journey_orch.preferences(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.preferences(text) TO journey_orch_app;
COMMENT ON FUNCTION journey_orch.preferences(text) IS
'What a preference centre shows: the declared topics of class marketing and service, and what the customer wants on the token''s channel. Changes nothing.';

CREATE OR REPLACE FUNCTION journey_orch.set_preference(
  token text,
  topic text,
  wanted boolean,
  evidence jsonb DEFAULT '{}')
RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- An unsubscribe link travels in every forwarded message: it may only stop.
  t record := journey_orch._token_read(token, 2, CASE WHEN wanted THEN 2 ELSE 1 END);
  state text;
BEGIN
  PERFORM journey_orch._need('set_preference', 'topic', topic, 200);
  PERFORM journey_orch._need_object('set_preference', 'evidence', evidence);
  IF wanted IS NULL THEN
    RAISE EXCEPTION 'argument "wanted" of set_preference() must not be null' USING ERRCODE = '22004';
  END IF;
  IF NOT EXISTS (SELECT FROM journey_orch.message_topic AS m WHERE m.topic = set_preference.topic) THEN
    RAISE EXCEPTION 'topic "%" does not exist', left(topic, 60)
      USING ERRCODE = '42704', HINT = 'journey_orch.preferences() lists them.';
  END IF;
  PERFORM journey_orch._consent_lock(t.customer);
  state := journey_orch.consent_state(t.customer, t.channel, topic);
  IF NOT wanted THEN
    PERFORM journey_orch._withdraw(t.customer, t.channel, topic, CASE state WHEN 'granted' THEN 'withdrawn' ELSE 'denied' END,
                                   'preference centre', evidence);
  ELSIF state <> 'granted' THEN
    evidence := evidence || '{"method": "preference_centre"}';
    PERFORM journey_orch._need_evidence('consent', evidence);
    PERFORM journey_orch._say(t.customer, t.channel, topic, 'granted', 'consent', NULL, NULL, 'preference centre', evidence);
  END IF;
  RETURN journey_orch.consent_state(t.customer, t.channel, topic);
END
$$;
REVOKE ALL ON FUNCTION journey_orch.set_preference(text, text, boolean, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.set_preference(text, text, boolean, jsonb) TO journey_orch_app;
COMMENT ON FUNCTION journey_orch.set_preference(text, text, boolean, jsonb) IS
'Records what a customer wants of a topic on the token''s channel; to say yes takes a token of preference_token() and evidence of text_version. Returns the state.';

/* A text as keywords are compared: lower case, no accents, words of letters and
   digits only, fillers left out, joined.  ' Please STOP-all! ' is 'stopall'. */
CREATE OR REPLACE FUNCTION journey_orch._plain_words(body text)
RETURNS text[]
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce(array_agg(w.word ORDER BY w.place) FILTER (WHERE w.word <> ''), '{}')
  FROM regexp_split_to_table(translate(lower(left(body, 1000)), 'ÀÂÄÁÃÉÈÊËÍÌÎÏÓÒÔÖÕÚÙÛÜÇÑàâäáãéèêëíìîïóòôöõúùûüçñ''’',
                                       'aaaaaeeeeiiiiooooouuuucnaaaaaeeeeiiiiooooouuuucn'), '[^a-z0-9]+')
       WITH ORDINALITY AS w (word, place)
$$;
REVOKE ALL ON FUNCTION journey_orch._plain_words(text) FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._plain_words(text) IS
'The words of a text in lower case and without accents.';

CREATE OR REPLACE VIEW journey_orch.keyword AS
SELECT k.word, k.language, k.action, false AS is_preset FROM journey_orch.own_keyword AS k
UNION ALL
SELECT p.word, p.language, p.action, true FROM journey_orch.keyword_preset AS p
WHERE NOT EXISTS (SELECT FROM journey_orch.own_keyword AS k WHERE k.word = p.word AND k.language = p.language);
REVOKE ALL ON journey_orch.keyword FROM PUBLIC;
GRANT SELECT ON journey_orch.keyword TO journey_orch_analyst, journey_orch_operator, journey_orch_privacy;
COMMENT ON VIEW journey_orch.keyword IS 'One row a word that customers may send back, and language.';
COMMENT ON COLUMN journey_orch.keyword.word IS 'In lower case, without accents, blanks and punctuation.';
COMMENT ON COLUMN journey_orch.keyword.language IS 'Its language; only told, whatever language a customer has counts.';
COMMENT ON COLUMN journey_orch.keyword.action IS 'stop, start, help, or filler: a word beside these that changes nothing.';
COMMENT ON COLUMN journey_orch.keyword.is_preset IS 'True for those that ship.';

CREATE OR REPLACE FUNCTION journey_orch.set_keyword(word text, language text, action text)
RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  plain text;
  outcome text;
BEGIN
  PERFORM journey_orch._need('set_keyword', 'word', word, 200);
  PERFORM journey_orch._need('set_keyword', 'language', language, 200);
  PERFORM journey_orch._need('set_keyword', 'action', action, 1000);
  PERFORM journey_orch._need_one_of('action', action, '{stop,start,help,filler}');
  plain := array_to_string(journey_orch._plain_words(word), '');
  IF plain = '' THEN
    RAISE EXCEPTION 'argument "word" of set_keyword() has no letter or digit' USING ERRCODE = '22023';
  END IF;
  SELECT CASE WHEN k.action = set_keyword.action THEN 'unchanged' ELSE 'replaced' END INTO outcome
  FROM journey_orch.keyword AS k WHERE k.word = plain AND k.language = set_keyword.language;
  IF outcome IS DISTINCT FROM 'unchanged' THEN
    INSERT INTO journey_orch.own_keyword AS k (word, language, action)
    VALUES (plain, set_keyword.language, set_keyword.action)
    ON CONFLICT ON CONSTRAINT own_keyword_pkey DO UPDATE SET action = excluded.action;
  END IF;
  RETURN coalesce(outcome, 'created');
END
$$;
REVOKE ALL ON FUNCTION journey_orch.set_keyword(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.set_keyword(text, text, text) TO journey_orch_operator, journey_orch_privacy;
COMMENT ON FUNCTION journey_orch.set_keyword(text, text, text) IS
'Declares what a word that customers send back means: stop, start, help, or filler. Returns created, replaced or unchanged.';

CREATE OR REPLACE FUNCTION journey_orch._read_keyword(body text, OUT action text, OUT word text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  -- All its words together, or what is left without fillers; stop wins.
  WITH said AS (SELECT p.words FROM (SELECT journey_orch._plain_words(body) AS words) AS p),
  tried AS (
    SELECT array_to_string(s.words, '') AS text FROM said AS s
    UNION
    SELECT string_agg(u.word, '' ORDER BY u.place)
    FROM said AS s, unnest(s.words) WITH ORDINALITY AS u (word, place)
    WHERE NOT EXISTS (SELECT FROM journey_orch.keyword AS k WHERE k.word = u.word AND k.action = 'filler'))
  SELECT coalesce(min(f.action), 'none'), min(f.word) FROM (
    SELECT k.action, k.word FROM tried AS t JOIN journey_orch.keyword AS k ON k.word = t.text AND k.action <> 'filler'
    UNION ALL
    -- said more than once, or in several words
    SELECT 'stop', min(k.word)
    FROM said AS s, unnest(s.words) AS u (word)
         LEFT JOIN journey_orch.keyword AS k ON k.word = u.word AND k.action = 'stop'
    WHERE k.word IS NOT NULL OR NOT EXISTS (SELECT FROM journey_orch.keyword AS f WHERE f.word = u.word AND f.action = 'filler')
    HAVING count(*) > 0 AND count(*) = count(k.word)
    ORDER BY 1 DESC, 2 LIMIT 1) AS f
$$;
REVOKE ALL ON FUNCTION journey_orch._read_keyword(text) FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._read_keyword(text) IS
'What a text that a customer sent back means: stop, start, help or none.';

/* What START gives back: what a STOP took, and nothing that was never given. */
CREATE OR REPLACE FUNCTION journey_orch._resume_consent(customer text, channel text, evidence jsonb)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  stopped record;
  m record;
  before text;
BEGIN
  SELECT c.consent_id, c.at INTO stopped FROM journey_orch.consent AS c
  WHERE c.customer_id = customer AND c.channel = _resume_consent.channel AND c.source = 'inbound' AND c.state = 'withdrawn'
  ORDER BY c.at DESC, c.consent_id DESC LIMIT 1;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  FOR m IN SELECT d.topic, d.class, d.consent FROM journey_orch.message_topic AS d ORDER BY d.topic COLLATE "C" LOOP
    CONTINUE WHEN journey_orch.consent_state(customer, channel, m.topic) <> 'withdrawn';
    before := journey_orch.consent_state(customer, channel, m.topic, stopped.at - interval '1 microsecond');
    CONTINUE WHEN before IN ('withdrawn', 'denied', 'pending') OR (m.consent = 'opt_in' AND before <> 'granted');
    PERFORM journey_orch._say(customer, channel, m.topic, 'granted', 'consent', NULL, NULL, 'inbound',
      evidence || jsonb_build_object('resumes', stopped.consent_id::text));
  END LOOP;
END
$$;
REVOKE ALL ON FUNCTION journey_orch._resume_consent(text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._resume_consent(text, text, jsonb) IS
'Grants again what the last STOP of a customer on a channel has withdrawn.';

CREATE OR REPLACE FUNCTION journey_orch.inbound(
  channel text,
  address text,
  body text,
  customer text DEFAULT NULL,
  scope text DEFAULT 'all',
  topic text DEFAULT NULL,
  OUT inbound_id bigint,
  OUT action text,
  OUT word text,
  OUT may_confirm boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  hash bytea;
  stop_channel text := CASE WHEN scope <> 'all' THEN channel END;
  stop_topic text := CASE WHEN scope = 'topic' THEN topic END;
  now timestamptz := journey_orch.clock();
  said jsonb;
BEGIN
  PERFORM journey_orch._need('inbound', 'channel', channel, 200);
  PERFORM journey_orch._need('inbound', 'address', btrim(address, E' \t\r\n\f\v'), 2000);
  PERFORM journey_orch._need_or_null('inbound', 'customer', customer, 1000);
  PERFORM journey_orch._need('inbound', 'scope', scope, 1000);
  PERFORM journey_orch._need_one_of('scope', scope, '{all,channel,topic}');
  PERFORM journey_orch._need_or_null('inbound', 'topic', topic, 200);
  IF body IS NULL THEN
    RAISE EXCEPTION 'argument "body" of inbound() must not be null' USING ERRCODE = '22004';
  ELSIF (scope = 'topic') <> (topic IS NOT NULL) THEN
    RAISE EXCEPTION 'argument "topic" of inbound() goes with scope "topic"'
      USING ERRCODE = '22023', HINT = 'Scope all stops everything to the address, channel everything on the channel.';
  END IF;

  hash := journey_orch._address_hash(address);
  SELECT k.action, k.word INTO action, word FROM journey_orch._read_keyword(body) AS k;
  INSERT INTO journey_orch.inbound_message AS i (channel, address_hash, customer_id, action, word, at, recorded_at)
  VALUES (inbound.channel, hash, inbound.customer, inbound.action, inbound.word, now, clock_timestamp())
  RETURNING i.inbound_id INTO inbound_id;
  said := jsonb_build_object('method', 'keyword', 'text_version', word, 'inbound_id', inbound_id::text);
  may_confirm := false;

  IF action = 'stop' THEN
    may_confirm := NOT EXISTS (
      SELECT FROM journey_orch.suppressed_address AS s
      WHERE s.address_hash = hash AND s.reason = 'unsubscribed' AND s.lifted_at IS NULL
        AND (s.channel IS NULL OR s.channel = stop_channel) AND (s.topic IS NULL OR s.topic = stop_topic));
    PERFORM journey_orch._suppress(hash, stop_channel, stop_topic, 'unsubscribed', NULL, 'inbound', said);
    IF customer IS NOT NULL THEN
      PERFORM journey_orch._withdraw(customer, channel, stop_topic, 'withdrawn', 'inbound', said);
    END IF;
    UPDATE journey_orch.inbound_message AS i SET confirm_until = now + interval '5 minutes'
    WHERE i.inbound_id = inbound.inbound_id AND inbound.may_confirm;
  ELSIF action = 'start' THEN
    UPDATE journey_orch.suppressed_address AS s SET lifted_at = now, lifted_by = session_user
    WHERE s.address_hash = hash AND s.reason = 'unsubscribed' AND s.source = 'inbound' AND s.lifted_at IS NULL
      AND (s.channel IS NULL OR s.channel = inbound.channel);
    IF customer IS NOT NULL THEN
      PERFORM journey_orch._consent_lock(customer);
      PERFORM journey_orch._resume_consent(customer, channel, said);
    END IF;
  END IF;
END
$$;
REVOKE ALL ON FUNCTION journey_orch.inbound(text, text, text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.inbound(text, text, text, text, text, text) TO journey_orch_app;
COMMENT ON FUNCTION journey_orch.inbound(text, text, text, text, text, text) IS
'What a customer sent back: a word of STOP suppresses the address and withdraws his consent, START takes that back, HELP does nothing; the answer says which, and whether one confirmation may go out.';

CREATE OR REPLACE FUNCTION journey_orch.confirm_inbound(inbound_id bigint)
RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF inbound_id IS NULL THEN
    RAISE EXCEPTION 'argument "inbound_id" of confirm_inbound() must not be null' USING ERRCODE = '22004';
  END IF;
  UPDATE journey_orch.inbound_message AS i SET confirmed_at = journey_orch.clock()
  WHERE i.inbound_id = confirm_inbound.inbound_id AND i.confirmed_at IS NULL AND journey_orch.clock() <= i.confirm_until;
  RETURN FOUND;
END
$$;
REVOKE ALL ON FUNCTION journey_orch.confirm_inbound(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.confirm_inbound(bigint) TO journey_orch_app;
COMMENT ON FUNCTION journey_orch.confirm_inbound(bigint) IS
'May the one confirmation of a STOP go out now? True once, and only within five minutes.';

/* ---- halts, quiet hours, caps ---- */

/* Asks one gate about one message, for tests (ask.c). */
CREATE OR REPLACE FUNCTION journey_orch._ask_gate(
  gate text, question jsonb, clock timestamptz, stage text DEFAULT 'claim',
  OUT answer text, OUT rule text, OUT reason text, OUT until timestamptz, OUT ends_run boolean, OUT evidence jsonb)
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_ask_gate';
REVOKE ALL ON FUNCTION journey_orch._ask_gate(text, jsonb, timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._ask_gate(text, jsonb, timestamptz, text) IS 'Asks one gate about one message, for tests.';

CREATE OR REPLACE FUNCTION journey_orch.halt(
  scope text,
  name text DEFAULT NULL,
  reason text DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_halt';
REVOKE ALL ON FUNCTION journey_orch.halt(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.halt(text, text, text) TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.halt(text, text, text) IS
'Kill switch: from commit on no message of the scope (global, channel, journey or topic) goes out. Returns halted or unchanged.';

CREATE OR REPLACE FUNCTION journey_orch.unhalt(
  scope text,
  name text DEFAULT NULL,
  reason text DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_unhalt';
REVOKE ALL ON FUNCTION journey_orch.unhalt(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.unhalt(text, text, text) TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.unhalt(text, text, text) IS
'Takes a halt back. What waited goes on: of a channel at the next claim, of a journey or topic within 15 minutes. Returns unhalted or unchanged.';

CREATE OR REPLACE VIEW journey_orch.halt_status AS
SELECT DISTINCT ON (a.scope, a.name)
  a.scope, a.name, a.act = 'halt' AS is_halted, a.reason, a.actor, a.at
FROM journey_orch.halt_act AS a
ORDER BY a.scope, a.name, a.seq DESC;
REVOKE ALL ON journey_orch.halt_status FROM PUBLIC;
GRANT SELECT ON journey_orch.halt_status TO journey_orch_analyst, journey_orch_operator;
COMMENT ON VIEW journey_orch.halt_status IS 'One row a scope and name that was ever halted: how it stands now.';
COMMENT ON COLUMN journey_orch.halt_status.scope IS 'global, channel, journey or topic.';
COMMENT ON COLUMN journey_orch.halt_status.name IS 'Name of the channel, journey or topic; NULL: global.';
COMMENT ON COLUMN journey_orch.halt_status.is_halted IS 'Does nothing of it go out now?';
COMMENT ON COLUMN journey_orch.halt_status.reason IS 'What the last halt() or unhalt() gave as reason.';
COMMENT ON COLUMN journey_orch.halt_status.actor IS 'Session user of the last halt() or unhalt().';
COMMENT ON COLUMN journey_orch.halt_status.at IS 'Engine clock then.';

CREATE OR REPLACE FUNCTION journey_orch.set_quiet_hours(
  name text,
  from_time time,
  to_time time,
  scope jsonb DEFAULT '{}',
  weekdays text[] DEFAULT NULL,
  region text DEFAULT NULL,
  holidays boolean DEFAULT false,
  action text DEFAULT 'defer',
  source text DEFAULT NULL,
  valid_from date DEFAULT NULL,
  valid_until date DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_set_quiet_hours';
REVOKE ALL ON FUNCTION journey_orch.set_quiet_hours(text, time, time, jsonb, text[], text, boolean, text, text, date, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.set_quiet_hours(text, time, time, jsonb, text[], text, boolean, text, text, date, date) TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.set_quiet_hours(text, time, time, jsonb, text[], text, boolean, text, text, date, date) IS
'Declares quiet hours: from from_time to before to_time of the customer''s own clock nothing of the scope goes out; action defer or withhold. Returns created, replaced or unchanged.';

CREATE OR REPLACE FUNCTION journey_orch.drop_quiet_hours(
  name text)
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_drop_quiet_hours';
REVOKE ALL ON FUNCTION journey_orch.drop_quiet_hours(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.drop_quiet_hours(text) TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.drop_quiet_hours(text) IS
'Takes a rule of quiet hours back; false when there is none.';

CREATE OR REPLACE FUNCTION journey_orch.review_rule(
  name text,
  note text DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_review_rule';
REVOKE ALL ON FUNCTION journey_orch.review_rule(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.review_rule(text, text) TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.review_rule(text, text) IS
'Says that the session user has reviewed the rule of that name as it stands.';

CREATE OR REPLACE FUNCTION journey_orch.install_rule_set(
  name text)
RETURNS integer
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_install_rule_set';
REVOKE ALL ON FUNCTION journey_orch.install_rule_set(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.install_rule_set(text) TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.install_rule_set(text) IS
'Adds rules that come with the extension, unreviewed: us_tcpa. Those that are there stay as they are. Returns how many rules and holidays it added.';

CREATE OR REPLACE FUNCTION journey_orch.set_holiday(
  region text,
  day date,
  name text)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_set_holiday';
REVOKE ALL ON FUNCTION journey_orch.set_holiday(text, date, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.set_holiday(text, date, text) TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.set_holiday(text, date, text) IS
'Declares a day off of a region. Returns created, replaced or unchanged.';

CREATE OR REPLACE FUNCTION journey_orch.drop_holiday(
  region text,
  day date)
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_drop_holiday';
REVOKE ALL ON FUNCTION journey_orch.drop_holiday(text, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.drop_holiday(text, date) TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.drop_holiday(text, date) IS
'Takes a day off back; false when there is none.';

CREATE OR REPLACE FUNCTION journey_orch.add_business_days(
  day date,
  n integer,
  region text DEFAULT NULL)
RETURNS date
LANGUAGE c STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_add_business_days';
REVOKE ALL ON FUNCTION journey_orch.add_business_days(date, integer, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.add_business_days(date, integer, text) TO journey_orch_app, journey_orch_author, journey_orch_operator, journey_orch_analyst, journey_orch_privacy;
COMMENT ON FUNCTION journey_orch.add_business_days(date, integer, text) IS
'The nth business day after a day: no Saturday, Sunday or holiday of the region.';

CREATE OR REPLACE FUNCTION journey_orch.set_phone_zone(
  prefix text,
  zones text[],
  source text DEFAULT NULL,
  region text DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_set_phone_zone';
REVOKE ALL ON FUNCTION journey_orch.set_phone_zone(text, text[], text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.set_phone_zone(text, text[], text, text) TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.set_phone_zone(text, text[], text, text) IS
'Declares in which zones a phone number with that prefix may be; the longest prefix counts. Returns created, replaced or unchanged.';

CREATE OR REPLACE VIEW journey_orch.quiet_hours AS
SELECT r.name, r.scope, r.from_time, r.to_time, r.weekdays, r.holidays, r.region, r.action, r.source, r.valid_from, r.valid_until,
  r.changed_at, r.reviewed_at IS NOT NULL AS is_reviewed, r.reviewed_at, r.reviewed_by, r.review_note
FROM journey_orch.quiet_hours_rule AS r;
REVOKE ALL ON journey_orch.quiet_hours FROM PUBLIC;
GRANT SELECT ON journey_orch.quiet_hours TO journey_orch_analyst, journey_orch_operator, journey_orch_author;
COMMENT ON VIEW journey_orch.quiet_hours IS 'One row a rule of quiet hours.';
COMMENT ON COLUMN journey_orch.quiet_hours.name IS 'Name of the rule.';
COMMENT ON COLUMN journey_orch.quiet_hours.scope IS 'Which messages it is about; {} all of class marketing and service.';
COMMENT ON COLUMN journey_orch.quiet_hours.from_time IS 'When it becomes quiet on the customer''s clock, included.';
COMMENT ON COLUMN journey_orch.quiet_hours.to_time IS 'When it ends, excluded; over midnight where it is not after from_time.';
COMMENT ON COLUMN journey_orch.quiet_hours.weekdays IS 'Days on which it begins; NULL every day.';
COMMENT ON COLUMN journey_orch.quiet_hours.holidays IS 'Does it begin on holidays of the region too?';
COMMENT ON COLUMN journey_orch.quiet_hours.region IS 'Where it holds, ISO 3166-2; NULL everywhere.';
COMMENT ON COLUMN journey_orch.quiet_hours.action IS 'defer or withhold.';
COMMENT ON COLUMN journey_orch.quiet_hours.source IS 'What it was taken from.';
COMMENT ON COLUMN journey_orch.quiet_hours.valid_from IS 'First day on which it may begin; NULL always.';
COMMENT ON COLUMN journey_orch.quiet_hours.valid_until IS 'First day on which it may begin no more; NULL never.';
COMMENT ON COLUMN journey_orch.quiet_hours.changed_at IS 'Real time of the last change.';
COMMENT ON COLUMN journey_orch.quiet_hours.is_reviewed IS 'Has anybody reviewed it since? It applies in any case.';
COMMENT ON COLUMN journey_orch.quiet_hours.reviewed_at IS 'Real time of the review.';
COMMENT ON COLUMN journey_orch.quiet_hours.reviewed_by IS 'Session user who reviewed it.';
COMMENT ON COLUMN journey_orch.quiet_hours.review_note IS 'What he wrote.';

CREATE OR REPLACE FUNCTION journey_orch.set_cap(
  name text,
  scope jsonb,
  max_messages integer,
  per interval,
  calendar boolean DEFAULT false,
  action text DEFAULT 'continue',
  source text DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_set_cap';
REVOKE ALL ON FUNCTION journey_orch.set_cap(text, jsonb, integer, interval, boolean, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.set_cap(text, jsonb, integer, interval, boolean, text, text) TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.set_cap(text, jsonb, integer, interval, boolean, text, text) IS
'Declares how many messages of the scope a customer may get in a period, rolling or of his own calendar; action continue, defer or exit. Returns created, replaced or unchanged.';

CREATE OR REPLACE FUNCTION journey_orch.drop_cap(name text)
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_drop_cap';
REVOKE ALL ON FUNCTION journey_orch.drop_cap(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.drop_cap(text) TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.drop_cap(text) IS 'Takes a cap back; false when there is none.';

CREATE OR REPLACE VIEW journey_orch.cap AS
SELECT c.name, c.scope, c.max_messages, c.per, c.calendar, c.action, c.source, c.changed_at,
  c.reviewed_at IS NOT NULL AS is_reviewed, c.reviewed_at, c.reviewed_by, c.review_note
FROM journey_orch.frequency_cap AS c;
REVOKE ALL ON journey_orch.cap FROM PUBLIC;
GRANT SELECT ON journey_orch.cap TO journey_orch_analyst, journey_orch_operator, journey_orch_author;
COMMENT ON VIEW journey_orch.cap IS 'One row a frequency cap.';
COMMENT ON COLUMN journey_orch.cap.name IS 'Name of the cap.';
COMMENT ON COLUMN journey_orch.cap.scope IS 'Which messages count; {} all of class marketing and service.';
COMMENT ON COLUMN journey_orch.cap.max_messages IS 'Messages that one customer may get in the period.';
COMMENT ON COLUMN journey_orch.cap.per IS 'The period.';
COMMENT ON COLUMN journey_orch.cap.calendar IS 'true: his own day, week from Monday, or month; false: rolling.';
COMMENT ON COLUMN journey_orch.cap.action IS 'What becomes of one message more: continue (withheld), defer, exit (withheld, and the run ends).';
COMMENT ON COLUMN journey_orch.cap.source IS 'What it was taken from; NULL our own policy, which needs no review.';
COMMENT ON COLUMN journey_orch.cap.changed_at IS 'Real time of the last change.';
COMMENT ON COLUMN journey_orch.cap.is_reviewed IS 'Has anybody reviewed it since?';
COMMENT ON COLUMN journey_orch.cap.reviewed_at IS 'Real time of the review.';
COMMENT ON COLUMN journey_orch.cap.reviewed_by IS 'Session user who reviewed it.';
COMMENT ON COLUMN journey_orch.cap.review_note IS 'What he wrote.';

CREATE OR REPLACE VIEW journey_orch.phone_zone AS
SELECT p.prefix, p.zones, p.region, p.source
FROM journey_orch.phone_prefix AS p
UNION ALL
SELECT '+1', '{America/New_York,America/Chicago,America/Denver,America/Phoenix,America/Los_Angeles}'::text[], 'US',
  'journey_orch: the contiguous United States'
WHERE NOT EXISTS (SELECT FROM journey_orch.phone_prefix AS p WHERE p.prefix = '+1');
REVOKE ALL ON journey_orch.phone_zone FROM PUBLIC;
GRANT SELECT ON journey_orch.phone_zone TO journey_orch_analyst, journey_orch_operator;
COMMENT ON VIEW journey_orch.phone_zone IS 'One row a prefix of phone numbers: the zones they may be in, for customers whose own zone is not known.';
COMMENT ON COLUMN journey_orch.phone_zone.prefix IS 'Plus sign, country code and further digits.';
COMMENT ON COLUMN journey_orch.phone_zone.zones IS 'IANA names; a message waits until the hour is right in all of them.';
COMMENT ON COLUMN journey_orch.phone_zone.region IS 'Where such numbers are, ISO 3166; NULL not told.';
COMMENT ON COLUMN journey_orch.phone_zone.source IS 'What it was taken from.';

CREATE OR REPLACE VIEW journey_orch.holiday_calendar AS
SELECT h.region, h.day, h.name FROM journey_orch.holiday AS h;
REVOKE ALL ON journey_orch.holiday_calendar FROM PUBLIC;
GRANT SELECT ON journey_orch.holiday_calendar TO journey_orch_analyst, journey_orch_operator;
COMMENT ON VIEW journey_orch.holiday_calendar IS 'One row a day off of a region.';
COMMENT ON COLUMN journey_orch.holiday_calendar.region IS 'ISO 3166-2; a country''s are those of its parts too.';
COMMENT ON COLUMN journey_orch.holiday_calendar.day IS 'The day.';
COMMENT ON COLUMN journey_orch.holiday_calendar.name IS 'What it is called.';

/* ---- erasure ---- */

CREATE OR REPLACE FUNCTION journey_orch.forget(customer text, reason text)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_forget';
REVOKE ALL ON FUNCTION journey_orch.forget(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.forget(text, text) TO journey_orch_privacy;
COMMENT ON FUNCTION journey_orch.forget(text, text) IS
'Erases a customer: from the commit on no message of his is handed out, his runs end, and then his rows are rewritten under a random pseudonym. Returns the erasure_id; view erasure says when all is done.';

CREATE OR REPLACE FUNCTION journey_orch.erasure_hash(customer text)
RETURNS bytea
LANGUAGE c STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_erasure_hash';
REVOKE ALL ON FUNCTION journey_orch.erasure_hash(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.erasure_hash(text) TO journey_orch_privacy;
COMMENT ON FUNCTION journey_orch.erasure_hash(text) IS
'What view erasure calls this customer: a keyed hash, which nobody else can compute.';

CREATE OR REPLACE FUNCTION journey_orch.hold_customer(customer text, reason text)
RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  held text;
BEGIN
  IF customer IS NULL OR reason IS NULL THEN
    RAISE EXCEPTION 'argument "%" must not be NULL', CASE WHEN customer IS NULL THEN 'customer' ELSE 'reason' END
      USING ERRCODE = '22004';
  ELSIF customer = '' OR octet_length(customer) > 1000 THEN
    RAISE EXCEPTION 'argument "customer" must have 1 to 1000 bytes'
      USING ERRCODE = '22023';
  END IF;
  INSERT INTO journey_orch.legal_hold AS h
  VALUES (hold_customer.customer, hold_customer.reason, session_user, clock_timestamp())
  ON CONFLICT (customer_id) DO UPDATE SET reason = excluded.reason, actor = excluded.actor
  WHERE h.reason <> excluded.reason
  RETURNING CASE WHEN xmax = 0 THEN 'held' ELSE 'replaced' END INTO held;
  RETURN coalesce(held, 'unchanged');
END
$$;
REVOKE ALL ON FUNCTION journey_orch.hold_customer(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.hold_customer(text, text) TO journey_orch_privacy;
COMMENT ON FUNCTION journey_orch.hold_customer(text, text) IS
'Forbids the erasure of a customer until release_customer(), because a law asks that he be kept. Returns held, replaced or unchanged.';

CREATE OR REPLACE FUNCTION journey_orch.release_customer(customer text)
RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF customer IS NULL THEN
    RAISE EXCEPTION 'argument "customer" must not be NULL' USING ERRCODE = '22004';
  END IF;
  DELETE FROM journey_orch.legal_hold WHERE customer_id = release_customer.customer;
  RETURN CASE WHEN FOUND THEN 'released' ELSE 'unchanged' END;
END
$$;
REVOKE ALL ON FUNCTION journey_orch.release_customer(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.release_customer(text) TO journey_orch_privacy;
COMMENT ON FUNCTION journey_orch.release_customer(text) IS
'Ends what hold_customer() began. Returns released or unchanged.';

CREATE OR REPLACE VIEW journey_orch.erasure AS
SELECT c.erasure_id, c.requested_at, c.done_at, c.counts, c.applied_at, c.actor, c.reason, c.customer_hash,
       CASE WHEN c.done_at IS NOT NULL THEN 'done'
            WHEN c.applied_at IS NOT NULL THEN 'rewriting'
            ELSE 'requested' END AS state
FROM journey_orch.erasure_certificate AS c;
REVOKE ALL ON journey_orch.erasure FROM PUBLIC;
GRANT SELECT ON journey_orch.erasure TO journey_orch_privacy, journey_orch_analyst, journey_orch_operator;
COMMENT ON VIEW journey_orch.erasure IS 'One row an erasure: its certificate, which names nobody.';
COMMENT ON COLUMN journey_orch.erasure.erasure_id IS 'What forget() returned.';
COMMENT ON COLUMN journey_orch.erasure.requested_at IS 'Real time of the call.';
COMMENT ON COLUMN journey_orch.erasure.done_at IS 'Real time at which every place was done; NULL: it is under way.';
COMMENT ON COLUMN journey_orch.erasure.counts IS 'Rows that were rewritten or deleted, by table.';
COMMENT ON COLUMN journey_orch.erasure.applied_at IS 'Real time at which the customer''s lane had ended his runs and deleted what it kept; NULL: it has not yet.';
COMMENT ON COLUMN journey_orch.erasure.actor IS 'Session user of the call.';
COMMENT ON COLUMN journey_orch.erasure.reason IS 'What the caller gave as the reason.';
COMMENT ON COLUMN journey_orch.erasure.customer_hash IS 'Keyed hash of the customer id; see erasure_hash().';
COMMENT ON COLUMN journey_orch.erasure.state IS 'requested, rewriting or done.';

/* ---- decisions ---- */

COMMENT ON TABLE journey_orch.gate_decision IS
  'What a gate has answered when it did not allow a message: withhold it, or defer it until an instant.';
