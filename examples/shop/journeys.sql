/*
 * examples/shop/journeys.sql
 *    The shop's two journeys: who "customer" is, which changes are events, the
 *    channel, the templates, the definitions.
 */
SELECT journey_orch.bind_customer('shop.profile', id_sql => 'customer_id', timezone_sql => 'timezone');

SELECT journey_orch.watch('shop.customer', 'signed_up', customer_sql => 'NEW.customer_id', columns => '{first_name,city}');
SELECT journey_orch.watch('shop.cart', 'cart_updated', customer_sql => 'NEW.customer_id',
  operations => '{insert,update}', columns => '{cart_id,items,total}');
SELECT journey_orch.watch('shop.sale', 'order_placed', customer_sql => 'NEW.customer_id',
  columns => '{cart_id,amount,currency}');

SELECT journey_orch.set_topic('marketing', class => 'marketing', consent => 'none', description => 'Offers and reminders');
SELECT journey_orch.set_topic('service', class => 'service', description => 'About what the customer did');
SELECT journey_orch.set_channel('email', address_sql => 'customer.email');

SELECT journey_orch.set_template('cart_reminder', 'email',
  subject => 'Your cart is waiting, {{ customer.first_name }}',
  body => 'Hello {{ customer.first_name }},

you left {{ journey.entry_event->>''items'' }} of our {{ (SELECT p.name FROM shop.cart c JOIN shop.product p USING (product_id)
  WHERE c.cart_id = (journey.entry_event->>''cart_id'')::bigint) }}
in your cart: {{ journey.entry_event->>''total'' }} EUR in all. It is still there.');
SELECT journey_orch.set_template('cart_offer', 'email',
  subject => '10 percent off your cart, {{ customer.first_name }}',
  body => 'Hello {{ customer.first_name }},

finish your order today and pay {{ round((journey.entry_event->>''total'')::numeric * 0.9, 2) }} EUR instead of
{{ journey.entry_event->>''total'' }} EUR.');
SELECT journey_orch.set_template('cart_concierge', 'email',
  subject => 'May we help, {{ customer.first_name }}?',
  body => 'Hello {{ customer.first_name }},

you have been with us for {{ customer.sales }} orders. Write back, and a person will see to your cart.');
SELECT journey_orch.set_template('welcome', 'email',
  subject => 'Welcome, {{ customer.first_name }}',
  body => 'Hello {{ customer.first_name }},

good to have you. We deliver to {{ customer.city }} within three days.');
SELECT journey_orch.set_template('first_order', 'email',
  subject => 'Five euros for your first order',
  body => 'Hello {{ customer.first_name }}, the code is HELLO-{{ customer.customer_id }}.');

-- A cart is left for an hour: loyal customers hear from a person, the others
-- are split in two to learn whether a discount pays.  An order ends it.
SELECT journey_orch.define($${
  "journey": "abandoned_cart", "timezone": "UTC",
  "entry":  {"on": "cart_updated", "when": "(event->>'items')::int > 0", "key": "event->>'cart_id'",
             "reentry": {"policy": "after_exit"}},
  "goal":   {"on": "order_placed", "match_key": "event->>'cart_id'", "value": "(event->>'amount')::numeric",
             "currency": "event->>'currency'", "within": "7 days", "exit": true},
  "exit":   [{"on": "cart_updated", "when": "(event->>'items')::int = 0", "match_key": "event->>'cart_id'"}],
  "start":  "settle",
  "steps": {
    "settle":    {"delay": "1 hour", "restart_on": "cart_updated", "next": "loyal"},
    "loyal":     {"branch": [{"when": "customer.lifetime_value > 150", "next": "concierge"}], "else": "arms"},
    "arms":      {"split": {"arms": {"plain": 50, "discount": 50}, "experiment": "cart_copy"},
                  "next": {"plain": "remind", "discount": "offer"}},
    "concierge": {"send": {"channels": ["email"], "template": "cart_concierge", "topic": "marketing"}, "next": "think"},
    "remind":    {"send": {"channels": ["email"], "template": "cart_reminder", "topic": "marketing"}, "next": "think"},
    "offer":     {"send": {"channels": ["email"], "template": "cart_offer", "topic": "marketing"}, "next": "think"},
    "think":     {"delay": "3 days", "next": "gone"},
    "gone":      {"exit": "not_bought"}
  }}$$);

-- A newcomer is greeted, and after three days without an order gets a reason.
SELECT journey_orch.define($${
  "journey": "onboarding", "timezone": "UTC",
  "entry": {"on": "signed_up", "reentry": {"policy": "never"}},
  "start": "welcome",
  "steps": {
    "welcome": {"send": {"channels": ["email"], "template": "welcome", "topic": "service"}, "next": "browse"},
    "browse":  {"wait": {"for": [{"on": "order_placed", "next": "bought"}],
                         "until": {"after": "3 days", "next": "nudge"}}},
    "nudge":   {"send": {"channels": ["email"], "template": "first_order", "topic": "marketing"}, "next": "decide"},
    "decide":  {"wait": {"for": [{"on": "order_placed", "next": "bought"}, {"on": "message.clicked", "next": "looked"}],
                         "until": {"after": "4 days", "next": "silent"}}},
    "bought":  {"exit": "bought", "convert": {"value": "(event->>'amount')::numeric", "currency": "event->>'currency'"}},
    "looked":  {"exit": "looked"},
    "silent":  {"exit": "silent"}
  }}$$);

SELECT journey_orch.publish('abandoned_cart');
SELECT journey_orch.publish('onboarding');
