/*
 * permission/cap_use.c
 *	  The messages that caps count: table cap_use.
 *
 * A row a message that was handed out while a cap covered it, and another one,
 * with the same instant, when its allowance came back; nothing is updated.  A
 * message counts while it has more of the former.  Uses are written by claim()
 * (by the lane, of a stream), returns by whoever settles the message otherwise
 * than by an ack: nack, a claim that finds it expired, withdrawn or stopped by a
 * gate, dead letters.
 *
 * Rows older than the longest period of any cap are deleted by upkeep.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "core/append.h"
#include "core/clock.h"
#include "core/index.h"
#include "core/leaf.h"
#include "core/upkeep.h"
#include "permission/cap.h"

/* Columns of table cap_use, in order. */
enum
{
	USE_CUSTOMER_ID,
	USE_AT,
	USE_MESSAGE_ID,
	USE_CHANNEL,
	USE_TOPIC,
	USE_JOURNEY,
	USE_IS_RETURN,
	USE_COLUMNS
};

static char *
slot_text(TupleTableSlot *slot, int column)
{
	return slot->tts_isnull[column] ? NULL :
		TextDatumGetCString(slot->tts_values[column]);
}

static JoCapUse *
slot_use(TupleTableSlot *slot)
{
	JoCapUse   *use = palloc0(sizeof(JoCapUse));

	use->customer_id = slot_text(slot, USE_CUSTOMER_ID);
	use->at = DatumGetTimestampTz(slot->tts_values[USE_AT]);
	use->message_id = *DatumGetUUIDP(slot->tts_values[USE_MESSAGE_ID]);
	use->channel = slot_text(slot, USE_CHANNEL);
	use->topic = slot_text(slot, USE_TOPIC);
	use->journey = slot_text(slot, USE_JOURNEY);
	return use;
}

static bool
is_same_use(const JoCapUse *a, const JoCapUse *b)
{
	return a->at == b->at &&
		memcmp(&a->message_id, &b->message_id, UUID_LEN) == 0;
}

/* Those of "uses" that have no counterpart in "returns". */
static List *
remaining_uses(List *uses, List *returns)
{
	ListCell   *cell;

	foreach(cell, returns)
	{
		ListCell   *other;

		foreach(other, uses)
		{
			if (!is_same_use(lfirst(other), lfirst(cell)))
				continue;
			uses = foreach_delete_current(uses, other);
			break;
		}
	}
	return uses;
}

/* All rows that the keys find, sorted into uses and returns. */
static void
collect(Relation relation, AttrNumber first, AttrNumber second,
		ScanKeyData *keys, int nkeys, Snapshot snapshot, List **uses,
		List **returns)
{
	Relation	index = jo_index_open(relation, first, second,
									  AccessShareLock);
	IndexScanDesc scan = index_beginscan(relation, index, snapshot, nkeys, 0);
	TupleTableSlot *slot = table_slot_create(relation, NULL);

	index_rescan(scan, keys, nkeys, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		slot_getallattrs(slot);
		if (DatumGetBool(slot->tts_values[USE_IS_RETURN]))
			*returns = lappend(*returns, slot_use(slot));
		else
			*uses = lappend(*uses, slot_use(slot));
	}
	ExecDropSingleTupleTableSlot(slot);
	index_endscan(scan);
	index_close(index, AccessShareLock);
}

static int
compare_uses(const ListCell *a, const ListCell *b)
{
	const JoCapUse *left = lfirst(a);
	const JoCapUse *right = lfirst(b);

	return left->at < right->at ? -1 : left->at > right->at;
}

/* The table, or NULL when it is empty, which costs nothing to find out. */
static Relation
open_unless_empty(void)
{
	Relation	relation = table_open(jo_relation_oid("cap_use"),
									  AccessShareLock);

	if (RelationGetNumberOfBlocks(relation) > 0)
		return relation;
	table_close(relation, AccessShareLock);
	return NULL;
}

List *
jo_cap_uses_read(const char *customer_id, TimestampTz since,
				 Snapshot snapshot)
{
	Relation	relation = open_unless_empty();
	List	   *uses = NIL;
	List	   *returns = NIL;
	ScanKeyData keys[2];

	if (relation == NULL)
		return NIL;
	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(customer_id));
	ScanKeyInit(&keys[1], 2, BTGreaterStrategyNumber, F_TIMESTAMPTZ_GT,
				TimestampTzGetDatum(since));
	collect(relation, USE_CUSTOMER_ID + 1, USE_AT + 1, keys, 2, snapshot,
			&uses, &returns);
	table_close(relation, AccessShareLock);
	uses = remaining_uses(uses, returns);
	list_sort(uses, compare_uses);
	return uses;
}

/* ---- writing ---- */

static Datum
text_or_null(const char *string, bool *isnull)
{
	*isnull = string == NULL;
	return string == NULL ? (Datum) 0 : CStringGetTextDatum(string);
}

static void
append(List *uses, bool is_return)
{
	JoAppend   *table;
	ListCell   *cell;

	if (uses == NIL)
		return;
	table = jo_append_begin(jo_relation_oid("cap_use"));
	foreach(cell, uses)
	{
		const JoCapUse *use = lfirst(cell);
		Datum		values[USE_COLUMNS];
		bool		isnull[USE_COLUMNS] = {false};

		values[USE_CUSTOMER_ID] = CStringGetTextDatum(use->customer_id);
		values[USE_AT] = TimestampTzGetDatum(use->at);
		values[USE_MESSAGE_ID] = UUIDPGetDatum(&use->message_id);
		values[USE_CHANNEL] = CStringGetTextDatum(use->channel);
		values[USE_TOPIC] = text_or_null(use->topic, &isnull[USE_TOPIC]);
		values[USE_JOURNEY] = text_or_null(use->journey, &isnull[USE_JOURNEY]);
		values[USE_IS_RETURN] = BoolGetDatum(is_return);
		jo_append_row(table, values, isnull);
	}
	jo_append_end(table);
}

void
jo_cap_uses_append(List *uses)
{
	append(uses, false);
}

/*
 * Nobody returns a message at the same time: the caller holds the lock of its
 * claim, or of its channel.
 */
void
jo_caps_return(const pg_uuid_t *message_ids, int n)
{
	Relation	relation = n > 0 ? open_unless_empty() : NULL;
	List	   *returned = NIL;
	Snapshot	snapshot;

	if (relation == NULL)
		return;
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	for (int i = 0; i < n; i++)
	{
		List	   *uses = NIL;
		List	   *returns = NIL;
		ScanKeyData key;

		ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ,
					UUIDPGetDatum(&message_ids[i]));
		collect(relation, USE_MESSAGE_ID + 1, 0, &key, 1, snapshot, &uses,
				&returns);
		returned = list_concat(returned, remaining_uses(uses, returns));
	}
	UnregisterSnapshot(snapshot);
	table_close(relation, AccessShareLock);
	append(returned, true);
}

/* ---- upkeep ---- */

/* By the engine clock, by which they count. */
static int64
prune(void)
{
	int64		longest;

	(void) jo_caps_begin();
	longest = jo_caps_longest();
	jo_caps_end();
	return jo_prune_rows("DELETE FROM journey_orch.cap_use"
						 " WHERE ctid = ANY(ARRAY("
						 "  SELECT ctid FROM journey_orch.cap_use"
						 "  WHERE at < $1 LIMIT 10000))",
						 jo_clock_now() - longest);
}

static const JoPrune cap_prune = {"cap_use", prune};

void
jo_cap_use_init(void)
{
	jo_prune_register(&cap_prune);
}
