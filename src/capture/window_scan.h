/*
 * capture/window_scan.h
 *	  Where a lane's events are, as window.c and pending.c share it.
 */
#ifndef JO_CAPTURE_WINDOW_SCAN_H
#define JO_CAPTURE_WINDOW_SCAN_H

#include "executor/tuptable.h"
#include "storage/itemptr.h"

#include "capture/capture.h"
#include "core/leaf.h"

/* One event of a window: where it is. */
typedef struct JoWindowEntry
{
	int64		seq;
	ItemPointerData tid;
	int16		segment;
} JoWindowEntry;

/* Most entries of a window that are kept sorted in memory (24 MB). */
#define JO_WINDOW_ENTRIES (1024 * 1024)

/*
 * The events that a scan found.  With "give_up" the scan ends after that many
 * entries or pages; else the JO_WINDOW_ENTRIES smallest tickets are kept.
 */
typedef struct JoWindowList
{
	JoWindowEntry *entries;
	int			count;
	int			allocated;
	int			give_up;		/* 0: never */
	JoCustomerFilter wants;		/* NULL: everybody */
	void	   *wants_arg;
	int			pages;			/* walked so far */
	bool		is_partial;		/* there are more */
} JoWindowList;

/* What to look for. */
typedef struct JoWindowBounds
{
	const JoSnapshot *s1;
	const JoSnapshot *s2;		/* upper bound; NULL: none */
	int64		after;			/* only larger tickets ... */
	const JoSnapshot *after_in; /* ... of those finished in here */
} JoWindowBounds;

/* Bounds of what the lane has not applied yet; "upto" as s2. */
extern void jo_window_bounds_pending(JoWindowBounds *bounds,
									 const JoLaneCursor *cursor,
									 const JoSnapshot *upto);

/*
 * Collect the events within bounds in "list", sorted by ticket, each once; some
 * may not be visible to any snapshot.  In CurrentMemoryContext.
 */
extern void jo_window_collect(JoWindowList *list, int lane,
							  const JoWindowBounds *bounds, Snapshot snapshot);

/*
 * The same on those pages only that hold events of transaction "xid"; finds its
 * neighbours' too.
 */
extern void jo_window_collect_near(JoWindowList *list, int lane,
								   FullTransactionId xid,
								   const JoWindowBounds *bounds,
								   Snapshot snapshot);

/* Is there an event within bounds that "snapshot" sees? */
extern bool jo_window_has_event(int lane, const JoWindowBounds *bounds,
								Snapshot snapshot);

/* The open leaves that events are fetched from; begins as {0}. */
typedef struct JoWindowFetcher
{
	int			lane;
	Snapshot	snapshot;
	Relation	relation[JO_SEGMENTS_MAX];
	TupleTableSlot *slot[JO_SEGMENTS_MAX];
} JoWindowFetcher;

/*
 * The row of an entry, valid until the next fetch; NULL when the snapshot does
 * not see it.  The entry may be older than the snapshot: VACUUM may have
 * removed the row of a rolled-back savepoint since, and a later event may stand
 * in its place.
 */
extern TupleTableSlot *jo_window_fetch(JoWindowFetcher *fetcher,
									   JoWindowEntry *entry);

/* The same, copied into CurrentMemoryContext; false when it is not seen. */
extern bool jo_window_fetch_event(JoWindowFetcher *fetcher,
								  JoWindowEntry *entry, JoEvent *event);
extern void jo_window_fetch_end(JoWindowFetcher *fetcher);

#endif							/* JO_CAPTURE_WINDOW_SCAN_H */
