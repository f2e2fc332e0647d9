/*
 * capture/pending.c
 *	  What a lane has still to apply.
 *
 * An event is pending while it is visible and the lane's newest visible cursor
 * is not past it.  The same bounds as for a window serve, from the cursor's
 * position up to the snapshot that asks.  An event of the asking transaction
 * itself is pending only for jo_event_pending_read().
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "capture/event_columns.h"
#include "capture/window_scan.h"
#include "core/lane.h"

/*
 * Of a lane that is further behind than this (events, or pages of the log) it
 * is not asked who the events belong to.  Reading so many takes 4 ms.
 */
#define MAX_PENDING 10000

int
jo_event_pending_read(const JoLaneCursor *cursor, Snapshot snapshot,
					  JoCustomerFilter wants, void *arg, JoEvent **events)
{
	JoWindowFetcher fetcher = {cursor->lane, snapshot};
	JoWindowList list = {.wants = wants,.wants_arg = arg};
	JoWindowBounds bounds;
	int			count = 0;

	jo_window_bounds_pending(&bounds, cursor, NULL);
	jo_window_collect(&list, cursor->lane, &bounds, snapshot);
	*events = palloc(Max(1, list.count) * sizeof(JoEvent));
	for (int i = 0; i < list.count; i++)
	{
		JoEvent    *event = &(*events)[count];

		CHECK_FOR_INTERRUPTS();
		if (jo_window_fetch_event(&fetcher, &list.entries[i], event) &&
			wants(event->customer_id, strlen(event->customer_id), arg))
			count++;
	}
	jo_window_fetch_end(&fetcher);
	return count;
}

List *
jo_event_own_customers(const JoLaneCursor *cursor, Snapshot snapshot)
{
	FullTransactionId own = GetTopFullTransactionIdIfAny();
	JoWindowFetcher fetcher = {cursor->lane, snapshot};
	JoWindowList list = {0};
	JoWindowBounds bounds;
	List	   *customers = NIL;

	if (!FullTransactionIdIsValid(own))
		return NIL;
	jo_window_bounds_pending(&bounds, cursor, NULL);
	jo_window_collect_near(&list, cursor->lane, own, &bounds, snapshot);
	for (int i = 0; i < list.count; i++)
	{
		TupleTableSlot *slot;

		CHECK_FOR_INTERRUPTS();
		slot = jo_window_fetch(&fetcher, &list.entries[i]);
		if (slot != NULL &&
			FullTransactionIdEquals(own,
									DatumGetFullTransactionId(slot->tts_values[EVENT_XID])))
			customers = lappend(customers,
								TextDatumGetCString(slot->tts_values[EVENT_CUSTOMER_ID]));
	}
	jo_window_fetch_end(&fetcher);
	return customers;
}

bool
jo_lane_has_applied(int lane, const JoSnapshot *upto, Snapshot now)
{
	JoLaneCursor cursor;
	JoWindowBounds bounds;

	jo_lane_cursor_read(lane, now, &cursor);
	jo_window_bounds_pending(&bounds, &cursor, upto);
	return !jo_window_has_event(lane, &bounds, now);
}

static int
compare_hashes(const void *a, const void *b)
{
	uint64		left = *(const uint64 *) a;
	uint64		right = *(const uint64 *) b;

	return (left > right) - (left < right);
}

/* Note the customers of the listed events that "snapshot" sees. */
static void
read_customers(JoPendingCustomers *pending, JoWindowList *list, int lane,
			   Snapshot snapshot)
{
	JoWindowFetcher fetcher = {lane, snapshot};

	pending->hashes = palloc(Max(1, list->count) * sizeof(uint64));
	for (int i = 0; i < list->count; i++)
	{
		TupleTableSlot *slot;
		text	   *customer;

		CHECK_FOR_INTERRUPTS();
		slot = jo_window_fetch(&fetcher, &list->entries[i]);
		if (slot == NULL)
			continue;
		customer = DatumGetTextPP(slot->tts_values[EVENT_CUSTOMER_ID]);
		if (VARSIZE_ANY_EXHDR(customer) == 0)
			pending->is_everybody = true;
		pending->hashes[pending->count++] =
			jo_lane_hash(VARDATA_ANY(customer), VARSIZE_ANY_EXHDR(customer));
	}
	jo_window_fetch_end(&fetcher);
	qsort(pending->hashes, pending->count, sizeof(uint64), compare_hashes);
}

void
jo_pending_customers_read(JoPendingCustomers *pending, int lane,
						  Snapshot snapshot)
{
	JoWindowList list = {.give_up = MAX_PENDING};
	JoLaneCursor cursor;
	JoWindowBounds bounds;
	JoSnapshot	upto;

	memset(pending, 0, sizeof(JoPendingCustomers));
	jo_snapshot_take(snapshot, &upto);
	jo_lane_cursor_read(lane, snapshot, &cursor);
	jo_window_bounds_pending(&bounds, &cursor, &upto);
	jo_window_collect(&list, lane, &bounds, snapshot);
	if (list.is_partial)
		pending->is_everybody = true;
	else if (list.count > 0)
		read_customers(pending, &list, lane, snapshot);
	if (list.entries != NULL)
		pfree(list.entries);
}

bool
jo_pending_customers_include(const JoPendingCustomers *pending,
							 const text *customer)
{
	uint64		hash;

	if (pending->is_everybody || pending->count == 0)
		return pending->is_everybody;
	hash = jo_lane_hash(VARDATA_ANY(customer), VARSIZE_ANY_EXHDR(customer));
	return bsearch(&hash, pending->hashes, pending->count, sizeof(uint64),
				   compare_hashes) != NULL;
}

void
jo_pending_customers_free(JoPendingCustomers *pending)
{
	if (pending->hashes != NULL)
		pfree(pending->hashes);
	pending->hashes = NULL;
}
