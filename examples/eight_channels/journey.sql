/*
 * examples/eight_channels/journey.sql
 *    What follows a visit to the showroom, on all eight channels.
 */
SELECT journey_orch.set_topic('showroom', 'service', description => 'What somebody has looked at in the showroom');

SELECT journey_orch.set_template('looked_around', 'social', body => 'showroom_visitors');
SELECT journey_orch.set_template('thanks', 'email', subject => 'Thank you for your visit, {{ customer.name }}',
  body => 'You looked at: {{ event->>''product'' }}. What do you like best? https://shop.example/like');
SELECT journey_orch.set_template('which_one', 'sms', body => 'Which one is it? https://shop.example/like');
SELECT journey_orch.set_template('your_choice', 'push', subject => 'Good choice',
  body => 'The {{ context->>''choice'' }} is yours for 48 hours, {{ customer.name }}.');
SELECT journey_orch.set_template('in_your_room', 'in_app', subject => 'See it in your room',
  body => 'Point the camera at the wall: {{ context->>''choice'' }}', headers => '{"X-Deep-Link": "/room"}');
SELECT journey_orch.set_template('welcome_back', 'web', body => 'Welcome back, {{ customer.name }}');
SELECT journey_orch.set_template('advise', 'call_centre', subject => 'Advise {{ customer.name }}',
  body => 'Looked at {{ coalesce(context->>''choice'', journey.entry_event->>''product'') }}; may have 10 %.');
SELECT journey_orch.set_template('ten_off', 'retail', subject => '10 % off', body => 'For one piece, until the end of the month.');

SELECT journey_orch.define($${
  "journey": "eight_channels",
  "description": "After a visit to the showroom: mail and text at once, the rest by what comes back.",
  "timezone": "Europe/Berlin",
  "entry": {"on": "showroom_visited"},
  "goal": {"on": "order_placed", "within": "30 days", "value": "(event->>'amount')::numeric", "currency": "event->>'currency'"},
  "exit": [{"on": "opted_out", "reason": "opted_out"}],
  "start": "follow",
  "steps": {
    "follow":  {"send": {"channels": ["social"], "template": "looked_around", "topic": "showroom"}, "next": "thank"},
    "thank":   {"send": {"channels": ["email"], "template": "thanks", "topic": "showroom"}, "next": "ask"},
    "ask":     {"send": {"channels": ["sms"], "template": "which_one", "topic": "showroom"}, "next": "answer"},
    "answer":  {"wait": {"for": [{"on": "message.clicked", "of": "thank", "next": "chosen"},
                                 {"on": "message.clicked", "of": "ask", "next": "chosen"}],
                         "until": {"after": "2 days", "next": "show"}}},
    "chosen":  {"update": {"choice": "event->'detail'->>'product'", "by": "event->>'channel'"}, "next": "remind"},
    "remind":  {"send": {"channels": ["push"], "template": "your_choice", "topic": "showroom"}, "next": "show"},
    "show":    {"send": {"channels": ["in_app"], "template": "in_your_room", "topic": "showroom"}, "next": "greet"},
    "greet":   {"send": {"channels": ["web"], "template": "welcome_back", "topic": "showroom"}, "next": "look"},
    "look":    {"wait": {"for": [{"on": "message.clicked", "of": "show", "next": "advise"},
                                 {"on": "message.shown", "of": "greet", "next": "advise"}],
                         "until": {"after": "3 days", "next": "advise"}}},
    "advise":  {"send": {"channels": ["call_centre"], "template": "advise", "topic": "showroom"}, "next": "talk"},
    "talk":    {"wait": {"for": [{"on": "message.disposition", "of": "advise", "next": "how"}],
                         "until": {"after": "4 days", "next": "silent"}}},
    "how":     {"branch": [{"when": "event->'detail'->>'disposition' = 'reached'", "next": "offer"},
                           {"when": "event->'detail'->>'disposition' = 'no_answer'", "next": "offer"}], "else": "refused"},
    "offer":   {"send": {"channels": ["retail"], "template": "ten_off", "topic": "showroom"}, "next": "till"},
    "till":    {"wait": {"for": [{"on": "message.redeemed", "of": "offer", "next": "used"}],
                         "until": {"after": "14 days", "next": "unused"}}},
    "used":    {"exit": "used"},
    "unused":  {"exit": "unused"},
    "refused": {"exit": "refused"},
    "silent":  {"exit": "silent"}
  }
}$$);
SELECT * FROM journey_orch.publish('eight_channels');
