/*
 * enrollment/prune.c
 *	  Forgets commands that were answered and questions that nobody can answer
 *	  any more, long ago.
 *
 * A command is kept as long as its idempotency key, so that who repeats a call
 * and gets the first id can ask what became of it.  One that no lane has
 * answered is kept, whatever its age, and so is a question at which its run
 * still stands.  A round looks at the oldest rows only: should so many of them
 * be open, nothing behind them is forgotten.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "capture/capture.h"
#include "core/clock.h"
#include "core/upkeep.h"
#include "enrollment/life.h"

#define PRUNE_COMMANDS \
	"WITH answered AS (SELECT c.command_id" \
	"  FROM (SELECT command_id, recorded_at FROM journey_orch.command" \
	"        ORDER BY command_id LIMIT 10000) AS c" \
	"  WHERE c.recorded_at < $1" \
	"  AND (EXISTS (SELECT FROM journey_orch.command_outcome AS o" \
	"               WHERE o.command_id = c.command_id)" \
	"   OR EXISTS (SELECT FROM journey_orch.event_failure AS f" \
	"              WHERE f.event_id = c.command_id)))," \
	" gone AS (DELETE FROM journey_orch.command_outcome" \
	"  WHERE command_id IN (SELECT command_id FROM answered))" \
	" DELETE FROM journey_orch.command" \
	"  WHERE command_id IN (SELECT command_id FROM answered)"

#define PRUNE_QUESTIONS \
	"DELETE FROM journey_orch.approval_request" \
	" WHERE ctid = ANY(ARRAY(SELECT q.ctid" \
	"  FROM (SELECT ctid, customer_id, enrollment_id, visit" \
	"        FROM journey_orch.approval_request" \
	"        WHERE asked_at < $1 ORDER BY asked_at LIMIT 10000) AS q" \
	"  WHERE NOT EXISTS (SELECT FROM journey_orch.enrollment AS e" \
	"   WHERE e.lane = journey_orch.lane_of(q.customer_id)" \
	"   AND e.customer_id = q.customer_id" \
	"   AND e.enrollment_id = q.enrollment_id AND e.visit = q.visit" \
	"   AND e.state <> 'ended')))"

static int64
prune_commands(void)
{
	return jo_prune_rows(PRUNE_COMMANDS, GetCurrentTimestamp() -
						 Max(JO_PRUNE_AFTER,
							 jo_idempotency_horizon * USECS_PER_SEC));
}

/* By the engine clock, by which they were asked. */
static int64
prune_questions(void)
{
	return jo_prune_rows(PRUNE_QUESTIONS, jo_clock_now() - JO_PRUNE_AFTER);
}

static const JoPrune command_prune = {"command", prune_commands};
static const JoPrune question_prune = {"approval_request", prune_questions};

void
jo_prune_init(void)
{
	jo_prune_register(&command_prune);
	jo_prune_register(&question_prune);
}
