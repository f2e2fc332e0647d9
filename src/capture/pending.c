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

#include "miscadmin.h"
#include "utils/snapmgr.h"

#include "capture/window_scan.h"

int
jo_event_pending_read(const JoLaneCursor *cursor, Snapshot snapshot,
					  JoEvent **events)
{
	JoWindowFetcher fetcher = {cursor->lane, snapshot};
	JoWindowList list = {0};
	JoWindowBounds bounds;
	int			count = 0;

	jo_window_bounds_pending(&bounds, cursor, NULL);
	jo_window_collect(&list, cursor->lane, &bounds, snapshot);
	*events = palloc(Max(1, list.count) * sizeof(JoEvent));
	for (int i = 0; i < list.count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (jo_window_fetch_event(&fetcher, &list.entries[i],
								  &(*events)[count]))
			count++;
	}
	jo_window_fetch_end(&fetcher);
	return count;
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

bool
jo_lane_is_fresh(int lane, Snapshot snapshot)
{
	JoSnapshot	upto;

	jo_snapshot_take(snapshot, &upto);
	return jo_lane_has_applied(lane, &upto, snapshot);
}
