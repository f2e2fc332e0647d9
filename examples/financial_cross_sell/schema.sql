/*
 * examples/financial_cross_sell/schema.sql
 *    A bank: clients, their checking accounts, the products that they hold, and
 *    the leads on which its advisers work.
 *
 * Nothing up to the last part knows of journey_orch.  bank.profile is the view
 * that journeys see as "customer".
 */
CREATE SCHEMA bank;

CREATE TABLE bank.client
(
  client_id      bigint PRIMARY KEY,
  first_name     text NOT NULL,
  email          text NOT NULL UNIQUE,
  timezone       text NOT NULL,
  locale         text NOT NULL,
  credit_score   integer NOT NULL,
  risk_profile   text NOT NULL CHECK (risk_profile IN ('cautious', 'balanced', 'growth')),
  is_homeowner   boolean NOT NULL DEFAULT false,
  accepts_offers boolean NOT NULL DEFAULT true,
  is_on_hold     boolean NOT NULL DEFAULT false,  -- set by the compliance department
  adviser        text NOT NULL                    -- whom the bank lets call
);

CREATE TABLE bank.checking_account
(
  account_id bigint PRIMARY KEY,
  client_id  bigint NOT NULL REFERENCES bank.client,
  salaries   integer NOT NULL DEFAULT 0,          -- how many have been paid in
  is_open    boolean NOT NULL DEFAULT true
);

CREATE TABLE bank.holding
(
  client_id    bigint NOT NULL REFERENCES bank.client,
  product      text NOT NULL CHECK (product IN ('savings', 'card', 'fund', 'mortgage')),
  annual_value numeric(10,2) NOT NULL,            -- margin that the bank expects of it
  currency     char(3) NOT NULL,
  PRIMARY KEY (client_id, product)
);

CREATE TABLE bank.lead
(
  lead_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  client_id bigint NOT NULL REFERENCES bank.client,
  product   text NOT NULL
);

CREATE VIEW bank.profile AS
SELECT client.*,
       ARRAY(SELECT product FROM bank.holding WHERE holding.client_id = client.client_id) AS products
  FROM bank.client;

-- What the advisers' program does when somebody shows interest.
CREATE FUNCTION bank.open_lead(client bigint, product text) RETURNS bigint LANGUAGE sql AS $$
  INSERT INTO bank.lead (client_id, product) VALUES (client, product) RETURNING lead_id
$$;

-- Who a customer is, and which changes of these tables are events.  A hold is
-- none: journeys ask for it before they do anything.
SELECT journey_orch.bind_customer('bank.profile', id_sql => 'client_id', timezone_sql => 'timezone', locale_sql => 'locale');

SELECT journey_orch.watch('bank.checking_account', 'third_salary', customer_sql => 'NEW.client_id', operations => '{update}',
  condition_sql => 'OLD.salaries < 3 AND NEW.salaries >= 3', columns => '{account_id}');
SELECT journey_orch.watch('bank.checking_account', 'account_closed', customer_sql => 'NEW.client_id', operations => '{update}',
  condition_sql => 'OLD.is_open AND NOT NEW.is_open', columns => '{account_id}');
SELECT journey_orch.watch('bank.holding', 'product_opened', customer_sql => 'NEW.client_id', columns => '{product,annual_value,currency}');
SELECT journey_orch.watch('bank.client', 'opted_out', customer_sql => 'NEW.client_id', operations => '{update}',
  condition_sql => 'OLD.accepts_offers AND NOT NEW.accepts_offers', payload_sql => 'jsonb_build_object()');
