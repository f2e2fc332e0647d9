/*
 * enrollment/sink_tables.c
 *	  The sink of the engine itself: writes a batch to the tables.
 *
 * Everything is written once, in bulk, by the lane's one writer: appends to the
 * logs, and to the live rows inserts, HOT updates and deletes by tid.  A run
 * that entered and ended within the batch is never inserted.  The cursor is
 * part of the same transaction, so a crash leaves all of it or nothing
 * (test/tap/crash.pl).
 *
 * In a careful batch one member's rows are written at a time, and each row by
 * itself, so that one that cannot be written is known (careful.c).
 */
#include "postgres.h"

#include "commands/sequence.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "core/append.h"
#include "core/leaf.h"
#include "core/live.h"
#include "enrollment/careful.h"
#include "enrollment/rows.h"
#include "enrollment/timer.h"

/* Columns of event_failure, in the order of state.sql. */
enum
{
	ASIDE_ID,
	ASIDE_EVENT_ID,
	ASIDE_BATCH,
	ASIDE_LANE,
	ASIDE_CUSTOMER_ID,
	ASIDE_EVENT,
	ASIDE_SQLSTATE,
	ASIDE_MESSAGE,
	ASIDE_CLOCK,
	ASIDE_AT,
	ASIDE_COLUMNS
};

/* The live tables of the lane, each opened when the first row needs it. */
typedef struct LiveTable
{
	Oid			relid;
	JoLive	   *live;
	JoAppend   *append;
} LiveTable;

static void
open_table(LiveTable *table, JoBatch *batch, JoFamily family)
{
	memset(table, 0, sizeof(LiveTable));
	table->relid = jo_leaf_oid(family, batch->lane, 0);
}

static void
insert_row(JoBatch *batch, LiveTable *table, Datum *values, bool *isnull)
{
	if (table->append == NULL)
		table->append = jo_append_begin(table->relid);
	jo_append_row(table->append, values, isnull);
	if (batch->care != NULL)
	{
		jo_append_end(table->append);
		table->append = NULL;
	}
}

static JoLive *
get_live(LiveTable *table)
{
	if (table->live == NULL)
		table->live = jo_live_open(table->relid, RowExclusiveLock);
	return table->live;
}

static void
close_table(LiveTable *table)
{
	if (table->append != NULL)
		jo_append_end(table->append);
	if (table->live != NULL)
		jo_live_close(table->live);
}

static void
write_run(JoBatch *batch, LiveTable *table, JoRun *run)
{
	Datum		values[ROW_COLUMNS];
	bool		isnull[ROW_COLUMNS];

	if (!run->is_changed)
		return;
	jo_care_blame(batch, run, run->graph);
	batch->cursor.parked += (run->state == JO_ENROLLMENT_PARKED) -
		run->was_parked;
	if (jo_run_is_gone(run))
	{
		if (run->is_stored)
			jo_live_delete(get_live(table), &run->tid);
		return;
	}
	run->generation++;
	jo_run_to_row(batch->lane, run, values, isnull);
	if (run->is_stored)
		jo_live_update(get_live(table), &run->tid, values, isnull);
	else
		insert_row(batch, table, values, isnull);
}

static void
write_memory(JoBatch *batch, LiveTable *table, JoMember *member,
			 JoMemory *memory)
{
	Datum		values[ROW_COLUMNS];
	bool		isnull[ROW_COLUMNS];

	if (!memory->is_changed)
		return;
	if (batch->care != NULL)
		jo_care_blame_memory(batch, member, memory);
	if (memory->is_gone)
	{
		jo_live_delete(get_live(table), &memory->tid);
		return;
	}
	jo_memory_to_row(batch->lane, member, memory, values, isnull);
	if (memory->is_stored)
		jo_live_update(get_live(table), &memory->tid, values, isnull);
	else
		insert_row(batch, table, values, isnull);
}

static void
write_message(JoBatch *batch, LiveTable *table, JoMessage *message)
{
	Datum		values[ROW_COLUMNS];
	bool		isnull[ROW_COLUMNS];

	if (!message->is_changed)
		return;
	if (batch->care != NULL)
		jo_care_blame_id(batch, &message->attempt.enrollment_id);
	if (message->is_settled)
	{
		if (message->is_stored)
			jo_live_delete(get_live(table), &message->tid);
		return;
	}
	jo_message_to_row(batch->lane, message, values, isnull);
	if (message->is_stored)
		jo_live_update(get_live(table), &message->tid, values, isnull);
	else
		insert_row(batch, table, values, isnull);
}

static void
write_plan(JoBatch *batch, LiveTable *table, const JoMember *member,
		   JoPlan *plan)
{
	Datum		values[ROW_COLUMNS];
	bool		isnull[ROW_COLUMNS];

	if (!plan->is_changed)
		return;
	jo_care_blame(batch, NULL, NULL);
	if (plan->is_gone)
	{
		if (plan->is_stored)
			jo_live_delete(get_live(table), &plan->tid);
		return;
	}
	plan->generation++;
	jo_plan_to_row(batch->lane, member, plan, values, isnull);
	if (plan->is_stored)
		jo_live_update(get_live(table), &plan->tid, values, isnull);
	else
		insert_row(batch, table, values, isnull);
}

static void
write_live_rows(JoBatch *batch)
{
	LiveTable	runs;
	LiveTable	memories;
	LiveTable	messages;
	LiveTable	plans;
	ListCell   *member_cell;
	ListCell   *cell;

	open_table(&runs, batch, JO_ENROLLMENT);
	open_table(&memories, batch, JO_ENTRY_MEMORY);
	open_table(&messages, batch, JO_MESSAGE);
	open_table(&plans, batch, JO_PLANNED_ENTRY);
	foreach(member_cell, batch->members)
	{
		JoMember   *member = lfirst(member_cell);

		CHECK_FOR_INTERRUPTS();
		foreach(cell, member->runs)
			write_run(batch, &runs, lfirst(cell));
		foreach(cell, member->memories)
			write_memory(batch, &memories, member, lfirst(cell));
		foreach(cell, member->messages)
			write_message(batch, &messages, lfirst(cell));
		foreach(cell, member->plans)
			write_plan(batch, &plans, member, lfirst(cell));
	}
	close_table(&runs);
	close_table(&memories);
	close_table(&messages);
	close_table(&plans);
}

/* What was set aside, for view event_error. */
static void
write_aside(JoBatch *batch)
{
	JoAppend   *append;
	ListCell   *cell;

	if (batch->aside == NIL)
		return;
	append = jo_append_begin(jo_relation_oid("event_failure"));
	foreach(cell, batch->aside)
	{
		JoSetAside *aside = lfirst(cell);
		Datum		values[ASIDE_COLUMNS];
		bool		isnull[ASIDE_COLUMNS] = {false};

		values[ASIDE_ID] =
			Int64GetDatum(nextval_internal(jo_relation_oid("event_failure_failure_id_seq"),
										   false));
		values[ASIDE_EVENT_ID] = Int64GetDatum(aside->event->seq);
		values[ASIDE_BATCH] = Int64GetDatum(batch->cursor.batch);
		values[ASIDE_LANE] = Int16GetDatum(batch->lane);
		values[ASIDE_CUSTOMER_ID] = CStringGetTextDatum(aside->customer_id);
		values[ASIDE_EVENT] = CStringGetTextDatum(aside->event->name);
		values[ASIDE_SQLSTATE] = CStringGetTextDatum(aside->error->sqlstate);
		values[ASIDE_MESSAGE] = CStringGetTextDatum(aside->error->message);
		values[ASIDE_CLOCK] = TimestampTzGetDatum(aside->clock);
		values[ASIDE_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
		jo_append_row(append, values, isnull);
	}
	jo_append_end(append);
}

static void
write_batch(JoBatch *batch)
{
	jo_timer_arm(batch);
	write_live_rows(batch);
	jo_digest_write(batch, true);
	jo_sink_append_logs(batch);
	jo_care_blame(batch, NULL, NULL);
	jo_tally_write(batch);
	jo_timer_write(batch);
	jo_fan_out_write(batch);
	write_aside(batch);
}

static void
write_position(JoBatch *batch)
{
	JoLaneCursor *cursor = &batch->cursor;

	jo_reach_write(batch);
	jo_pass_write(batch);

	cursor->applied += batch->nevents + batch->ncaused;
	cursor->entered += batch->entered;
	cursor->ended += batch->ended;
	cursor->advances += batch->advances;
	jo_lane_cursor_append(cursor, MyProcPid);
}

const JoSink jo_sink_tables = {"tables", true, write_batch, write_position, NULL};
