/*
 * outbox/scan.c
 *	  Reads the attempts of one channel and lane in order of position.
 *
 * A lane's attempts lie in several segments, and a segment is used again after
 * it was emptied, so the segments are merged by position: a handful of index
 * scans, of which the smallest head is next.  Locks are given back at once, so
 * that a claim over many lanes stays within the fast-path locks of a backend;
 * what was read stays valid, because it was copied.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "core/index.h"
#include "core/leaf.h"
#include "outbox/internal.h"

/* The scan of one segment, and its next attempt. */
typedef struct ScanSource
{
	Relation	relation;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
	bool		has_row;
} ScanSource;

struct JoOutboxScan
{
	int			nsources;
	int			returned;		/* source of the row last returned, -1: none */
	ScanSource	sources[JO_SEGMENTS_MAX];
};

/* Step a source to its next attempt; an exhausted one has has_row = false. */
static void
advance_source(ScanSource *source)
{
	source->has_row = index_getnext_slot(source->scan, ForwardScanDirection,
										 source->slot);
	if (source->has_row)
		slot_getallattrs(source->slot);
}

static void
close_source(ScanSource *source)
{
	ExecDropSingleTupleTableSlot(source->slot);
	index_endscan(source->scan);
	index_close(source->index, AccessShareLock);
	table_close(source->relation, AccessShareLock);
}

/*
 * Begin to scan a leaf, whose only index is (aggregatetype, position); false
 * when it has nothing for the keys.
 */
static bool
open_source(ScanSource *source, Oid leaf, ScanKey keys, int nkeys,
			Snapshot snapshot)
{
	source->relation = table_open(leaf, AccessShareLock);
	if (RelationGetNumberOfBlocks(source->relation) == 0)
	{
		table_close(source->relation, AccessShareLock);
		return false;
	}
	source->index = jo_index_open(source->relation, OUTBOX_CHANNEL + 1,
								  OUTBOX_POSITION + 1, AccessShareLock);
	source->scan = index_beginscan(source->relation, source->index, snapshot,
								   nkeys, 0);
	index_rescan(source->scan, keys, nkeys, NULL, 0);
	source->slot = table_slot_create(source->relation, NULL);
	advance_source(source);
	if (!source->has_row)
		close_source(source);
	return source->has_row;
}

JoOutboxScan *
jo_outbox_scan_begin(const char *channel, int lane, int64 start, int64 stop,
					 Snapshot snapshot)
{
	JoOutboxScan *scan = palloc(sizeof(JoOutboxScan));
	Datum		name = CStringGetTextDatum(channel);
	int			segments = jo_leaf_segments(JO_OUTBOX, lane);
	ScanKeyData keys[3];
	int			nkeys = stop == 0 ? 2 : 3;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_TEXTEQ, name);
	ScanKeyInit(&keys[1], 2, BTGreaterEqualStrategyNumber, F_INT8GE,
				Int64GetDatum(start));
	ScanKeyInit(&keys[2], 2, BTLessStrategyNumber, F_INT8LT,
				Int64GetDatum(stop));
	scan->nsources = 0;
	scan->returned = -1;
	for (int segment = 0; segment < segments; segment++)
	{
		Oid			leaf = jo_leaf_oid(JO_OUTBOX, lane, segment);

		if (OidIsValid(leaf) &&
			open_source(&scan->sources[scan->nsources], leaf, keys, nkeys,
						snapshot))
			scan->nsources++;
	}
	return scan;
}

TupleTableSlot *
jo_outbox_scan_next(JoOutboxScan *scan)
{
	int			best = -1;

	if (scan->returned >= 0)
		advance_source(&scan->sources[scan->returned]);
	for (int i = 0; i < scan->nsources; i++)
	{
		if (!scan->sources[i].has_row)
			continue;
		if (best < 0 ||
			jo_slot_int64(scan->sources[i].slot, OUTBOX_POSITION) <
			jo_slot_int64(scan->sources[best].slot, OUTBOX_POSITION))
			best = i;
	}
	scan->returned = best;
	return best < 0 ? NULL : scan->sources[best].slot;
}

void
jo_outbox_scan_end(JoOutboxScan *scan)
{
	for (int i = 0; i < scan->nsources; i++)
		close_source(&scan->sources[i]);
	pfree(scan);
}

/*
 * A lane commits asynchronously, so a row can be visible before its commit
 * record is on disk.  The commit log remembers how far WAL must be flushed for
 * that; of a transaction that committed synchronously, or long ago, it
 * remembers nothing, and nothing need be flushed.
 */
void
jo_flush_note(JoFlush *flush, TupleTableSlot *slot)
{
	bool		isnull;
	TransactionId xid;

	xid = DatumGetTransactionId(slot_getsysattr(slot,
												MinTransactionIdAttributeNumber,
												&isnull));
	if (!TransactionIdIsNormal(xid) || xid == flush->last_xid)
		return;
	flush->last_xid = xid;
	flush->upto = Max(flush->upto, TransactionIdGetCommitLSN(xid));
}
