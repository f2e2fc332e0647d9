/*
 * core/upkeep.c
 *	  jo_maintain(): one round of upkeep over every lane.
 *
 * Each call does what is possible now and leaves the rest to a later one: a
 * lane whose lock somebody holds, a segment that an old snapshot needs, a
 * table in use.  First every log that has something to drain, lane by lane;
 * then, last because it locks readers out until the commit, the truncation of
 * what earlier calls drained.
 *
 * Lock order: the extension (as a batch, so that DROP EXTENSION meets no half
 * of it), JO_LOCK_SETUP, lanes, tables.  All but the first are conditional, so
 * upkeep waits for nobody and is in no deadlock.  A lane is locked before the
 * snapshot that its newest rows are read with, as in a batch.
 *
 * A round copies about COPY_BUDGET rows and truncates TRUNCATE_BUDGET segments
 * of a log at most, so that it holds lanes and readers for some milliseconds
 * only.  What is left over is for the next round, which the caller may begin as
 * soon as it has committed.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "core/identity.h"
#include "core/internal.h"
#include "core/run_as.h"
#include "core/upkeep.h"

#define COPY_BUDGET 50000
#define TRUNCATE_BUDGET 4

/* Most logs that rooms keep up. */
#define UPKEEPS_MAX JO_FAMILIES

static const JoUpkeep *upkeeps[UPKEEPS_MAX];
static int	upkeep_count = 0;

static List *prunes = NIL;		/* of JoPrune * */

/* Most other things to do in a round. */
#define TASKS_MAX 4

static JoUpkeepTask tasks[TASKS_MAX];
static int	task_count = 0;

/* Who listens to the round under way. */
static JoUpkeepReport listener = NULL;
static void *listener_arg = NULL;

void
jo_upkeep_register(const JoUpkeep *upkeep)
{
	Assert(upkeep_count < UPKEEPS_MAX);
	upkeeps[upkeep_count++] = upkeep;
}

void
jo_prune_register(const JoPrune *prune)
{
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

	prunes = lappend(prunes, unconstify(JoPrune *, prune));
	MemoryContextSwitchTo(caller);
}

void
jo_upkeep_register_task(JoUpkeepTask task)
{
	Assert(task_count < TASKS_MAX);
	tasks[task_count++] = task;
}

void
jo_upkeep_report(const JoSegments *segments, const char *act,
				 const char *detail,...)
{
	StringInfoData text;
	va_list		args;

	if (listener == NULL)
		return;
	initStringInfo(&text);
	for (;;)
	{
		int			needed;

		va_start(args, detail);
		needed = appendStringInfoVA(&text, detail, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&text, needed);
	}
	listener(listener_arg, segments, act, text.data);
	pfree(text.data);
}

void
jo_upkeep_report_drained(const JoSegments *segments, int64 copied)
{
	int			drained = segments->drained;

	jo_upkeep_report(segments, "drained",
					 "segment %d (%u kB): " INT64_FORMAT " rows copied into segment %d",
					 drained, segments->blocks[drained] * (BLCKSZ / 1024),
					 copied, segments->current);
}

static void
report_busy_lane(const JoSegments *segments)
{
	jo_upkeep_report(segments, "busy",
					 "the lane is at work, or another transaction holds it");
}

/* Look at the log with a snapshot as of now, and say whether it is due. */
static bool
is_due(const JoUpkeep *upkeep, int lane, JoSegments *segments)
{
	bool		result;

	PushActiveSnapshot(GetLatestSnapshot());
	jo_segment_read(upkeep->family, lane, segments);
	result = upkeep->is_due(segments);
	PopActiveSnapshot();
	return result;
}

/* Returns how many rows were copied. */
static int64
drain_lane(const JoUpkeep *upkeep, int lane)
{
	JoSegments	segments;
	int64		copied;

	if (!is_due(upkeep, lane, &segments))
		return 0;
	if (!jo_lock_conditional(JO_LOCK_LANE, lane))
	{
		report_busy_lane(&segments);
		return 0;
	}
	/* Whoever held the lane may have changed it. */
	if (!is_due(upkeep, lane, &segments))
		return 0;
	PushActiveSnapshot(GetLatestSnapshot());
	copied = upkeep->run(&segments);
	PopActiveSnapshot();
	return copied;
}

/* Returns whether a segment was truncated. */
static bool
reclaim_lane(const JoUpkeep *upkeep, int lane)
{
	JoSegments	segments;
	int			drained;

	jo_segment_read(upkeep->family, lane, &segments);
	drained = segments.drained;
	if (drained < 0)
		return false;
	if (!jo_lock_conditional(JO_LOCK_LANE, lane))
	{
		report_busy_lane(&segments);
		return false;
	}
	switch (jo_segment_reclaim(&segments))
	{
		case JO_RECLAIM_NONE:
			break;
		case JO_RECLAIM_DONE:
			jo_upkeep_report(&segments, "truncated", "segment %d", drained);
			return true;
		case JO_RECLAIM_WAITING:
			jo_upkeep_report(&segments, "waiting",
							 "a transaction is older than the copy of segment %d",
							 drained);
			break;
		case JO_RECLAIM_BUSY:
			jo_upkeep_report(&segments, "busy", "segment %d is in use",
							 drained);
			break;
	}
	return false;
}

/* Drain what is due, lane by lane; false when the budget did not suffice. */
static bool
drain_lanes(MemoryContext context)
{
	int64		copied = 0;

	for (int i = 0; i < upkeep_count; i++)
		for (int lane = 0; lane < JO_LANES; lane++)
		{
			CHECK_FOR_INTERRUPTS();
			if (copied >= COPY_BUDGET)
				return false;
			copied += drain_lane(upkeeps[i], lane);
			MemoryContextReset(context);
		}
	return true;
}

/*
 * Truncate what earlier rounds drained; false when the budget did not suffice.
 * Each minute another lane comes first, so that busy lanes starve no other.
 */
static bool
reclaim_lanes(MemoryContext context)
{
	int64		minute = GetCurrentTimestamp() / USECS_PER_MINUTE;
	int			first = minute * TRUNCATE_BUDGET % JO_LANES;
	bool		is_complete = true;

	for (int i = 0; i < upkeep_count; i++)
	{
		int			truncated = 0;

		for (int n = 0; n < JO_LANES; n++)
		{
			CHECK_FOR_INTERRUPTS();
			if (truncated == TRUNCATE_BUDGET)
			{
				is_complete = false;
				break;
			}
			if (reclaim_lane(upkeeps[i], (first + n) % JO_LANES))
				truncated++;
			MemoryContextReset(context);
		}
	}
	return is_complete;
}

/* The round itself; returns whether another would get further at once. */
static bool
maintain_lanes(void)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "journey_orch upkeep",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	bool		is_drained = drain_lanes(context);
	bool		is_reclaimed = reclaim_lanes(context);

	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return !is_drained || !is_reclaimed;
}

int64
jo_prune_rows(const char *sql, TimestampTz before)
{
	Oid			types[] = {TIMESTAMPTZOID};
	Datum		values[] = {TimestampTzGetDatum(before)};
	int64		n;

	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	if (SPI_execute_with_args(sql, 1, types, values, NULL, false,
							  0) != SPI_OK_DELETE)
		elog(ERROR, "could not prune: %s", sql);
	n = SPI_processed;
	SPI_finish();
	PopActiveSnapshot();
	return n;
}

static void
prune_tables(void)
{
	ListCell   *cell;

	foreach(cell, prunes)
	{
		const JoPrune *prune = lfirst(cell);
		int64		n = prune->run();

		if (n > 0)
			jo_upkeep_report(NULL, "pruned", "%lld row(s) of %s",
							 (long long) n, prune->table);
	}
}

/* Keep DROP EXTENSION out; false when there is nothing to drop. */
static bool
lock_extension(void)
{
	Oid			extension = get_extension_oid("journey_orch", true);

	if (!OidIsValid(extension))
		return false;
	LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
	return get_extension_oid("journey_orch", true) == extension;
}

static void
report_mended(const char *leaf, bool is_made)
{
	if (is_made)
		jo_upkeep_report(NULL, "created", "the lost index of %s", leaf);
	else
		jo_upkeep_report(NULL, "busy", "%s has lost its index and is in use",
						 leaf);
}

bool
jo_maintain(JoUpkeepReport report, void *arg)
{
	JoRunAs		saved;
	bool		is_left_over = false;

	PreventCommandDuringRecovery("maintain()");
	PreventCommandIfReadOnly("maintain()");
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("maintain() needs a READ COMMITTED transaction")));
	if (!lock_extension() || !jo_incarnation_exists() ||
		!jo_incarnation_is_adopted())
		return false;

	listener = report;
	listener_arg = arg;
	if (!jo_leaf_exists())
	{
		jo_leaf_ensure();
		jo_upkeep_report(NULL, "created", "tables that were missing");
	}
	jo_run_as_extension(&saved);
	if (jo_lock_conditional(JO_LOCK_SETUP, 0))
	{
		jo_leaf_mend(report_mended);
		for (int i = 0; i < task_count; i++)
			is_left_over |= tasks[i] ();
		is_left_over |= maintain_lanes();
		prune_tables();
	}
	else
		jo_upkeep_report(NULL, "busy", "another session does the upkeep");
	jo_run_as_end(&saved);
	listener = NULL;

	return is_left_over;
}
