/*
 * enrollment/sink_trial.c
 *	  The sink of run_here(): writes nothing that anybody could wait for.
 *
 * A trial inserts only.  Changed runs go to trial_enrollment, newest
 * generation counts, and replace the stored ones for this transaction; logs,
 * attempts and memory rows are inserted where they belong and vanish with the
 * rollback.  No stored row is updated or deleted, so no worker meets a row
 * lock, and no cursor is written, so no lane moves.
 */
#include "postgres.h"

#include "core/append.h"
#include "core/leaf.h"
#include "core/live.h"
#include "enrollment/rows.h"

/* Append a changed run, an ended one too. */
static void
write_run(JoBatch *batch, JoAppend *append, JoRun *run)
{
	Datum		values[ROW_COLUMNS];
	bool		isnull[ROW_COLUMNS];

	if (!run->is_changed)
		return;
	run->generation++;
	jo_run_to_row(batch->lane, run, values, isnull);
	values[TRIAL_IS_ENDED] = BoolGetDatum(run->state == JO_ENROLLMENT_ENDED);
	jo_append_row(append, values, isnull);
}

static void
write_memory(JoBatch *batch, JoAppend *append, JoMember *member,
			 JoMemory *memory)
{
	Datum		values[ROW_COLUMNS];
	bool		isnull[ROW_COLUMNS];

	if (!memory->is_changed)
		return;
	jo_memory_to_row(batch->lane, member, memory, values, isnull);
	jo_append_row(append, values, isnull);
}

/* New messages only: what a stored one becomes is not seen by a later trial. */
static void
write_message(JoBatch *batch, JoAppend *append, JoMessage *message)
{
	Datum		values[ROW_COLUMNS];
	bool		isnull[ROW_COLUMNS];

	if (!message->is_changed || message->is_stored || message->is_settled)
		return;
	jo_message_to_row(batch->lane, message, values, isnull);
	jo_append_row(append, values, isnull);
}

/* One that is gone stays as a row that says nothing. */
static void
write_plan(JoBatch *batch, JoAppend *append, const JoMember *member,
		   JoPlan *plan)
{
	Datum		values[ROW_COLUMNS];
	bool		isnull[ROW_COLUMNS];

	if (!plan->is_changed)
		return;
	plan->generation++;
	if (plan->is_gone)
	{
		plan->due_at = plan->last_at = JO_NO_TIME;
		plan->basis = plan->error = NULL;
	}
	jo_plan_to_row(batch->lane, member, plan, values, isnull);
	jo_append_row(append, values, isnull);
}

static void
write_batch(JoBatch *batch)
{
	JoAppend   *runs = jo_append_begin(jo_relation_oid("trial_enrollment"));
	JoAppend   *memories = jo_append_begin(jo_leaf_oid(JO_ENTRY_MEMORY,
													   batch->lane, 0));
	JoAppend   *messages = jo_append_begin(jo_leaf_oid(JO_MESSAGE,
													   batch->lane, 0));
	JoAppend   *plans = jo_append_begin(jo_leaf_oid(JO_PLANNED_ENTRY,
													batch->lane, 0));
	ListCell   *member_cell;
	ListCell   *cell;

	foreach(member_cell, batch->members)
	{
		JoMember   *member = lfirst(member_cell);

		foreach(cell, member->runs)
			write_run(batch, runs, lfirst(cell));
		foreach(cell, member->memories)
			write_memory(batch, memories, member, lfirst(cell));
		foreach(cell, member->messages)
			write_message(batch, messages, lfirst(cell));
		foreach(cell, member->plans)
			write_plan(batch, plans, member, lfirst(cell));
	}
	jo_append_end(runs);
	jo_append_end(memories);
	jo_append_end(messages);
	jo_append_end(plans);
	jo_digest_write(batch, false);
	jo_tally_write(batch);
	jo_sink_append_logs(batch);
}

/* Let the newest trial row of each run stand for what is stored. */
static void
overlay_runs(JoBatch *batch, JoMember *member)
{
	JoLive	   *live = jo_live_open(jo_relation_oid("trial_enrollment"),
									AccessShareLock);
	TupleTableSlot *slot;

	jo_live_find(live, batch->snapshot, member->customer_id);
	while ((slot = jo_live_next(live)) != NULL)
	{
		JoRun	   *trial = jo_run_from_row(member, slot);
		JoRun	   *stored = jo_member_run(member, &trial->id);

		if (DatumGetBool(slot->tts_values[TRIAL_IS_ENDED]))
			trial->state = JO_ENROLLMENT_ENDED;
		if (stored == NULL)
			jo_member_add_run(member, trial);
		else if (trial->generation >= stored->generation)
			*stored = *trial;
	}
	jo_live_close(live);
}

const JoSink jo_sink_trial = {"trial", true, write_batch, NULL, overlay_runs};
