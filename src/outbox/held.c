/*
 * outbox/held.c
 *	  Finds the outbox rows of the messages that a claim was given.
 *
 * A claim remembers the ranges of positions its messages lie in, and which
 * they are; other messages of a range were withdrawn, or settled under an
 * earlier claim.
 */
#include "postgres.h"

#include "outbox/internal.h"

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
