/*
 * core/leaf.c
 *	  Names and look-up of the leaves of the per-lane tables.
 *
 * OIDs are kept in an array.  The relcache callback clears the slot
 * of the one relation that changed and never reads a catalog; an empty slot is
 * filled by the next look-up.  ANALYZE of a leaf therefore costs one look-up.
 * A rollback of the creation (leaf_create.c) reaches the callback too, and the slots are
 * empty again.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "core/cache.h"
#include "core/compat.h"
#include "core/identity.h"
#include "core/internal.h"
#include "core/leaf.h"
#include "core/run_as.h"

#define SCHEMA "journey_orch"

const JoFamilyForm jo_families[JO_FAMILIES] = {
	[JO_EVENT] = {"event", true, {"xid", "seq"}, SCHEMA "._leads_page(seq)"},
	[JO_LANE_CURSOR] = {"lane_cursor", true, {"batch"}},
	[JO_TIMER] = {"timer", true, {"due_at", "timer_id"}},
	[JO_STEP_LOG] = {"step_log", true},
	[JO_OUTBOX] = {"outbox", true, {"aggregatetype", "position"}},
	[JO_WITHDRAWAL] = {"withdrawal", true, {"enrollment_id"}},
	[JO_ENROLLMENT] = {"enrollment", false, {"customer_id"}},
	[JO_ENTRY_MEMORY] = {"entry_memory", false, {"customer_id"}},
	[JO_MESSAGE] = {"message", false, {"customer_id"}},
	[JO_DIGEST_EVENT] = {"digest_event", false, {"enrollment_id", "ordinal"}},
	[JO_PLANNED_ENTRY] = {"planned_entry", false, {"customer_id"}},
	[JO_GATE_DECISION] = {"gate_decision", true, {"message_id"}},
};

#define SEGMENTS_UNKNOWN (-1)

/* What this backend knows; InvalidOid and SEGMENTS_UNKNOWN: look it up. */
static Oid	leaf_oids[JO_FAMILIES][JO_LANES][JO_SEGMENTS_MAX];
static int8 segment_counts[JO_FAMILIES][JO_LANES];
static Oid	parent_oids[JO_FAMILIES];
static bool all_exist = false;	/* every leaf that ensure makes */

/* Bounds of the OIDs above, so that the callback mostly compares twice. */
static Oid	lowest_oid = OID_MAX;
static Oid	highest_oid = InvalidOid;

/* Counts the messages, to notice one that came during a look-up. */
static uint64 change_count = 0;

/* Table "segment": the segment that writers append to; what upkeep dropped. */
static int8 current_segments[JO_FAMILIES][JO_LANES];
static TimestampTz dropped_to[JO_FAMILIES][JO_LANES];
static JoCache segment_cache = {
	.name = "segment",
	.tables = {"segment"}
};

/* Forget everything. */
static void
forget_all(void)
{
	memset(leaf_oids, 0, sizeof(leaf_oids));
	memset(segment_counts, SEGMENTS_UNKNOWN, sizeof(segment_counts));
	memset(parent_oids, 0, sizeof(parent_oids));
	all_exist = false;
	lowest_oid = OID_MAX;
	highest_oid = InvalidOid;
}

uint64
jo_relation_changes(void)
{
	return change_count;
}

void
jo_leaf_relation_changed(Oid relid)
{
	change_count++;

	if (!OidIsValid(relid))
	{
		forget_all();
		return;
	}
	if (relid < lowest_oid || relid > highest_oid)
		return;

	for (int family = 0; family < JO_FAMILIES; family++)
	{
		/* Attaching and detaching change the parent. */
		if (parent_oids[family] == relid)
		{
			memset(segment_counts[family], SEGMENTS_UNKNOWN,
				   sizeof(segment_counts[family]));
			parent_oids[family] = InvalidOid;
			return;
		}
		for (int lane = 0; lane < JO_LANES; lane++)
			for (int segment = 0; segment < JO_SEGMENTS_MAX; segment++)
				if (leaf_oids[family][lane][segment] == relid)
				{
					leaf_oids[family][lane][segment] = InvalidOid;
					segment_counts[family][lane] = SEGMENTS_UNKNOWN;
					all_exist = false;
					return;
				}
	}
}

void
jo_leaf_init(void)
{
	forget_all();
	jo_cache_register(&segment_cache);
}

Oid
jo_schema_oid_if_exists(void)
{
	return get_namespace_oid(SCHEMA, true);
}

Oid
jo_schema_oid(void)
{
	Oid			schema = jo_schema_oid_if_exists();

	if (!OidIsValid(schema))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("extension \"journey_orch\" is not installed in this database"),
				 errhint("Install it with CREATE EXTENSION journey_orch.")));

	return schema;
}

Oid
jo_relation_oid(const char *name)
{
	Oid			relid = get_relname_relid(name, jo_schema_oid());

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"journey_orch.%s\" does not exist", name),
				 errhint("Update the extension with ALTER EXTENSION journey_orch UPDATE.")));

	return relid;
}

/*
 * The owner of our tables, which is whose rights our own SQL needs; it is the
 * extension's owner unless somebody gave single tables away.
 */
Oid
jo_extension_owner(void)
{
	Oid			relid = jo_relation_oid("incarnation");
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);

	return owner;
}

const char *
jo_leaf_family_name(JoFamily family)
{
	return jo_families[family].name;
}

const char *
jo_leaf_name(JoFamily family, int lane, int segment)
{
	static char name[NAMEDATALEN];

	if (jo_families[family].is_log)
		snprintf(name, sizeof(name), "%s_%02d_%d",
				 jo_families[family].name, lane, segment);
	else
		snprintf(name, sizeof(name), "%s_%02d", jo_families[family].name, lane);

	return name;
}

/* Look up a relation of ours, and keep its OID in *slot if that is safe. */
static Oid
look_up(const char *name, Oid *slot)
{
	uint64		changes = change_count;
	Oid			schema = jo_schema_oid_if_exists();
	Oid			relid;

	if (!OidIsValid(schema))
		return InvalidOid;

	relid = get_relname_relid(name, schema);

	/* A message that came meanwhile may have been about this relation. */
	if (OidIsValid(relid) && changes == change_count)
	{
		*slot = relid;
		lowest_oid = Min(lowest_oid, relid);
		highest_oid = Max(highest_oid, relid);
	}

	return relid;
}

Oid
jo_leaf_oid(JoFamily family, int lane, int segment)
{
	Oid		   *slot;

	if (lane < 0 || lane >= JO_LANES || segment < 0 ||
		segment >= JO_SEGMENTS_MAX ||
		(segment > 0 && !jo_families[family].is_log))
		return InvalidOid;

	slot = &leaf_oids[family][lane][segment];
	if (OidIsValid(*slot))
		return *slot;

	return look_up(jo_leaf_name(family, lane, segment), slot);
}

int
jo_leaf_segments(JoFamily family, int lane)
{
	int			count = 0;

	if (segment_counts[family][lane] != SEGMENTS_UNKNOWN)
		return segment_counts[family][lane];

	/* The count holds only while the parent's messages can reach us. */
	if (!OidIsValid(parent_oids[family]))
		look_up(jo_families[family].name, &parent_oids[family]);
	while (OidIsValid(jo_leaf_oid(family, lane, count)))
		count++;
	if (OidIsValid(parent_oids[family]))
		segment_counts[family][lane] = count;

	return count;
}

/* Take one row of table "segment" into the arrays. */
static void
read_segment_row(TupleTableSlot *slot, void *arg)
{
	bool		isnull;
	const char *name;
	int			lane;

	name = NameStr(*DatumGetName(slot_getattr(slot, 1, &isnull)));
	lane = DatumGetInt16(slot_getattr(slot, 2, &isnull));
	if (lane < 0 || lane >= JO_LANES)
		return;
	for (int family = 0; family < JO_FAMILIES; family++)
	{
		Datum		dropped;

		if (strcmp(jo_families[family].name, name) != 0)
			continue;
		current_segments[family][lane] =
			DatumGetInt16(slot_getattr(slot, 3, &isnull));
		dropped = slot_getattr(slot, 6, &isnull);
		if (!isnull)
			dropped_to[family][lane] = DatumGetTimestampTz(dropped);
	}
}

/* Bring the arrays up to date. */
static void
read_segments(void)
{
	if (jo_cache_begin(&segment_cache))
	{
		memset(current_segments, 0, sizeof(current_segments));
		for (int family = 0; family < JO_FAMILIES; family++)
			for (int lane = 0; lane < JO_LANES; lane++)
				dropped_to[family][lane] = DT_NOBEGIN;
		jo_cache_read_table("segment", read_segment_row, NULL);
		jo_cache_filled(&segment_cache);
	}
	jo_cache_end(&segment_cache);
}

TimestampTz
jo_leaf_dropped_to(JoFamily family, int lane)
{
	read_segments();
	return dropped_to[family][lane];
}

/* A segment that is recorded but gone (a half-done restore) reads as 0. */
int
jo_leaf_current(JoFamily family, int lane)
{
	int			segment;

	if (!jo_families[family].is_log)
		return 0;

	read_segments();
	segment = current_segments[family][lane];
	if (segment != 0 && !OidIsValid(jo_leaf_oid(family, lane, segment)))
		segment = 0;

	return segment;
}

bool
jo_leaf_exists(void)
{
	if (all_exist)
		return true;

	for (int family = 0; family < JO_FAMILIES; family++)
	{
		int			segments = jo_families[family].is_log ? JO_SEGMENTS : 1;

		for (int lane = 0; lane < JO_LANES; lane++)
			for (int segment = 0; segment < segments; segment++)
				if (!OidIsValid(jo_leaf_oid(family, lane, segment)))
					return false;
	}

	/* Slots stay empty when messages came in between; then look again. */
	all_exist = true;
	for (int family = 0; family < JO_FAMILIES; family++)
		for (int lane = 0; lane < JO_LANES; lane++)
			if (!OidIsValid(leaf_oids[family][lane][0]))
				all_exist = false;

	return true;
}
