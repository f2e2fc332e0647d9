/*
 * test/cdnow/reference.sql
 *    What the journey "cycle" (test/cdnow/cycle.json) has to make of the CDNOW
 *    purchases, in plain SQL over cdnow.purchase alone.
 *
 * No object of the extension is used here, and nothing of its code.  The rules
 * that decide, in words:
 *
 * - Re-entry is allowed once the last enrollment has ended, and a purchase that
 *   ends one starts the next.  A purchase always finds either no enrollment, or
 *   one that it ends; so every purchase starts exactly one enrollment, at
 *   midnight UTC of its day, and is answered by the customer's next purchase
 *   (next line of the file on the same day, else the first of a later day).
 * - Entering sends "thanks".  A next purchase up to and including 30 days later
 *   ends the enrollment as came_back: at the same instant the purchase comes
 *   before the timer.
 * - Otherwise, 30 days after entry, "winback" is sent and a second wait of 60
 *   days begins: a next purchase up to and including 90 days after entry ends
 *   it as won_back, with that purchase's amount as the converted value.
 * - Otherwise it ends 90 days after entry as lost.  The clock stops 120 days
 *   after the last day of the file, so every enrollment has ended.
 */
CREATE VIEW cdnow.expected_enrollment AS
WITH passage AS
(
  SELECT customer, line, day AS entered,
         row_number() OVER w AS run,
         lead(day) OVER w AS next_day,
         lead(amount) OVER w AS next_amount
    FROM cdnow.purchase
  WINDOW w AS (PARTITION BY customer ORDER BY day, line)
),
judged AS
(
  SELECT passage.*,
         CASE
           WHEN next_day <= entered + 30 THEN 'came_back'
           WHEN next_day <= entered + 90 THEN 'won_back'
           ELSE 'lost'
         END AS exit_reason
    FROM passage
)
SELECT customer, run, exit_reason,
       entered::timestamp AT TIME ZONE 'UTC' AS entered_at,
       (CASE exit_reason WHEN 'lost' THEN entered + 90 ELSE next_day END)::timestamp AT TIME ZONE 'UTC' AS ended_at,
       CASE exit_reason WHEN 'won_back' THEN next_amount END AS value
  FROM judged;

CREATE VIEW cdnow.expected_message AS
SELECT customer, 'thanks'::text AS template, entered_at AS at
  FROM cdnow.expected_enrollment
UNION ALL
SELECT customer, 'winback', entered_at + interval '30 days'
  FROM cdnow.expected_enrollment
 WHERE exit_reason IN ('won_back', 'lost');
