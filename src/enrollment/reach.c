/*
 * enrollment/reach.c
 *	  Finds the people in a lane whom an act concerns and who would not notice.
 *
 * An act is announced by one command in every lane, without a customer.  The
 * lane's owner answers it with one look at all live runs of the lane: its lock
 * and its snapshot mean that no run can have been written by a batch that did
 * not know of the act and escape.  The first of them become members of this
 * batch and meet the act in it; the others get a command each, in this same
 * transaction.  From the announcement's commit on until they are through, no
 * message of theirs is handed out: claim() waits for the lane while the
 * announcement is pending, then for the customers with a command.
 *
 * A hundred thousand runs cost one scan and a row of the log each, once.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "core/run_as.h"
#include "enrollment/batch.h"
#include "enrollment/life.h"
#include "enrollment/read.h"

/* Does the batch apply an announcement? */
bool
jo_event_is_announcement(const JoEvent *event)
{
	return event->kind == JO_EVENT_KIND_COMMAND &&
		event->customer_id[0] == '\0' && jo_streq(event->name, JO_COMMAND_ACT);
}

/*
 * The customers, in order of id, whose runs have an act to meet that changes
 * them: an exit or move, or a resume that finds them held or past the due time
 * that a pause has kept; and those with a message that a pause has deferred.
 */
static void
select_customers(JoBatch *batch)
{
	Oid			types[2] = {INT4OID, TIMESTAMPTZOID};
	Datum		values[2];

	values[0] = Int32GetDatum(batch->lane);
	values[1] = TimestampTzGetDatum(batch->clock.now);
	if (SPI_execute_with_args("SELECT r.customer_id FROM journey_orch.enrollment AS r"
							  " JOIN journey_orch.publication AS p"
							  "  ON p.journey_id = r.journey_id AND p.seq > r.acted"
							  " WHERE r.lane = $1 AND r.state <> 'ended' AND CASE p.act"
							  "  WHEN 'stop' THEN p.policy->>'inflight' = 'exit'"
							  "  WHEN 'publish' THEN p.policy->>'inflight' IN ('exit', 'move')"
							  "   AND p.version <> r.version"
							  "  WHEN 'resume' THEN r.state = 'held'"
							  "   OR r.state IN ('waiting', 'delayed') AND r.due_at <= $2"
							  "  ELSE false END"
							  " UNION SELECT m.customer_id FROM journey_orch.message AS m"
							  " WHERE m.lane = $1 AND m.state = 'deferred' AND m.due_at IS NULL"
							  " ORDER BY 1",
							  2, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look for the people whom an act concerns");
}

/* Look for them, if the batch applies an announcement. */
void
jo_reach_read(JoBatch *batch)
{
	MemoryContext context = CurrentMemoryContext;
	JoRunAs		saved;

	if (!batch->is_announced)
		return;
	jo_run_as_extension(&saved);
	SPI_connect();
	select_customers(batch);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		char	   *customer_id = SPI_getvalue(SPI_tuptable->vals[row],
											   SPI_tuptable->tupdesc, 1);
		MemoryContext caller = MemoryContextSwitchTo(context);

		if (row < batch->limit)
			(void) jo_batch_member(batch, customer_id);
		else
			batch->reached = lappend(batch->reached, pstrdup(customer_id));
		MemoryContextSwitchTo(caller);
	}
	SPI_finish();
	jo_run_as_end(&saved);
	if (batch->reached != NIL)
		batch->more = true;
}

/* Append the commands for those who are not members of this batch. */
void
jo_reach_write(JoBatch *batch)
{
	JoEventWriter *writer;
	ListCell   *cell;

	if (batch->reached == NIL)
		return;
	writer = jo_event_writer_begin();
	foreach(cell, batch->reached)
	{
		JoEvent		event = {0};

		event.kind = JO_EVENT_KIND_COMMAND;
		event.customer_id = lfirst(cell);
		event.name = JO_COMMAND_ACT;
		event.instant = batch->clock.now;
		(void) jo_event_write(writer, &event);
	}
	jo_event_writer_end(writer);
}
