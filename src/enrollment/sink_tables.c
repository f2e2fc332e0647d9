/*
 * enrollment/sink_tables.c
 *	  The sink of the engine itself: writes a batch to the tables.
 *
 * Everything is written once, in bulk, by the lane's one writer: appends to the
 * logs, and to the live rows inserts, HOT updates and deletes by tid.  A run
 * that entered and ended within the batch is never inserted.  The cursor is
 * part of the same transaction, so a crash leaves all of it or nothing
 * (test/tap/crash.pl).
 */
#include "postgres.h"

#include "miscadmin.h"

#include "core/append.h"
#include "core/leaf.h"
#include "core/live.h"
#include "enrollment/rows.h"
#include "enrollment/timer.h"

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
insert_row(LiveTable *table, Datum *values, bool *isnull)
{
	if (table->append == NULL)
		table->append = jo_append_begin(table->relid);
	jo_append_row(table->append, values, isnull);
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
	if (run->state == JO_ENROLLMENT_ENDED)
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
		insert_row(table, values, isnull);
}

static void
write_memory(JoBatch *batch, LiveTable *table, JoMember *member,
			 JoMemory *memory)
{
	Datum		values[ROW_COLUMNS];
	bool		isnull[ROW_COLUMNS];

	if (!memory->is_changed)
		return;
	jo_memory_to_row(batch->lane, member, memory, values, isnull);
	if (memory->is_stored)
		jo_live_update(get_live(table), &memory->tid, values, isnull);
	else
		insert_row(table, values, isnull);
}

static void
write_message(JoBatch *batch, LiveTable *table, JoMessage *message)
{
	Datum		values[ROW_COLUMNS];
	bool		isnull[ROW_COLUMNS];

	if (!message->is_changed)
		return;
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
		insert_row(table, values, isnull);
}

static void
write_live_rows(JoBatch *batch)
{
	LiveTable	runs;
	LiveTable	memories;
	LiveTable	messages;
	ListCell   *member_cell;
	ListCell   *cell;

	open_table(&runs, batch, JO_ENROLLMENT);
	open_table(&memories, batch, JO_ENTRY_MEMORY);
	open_table(&messages, batch, JO_MESSAGE);
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
	}
	close_table(&runs);
	close_table(&memories);
	close_table(&messages);
}

static void
write_batch(JoBatch *batch)
{
	JoLaneCursor *cursor = &batch->cursor;

	jo_timer_arm(batch);
	write_live_rows(batch);
	jo_sink_append_logs(batch);
	jo_timer_write(batch);

	cursor->applied += batch->nevents;
	cursor->entered += batch->entered;
	cursor->ended += batch->ended;
	cursor->advances += batch->advances;
	jo_lane_cursor_append(cursor, MyProcPid);
}

const JoSink jo_sink_tables = {"tables", write_batch, NULL};
