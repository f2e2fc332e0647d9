/*
 * examples/financial_cross_sell/journey.sql
 *    Half a year after the third salary: savings, a card, a fund, a mortgage,
 *    each when its time has come and only to whom it fits.
 *
 * A month is a calendar month of the client, counted from the day of the
 * salary: after 31 January come 28 February, 30 April and 31 July.  What falls
 * on a weekend is sent on Monday.
 */
SELECT journey_orch.set_topic('account', class => 'service', description => 'About the client''s own account');
SELECT journey_orch.set_topic('offers', class => 'marketing', description => 'Products of the bank');
SELECT journey_orch.set_topic('internal', class => 'service', description => 'Work for the advisers');

SELECT journey_orch.set_channel('email', address_sql => 'customer.email');
SELECT journey_orch.set_channel('adviser', address_sql => 'customer.adviser');

SELECT journey_orch.set_template('congratulations', 'email',
  subject => 'Your account is at work',
  body => 'Dear {{ customer.first_name }}, your third salary has arrived. Your account stays free of charge.');
SELECT journey_orch.set_template('congratulations', 'email', locale => 'es',
  subject => 'Su cuenta ya trabaja para usted',
  body => 'Hola {{ customer.first_name }}: ha llegado su tercera nomina. Su cuenta sigue sin comisiones.');
SELECT journey_orch.set_template('savings_lesson', 'email',
  subject => 'Three months of salary, {{ customer.first_name }}',
  body => 'This is what a reserve should have, and an automatic transfer gets you there. Interest 2.1% a year, variable; deposits are protected by law.');
SELECT journey_orch.set_template('card_large', 'email',
  subject => 'A card with a limit of 10,000',
  body => $$Dear {{ customer.first_name }}, {{ context->'officer'->>'note' }}: we can offer you a limit of 10,000. Representative APR 17.9%.$$);
SELECT journey_orch.set_template('card_standard', 'email',
  subject => 'A card for your account',
  body => 'Dear {{ customer.first_name }}, the card has a limit of 2,000. Representative APR 21.9%. Subject to status.');
SELECT journey_orch.set_template('fund_brochure', 'email',
  subject => 'Investing, slowly',
  body => 'Dear {{ customer.first_name }}, our brochure suits a {{ customer.risk_profile }} investor. The value of investments can fall.');
SELECT journey_orch.set_template('fund_seminar', 'email',
  subject => 'An evening about investing',
  body => 'Dear {{ customer.first_name }}, join our seminar on {{ to_char((journey.now + interval ''14 days'') AT TIME ZONE journey.timezone, ''FMDD FMMonth'') }}. The value of investments can fall.');
SELECT journey_orch.set_template('call_client', 'adviser',
  subject => 'Lead {{ context->>''lead'' }}',
  body => 'Call {{ customer.first_name }}, {{ customer.risk_profile }}, about funds.');
SELECT journey_orch.set_template('mortgage', 'email',
  subject => 'A home of your own?',
  body => 'Dear {{ customer.first_name }}, half a year of salaries opens the door to a mortgage. Your home may be at risk if you do not keep up repayments.');

-- Each product that is opened within seven months is a conversion of its own.
-- The last exit rule has no event: it is asked whenever the run moves.
SELECT journey_orch.define($${
  "journey": "financial_cross_sell", "timezone": "Europe/Madrid",
  "entry": {"on": "third_salary", "when": "NOT customer.is_on_hold"},
  "goal":  {"on": "product_opened", "value": "(event->>'annual_value')::numeric", "currency": "event->>'currency'", "within": "7 months", "exit": false},
  "exit":  [{"on": "account_closed", "reason": "account_closed"}, {"on": "opted_out", "reason": "opted_out"},
            {"when": "customer.is_on_hold", "reason": "on_hold"}],
  "start": "congratulate",
  "steps": {
    "congratulate": {"send": {"channels": ["email"], "template": "congratulations", "topic": "account"}, "next": "allowed"},
    "allowed":   {"branch": [{"when": "customer.accepts_offers", "next": "count_from"}], "else": "no_offers"},
    "count_from": {"update": {"day_0": "(journey.entered_at AT TIME ZONE journey.timezone)::date"}, "next": "week"},

    "week":      {"delay": {"until": "(context->>'day_0')::date", "offset": "7 days"}, "next": "week_10"},
    "week_10":   {"delay": {"weekdays": ["monday", "tuesday", "wednesday", "thursday", "friday"], "at": "10:00"}, "next": "saves"},
    "saves":     {"branch": [{"when": "'savings' = ANY (customer.products)", "next": "month"}], "else": "lesson"},
    "lesson":    {"send": {"channels": ["email"], "template": "savings_lesson", "topic": "offers"}, "next": "month"},

    "month":     {"delay": {"until": "(context->>'day_0')::date", "offset": "1 month"}, "next": "month_10"},
    "month_10":  {"delay": {"weekdays": ["monday", "tuesday", "wednesday", "thursday", "friday"], "at": "10:00"}, "next": "credit"},
    "credit":    {"branch": [{"when": "'card' = ANY (customer.products) OR customer.credit_score < 620", "next": "quarter"},
                             {"when": "customer.credit_score >= 760", "next": "officer"}], "else": "standard"},
    "officer":   {"approve": {"question": "Offer a card with a limit of 10,000?", "until": {"after": "3 days", "next": "standard"}},
                  "next": {"approved": "large_hours", "rejected": "standard_hours"}},
    "large_hours": {"delay": {"window": {"from": "09:00", "to": "18:00", "weekdays": ["monday", "tuesday", "wednesday", "thursday", "friday"]}}, "next": "large"},
    "large":     {"send": {"channels": ["email"], "template": "card_large", "topic": "offers"}, "next": "quarter"},
    "standard_hours": {"delay": {"window": {"from": "09:00", "to": "18:00", "weekdays": ["monday", "tuesday", "wednesday", "thursday", "friday"]}}, "next": "standard"},
    "standard":  {"send": {"channels": ["email"], "template": "card_standard", "topic": "offers"}, "next": "quarter"},

    "quarter":   {"delay": {"until": "(context->>'day_0')::date", "offset": "3 months"}, "next": "quarter_10"},
    "quarter_10": {"delay": {"weekdays": ["monday", "tuesday", "wednesday", "thursday", "friday"], "at": "10:00"}, "next": "risk"},
    "risk":      {"branch": [{"when": "'fund' = ANY (customer.products)", "next": "half_year"},
                             {"when": "customer.risk_profile = 'cautious'", "next": "brochure"}], "else": "intro"},
    "intro":     {"split": {"arms": {"brochure": 50, "seminar": 50}, "experiment": "fund_intro"}, "next": {"brochure": "brochure", "seminar": "seminar"}},
    "brochure":  {"send": {"channels": ["email"], "template": "fund_brochure", "topic": "offers"}, "next": "interest"},
    "seminar":   {"send": {"channels": ["email"], "template": "fund_seminar", "topic": "offers"}, "next": "interest"},
    "interest":  {"wait": {"for": [{"on": "message.clicked", "of": "brochure", "next": "lead"}, {"on": "message.clicked", "of": "seminar", "next": "lead"},
                                   {"on": "product_opened", "when": "event->>'product' = 'fund'", "next": "half_year"}],
                           "until": {"after": "14 days", "next": "half_year"}}},
    "lead":      {"call": "bank.open_lead(customer.client_id, 'fund')", "simulated": 0, "next": "tell_adviser", "on_failure": "half_year"},
    "tell_adviser": {"send": {"channels": ["adviser"], "template": "call_client", "topic": "internal"}, "next": "half_year"},

    "half_year": {"delay": {"until": "(context->>'day_0')::date", "offset": "6 months"}, "next": "half_year_10"},
    "half_year_10": {"delay": {"weekdays": ["monday", "tuesday", "wednesday", "thursday", "friday"], "at": "10:00"}, "next": "home"},
    "home":      {"branch": [{"when": "customer.is_homeowner OR 'mortgage' = ANY (customer.products)", "next": "done"}], "else": "mortgage"},
    "mortgage":  {"send": {"channels": ["email"], "template": "mortgage", "topic": "offers"}, "next": "done"},
    "done":      {"exit": "completed"},
    "no_offers": {"exit": "no_offers"}
  }}$$);
SELECT journey_orch.publish('financial_cross_sell');
