/*
 * permission/probe.c
 *	  Finding rows of the gates' tables by index, with the gates' snapshot.
 *
 * A table is opened when it is first asked about, and kept open until the gates
 * end.  One of no blocks is never opened again: who declared nothing pays
 * nothing for a message.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_collation_d.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "core/index.h"
#include "core/leaf.h"
#include "permission/probe.h"

struct JoProbe
{
	Relation	relation;		/* NULL: the table is empty */
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
};

JoProbe *
jo_probe_open(const char *table, AttrNumber column, Snapshot snapshot)
{
	JoProbe    *probe = palloc0(sizeof(JoProbe));

	probe->relation = table_open(jo_relation_oid(table), AccessShareLock);
	if (RelationGetNumberOfBlocks(probe->relation) == 0)
	{
		table_close(probe->relation, AccessShareLock);
		probe->relation = NULL;
		return probe;
	}
	probe->index = jo_index_open(probe->relation, column, 0, AccessShareLock);
	probe->scan = index_beginscan(probe->relation, probe->index, snapshot, 1, 0);
	probe->slot = table_slot_create(probe->relation, NULL);
	return probe;
}

bool
jo_probe_is_empty(const JoProbe *probe)
{
	return probe->relation == NULL;
}

static void
find(JoProbe *probe, RegProcedure equal, Oid collation, Datum value)
{
	ScanKeyData key;

	if (probe->relation == NULL)
		return;
	ScanKeyEntryInitialize(&key, 0, 1, BTEqualStrategyNumber, InvalidOid,
						   collation, equal, value);
	index_rescan(probe->scan, &key, 1, NULL, 0);
}

void
jo_probe_find_text(JoProbe *probe, const char *value)
{
	find(probe, F_TEXTEQ, C_COLLATION_OID, CStringGetTextDatum(value));
}

void
jo_probe_find_bytes(JoProbe *probe, const bytea *value)
{
	find(probe, F_BYTEAEQ, InvalidOid, PointerGetDatum(value));
}

TupleTableSlot *
jo_probe_next(JoProbe *probe)
{
	if (probe->relation == NULL ||
		!index_getnext_slot(probe->scan, ForwardScanDirection, probe->slot))
		return NULL;
	slot_getallattrs(probe->slot);
	return probe->slot;
}

void
jo_probe_close(JoProbe *probe)
{
	if (probe->relation != NULL)
	{
		ExecDropSingleTupleTableSlot(probe->slot);
		index_endscan(probe->scan);
		index_close(probe->index, AccessShareLock);
		table_close(probe->relation, AccessShareLock);
	}
	pfree(probe);
}

const char *
jo_probe_text(TupleTableSlot *slot, int column)
{
	return slot->tts_isnull[column] ? NULL :
		TextDatumGetCString(slot->tts_values[column]);
}

TimestampTz
jo_probe_time(TupleTableSlot *slot, int column)
{
	return slot->tts_isnull[column] ? DT_NOBEGIN :
		DatumGetTimestampTz(slot->tts_values[column]);
}
