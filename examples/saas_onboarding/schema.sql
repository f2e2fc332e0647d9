/*
 * examples/saas_onboarding/schema.sql
 *    Project software sold by subscription, with a free trial: members, what
 *    they use, the milestones they reach, what they subscribe to.
 *
 * Nothing up to the last part knows of journey_orch.  saas.profile is the view
 * that journeys see as "customer".
 */
CREATE SCHEMA saas;

CREATE TABLE saas.member
(
  member_id     bigint PRIMARY KEY,
  first_name    text NOT NULL,
  email         text NOT NULL UNIQUE,
  timezone      text NOT NULL,
  locale        text NOT NULL,
  trial_ends_on date NOT NULL,                   -- begins that day where the member lives
  seats         integer NOT NULL DEFAULT 5,
  seats_used    integer NOT NULL DEFAULT 1,
  wants_email   boolean NOT NULL DEFAULT true,
  is_cancelled  boolean NOT NULL DEFAULT false
);

CREATE TABLE saas.login
(
  login_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  member_id    bigint NOT NULL REFERENCES saas.member,
  logged_in_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON saas.login (member_id);

CREATE TABLE saas.feature
(
  feature  text PRIMARY KEY,
  title    text NOT NULL,
  pitch    text NOT NULL,
  position integer NOT NULL                      -- in which order they are shown
);

CREATE TABLE saas.feature_use
(
  member_id bigint NOT NULL REFERENCES saas.member,
  feature   text NOT NULL REFERENCES saas.feature,
  PRIMARY KEY (member_id, feature)
);

CREATE TABLE saas.milestone
(
  member_id bigint NOT NULL REFERENCES saas.member,
  milestone text NOT NULL CHECK (milestone IN ('first_project', 'team_of_three', 'hundred_tasks')),
  PRIMARY KEY (member_id, milestone)
);

CREATE TABLE saas.subscription
(
  member_id bigint PRIMARY KEY REFERENCES saas.member,
  plan      text NOT NULL,
  monthly   numeric(10,2) NOT NULL,
  currency  char(3) NOT NULL
);

CREATE VIEW saas.profile AS
SELECT member.*,
       (SELECT count(*) FROM saas.login WHERE login.member_id = member.member_id) AS logins,
       (SELECT count(*) FROM saas.feature_use WHERE feature_use.member_id = member.member_id) AS features_used
  FROM saas.member;

-- The first feature that a member neither uses nor has been told of.
CREATE FUNCTION saas.next_feature(member bigint, told jsonb) RETURNS text STABLE LANGUAGE sql AS $$
  SELECT f.feature
    FROM saas.feature AS f
   WHERE NOT told ? f.feature
     AND NOT EXISTS (SELECT FROM saas.feature_use AS u WHERE u.member_id = member AND u.feature = f.feature)
   ORDER BY f.position
   LIMIT 1
$$;

-- Who a customer is, and which changes of these tables are events.
SELECT journey_orch.bind_customer('saas.profile', id_sql => 'member_id', timezone_sql => 'timezone', locale_sql => 'locale');

SELECT journey_orch.watch('saas.member', 'trial_started', customer_sql => 'NEW.member_id', columns => '{trial_ends_on}');
SELECT journey_orch.watch('saas.member', 'trial_extended', customer_sql => 'NEW.member_id', operations => '{update}',
  condition_sql => 'NEW.trial_ends_on > OLD.trial_ends_on', columns => '{trial_ends_on}');
SELECT journey_orch.watch('saas.member', 'seat_taken', customer_sql => 'NEW.member_id', operations => '{update}',
  condition_sql => 'NEW.seats_used > OLD.seats_used', columns => '{seats_used}');
SELECT journey_orch.watch('saas.member', 'opted_out', customer_sql => 'NEW.member_id', operations => '{update}',
  condition_sql => 'OLD.wants_email AND NOT NEW.wants_email', payload_sql => 'jsonb_build_object()');
SELECT journey_orch.watch('saas.member', 'trial_cancelled', customer_sql => 'NEW.member_id', operations => '{update}',
  condition_sql => 'NEW.is_cancelled AND NOT OLD.is_cancelled', payload_sql => 'jsonb_build_object()');
SELECT journey_orch.watch('saas.login', 'logged_in', customer_sql => 'NEW.member_id', payload_sql => 'jsonb_build_object()');
SELECT journey_orch.watch('saas.feature_use', 'feature_used', customer_sql => 'NEW.member_id', columns => '{feature}');
SELECT journey_orch.watch('saas.milestone', 'milestone_reached', customer_sql => 'NEW.member_id', columns => '{milestone}');
SELECT journey_orch.watch('saas.subscription', 'subscribed', customer_sql => 'NEW.member_id', columns => '{plan,monthly,currency}');
