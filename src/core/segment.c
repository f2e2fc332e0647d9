/*
 * core/segment.c
 *	  Switches, drains and reclaims the segments of a log.
 *
 * For logs whose rows are dead as soon as they are passed, one writer a lane.
 * A full segment is drained: in one transaction, under the lane's lock, its
 * live rows are copied into the current segment and table "segment" says
 * "drained".  Readers look at all segments of a lane, so each snapshot finds
 * every live row: in the old place, in the new one, or in both.  Its users
 * make sure that finding both is harmless.
 *
 * TRUNCATE is not MVCC-safe: whoever reads with a snapshot older than the copy
 * would find the row in neither place.  So a drained segment is truncated by a
 * later transaction, when the one that drained it is older than every snapshot
 * that is or may yet be used in this database: the test by which VACUUM removes
 * rows (GetOldestNonRemovableTransactionId).  The xmin of the row in "segment"
 * is that transaction; after a restore it is the restoring one, and a change
 * to the row meanwhile makes it younger, which both only delay.  A pinned xmin
 * horizon delays likewise.  Its locks are conditional: it never waits and
 * nobody queues behind it.
 *
 * A crash leaves one of these states, all of them complete: not drained;
 * drained and copied; truncated and no longer drained.  The next call goes on
 * from there.  See test/isolation/specs/upkeep.spec.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "core/cache.h"
#include "core/internal.h"
#include "core/segment.h"

#define BYTES_PER_KB 1024

/* Columns of table segment, in the order of state.sql. */
enum
{
	SEGMENT_FAMILY = 1,
	SEGMENT_LANE,
	SEGMENT_CURRENT,
	SEGMENT_CHANGED_AT,
	SEGMENT_DRAINED,
	SEGMENT_DROPPED_TO
};

int			jo_segment_size = 1024;

void
jo_segment_init(void)
{
	DefineCustomIntVariable("journey_orch.segment_size",
							"Sets the size from which upkeep reclaims a lane's cursors and timers.",
							"A larger value copies less often and keeps more dead rows.",
							&jo_segment_size,
							1024, BLCKSZ / BYTES_PER_KB, MAX_KILOBYTES,
							PGC_SUSET, GUC_UNIT_KB,
							NULL, NULL, NULL);
}

/* Take the row of table "segment" that is about our lane and log. */
static void
take_row(TupleTableSlot *slot, void *arg)
{
	JoSegments *segments = arg;
	HeapTuple	tuple;
	bool		isnull;
	bool		should_free;
	Datum		value;

	value = slot_getattr(slot, SEGMENT_FAMILY, &isnull);
	if (strcmp(NameStr(*DatumGetName(value)),
			   jo_leaf_family_name(segments->family)) != 0)
		return;
	value = slot_getattr(slot, SEGMENT_LANE, &isnull);
	if (DatumGetInt16(value) != segments->lane)
		return;

	value = slot_getattr(slot, SEGMENT_DRAINED, &isnull);
	if (!isnull)
		segments->drained = DatumGetInt16(value);
	value = slot_getattr(slot, SEGMENT_DROPPED_TO, &isnull);
	if (!isnull)
		segments->dropped_to = DatumGetTimestampTz(value);

	/* Not the raw xmin: that of a frozen row may have wrapped around. */
	tuple = ExecFetchSlotHeapTuple(slot, false, &should_free);
	segments->written_by = HeapTupleHeaderGetXmin(tuple->t_data);
	if (should_free)
		heap_freetuple(tuple);
}

static BlockNumber
count_blocks(Oid relid)
{
	Relation	relation = table_open(relid, AccessShareLock);
	BlockNumber blocks = RelationGetNumberOfBlocks(relation);

	table_close(relation, AccessShareLock);
	return blocks;
}

void
jo_segment_read(JoFamily family, int lane, JoSegments *segments)
{
	memset(segments, 0, sizeof(JoSegments));
	segments->family = family;
	segments->lane = lane;
	segments->current = jo_leaf_current(family, lane);
	segments->drained = -1;
	segments->dropped_to = DT_NOBEGIN;
	jo_cache_read_table("segment", take_row, segments);

	segments->count = jo_leaf_segments(family, lane);
	for (int i = 0; i < segments->count; i++)
		segments->blocks[i] = count_blocks(jo_leaf_oid(family, lane, i));
}

bool
jo_segment_is_large(const JoSegments *segments, int segment)
{
	return segments->blocks[segment] >
		(BlockNumber) (jo_segment_size / (BLCKSZ / BYTES_PER_KB));
}

int
jo_segment_find_empty(const JoSegments *segments)
{
	for (int i = 0; i < segments->count; i++)
		if (i != segments->current && i != segments->drained &&
			segments->blocks[i] == 0)
			return i;
	return -1;
}

/* Store the row, and tell the writers. */
static void
write_row(const JoSegments *segments)
{
	Oid			types[5] = {NAMEOID, INT2OID, INT2OID, INT2OID, TIMESTAMPTZOID};
	Datum		values[5];
	char		nulls[5] = {' ', ' ', ' ', ' ', ' '};
	NameData	family;

	namestrcpy(&family, jo_leaf_family_name(segments->family));
	values[0] = NameGetDatum(&family);
	values[1] = Int16GetDatum(segments->lane);
	values[2] = Int16GetDatum(segments->current);
	values[3] = Int16GetDatum(segments->drained);
	if (segments->drained < 0)
		nulls[3] = 'n';
	values[4] = TimestampTzGetDatum(segments->dropped_to);
	if (TIMESTAMP_IS_NOBEGIN(segments->dropped_to))
		nulls[4] = 'n';

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args("INSERT INTO journey_orch.segment AS s"
							  " (family, lane, current, changed_at, drained, dropped_to)"
							  " VALUES ($1, $2, $3, clock_timestamp(), $4, $5)"
							  " ON CONFLICT (family, lane) DO UPDATE"
							  " SET current = excluded.current,"
							  " changed_at = excluded.changed_at,"
							  " drained = excluded.drained,"
							  " dropped_to = excluded.dropped_to",
							  5, types, values, nulls, false, 0) < 0)
		elog(ERROR, "could not write table \"segment\"");
	SPI_finish();
	jo_cache_invalidate("segment");
	CommandCounterIncrement();
}

void
jo_segment_switch(JoSegments *segments, int segment)
{
	segments->current = segment;
	write_row(segments);
}

void
jo_segment_drain(JoSegments *segments, int segment, TimestampTz dropped_to)
{
	Assert(segments->drained < 0 && segment != segments->current);
	segments->drained = segment;
	segments->dropped_to = Max(segments->dropped_to, dropped_to);
	write_row(segments);
}

/* Can no snapshot see the table as it was before it was drained? */
static bool
is_seen_by_all(const JoSegments *segments, Relation relation)
{
	return TransactionIdPrecedes(segments->written_by,
								 GetOldestNonRemovableTransactionId(relation));
}

/*
 * Lock a table and its TOAST table for TRUNCATE, if both are to be had at once.
 * A TOAST table is locked on its own only by VACUUM.
 */
static bool
lock_for_truncate(Oid relid, Oid toast_relid)
{
	if (!ConditionalLockRelationOid(relid, AccessExclusiveLock))
		return false;
	if (!OidIsValid(toast_relid) ||
		ConditionalLockRelationOid(toast_relid, AccessExclusiveLock))
		return true;
	UnlockRelationOid(relid, AccessExclusiveLock);
	return false;
}

static void
truncate_leaf(const char *name)
{
	char	   *sql = psprintf("TRUNCATE journey_orch.%s", name);

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute(sql, false, 0) < 0)
		elog(ERROR, "could not truncate \"%s\"", name);
	SPI_finish();
	pfree(sql);
}

JoReclaim
jo_segment_reclaim(JoSegments *segments)
{
	Oid			relid;

	if (segments->drained < 0 ||
		TransactionIdIsCurrentTransactionId(segments->written_by))
		return JO_RECLAIM_NONE;

	relid = jo_leaf_oid(segments->family, segments->lane, segments->drained);
	if (OidIsValid(relid))
	{
		Relation	relation;
		Oid			toast_relid;
		bool		is_open;
		bool		is_needed;

		if (!ConditionalLockRelationOid(relid, AccessShareLock))
			return JO_RECLAIM_BUSY;
		relation = table_open(relid, NoLock);
		/* A query of this very session may be reading it. */
		is_open = relation->rd_refcnt > 1;
		is_needed = !is_seen_by_all(segments, relation);
		toast_relid = relation->rd_rel->reltoastrelid;
		table_close(relation, AccessShareLock);

		if (is_needed)
			return JO_RECLAIM_WAITING;
		if (is_open || !lock_for_truncate(relid, toast_relid))
			return JO_RECLAIM_BUSY;
		truncate_leaf(jo_leaf_name(segments->family, segments->lane,
								   segments->drained));
	}

	segments->drained = -1;
	write_row(segments);
	return JO_RECLAIM_DONE;
}
