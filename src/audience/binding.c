/*
 * audience/binding.c
 *	  The binding row and its per-backend cache.
 *
 * One row says which relation is "customer".  It is read by a plain heap scan
 * with the latest snapshot, because the cache outlives the transaction that
 * fills it and must not keep what an old snapshot saw.
 *
 * Does not read the bound relation: customer.c does.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "audience/audience.h"
#include "audience/binding.h"
#include "core/cache.h"
#include "core/leaf.h"

/* Columns of customer_binding. */
#define Anum_relation		2
#define Anum_id_sql			3
#define Anum_timezone_sql	4
#define Anum_locale_sql		5
#define Anum_region_sql		6
#define Anum_owner			7

static JoCache binding_cache = {
	.name = "customer binding",
	.tables = {"customer_binding"},
	.holds_expressions = true
};

static JoBinding *cached_binding = NULL;
static uint64 cached_generation = 0;

void
jo_audience_init(void)
{
	jo_cache_register(&binding_cache);
}

/* Text column as a palloc'd string, NULL for NULL. */
static char *
slot_text(TupleTableSlot *slot, int attnum)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, attnum, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

bool
jo_binding_read(JoBinding *binding)
{
	Relation	table;
	Snapshot	snapshot;
	TableScanDesc scan;
	TupleTableSlot *slot;
	bool		found;

	memset(binding, 0, sizeof(JoBinding));
	table = table_open(jo_relation_oid("customer_binding"), AccessShareLock);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan = table_beginscan(table, snapshot, 0, NULL);
	slot = table_slot_create(table, NULL);

	found = table_scan_getnextslot(scan, ForwardScanDirection, slot);
	if (found)
	{
		bool		isnull;

		binding->relation = DatumGetObjectId(slot_getattr(slot, Anum_relation, &isnull));
		binding->owner = DatumGetObjectId(slot_getattr(slot, Anum_owner, &isnull));
		binding->id_sql = slot_text(slot, Anum_id_sql);
		binding->timezone_sql = slot_text(slot, Anum_timezone_sql);
		binding->locale_sql = slot_text(slot, Anum_locale_sql);
		binding->region_sql = slot_text(slot, Anum_region_sql);
		binding->type = get_rel_type_id(binding->relation);
	}

	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(table, AccessShareLock);

	return found;
}

const JoBinding *
jo_binding_begin(uint64 *generation)
{
	if (jo_cache_begin(&binding_cache))
	{
		MemoryContext oldcontext;
		JoBinding  *binding;

		cached_binding = NULL;
		cached_generation++;

		oldcontext = MemoryContextSwitchTo(jo_cache_context(&binding_cache));
		binding = palloc(sizeof(JoBinding));
		if (jo_binding_read(binding))
		{
			cached_binding = binding;
			jo_cache_watch(&binding_cache, binding->relation);
		}
		MemoryContextSwitchTo(oldcontext);
		jo_cache_filled(&binding_cache);
	}

	if (generation != NULL)
		*generation = cached_generation;
	return cached_binding;
}

void
jo_binding_end(void)
{
	jo_cache_end(&binding_cache);
}

Oid
jo_customer_type(void)
{
	const JoBinding *binding = jo_binding_begin(NULL);
	Oid			type = binding != NULL ? binding->type : InvalidOid;

	jo_binding_end();
	return type;
}

Oid
jo_customer_relation(void)
{
	const JoBinding *binding = jo_binding_begin(NULL);
	Oid			relation = binding != NULL ? binding->relation : InvalidOid;

	jo_binding_end();
	return relation;
}
