/*
 * test/cdnow/compare.sql
 *    Lays what the engine did beside the reference, customer by customer.
 *    cdnow.difference has a row for each enrollment, message or converted value
 *    that only one side knows; it has to be empty.
 */
CREATE VIEW cdnow.happened AS
SELECT 'enrollment' AS kind, customer_id::text AS customer, exit_reason::text AS what, entered_at AS since, ended_at AS at, NULL::numeric AS value
  FROM journey_orch.enrollment_status
UNION ALL
SELECT 'message', customer_id::text, template::text, NULL, enqueued_at, NULL
  FROM journey_orch.message_status
UNION ALL
SELECT 'value', customer_id::text, 'won_back', NULL, clock, value
  FROM journey_orch.step_log
 WHERE value IS NOT NULL;

CREATE VIEW cdnow.expected AS
SELECT 'enrollment' AS kind, customer, exit_reason AS what, entered_at AS since, ended_at AS at, NULL::numeric AS value
  FROM cdnow.expected_enrollment
UNION ALL
SELECT 'message', customer, template, NULL, at, NULL
  FROM cdnow.expected_message
UNION ALL
SELECT 'value', customer, 'won_back', NULL, ended_at, value
  FROM cdnow.expected_enrollment
 WHERE value IS NOT NULL;

CREATE VIEW cdnow.difference AS
SELECT 'only the engine' AS who, only_here.* FROM (TABLE cdnow.happened EXCEPT ALL TABLE cdnow.expected) AS only_here
UNION ALL
SELECT 'only the reference', only_there.* FROM (TABLE cdnow.expected EXCEPT ALL TABLE cdnow.happened) AS only_there;

-- One line for each kind of outcome, to be read beside that of the reference.
CREATE VIEW cdnow.total AS
SELECT side, kind, what, count(*) AS number, sum(value) AS value
  FROM (SELECT 'engine' AS side, * FROM cdnow.happened
        UNION ALL
        SELECT 'reference', * FROM cdnow.expected) AS both_sides
 GROUP BY side, kind, what;
