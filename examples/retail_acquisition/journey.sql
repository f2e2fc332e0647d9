/*
 * examples/retail_acquisition/journey.sql
 *    Who looks at products and does not buy is written to for ten days, and
 *    again after thirty: channels, templates, three journeys.
 *
 * Day n is the n-th day after the visit on the shopper's own calendar.
 */
SELECT journey_orch.set_topic('offers', class => 'marketing', description => 'Offers and reminders');
SELECT journey_orch.set_topic('advertising', class => 'marketing', description => 'Audiences of the advertising network');
SELECT journey_orch.set_topic('removal', class => 'legal', description => 'Taking people out of an audience');

-- The address of an audience entry stays with the run: who deletes the account
-- must leave the audience too.
SELECT journey_orch.set_channel('email', address_sql => 'customer.email');
SELECT journey_orch.set_channel('sms', address_sql => 'customer.phone', max_attempts => 3);
SELECT journey_orch.set_channel('ad_audience', address_sql => $$coalesce(context->>'ad_id', customer.ad_id)$$, max_attempts => 100);

-- Day 1, with what was looked at.  Who reads German gets the German text where
-- there is one.
SELECT journey_orch.set_template('viewed_products', 'email',
  subject => 'Still thinking, {{ customer.first_name }}?',
  body => $$Hello {{ customer.first_name }},
you looked at:
{{ (SELECT string_agg(format('- %s, %s %s', p.name, p.price, customer.currency), E'\n' ORDER BY p.product_id)
      FROM retail.product AS p
     WHERE p.product_id IN (SELECT (v->>'product_id')::int FROM jsonb_array_elements(context->'viewed') AS v)) }}$$);
SELECT journey_orch.set_template('viewed_products', 'email', locale => 'de',
  subject => 'Noch am Nachdenken, {{ customer.first_name }}?',
  body => $$Hallo {{ customer.first_name }},
Sie waren interessiert an:
{{ (SELECT string_agg(format('- %s, %s %s', p.name, replace(p.price::text, '.', ','), customer.currency), E'\n' ORDER BY p.product_id)
      FROM retail.product AS p
     WHERE p.product_id IN (SELECT (v->>'product_id')::int FROM jsonb_array_elements(context->'viewed') AS v)) }}$$);

-- Day 3, by what is in the basket; as email for those without a phone.
SELECT journey_orch.set_template(name, channel, subject => subject, body => body)
  FROM (VALUES ('free_delivery', '{{ customer.first_name }}, we deliver your basket of {{ customer.basket_total }} {{ customer.currency }} free until Sunday.'),
               ('ten_off_basket', '{{ customer.first_name }}, 10% off your basket for 48 hours: {{ round(customer.basket_total * 0.9, 2) }} {{ customer.currency }} instead of {{ customer.basket_total }}.'),
               ('ten_off', '{{ customer.first_name }}, 10% off your first order for 48 hours. Code FIRST10.')) AS text (name, body),
       (VALUES ('sms', NULL), ('email', 'For 48 hours, {{ customer.first_name }}')) AS way (channel, subject);

-- Days 4 to 7: the advertising network is told whom to show our posts, and whom not any more.
SELECT journey_orch.set_template('audience_add', 'ad_audience', body => '{"op": "add", "audience": "looked_around"}');
SELECT journey_orch.set_template('audience_remove', 'ad_audience', body => '{"op": "remove", "audience": "looked_around"}');

-- Day 10: the last one, two sizes of discount.
SELECT journey_orch.set_template('last_offer', 'email',
  subject => 'Last chance: {{ CASE journey.step WHEN ''last_15'' THEN 15 ELSE 25 END }}% off',
  body => $$Dear {{ customer.first_name }}, this is our best offer and our last: code LAST{{ CASE journey.step WHEN 'last_15' THEN 15 ELSE 25 END }}, until {{ to_char((journey.now + interval '5 days') AT TIME ZONE journey.timezone, 'FMDD FMMonth') }}.$$);

-- From day 30: the win-back sequence.
SELECT journey_orch.set_template('we_miss_you', 'email',
  subject => 'It has been a month, {{ customer.first_name }}',
  body => 'Hello {{ customer.first_name }}, see what is new since {{ to_char((context->>''day_0'')::date, ''FMDD FMMonth'') }}.');
SELECT journey_orch.set_template('basket_waits', 'email',
  subject => 'Your basket is ready',
  body => 'Hello {{ customer.first_name }}, {{ event->>''items'' }} items for {{ event->>''total'' }} {{ customer.currency }}: delivery is on us.');
SELECT journey_orch.set_template('seen_again', 'email',
  subject => 'Back again?',
  body => 'Hello {{ customer.first_name }}, the {{ (SELECT p.name FROM retail.product AS p WHERE p.product_id = (event->>''product_id'')::int) }} is still here, for 20% less.');
SELECT journey_orch.set_template('what_is_it', 'email',
  subject => 'What can we do better?',
  body => 'Hello {{ customer.first_name }}, tell us in one click what you did not find.');
SELECT journey_orch.set_template('goodbye', 'email',
  subject => 'Shall we stop writing?',
  body => 'Dear {{ customer.first_name }}, we will not write again. Code BACK30 is yours until {{ to_char((journey.now + interval ''14 days'') AT TIME ZONE journey.timezone, ''FMDD FMMonth'') }}.');

-- Into the audience on day 4, out of it after day 7, or as soon as the shopper
-- buys, opts out or deletes the account.  A journey of its own, so that nothing
-- that ends the other one can leave somebody in the audience.
SELECT journey_orch.define($${
  "journey": "retail_retargeting", "timezone": "Europe/Berlin", "deleted_customer": "continue",
  "entry": {"journey": ["retail_acquisition"], "reentry": {"policy": "after_exit"}},
  "start": "add",
  "steps": {
    "add":    {"send": {"channels": ["ad_audience"], "template": "audience_add", "topic": "advertising"}, "next": "stay"},
    "stay":   {"wait": {"for": [{"on": "order_placed", "next": "remove"}, {"on": "opted_out", "next": "remove"},
                                {"on": "account_deleted", "next": "remove"}],
                        "until": {"date": "(context->>'day_0')::date", "offset": "8 days", "next": "remove"}}},
    "remove": {"send": {"channels": ["ad_audience"], "template": "audience_remove", "topic": "removal", "priority": 9},
               "next": "gone", "on_failure": "again"},
    "again":  {"delay": "1 hour", "next": "remove"},
    "gone":   {"exit": "removed"}
  }}$$);
SELECT journey_orch.publish('retail_retargeting');

-- From day 30: look for a week what the shopper does, then answer the best of it.
SELECT journey_orch.define($${
  "journey": "retail_win_back", "timezone": "Europe/Berlin",
  "entry": {"journey": ["retail_acquisition"], "reentry": {"policy": "after_exit"}},
  "goal":  {"on": "order_placed", "value": "(event->>'amount')::numeric", "currency": "event->>'currency'"},
  "exit":  [{"on": "opted_out", "reason": "opted_out"}],
  "start": "miss_you",
  "steps": {
    "miss_you": {"send": {"channels": ["email"], "template": "we_miss_you", "topic": "offers"}, "next": "signal"},
    "signal":   {"wait": {"ranked": true,
                          "for": [{"on": "basket_filled", "next": "basket"}, {"on": "product_viewed", "next": "again"},
                                  {"on": "message.clicked", "of": "miss_you", "next": "ask"}],
                          "until": {"after": "7 days", "next": "think"}}},
    "basket":   {"send": {"channels": ["email"], "template": "basket_waits", "topic": "offers"}, "next": "think"},
    "again":    {"send": {"channels": ["email"], "template": "seen_again", "topic": "offers"}, "next": "think"},
    "ask":      {"send": {"channels": ["email"], "template": "what_is_it", "topic": "offers"}, "next": "think"},
    "think":    {"delay": {"for": "7 days", "weekdays": ["monday", "tuesday", "wednesday", "thursday", "friday"], "at": "09:00"}, "next": "goodbye"},
    "goodbye":  {"send": {"channels": ["email"], "template": "goodbye", "topic": "offers"}, "next": "last_days"},
    "last_days": {"delay": "14 days", "next": "lost"},
    "lost":     {"exit": "lost"}
  }}$$);
SELECT journey_orch.publish('retail_win_back');

-- The journey itself.  What is bought in the visit or won back later is not
-- counted as its conversion.
SELECT journey_orch.define($${
  "journey": "retail_acquisition", "timezone": "Europe/Berlin",
  "entry": {"on": "product_viewed", "when": "customer.accepts_marketing AND customer.purchases = 0",
            "reentry": {"policy": "after_exit", "cooldown": "180 days"}},
  "goal":  {"on": "order_placed", "when": "journey.step NOT IN ('visit', 'win_back')",
            "value": "(event->>'amount')::numeric", "currency": "event->>'currency'", "within": "30 days"},
  "exit":  [{"on": "order_placed", "when": "journey.step = 'visit'", "reason": "bought_at_once"},
            {"on": "opted_out", "reason": "opted_out"}],
  "start": "visit",
  "steps": {
    "visit":     {"digest": {"on": "product_viewed", "for": "2 hours"}, "into": "viewed", "next": "count_from"},
    "count_from": {"update": {"day_0": "(journey.entered_at AT TIME ZONE journey.timezone)::date"}, "next": "day_1"},
    "day_1":     {"delay": {"until": "(context->>'day_0')::date", "offset": "1 day", "at": "09:00"}, "next": "show_viewed"},
    "show_viewed": {"send": {"channels": ["email"], "template": "viewed_products", "topic": "offers"}, "next": "day_3"},
    "day_3":     {"delay": {"until": "(context->>'day_0')::date", "offset": "3 days", "at": "18:30"}, "next": "basket"},
    "basket":    {"branch": [{"when": "customer.basket_total >= 150", "next": "sms_large"},
                             {"when": "customer.basket_total > 0", "next": "sms_small"}], "else": "sms_empty"},
    "sms_large": {"send": {"channels": ["sms", "email"], "template": "free_delivery", "topic": "offers", "expires_after": "2 days"}, "next": "day_4"},
    "sms_small": {"send": {"channels": ["sms", "email"], "template": "ten_off_basket", "topic": "offers", "expires_after": "2 days"}, "next": "day_4"},
    "sms_empty": {"send": {"channels": ["sms", "email"], "template": "ten_off", "topic": "offers", "expires_after": "2 days"}, "next": "day_4"},
    "day_4":     {"delay": {"until": "(context->>'day_0')::date", "offset": "4 days", "at": "10:00"}, "next": "retarget"},
    "retarget":  {"enter": {"journey": "retail_retargeting",
                            "context": "jsonb_build_object('day_0', context->'day_0', 'ad_id', customer.ad_id)"}, "next": "day_10"},
    "day_10":    {"delay": {"until": "(context->>'day_0')::date", "offset": "10 days"}, "next": "morning"},
    "morning":   {"delay": {"weekdays": ["monday", "tuesday", "wednesday", "thursday", "friday"], "at": "09:00"}, "next": "discount"},
    "discount":  {"split": {"arms": {"fifteen": 50, "twenty_five": 50}, "experiment": "last_discount"},
                  "next": {"fifteen": "last_15", "twenty_five": "last_25"}},
    "last_15":   {"send": {"channels": ["email"], "template": "last_offer", "topic": "offers"}, "next": "day_30"},
    "last_25":   {"send": {"channels": ["email"], "template": "last_offer", "topic": "offers"}, "next": "day_30"},
    "day_30":    {"delay": {"until": "(context->>'day_0')::date", "offset": "30 days", "at": "09:00"}, "next": "win_back"},
    "win_back":  {"enter": {"journey": "retail_win_back", "context": "jsonb_build_object('day_0', context->'day_0')",
                            "wait": true, "until": {"after": "60 days", "next": "lost"}}, "next": "outcome", "on_failure": "lost"},
    "outcome":   {"branch": [{"when": "context->'win_back'->>'reason' = 'goal'", "next": "won_back"}], "else": "lost"},
    "won_back":  {"exit": "won_back"},
    "lost":      {"exit": "lost"}
  }}$$);
SELECT journey_orch.publish('retail_acquisition');
