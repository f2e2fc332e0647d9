/*
 * capture/window.c
 *	  Reading the event log without losing or repeating a row.
 *
 * A lane's window is every event finished in snapshot S2 and not finished in
 * S1.  It is ordered once, by ticket, and may be cut anywhere: the cursor keeps
 * (S1, S2, seq), and when the window is used up S1 becomes S2.  A writer that
 * stays idle in its transaction costs one index probe and holds up nobody.
 * window_scan.c finds the events.
 *
 * A window larger than one batch is kept in this backend, sorted, so that a
 * backlog is sorted once and not once a batch.  That list is a cache: it is
 * trusted only if the cursor is exactly where this backend left it, in a window
 * up to the very same snapshot, else it is read again
 * (test/isolation/specs/window_cache).  Its size is bounded
 * (JO_WINDOW_ENTRIES): of a larger backlog the smallest tickets are kept.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "capture/window_scan.h"

/*
 * A batch reads no further event when those it has carry so many bytes: its
 * memory must not depend on what users put into payloads.
 */
#define WINDOW_BYTES (32 * 1024 * 1024)

/* The rest of a window, as this backend left it after batch "batch". */
typedef struct WindowCache
{
	MemoryContext context;
	JoWindowList list;
	int			next;
	int64		batch;
	int64		seq;
	JoSnapshot	s2;				/* whose xip lives in "context" */
} WindowCache;

static WindowCache window_cache[JO_LANES];

static bool
cache_is_at(const WindowCache *cache, const JoLaneCursor *cursor)
{
	return cache->context != NULL && cursor->has_s2 &&
		cache->batch == cursor->batch && cache->seq == cursor->seq &&
		jo_snapshot_equals(&cache->s2, &cursor->s2);
}

static void
drop_cache(WindowCache *cache)
{
	if (cache->context != NULL)
		MemoryContextDelete(cache->context);
	memset(cache, 0, sizeof(WindowCache));
}

/*
 * Fill the cache with the window that the cursor is in, after its position.
 * Opens a new window up to "snapshot" when the cursor is between windows.
 */
static void
read_window(WindowCache *cache, JoLaneCursor *cursor, Snapshot snapshot)
{
	JoWindowBounds bounds;
	MemoryContext caller;

	drop_cache(cache);
	if (!cursor->has_s2)
	{
		jo_snapshot_take(snapshot, &cursor->s2);
		cursor->has_s2 = true;
		cursor->seq = 0;
	}
	jo_window_bounds_pending(&bounds, cursor, &cursor->s2);

	cache->context = AllocSetContextCreate(TopMemoryContext,
										   "journey_orch window",
										   ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(cache->context);
	jo_window_collect(&cache->list, cursor->lane, &bounds, snapshot);
	cache->s2 = cursor->s2;
	cache->s2.xip = palloc((cursor->s2.nxip + 1) * sizeof(FullTransactionId));
	memcpy(cache->s2.xip, cursor->s2.xip,
		   cursor->s2.nxip * sizeof(FullTransactionId));
	MemoryContextSwitchTo(caller);
}

/* The window is used up: everything finished in S2 is applied. */
static void
finish_window(JoLaneCursor *cursor)
{
	cursor->s1 = cursor->s2;
	cursor->has_s2 = false;
	cursor->seq = 0;
}

/*
 * Leave the cache for the next batch: it is valid again if exactly this
 * position becomes batch + 1.
 */
static void
keep_cache(WindowCache *cache, const JoLaneCursor *cursor)
{
	cache->batch = cursor->batch + 1;
	cache->seq = cursor->seq;
	if (cache->next == cache->list.count)
		drop_cache(cache);
}

int
jo_event_window_read(JoLaneCursor *cursor, Snapshot snapshot, int limit,
					 TimestampTz until, JoEvent **events, JoWindowEnd *end)
{
	WindowCache *cache = &window_cache[cursor->lane];
	JoWindowFetcher fetcher = {cursor->lane, snapshot};
	bool		was_open = cursor->has_s2;
	int			count = 0;
	Size		bytes = 0;

	*end = JO_WINDOW_CUT;
	if (!cache_is_at(cache, cursor))
		read_window(cache, cursor, snapshot);
	*events = palloc(Max(1, Min(limit, cache->list.count - cache->next)) *
					 sizeof(JoEvent));
	while (count < limit && bytes < WINDOW_BYTES &&
		   cache->next < cache->list.count)
	{
		JoWindowEntry *entry = &cache->list.entries[cache->next];
		bool		visible;

		CHECK_FOR_INTERRUPTS();
		visible = jo_window_fetch_event(&fetcher, entry, &(*events)[count]);
		if (visible && (*events)[count].instant > until)
		{
			*end = JO_WINDOW_HELD;
			break;
		}
		cache->next++;
		cursor->seq = entry->seq;
		cursor->moved = true;
		if (!visible)
			continue;
		if ((*events)[count].payload != NULL)
			bytes += VARSIZE((*events)[count].payload);
		count++;
	}
	jo_window_fetch_end(&fetcher);

	if (cache->next < cache->list.count || cache->list.is_partial)
	{
		keep_cache(cache, cursor);
		return count;
	}
	drop_cache(cache);
	finish_window(cursor);
	/* a window that an earlier batch opened ended before this snapshot */
	if (was_open)
		cursor->moved = true;
	else
		*end = JO_WINDOW_EXHAUSTED;
	return count;
}
