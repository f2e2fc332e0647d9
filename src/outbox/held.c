/*
 * outbox/held.c
 *	  Finds the outbox rows of the messages that a claim was given.
 *
 * A claim remembers the ranges of positions its messages lie in, and which
 * they are; other messages of a range were withdrawn, or settled under an
 * earlier claim.
 */
#include "postgres.h"

#include "access/table.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "core/leaf.h"
#include "outbox/internal.h"
#include "permission/erasure.h"

void
jo_held_scan_begin(JoHeldScan *held, JoClaim *claim, Snapshot snapshot)
{
	held->claim = claim;
	held->snapshot = snapshot;
	held->range = -1;
	held->place = -1;
	held->scan = NULL;
}

/* The next row, and its place in claim->held; NULL at the end. */
TupleTableSlot *
jo_held_scan_next(JoHeldScan *held)
{
	JoClaim    *claim = held->claim;

	for (;;)
	{
		TupleTableSlot *slot;

		if (held->scan == NULL)
		{
			JoClaimRange *range;

			if (held->range + 1 >= claim->nranges)
				return NULL;
			range = &claim->ranges[++held->range];
			held->scan = jo_outbox_scan_begin(claim->channel, range->lane,
											  range->start, range->stop,
											  held->snapshot);
		}
		while ((slot = jo_outbox_scan_next(held->scan)) != NULL)
		{
			held->place = jo_claim_place(claim, jo_slot_uuid(slot, OUTBOX_ID));
			if (held->place >= 0)
				return slot;
		}
		jo_held_scan_end(held);
	}
}

/* Leave the current range; the next call goes on with the one after it. */
void
jo_held_scan_end(JoHeldScan *held)
{
	if (held->scan != NULL)
		jo_outbox_scan_end(held->scan);
	held->scan = NULL;
}

/* Is the row's customer erased?  Then nothing more is kept of the message. */
bool
jo_message_is_erased(TupleTableSlot *slot)
{
	char	   *customer;
	bool		is_erased;

	customer = TextDatumGetCString(slot->tts_values[OUTBOX_CUSTOMER_ID]);
	is_erased = jo_customer_is_erased(customer);
	pfree(customer);
	return is_erased;
}

/*
 * Which messages of the claim are of erased customers, by place; NULL when
 * nobody was ever erased.
 */
bool *
jo_claim_erased(JoClaim *claim, Snapshot snapshot)
{
	Relation	relation = table_open(jo_relation_oid("erasure_certificate"),
									  AccessShareLock);
	bool		is_empty = RelationGetNumberOfBlocks(relation) == 0;
	bool	   *is_erased;
	JoHeldScan	scan;
	TupleTableSlot *slot;

	table_close(relation, AccessShareLock);
	if (is_empty)
		return NULL;
	is_erased = palloc0(Max(1, claim->nheld) * sizeof(bool));
	jo_held_scan_begin(&scan, claim, snapshot);
	while ((slot = jo_held_scan_next(&scan)) != NULL)
		is_erased[scan.place] = jo_message_is_erased(slot);
	jo_held_scan_end(&scan);
	return is_erased;
}
