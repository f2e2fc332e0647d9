/*
 * enrollment/log.c
 *	  Rows of the step log, as a batch collects them.
 */
#include "postgres.h"

#include "enrollment/batch.h"

/*
 * A new row about "run" as it stands now, in the batch's memory.  The caller
 * fills what is particular to the outcome before or after the move.
 */
JoLogRow *
jo_log(JoBatch *batch, JoRun *run, const char *outcome)
{
	JoLogRow   *row = palloc0(sizeof(JoLogRow));

	row->run = run;
	row->enrollment_id = run->id;
	row->customer_id = run->member->customer_id;
	row->key = run->key;
	row->journey_id = run->journey_id;
	row->version = run->version;
	row->visit = run->visit;
	row->clock = run->member->now;
	row->arrived_at = run->arrived_at;
	row->due_at = JO_NO_TIME;
	row->entered_at = JO_NO_TIME;
	row->event_id = run->event_id;
	row->outcome = outcome;
	run->last_log = row;
	batch->log = lappend(batch->log, row);
	return row;
}

/* An entry that was refused by policy, or whose expressions raised. */
void
jo_log_refusal(JoBatch *batch, JoMember *member, const JoGraph *graph,
			   const char *key, const char *reason, const JoError *error)
{
	JoLogRow   *row = palloc0(sizeof(JoLogRow));

	row->customer_id = member->customer_id;
	row->key = key;
	row->journey_id = graph->journey_id;
	row->version = graph->version;
	row->clock = member->now;
	row->arrived_at = JO_NO_TIME;
	row->due_at = JO_NO_TIME;
	row->entered_at = JO_NO_TIME;
	row->event_id = member->event != NULL ? member->event->seq : 0;
	row->outcome = "refused";
	row->reason = reason;
	if (error != NULL)
		row->decision = jo_jsonb_error(error, NULL);
	batch->log = lappend(batch->log, row);
}
