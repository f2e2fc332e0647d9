/*
 * examples/saas_onboarding/journey.sql
 *    A trial from sign-up to subscription: one journey that counts the days, and
 *    three beside it that wait for what the member does.
 */
SELECT journey_orch.set_topic('account', class => 'service', description => 'About the member''s own account');
SELECT journey_orch.set_topic('product', class => 'service', description => 'Shown inside the product');
SELECT journey_orch.set_topic('tips', class => 'marketing', description => 'Features, and why to subscribe');

SELECT journey_orch.set_channel('email', address_sql => 'customer.email');
SELECT journey_orch.set_channel('in_app', address_sql => 'customer.member_id::text');

SELECT journey_orch.set_template('welcome', 'email',
  subject => 'Welcome, {{ customer.first_name }}',
  body => 'Hello {{ customer.first_name }}, everything is yours to try until {{ to_char(customer.trial_ends_on, ''FMDay, FMDD FMMonth'') }}.');
SELECT journey_orch.set_template('feature', 'email',
  subject => '{{ (SELECT f.title FROM saas.feature AS f WHERE f.feature = context->>''feature'') }}',
  body => 'Hello {{ customer.first_name }}, {{ (SELECT f.pitch FROM saas.feature AS f WHERE f.feature = context->>''feature'') }}');
SELECT journey_orch.set_template('need_help', 'email',
  subject => 'May we help you to start?',
  body => 'Hello {{ customer.first_name }}, you have not been inside yet, and {{ customer.trial_ends_on - (journey.now AT TIME ZONE journey.timezone)::date }} days are left. Write back, and somebody will show you around.');

SELECT journey_orch.set_template('tutorial', 'in_app', body => 'Let us make your first project together, {{ customer.first_name }}.');
SELECT journey_orch.set_template('tutorial_again', 'in_app', body => 'Shall we go on where we stopped?');

SELECT journey_orch.set_template('cheer', 'in_app',
  body => $${{ CASE event->>'milestone' WHEN 'first_project' THEN 'Your first project stands.' WHEN 'team_of_three' THEN 'You are three now.' ELSE 'A hundred tasks done!' END }} Well done, {{ customer.first_name }}!$$);
SELECT journey_orch.set_template('hundred', 'email',
  subject => 'A hundred tasks, {{ customer.first_name }}',
  body => 'Your team has finished a hundred tasks. Here is a badge for your page.');

SELECT journey_orch.set_template('seats_full', 'in_app',
  body => 'All {{ customer.seats }} seats are taken. A subscription has as many as you need.');
SELECT journey_orch.set_template('habit', 'email',
  subject => 'It seems to work for you',
  body => 'Hello {{ customer.first_name }}, {{ customer.logins }} visits and {{ customer.features_used }} features in use: keep it all, from 9 GBP a month.');
SELECT journey_orch.set_template('habit', 'email', locale => 'en-AU',
  subject => 'It seems to work for you',
  body => 'Hello {{ customer.first_name }}, {{ customer.logins }} visits and {{ customer.features_used }} features in use: keep it all, from 17 AUD a month.');
SELECT journey_orch.set_template('trial_ending', 'email',
  subject => 'Your trial ends in three days',
  body => 'Hello {{ customer.first_name }}, on {{ to_char(customer.trial_ends_on, ''FMDay, FMDD FMMonth'') }} your projects become read-only. Keep them for 9 GBP a month.');
SELECT journey_orch.set_template('trial_ending', 'email', locale => 'en-AU',
  subject => 'Your trial ends in three days',
  body => 'Hello {{ customer.first_name }}, on {{ to_char(customer.trial_ends_on, ''FMDay, FMDD FMMonth'') }} your projects become read-only. Keep them for 17 AUD a month.');
SELECT journey_orch.set_template('rescue', 'email',
  subject => 'Shall we try again?',
  body => 'Hello {{ customer.first_name }}, there was no time to try it? Reply, and you have three more weeks.');

-- The tutorial appears with the first login, on whatever day that is.  Opting
-- out of email does not hide it.
SELECT journey_orch.define($${
  "journey": "saas_tutorial", "timezone": "Europe/London",
  "entry": {"journey": ["saas_onboarding"]},
  "exit":  [{"on": "trial_cancelled", "reason": "cancelled"}],
  "start": "first_login",
  "steps": {
    "first_login": {"wait": {"for": [{"when": "customer.logins > 0", "retest_on": ["logged_in"], "next": "tutorial"}],
                             "until": {"date": "customer.trial_ends_on", "next": "never"}},
                    "restart_on": "trial_extended"},
    "tutorial":  {"send": {"channels": ["in_app"], "template": "tutorial", "topic": "product"}, "next": "followed"},
    "followed":  {"wait": {"for": [{"on": "tutorial_finished", "next": "finished"}, {"on": "message.dismissed", "of": "tutorial", "next": "later"}],
                           "until": {"after": "2 days", "next": "later"}}},
    "later":     {"wait": {"for": [{"on": "logged_in", "next": "offer_again"}], "until": {"after": "7 days", "next": "gave_up"}}},
    "offer_again": {"send": {"channels": ["in_app"], "template": "tutorial_again", "topic": "product"}, "next": "reminded"},
    "finished":  {"exit": "finished"},
    "reminded":  {"exit": "reminded"},
    "gave_up":   {"exit": "gave_up"},
    "never":     {"exit": "never_logged_in"}
  }}$$);
SELECT journey_orch.publish('saas_tutorial');

-- Each milestone is celebrated once, when it is reached; the big one also by
-- email, in office hours.
SELECT journey_orch.define($${
  "journey": "saas_celebration", "timezone": "Europe/London",
  "entry": {"on": "milestone_reached", "key": "event->>'milestone'"},
  "start": "cheer",
  "steps": {
    "cheer": {"send": {"channels": ["in_app"], "template": "cheer", "topic": "product", "expires_after": "1 day"}, "next": "big"},
    "big":   {"branch": [{"when": "event->>'milestone' = 'hundred_tasks' AND customer.wants_email", "next": "office_hours"}], "else": "done"},
    "office_hours": {"delay": {"window": {"from": "09:00", "to": "17:00", "weekdays": ["monday", "tuesday", "wednesday", "thursday", "friday"]}}, "next": "write"},
    "write": {"send": {"channels": ["email"], "template": "hundred", "topic": "product"}, "next": "done"},
    "done":  {"exit": "celebrated"}
  }}$$);
SELECT journey_orch.publish('saas_celebration');

-- The moment to ask for the subscription is when the seats are full, or when
-- the product has become a habit; when neither comes, three days before the end
-- of the trial.  An extended trial moves that.
SELECT journey_orch.define($${
  "journey": "saas_upgrade", "timezone": "Europe/London",
  "entry": {"journey": ["saas_onboarding"]},
  "goal":  {"on": "subscribed", "value": "(event->>'monthly')::numeric * 12", "currency": "event->>'currency'"},
  "exit":  [{"on": "trial_cancelled", "reason": "cancelled"}, {"on": "opted_out", "reason": "opted_out"}],
  "start": "moment",
  "steps": {
    "moment": {"wait": {"for": [{"when": "customer.seats_used >= customer.seats", "retest_on": ["seat_taken"], "next": "full"},
                                {"when": "customer.logins >= 4 AND customer.features_used >= 3",
                                 "retest_on": ["logged_in", "feature_used"], "next": "habit"}],
                        "until": {"date": "customer.trial_ends_on", "offset": "-3 days", "at": "10:00", "next": "ending"}},
               "restart_on": "trial_extended"},
    "full":   {"send": {"channels": ["in_app"], "template": "seats_full", "topic": "tips"}, "next": "decide"},
    "habit":  {"delay": {"window": {"from": "09:00", "to": "17:00", "weekdays": ["monday", "tuesday", "wednesday", "thursday", "friday"]}}, "next": "praise"},
    "praise": {"send": {"channels": ["email"], "template": "habit", "topic": "tips"}, "next": "decide"},
    "ending": {"branch": [{"when": "customer.logins = 0", "next": "rescue"}], "else": "last_days"},
    "last_days": {"send": {"channels": ["email"], "template": "trial_ending", "topic": "tips"}, "next": "decide"},
    "rescue": {"send": {"channels": ["email"], "template": "rescue", "topic": "tips"}, "next": "decide"},
    "decide": {"delay": {"until": "customer.trial_ends_on"}, "restart_on": "trial_extended", "next": "over"},
    "over":   {"exit": "trial_over"}
  }}$$);
SELECT journey_orch.publish('saas_upgrade');

-- The days: a welcome, and on days 3, 7 and 14 the feature that is worth most of
-- those not used yet.  Who subscribes still learns them, so the goal does not
-- end the run.  The circle takes one day from the list each time round.
SELECT journey_orch.define($${
  "journey": "saas_onboarding", "timezone": "Europe/London",
  "entry": {"on": "trial_started"},
  "goal":  {"on": "subscribed", "value": "(event->>'monthly')::numeric * 12", "currency": "event->>'currency'", "within": "60 days", "exit": false},
  "exit":  [{"on": "trial_cancelled", "reason": "cancelled"}, {"on": "opted_out", "reason": "opted_out"}],
  "start": "greet",
  "steps": {
    "greet":    {"send": {"channels": ["email"], "template": "welcome", "topic": "account", "priority": 9}, "next": "tutorial"},
    "tutorial": {"enter": "saas_tutorial", "next": "upgrade"},
    "upgrade":  {"enter": "saas_upgrade", "next": "plan"},
    "plan":     {"update": {"day_0": "(journey.entered_at AT TIME ZONE journey.timezone)::date", "days": "'[3, 7, 14]'::jsonb", "told": "'[]'::jsonb"}, "next": "more"},
    "more":     {"branch": [{"when": "jsonb_array_length(context->'days') > 0", "next": "day"}], "else": "done"},
    "day":      {"delay": {"until": "(context->>'day_0')::date + (context->'days'->>0)::int", "at": "10:00"}, "next": "choose"},
    "choose":   {"update": {"feature": "saas.next_feature(customer.member_id, context->'told')", "days": "(context->'days') - 0"}, "next": "fitting"},
    "fitting":  {"branch": [{"when": "customer.logins = 0", "next": "help"}, {"when": "context->>'feature' IS NOT NULL", "next": "show"}], "else": "rest"},
    "help":     {"send": {"channels": ["email"], "template": "need_help", "topic": "tips"}, "next": "rest"},
    "show":     {"send": {"channels": ["email"], "template": "feature", "topic": "tips"}, "next": "note"},
    "note":     {"update": {"told": "context->'told' || (context->'feature')"}, "next": "rest"},
    "rest":     {"delay": "1 hour", "next": "more"},
    "done":     {"exit": "onboarded"}
  }}$$);
SELECT journey_orch.publish('saas_onboarding');
