/*
 * permission/erasure.c
 *	  Reads the tombstones: whose erasure is under way, and what of him it is
 *	  about.
 *
 * There are as many as erasures that are not done, so few, and mostly none:
 * they are read as one list by a batch, and by a claim.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/xid8.h"

#include "core/leaf.h"
#include "permission/erasure.h"

#define PSEUDONYM_DIGITS 32

/* Columns of table tombstone, in the order of state.sql. */
enum
{
	TOMBSTONE_CUSTOMER_ID,
	TOMBSTONE_PSEUDONYM,
	TOMBSTONE_ERASURE_ID,
	TOMBSTONE_XID,
	TOMBSTONE_INSTANT,
	TOMBSTONE_RECORDED_AT,
	TOMBSTONE_INCARNATION,
	TOMBSTONE_LANE,
	TOMBSTONE_BATCH,
	TOMBSTONE_APPLIED_XID,
	TOMBSTONE_BEFORE_POSITION
};

bool
jo_customer_is_erased(const char *customer_id)
{
	size_t		prefix = strlen(JO_PSEUDONYM_PREFIX);

	return strncmp(customer_id, JO_PSEUDONYM_PREFIX, prefix) == 0 &&
		strlen(customer_id) == prefix + PSEUDONYM_DIGITS &&
		strspn(customer_id + prefix, "0123456789abcdef") == PSEUDONYM_DIGITS;
}

static int
compare_erasures(const void *a, const void *b)
{
	const JoErasure *left = a;
	const JoErasure *right = b;

	return strcmp(left->customer_id, right->customer_id);
}

static void
take_row(JoErasure *erasure, TupleTableSlot *slot)
{
	Datum	   *values = slot->tts_values;

	erasure->customer_id = TextDatumGetCString(values[TOMBSTONE_CUSTOMER_ID]);
	erasure->erasure_id = DatumGetInt64(values[TOMBSTONE_ERASURE_ID]);
	erasure->xid = DatumGetFullTransactionId(values[TOMBSTONE_XID]);
	erasure->instant = DatumGetTimestampTz(values[TOMBSTONE_INSTANT]);
	erasure->is_applied = !slot->tts_isnull[TOMBSTONE_BATCH];
	erasure->before_position = erasure->is_applied ?
		DatumGetInt64(values[TOMBSTONE_BEFORE_POSITION]) : 0;
}

JoErasures *
jo_erasures_read(int lane, Snapshot snapshot)
{
	Relation	relation = table_open(jo_relation_oid("tombstone"),
									  AccessShareLock);
	JoErasures *erasures = NULL;
	TupleTableSlot *slot;
	TableScanDesc scan;
	int			size = 16;

	if (RelationGetNumberOfBlocks(relation) == 0)
	{
		table_close(relation, AccessShareLock);
		return NULL;
	}
	slot = table_slot_create(relation, NULL);
	scan = table_beginscan(relation, snapshot, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		slot_getallattrs(slot);
		if (lane >= 0 &&
			DatumGetInt16(slot->tts_values[TOMBSTONE_LANE]) != lane)
			continue;
		if (erasures == NULL)
		{
			erasures = palloc0(sizeof(JoErasures));
			erasures->items = palloc(size * sizeof(JoErasure));
		}
		if (erasures->count == size)
		{
			size *= 2;
			erasures->items = repalloc(erasures->items,
									   size * sizeof(JoErasure));
		}
		take_row(&erasures->items[erasures->count++], slot);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(relation, AccessShareLock);
	if (erasures != NULL)
		qsort(erasures->items, erasures->count, sizeof(JoErasure),
			  compare_erasures);
	return erasures;
}

/* The first erasure of the customer, or the place behind the last one. */
static int
find_first(const JoErasures *erasures, const char *customer_id)
{
	int			low = 0;
	int			high = erasures->count;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (strcmp(erasures->items[middle].customer_id, customer_id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The next erasure of the customer from *place on, or NULL. */
static const JoErasure *
next_erasure(const JoErasures *erasures, const char *customer_id, int *place)
{
	const JoErasure *erasure;

	if (*place >= erasures->count)
		return NULL;
	erasure = &erasures->items[(*place)++];
	return strcmp(erasure->customer_id, customer_id) == 0 ? erasure : NULL;
}

/* The bits of a position that are no queue (docs/decisions/0017). */
#define ORDINAL_MASK ((INT64CONST(1) << 46) - 1)

/* Ordinal of a message's first attempt in its lane (docs/decisions/0006). */
static int64
position_of(const pg_uuid_t *message_id)
{
	int64		position = 0;

	for (int i = 0; i < 6; i++)
		position = (position << 8) | message_id->data[i];
	return position & ORDINAL_MASK;
}

bool
jo_erasures_cover_message(const JoErasures *erasures, const char *customer_id,
						  const pg_uuid_t *message_id)
{
	const JoErasure *erasure;
	int			place;

	if (erasures == NULL)
		return false;
	place = find_first(erasures, customer_id);
	while ((erasure = next_erasure(erasures, customer_id, &place)) != NULL)
		if (!erasure->is_applied || message_id == NULL ||
			position_of(message_id) < erasure->before_position)
			return true;
	return false;
}

bool
jo_erasures_cover_event(const JoErasures *erasures, const JoEvent *event,
						const pg_uuid_t *message_id)
{
	const JoErasure *erasure;
	int			place;

	if (erasures == NULL)
		return false;
	place = find_first(erasures, event->customer_id);
	while ((erasure = next_erasure(erasures, event->customer_id,
								   &place)) != NULL)
	{
		if (event->seq <= erasure->erasure_id ||
			FullTransactionIdEquals(event->xid, erasure->xid))
			return true;
		if (erasure->is_applied && message_id != NULL &&
			position_of(message_id) < erasure->before_position)
			return true;
	}
	return false;
}
