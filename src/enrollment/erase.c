/*
 * enrollment/erase.c
 *	  What a customer's lane does when he is erased (permission/erasure.h).
 *
 * A batch that sees a tombstone which its lane has not met yet does that and
 * nothing else: his runs end, with reason "customer_erased", and what the lane
 * keeps of him is deleted: runs that wait for their goal, messages, memory,
 * plans, what digests have collected.  No expression is evaluated, nobody is
 * told, and nothing is caused.  The tombstone then says at which places of the
 * lane's logs that was, so that what is written of a new person of the same id
 * can be told apart: he begins with the next batch.
 *
 * Events of the erased self that come later, because their transactions were
 * still open, are gone past; so are reports on his messages.
 */
#include "postgres.h"

#include <ctype.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/xid8.h"

#include "core/identity.h"
#include "core/run_as.h"
#include "enrollment/erase.h"
#include "enrollment/json.h"
#include "enrollment/life.h"
#include "enrollment/read.h"
#include "permission/erasure.h"
#include "permission/suppress.h"

#define MET \
	"WITH met AS (UPDATE journey_orch.tombstone" \
	"  SET batch = $2, applied_xid = pg_current_xact_id(), incarnation = $3," \
	"   before_position = $4, before_timer = $5, s1 = $6, s2 = $7, seq = $8" \
	"  WHERE lane = $1 AND batch IS NULL AND erasure_id = ANY($9)" \
	"  RETURNING erasure_id)" \
	" UPDATE journey_orch.erasure_certificate AS c" \
	"  SET applied_at = clock_timestamp()" \
	"  FROM met WHERE c.erasure_id = met.erasure_id"

/* End a run as if it had never waited for anything. */
static void
erase_run(JoBatch *batch, JoRun *run, int64 erasure_id)
{
	JoLogRow   *row;

	run->is_changed = true;
	run->due_at = JO_NO_TIME;
	if (run->state == JO_ENROLLMENT_ENDED)
		return;
	run->event_id = erasure_id;
	row = jo_log(batch, run, "ended");
	row->from_step = run->step_name;
	row->entered_at = run->entered_at;
	row->reason = "customer_erased";
	jo_digest_drop(batch, run);
	jo_progress_reset(run);
	run->state = JO_ENROLLMENT_ENDED;
	jo_tally_ended(batch, run);
	jo_run_withdraw(batch, run, "customer_erased");
	batch->ended++;
	batch->advances++;
}

/* He wants nothing from us, even if somebody brings his address back. */
static void
suppress_address(const JoMessage *message)
{
	JoSuppression suppression = {0};

	suppression.address = jo_json_string(message->attempt.payload, "address");
	if (suppression.address == NULL)
		return;
	suppression.reason = "unsubscribed";
	suppression.expires_at = JO_NO_TIME;
	suppression.source = "erasure";
	(void) jo_suppress(&suppression);
}

static void
erase_member(JoBatch *batch, JoMember *member, const JoErasure *erasure)
{
	ListCell   *cell;

	member->now = Max(member->now, Min(erasure->instant, batch->clock.now));
	foreach(cell, member->runs)
		erase_run(batch, lfirst(cell), erasure->erasure_id);
	foreach(cell, member->messages)
	{
		JoMessage  *message = lfirst(cell);

		message->is_changed = message->is_settled = true;
		suppress_address(message);
	}
	foreach(cell, member->memories)
	{
		JoMemory   *memory = lfirst(cell);

		memory->is_changed = memory->is_gone = true;
		jo_tally_erased(batch, memory);
	}
	foreach(cell, member->plans)
	{
		JoPlan	   *plan = lfirst(cell);

		plan->is_changed = plan->is_gone = true;
	}
}

/* Say in the tombstones that, and where, they were met. */
static void
write_met(JoBatch *batch, Datum *ids, int n)
{
	const JoLaneCursor *cursor = &batch->cursor;
	Oid			types[] = {
		INT2OID, INT8OID, INT4OID, INT8OID, INT8OID, PG_SNAPSHOTOID,
		PG_SNAPSHOTOID, INT8OID, INT8ARRAYOID
	};
	Datum		values[9];
	char		nulls[10] = "         ";
	JoRunAs		saved;

	values[0] = Int16GetDatum(batch->lane);
	values[1] = Int64GetDatum(cursor->batch);
	values[2] = Int32GetDatum(jo_incarnation());
	values[3] = Int64GetDatum(cursor->next_outbox);
	values[4] = Int64GetDatum(cursor->next_timer);
	values[5] = jo_snapshot_store(&cursor->s1);
	values[6] = (Datum) 0;
	if (cursor->has_s2)
		values[6] = jo_snapshot_store(&cursor->s2);
	else
		nulls[6] = 'n';
	values[7] = Int64GetDatum(cursor->seq);
	values[8] = PointerGetDatum(construct_array(ids, n, INT8OID, sizeof(int64),
												FLOAT8PASSBYVAL,
												TYPALIGN_DOUBLE));
	jo_run_as_extension(&saved);
	SPI_connect();
	if (SPI_execute_with_args(MET, lengthof(types), types, values, nulls,
							  false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "could not mark erasures as met");
	SPI_finish();
	jo_run_as_end(&saved);
}

/*
 * Erase whom the lane has to; false when there is nobody, and then nothing was
 * done.  batch->erasures is set in any case.
 */
bool
jo_erase_run(JoBatch *batch)
{
	JoErasures *erasures = jo_erasures_read(batch->lane, batch->snapshot);
	Datum	   *ids;
	int			n = 0;

	batch->erasures = erasures;
	if (erasures == NULL)
		return false;
	ids = palloc(erasures->count * sizeof(Datum));
	for (int i = 0; i < erasures->count; i++)
	{
		if (erasures->items[i].is_applied)
			continue;
		(void) jo_batch_member(batch, erasures->items[i].customer_id);
		ids[n++] = Int64GetDatum(erasures->items[i].erasure_id);
	}
	if (n == 0)
		return false;

	batch->cursor.batch++;
	jo_batch_read_live(batch);
	for (int i = 0; i < erasures->count; i++)
		if (!erasures->items[i].is_applied)
			erase_member(batch,
						 jo_batch_member(batch,
										 erasures->items[i].customer_id),
						 &erasures->items[i]);
	batch->sink->write(batch);
	write_met(batch, ids, n);
	batch->sink->write_position(batch);
	return true;
}

/* An application that asks what became of its command is told. */
static void
answer(JoBatch *batch, const JoEvent *event)
{
	JoOutcome  *outcome;

	if (!jo_streq(event->name, JO_COMMAND_ENTER) &&
		!jo_streq(event->name, JO_COMMAND_LEAVE) &&
		!jo_streq(event->name, JO_COMMAND_APPROVE))
		return;
	outcome = palloc0(sizeof(JoOutcome));
	outcome->command_id = event->seq;
	outcome->status = "refused";
	outcome->rule = "customer_erased";
	outcome->at = event->instant;
	batch->outcomes = lappend(batch->outcomes, outcome);
}

/*
 * The message that a report is about; false for what is none, because a
 * malformed report is not to stop a lane.
 */
static bool
read_message_id(const JoEvent *event, pg_uuid_t *id)
{
	char	   *text;

	if (event->kind != JO_EVENT_KIND_MESSAGE || event->payload == NULL)
		return false;
	text = jo_json_string(event->payload, "message_id");

	if (text == NULL || strlen(text) != 36)
		return false;
	for (int i = 0; i < 36; i++)
	{
		bool		is_dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (is_dash ? text[i] != '-' :
			!isxdigit((unsigned char) text[i]))
			return false;
	}
	return jo_json_uuid(event->payload, "message_id", id);
}

/* Is the event of somebody who was erased?  Then nobody is given it. */
bool
jo_erase_drops(JoBatch *batch, const JoEvent *event)
{
	pg_uuid_t	id;
	bool		has_id = batch->erasures != NULL && read_message_id(event, &id);

	if (!jo_customer_is_erased(event->customer_id) &&
		!jo_erasures_cover_event(batch->erasures, event,
								 has_id ? &id : NULL))
		return false;
	answer(batch, event);
	return true;
}
