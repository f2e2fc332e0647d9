/* permission: may this message go out now? */

/* ---- topics ---- */

/* Topics that messages are about and consent is given for. */
CREATE TABLE journey_orch.message_topic
(
  topic       text NOT NULL,
  class       text NOT NULL,
  consent     text NOT NULL,
  description text,
  changed_at  timestamptz NOT NULL,
  CONSTRAINT message_topic_pkey PRIMARY KEY (topic),
  CONSTRAINT message_topic_class CHECK (class IN ('marketing', 'transactional', 'service', 'legal')),
  CONSTRAINT message_topic_consent CHECK (consent IN ('opt_in', 'opt_out', 'none'))
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.message_topic', '');

/* ---- consent ---- */

/* What customers said about messages: evidence, which never changes.  The newest
   row that applies counts (consent.c). */
CREATE SEQUENCE journey_orch.consent_seq;
SELECT pg_catalog.pg_extension_config_dump('journey_orch.consent_seq', '');

CREATE TABLE journey_orch.consent
(
  consent_id   bigint NOT NULL DEFAULT pg_catalog.nextval('journey_orch.consent_seq'),
  customer_id  text COLLATE "C" NOT NULL,
  channel      text,                         -- NULL: all
  topic        text,                         -- the purpose; NULL: all
  state        text NOT NULL,
  basis        text NOT NULL,                -- consent: express; purchase, inquiry: implied, they end
  at           timestamptz NOT NULL,         -- engine clock: when it was said
  expires_at   timestamptz,                  -- engine clock; NULL: never
  source       text NOT NULL,                -- where: a form, a shop, an import
  method       text,                         -- how: checkbox, keyword, paper, double_opt_in
  text_version text,                         -- what was shown, by its version or hash
  evidence     jsonb NOT NULL,
  actor        name NOT NULL,                -- session user
  recorded_at  timestamptz NOT NULL,         -- real time
  CONSTRAINT consent_pkey PRIMARY KEY (consent_id),
  CONSTRAINT consent_state CHECK (state IN ('granted', 'pending', 'denied', 'withdrawn')),
  CONSTRAINT consent_basis CHECK (basis IN ('consent', 'purchase', 'inquiry'))
);
CREATE INDEX consent_customer_id ON journey_orch.consent (customer_id);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.consent', '');

/* Objections: to direct marketing, which is absolute, and to the sale or sharing
   of the customer's data.  Evidence too; the newest row of a kind counts. */
CREATE SEQUENCE journey_orch.objection_seq;
SELECT pg_catalog.pg_extension_config_dump('journey_orch.objection_seq', '');

CREATE TABLE journey_orch.objection
(
  objection_id bigint NOT NULL DEFAULT pg_catalog.nextval('journey_orch.objection_seq'),
  customer_id  text COLLATE "C" NOT NULL,
  kind         text NOT NULL,
  is_raised    boolean NOT NULL,             -- false: lifted by the customer
  at           timestamptz NOT NULL,         -- engine clock
  source       text NOT NULL,                -- global_privacy_control, or where it was said
  evidence     jsonb NOT NULL,
  actor        name NOT NULL,                -- session user
  recorded_at  timestamptz NOT NULL,         -- real time
  CONSTRAINT objection_pkey PRIMARY KEY (objection_id),
  CONSTRAINT objection_kind CHECK (kind IN ('marketing', 'sale'))
);
CREATE INDEX objection_customer_id ON journey_orch.objection (customer_id);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.objection', '');

/* Lists of numbers that are not to be called, and the channels they are about. */
CREATE TABLE journey_orch.do_not_call_list
(
  list      text NOT NULL,
  channels  text[] NOT NULL,
  max_age   interval NOT NULL,               -- older than this it proves nothing
  listed_at timestamptz,                     -- engine clock: as of when it is; NULL: never imported
  source    text,
  CONSTRAINT do_not_call_list_pkey PRIMARY KEY (list)
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.do_not_call_list', '');

CREATE TABLE journey_orch.do_not_call
(
  list         text COLLATE "C" NOT NULL,
  address_hash bytea NOT NULL,               -- keyed, see address.h
  CONSTRAINT do_not_call_pkey PRIMARY KEY (list, address_hash)
);
CREATE INDEX do_not_call_address_hash ON journey_orch.do_not_call (address_hash);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.do_not_call', '');

/* ---- suppression ---- */

/* Addresses that nothing is sent to, as keyed hashes only. */
CREATE SEQUENCE journey_orch.suppression_seq;
SELECT pg_catalog.pg_extension_config_dump('journey_orch.suppression_seq', '');

CREATE TABLE journey_orch.suppressed_address
(
  suppression_id bigint NOT NULL DEFAULT pg_catalog.nextval('journey_orch.suppression_seq'),
  address_hash   bytea NOT NULL,             -- keyed, see address.h
  channel        text,                       -- NULL: all
  topic          text,                       -- NULL: all
  reason         text NOT NULL,
  expires_at     timestamptz,                -- engine clock; NULL: never
  lifted_at      timestamptz,                -- engine clock; NULL: it holds
  source         text,
  detail         jsonb NOT NULL,
  at             timestamptz NOT NULL,       -- engine clock
  actor          name NOT NULL,              -- session user
  recorded_at    timestamptz NOT NULL,       -- real time
  lifted_by      name,                       -- session user
  CONSTRAINT suppressed_address_pkey PRIMARY KEY (suppression_id),
  CONSTRAINT suppressed_address_reason CHECK (reason IN
    ('hard_bounce', 'complaint', 'manual', 'legal', 'role_account', 'unsubscribed', 'erased'))
);
CREATE INDEX suppressed_address_hash ON journey_orch.suppressed_address (address_hash);
CREATE UNIQUE INDEX suppressed_address_live ON journey_orch.suppressed_address
  (address_hash, (coalesce(channel, '')), (coalesce(topic, '')), reason) WHERE lifted_at IS NULL;
SELECT pg_catalog.pg_extension_config_dump('journey_orch.suppressed_address', '');

/* ---- links, preferences, what comes back ---- */

/* Words that customers send back, by language: those that ship, and an
   operator's own, which stand in place of the preset of that word. */
CREATE TABLE journey_orch.keyword_preset
(
  word     text NOT NULL,                    -- in its plain form (_plain_words), without blanks
  language text NOT NULL,
  action   text NOT NULL,                    -- stop, start, help; filler: a word beside them that changes nothing
  CONSTRAINT keyword_preset_pkey PRIMARY KEY (word, language)
);
CREATE TABLE journey_orch.own_keyword
(
  LIKE journey_orch.keyword_preset,
  CONSTRAINT own_keyword_pkey PRIMARY KEY (word, language),
  CONSTRAINT own_keyword_action CHECK (action IN ('stop', 'start', 'help', 'filler'))
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.own_keyword', '');
INSERT INTO journey_orch.keyword_preset (language, action, word)
SELECT w.language, w.action, u.word
FROM (VALUES
  ('en', 'stop', '{stop,stopall,quit,end,revoke,optout,cancel,unsubscribe,remove}'),
  ('en', 'start', '{start,unstop,optin,subscribe,resume}'),
  ('en', 'help', '{help,info}'),
  ('en', 'filler', '{please,pls,plz,now,thanks,thank,you,me,it,all,the,this,these,texts,text,texting,messages,message,messaging,sending,from,immediately}'),
  ('de', 'stop', '{stopp,abmelden,abbestellen,beenden,kuendigen,kundigen,austragen}'),
  ('de', 'start', '{anmelden}'),
  ('de', 'help', '{hilfe}'),
  ('de', 'filler', '{bitte,danke,mich,sofort,alles,alle,nachrichten}'),
  ('fr', 'stop', '{arret,arreter,arretez,desabonner,desinscrire,desinscription,annuler,fin}'),
  ('fr', 'start', '{debut,abonner,reprendre}'),
  ('fr', 'help', '{aide}'),
  ('fr', 'filler', '{svp,merci,moi,me,tout,tous,les}'),
  ('es', 'stop', '{alto,baja,cancelar,parar,basta,detener}'),
  ('es', 'start', '{alta,iniciar}'),
  ('es', 'help', '{ayuda}'),
  ('es', 'filler', '{gracias,ya,todo,todos,los,mensajes}'),
  ('pt', 'stop', '{sair,pare,descadastrar}'),
  ('pt', 'start', '{voltar}'),
  ('pt', 'help', '{ajuda}'),
  ('it', 'stop', '{ferma,cancella,annulla,disiscrivi}'),
  ('it', 'start', '{riprendi}'),
  ('it', 'help', '{aiuto}'),
  ('nl', 'stop', '{stoppen,afmelden,uitschrijven}'),
  ('nl', 'start', '{aanmelden}'),
  ('nl', 'help', '{hulp}')) AS w (language, action, words),
  LATERAL pg_catalog.unnest(w.words::text[]) AS u (word);

/* What came back from an address: no body, and no address. */
CREATE SEQUENCE journey_orch.inbound_seq;
SELECT pg_catalog.pg_extension_config_dump('journey_orch.inbound_seq', '');

CREATE TABLE journey_orch.inbound_message
(
  inbound_id    bigint NOT NULL DEFAULT pg_catalog.nextval('journey_orch.inbound_seq'),
  channel       text NOT NULL,
  address_hash  bytea NOT NULL,              -- keyed, see address.h
  customer_id   text COLLATE "C",            -- as the caller knew; NULL: unknown
  action        text NOT NULL,               -- stop, start, help, none
  word          text,                        -- that decided
  at            timestamptz NOT NULL,        -- engine clock
  confirm_until timestamptz,                 -- one confirmation may go out before it; NULL: none
  confirmed_at  timestamptz,
  recorded_at   timestamptz NOT NULL,        -- real time
  CONSTRAINT inbound_message_pkey PRIMARY KEY (inbound_id)
);
CREATE INDEX inbound_message_customer_id ON journey_orch.inbound_message (customer_id);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.inbound_message', '');

/* ---- halts, quiet hours, caps ---- */

/* Kill switches: who pulled or released one, when and why.  The newest act of a
   scope and name says how it stands.  Insert-only. */
CREATE TABLE journey_orch.halt_act
(
  seq         bigint NOT NULL,
  scope       text NOT NULL,
  name        text,                          -- of the channel, journey or topic; NULL: global
  act         text NOT NULL,
  reason      text,
  at          timestamptz NOT NULL,          -- engine clock
  recorded_at timestamptz NOT NULL,          -- real clock
  actor       name NOT NULL,                 -- session user
  CONSTRAINT halt_act_pkey PRIMARY KEY (seq),
  CONSTRAINT halt_act_scope CHECK (scope IN ('global', 'channel', 'journey', 'topic')),
  CONSTRAINT halt_act_name CHECK ((name IS NULL) = (scope = 'global')),
  CONSTRAINT halt_act_act CHECK (act IN ('halt', 'unhalt'))
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.halt_act', '');

CREATE SEQUENCE journey_orch.halt_act_seq;
SELECT pg_catalog.pg_extension_config_dump('journey_orch.halt_act_seq', '');

/* Hours in which nothing goes out, on the customer's own clock: from from_time
   to before to_time, over midnight where that is not later. */
CREATE TABLE journey_orch.quiet_hours_rule
(
  name        text NOT NULL,
  scope       jsonb NOT NULL,                -- which messages; {}: all
  from_time   time NOT NULL,
  to_time     time NOT NULL,
  weekdays    text[],                        -- of the day on which it begins; NULL: every day
  holidays    boolean NOT NULL,              -- and on holidays of the region
  region      text,                          -- ISO 3166-2; NULL: everywhere
  action      text NOT NULL,
  source      text,                          -- what it is taken from
  valid_from  date,                          -- days on which it may begin
  valid_until date,                          -- the first on which it may not
  changed_at  timestamptz NOT NULL,
  reviewed_at timestamptz,                   -- real clock; NULL: not since it was changed
  reviewed_by name,                          -- session user
  review_note text,
  CONSTRAINT quiet_hours_rule_pkey PRIMARY KEY (name),
  CONSTRAINT quiet_hours_rule_action CHECK (action IN ('defer', 'withhold'))
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.quiet_hours_rule', '');

/* How many messages a customer may get. */
CREATE TABLE journey_orch.frequency_cap
(
  name         text NOT NULL,
  scope        jsonb NOT NULL,               -- which messages count; {}: all
  max_messages integer NOT NULL,
  per          interval NOT NULL,
  calendar     boolean NOT NULL,             -- of his own day, week or month; else rolling
  action       text NOT NULL,
  source       text,                         -- what it is taken from; NULL: our own policy
  changed_at   timestamptz NOT NULL,
  reviewed_at  timestamptz,                  -- real clock; NULL: not since it was changed
  reviewed_by  name,                         -- session user
  review_note  text,
  CONSTRAINT frequency_cap_pkey PRIMARY KEY (name),
  CONSTRAINT frequency_cap_max_messages CHECK (max_messages >= 1),
  CONSTRAINT frequency_cap_action CHECK (action IN ('continue', 'defer', 'exit'))
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.frequency_cap', '');

/* Messages that were handed out while a cap covered them, and, with the same
   instant, those that gave their allowance back.  Insert-only; upkeep deletes
   what no cap looks back to. */
CREATE TABLE journey_orch.cap_use
(
  customer_id text COLLATE "C" NOT NULL,
  at          timestamptz NOT NULL,          -- engine clock, when it was handed out
  message_id  uuid NOT NULL,
  channel     text COLLATE "C" NOT NULL,
  topic       text COLLATE "C",
  journey     text COLLATE "C",
  is_return   boolean NOT NULL
);
CREATE INDEX cap_use_customer_id_at ON journey_orch.cap_use (customer_id, at);
CREATE INDEX cap_use_message_id ON journey_orch.cap_use (message_id);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.cap_use', '');

/* Days off. */
CREATE TABLE journey_orch.holiday
(
  region text NOT NULL,                      -- ISO 3166-2; of a country: of its parts too
  day    date NOT NULL,
  name   text NOT NULL,
  CONSTRAINT holiday_pkey PRIMARY KEY (region, day)
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.holiday', '');

/* Zones that a phone number may be in, as declared; view phone_zone has those
   of the extension too. */
CREATE TABLE journey_orch.phone_prefix
(
  prefix     text NOT NULL,                  -- +1, +1808
  zones      text[] NOT NULL,
  region     text,                           -- a country, ISO 3166-1, or a part of one
  source     text,
  changed_at timestamptz NOT NULL,
  CONSTRAINT phone_prefix_pkey PRIMARY KEY (prefix)
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.phone_prefix', '');

/* ---- erasure ---- */

/* That a customer was erased, and what remains of it.  Names nobody: the hash
   can be computed again only by who has the id and this database's key. */
CREATE TABLE journey_orch.erasure_certificate
(
  erasure_id    bigint NOT NULL,             -- ticket of the command to the customer's lane
  requested_at  timestamptz NOT NULL,        -- real time
  applied_at    timestamptz,                 -- real time at which his lane had ended him
  done_at       timestamptz,                 -- real time; NULL: rows are still to be rewritten
  actor         name NOT NULL,               -- session user
  reason        text NOT NULL,
  customer_hash bytea NOT NULL,              -- HMAC-SHA-256 of the customer id
  counts        jsonb NOT NULL DEFAULT '{}', -- rows rewritten or deleted, by table
  CONSTRAINT erasure_certificate_pkey PRIMARY KEY (erasure_id)
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.erasure_certificate', '');

/* A customer whose erasure is under way: the only place that still tells whom
   it is about; gone when it is done. */
CREATE TABLE journey_orch.tombstone
(
  customer_id     text COLLATE "C" NOT NULL,
  pseudonym       text COLLATE "C" NOT NULL, -- what his rows name instead; of the same lane
  erasure_id      bigint NOT NULL,           -- his events with a smaller ticket go with him
  xid             xid8 NOT NULL,             -- top-level transaction that asked for it
  instant         timestamptz NOT NULL,      -- engine clock at the request
  recorded_at     timestamptz NOT NULL,      -- real clock at the request
  incarnation     integer NOT NULL,          -- of applied_xid once that is set, else of xid
  lane            smallint NOT NULL,
  batch           bigint,                    -- of the lane, that ended him; NULL: none has yet, nor the rest
  applied_xid     xid8,                      -- of that batch
  before_position bigint,                    -- his messages with a smaller position go with him ...
  before_timer    bigint,                    -- ... and his timers with a smaller id
  s1              pg_snapshot,               -- the lane's place in the event log then
  s2              pg_snapshot,
  seq             bigint,
  event_ids       bigint[] NOT NULL DEFAULT '{}',  -- his events that have been rewritten
  message_ids     uuid[] NOT NULL DEFAULT '{}',    -- his messages that have been
  CONSTRAINT tombstone_pkey PRIMARY KEY (erasure_id)
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.tombstone', '');

/* The walk over all tables for the erasures that were ready when it began.  No
   row: none is under way. */
CREATE TABLE journey_orch.erasure_walk
(
  singleton   boolean NOT NULL DEFAULT true,
  erasures    bigint[] NOT NULL,
  missed      bigint[] NOT NULL DEFAULT '{}',      -- of which a row was still needed: they wait for another walk
  place       integer NOT NULL DEFAULT 0,          -- in the list of _personal_table()
  relation    text NOT NULL DEFAULT '',            -- the table or leaf under way, or looked at last
  block       bigint NOT NULL DEFAULT 0,           -- its next block
  fence       xid8,                                -- go on when all older transactions are over
  incarnation integer NOT NULL,                    -- of fence
  CONSTRAINT erasure_walk_pkey PRIMARY KEY (singleton),
  CONSTRAINT erasure_walk_singleton CHECK (singleton)
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.erasure_walk', '');

/* Customers who must not be erased, because a law says so. */
CREATE TABLE journey_orch.legal_hold
(
  customer_id text COLLATE "C" NOT NULL,
  reason      text NOT NULL,
  actor       name NOT NULL,                 -- session user
  since       timestamptz NOT NULL,          -- real time
  CONSTRAINT legal_hold_pkey PRIMARY KEY (customer_id)
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.legal_hold', '');

/* ---- decisions ---- */

/* What a gate has answered when it did not allow: a message was withheld, or
   deferred.  Insert-only; leaf gate_decision_LL_S. */
CREATE TABLE journey_orch.gate_decision
(
  message_id    uuid NOT NULL,
  enrollment_id uuid NOT NULL,
  until         timestamptz,                 -- of defer: not before it; engine clock
  decided_at    timestamptz NOT NULL,        -- engine clock
  recorded_at   timestamptz NOT NULL,        -- real clock
  journey_id    integer NOT NULL,
  version       integer NOT NULL,
  visit         integer NOT NULL,            -- ordinal of the step visit in its run
  attempt       integer NOT NULL,            -- at the claim the one that was offered, else the one that was to be
  lane          smallint NOT NULL,
  segment       smallint NOT NULL,
  customer_id   text COLLATE "C" NOT NULL,
  step          text COLLATE "C" NOT NULL,
  channel       text COLLATE "C" NOT NULL,
  template      text COLLATE "C" NOT NULL,
  topic         text COLLATE "C",
  arm           text COLLATE "C",
  stage         text NOT NULL,               -- enqueue, claim
  answer        text NOT NULL,               -- defer, withhold
  gate          text NOT NULL,
  rule          text,                        -- name of the halt, cap, hours …; NULL: the gate has no names
  reason        text NOT NULL,
  evidence      jsonb                        -- what the gate saw
) PARTITION BY RANGE (lane, segment);
