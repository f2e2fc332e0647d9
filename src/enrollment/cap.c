/*
 * enrollment/cap.c
 *	  Entry caps: how often one customer may enter, and how many may.
 *
 * The caps of one customer are exact because a lane has one writer: his active
 * runs are in memory, and entry_memory keeps the instants of the entries that a
 * cap over a period may still count.
 *
 * "at_once" and "total" bound all lanes together, and entry_count is written a
 * lane apart.  Before its first entry into such a journey a batch makes sure
 * that it knows what it may add, one of three ways:
 *
 *	- Full: the journey had no place when the batch looked.  What others do
 *	  meanwhile may only free one, and then this refusal came just before.  As
 *	  soon as the batch itself has freed one it looks again.
 *	- Far: there are FAR_ENTRIES free places for every lane.  The batch holds
 *	  the journey's lock shared to its end and adds at most that many; beyond
 *	  that it counts as one that is near.  No more than one batch a lane is
 *	  ever under way, and each looked at counts no newer than those that the
 *	  last of them saw, so together they stay below.
 *	- Near: it holds the journey's lock alone, has counted after it got it, and
 *	  so after everybody else who entered has committed: the count is exact.
 *
 * All that are near any cap take one lock before, so two of them never wait for
 * each other crosswise.  One that is far from one cap and near another may do so
 * with one that comes near the first: PostgreSQL ends one of them, and that batch
 * is done again.  The time that a worker waits here is not its customers', and
 * does not count towards journey_orch.batch_timeout.
 *
 * A trial takes no lock, since nobody may wait for it: it counts and decides.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "core/lane.h"
#include "enrollment/batch.h"

/* Entries into a journey that a batch may make without being alone. */
#define FAR_ENTRIES 4000

/* The lock of all that are near a cap; others are those of a journey_id. */
#define NEAR_LOCK 0

/* What the batch knows of a journey with a cap over all lanes. */
typedef struct JoCapState
{
	int32		journey_id;
	int			at_once;		/* the caps, 0: none */
	int			max;
	int64		active;			/* without what this batch adds */
	int64		total;
	int64		limit;			/* entries that this batch may add */
	bool		is_full;		/* and no lock is held */
} JoCapState;

static bool
has_shared_cap(const JoGraph *graph)
{
	return graph->entry.caps.at_once > 0 || graph->entry.caps.total > 0;
}

/* Places that the caps leave free, of so many active runs and entries. */
static int64
free_places(const JoCapState *state, int64 active, int64 total)
{
	int64		places = PG_INT64_MAX;

	if (state->at_once > 0)
		places = Min(places, state->at_once - active);
	if (state->max > 0)
		places = Min(places, state->max - total);
	return places;
}

/* No place, as the batch knows it? */
static bool
is_full(const JoBatch *batch, const JoCapState *state)
{
	int64		active;
	int64		total;

	jo_tally_of_batch(batch, state->journey_id, &active, &total);
	return free_places(state, state->active + active,
					   state->total + total) <= 0;
}

static bool
is_far(const JoBatch *batch, const JoCapState *state)
{
	/* the members of a careful batch count each for himself */
	return batch->limit <= FAR_ENTRIES && batch->care == NULL &&
		free_places(state, state->active, state->total) >=
		(int64) JO_LANES * FAR_ENTRIES;
}

/*
 * Take a lock, however long the others need.  A limit on the time of a worker's
 * batch rests meanwhile.
 */
static void
lock_patiently(void (*lock) (JoLockKind kind, uint32 key), uint32 key)
{
	TimestampTz ends_at;
	long		left;

	if (!IsBackgroundWorker || !get_timeout_active(STATEMENT_TIMEOUT))
	{
		lock(JO_LOCK_CAP, key);
		return;
	}
	ends_at = get_timeout_finish_time(STATEMENT_TIMEOUT);
	left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), ends_at);
	disable_timeout(STATEMENT_TIMEOUT, true);
	lock(JO_LOCK_CAP, key);
	enable_timeout_after(STATEMENT_TIMEOUT, (int) Max(left, 1));
}

/* Be the only one who enters the journey, and know how many have. */
static void
settle_near(JoCapState *state)
{
	lock_patiently(jo_lock, NEAR_LOCK);
	lock_patiently(jo_lock, state->journey_id);
	jo_tally_read(state->journey_id, &state->active, &state->total);
	state->limit = PG_INT64_MAX;
}

/* Find out how many the batch may let into the journey; see above. */
static void
settle_cap(JoBatch *batch, JoCapState *state)
{
	state->limit = PG_INT64_MAX;
	jo_tally_read(state->journey_id, &state->active, &state->total);
	if (batch->sink->write_position == NULL)
		return;
	state->is_full = is_full(batch, state);
	if (state->is_full)
		return;
	if (is_far(batch, state))
	{
		lock_patiently(jo_lock_shared, state->journey_id);
		jo_tally_read(state->journey_id, &state->active, &state->total);
		state->limit = FAR_ENTRIES;
		if (is_far(batch, state))
			return;
	}
	settle_near(state);
}

/*
 * The state of the graph's journey and caps, settled.  A batch may meet two
 * versions: what is settled for the caps of one says nothing of others.
 */
static JoCapState *
get_state(JoBatch *batch, const JoGraph *graph)
{
	const JoCaps *caps = &graph->entry.caps;
	JoCapState *state;
	ListCell   *cell;

	foreach(cell, batch->caps)
	{
		state = lfirst(cell);
		if (state->journey_id == graph->journey_id &&
			state->at_once == caps->at_once && state->max == caps->total)
			return state;
	}
	state = palloc0(sizeof(JoCapState));
	state->journey_id = graph->journey_id;
	state->at_once = caps->at_once;
	state->max = caps->total;
	batch->caps = lappend(batch->caps, state);
	settle_cap(batch, state);
	return state;
}

/* The cap over all lanes that refuses, or NULL. */
static const char *
find_shared_refusal(JoBatch *batch, const JoGraph *graph)
{
	const JoCaps *caps = &graph->entry.caps;
	JoCapState *state;
	int64		active;
	int64		total;

	/* in a simulation there is nobody but the customer */
	if (!has_shared_cap(graph) || batch->simulation != NULL)
		return NULL;
	state = get_state(batch, graph);
	if (state->is_full && !is_full(batch, state))
		settle_cap(batch, state);
	jo_tally_of_batch(batch, graph->journey_id, &active, &total);
	if (total >= state->limit)
		settle_near(state);
	if (caps->at_once > 0 && state->active + active >= caps->at_once)
		return "cap_at_once";
	if (caps->total > 0 && state->total + total >= caps->total)
		return "cap_total";
	return NULL;
}

/* Does an entry at "instant" still count towards a cap of the customer? */
static bool
counts(const JoMember *member, const JoGraph *graph, TimestampTz instant)
{
	return member->now < jo_duration_add(instant, &graph->entry.caps.per,
										 member->profile.timezone ?
										 member->profile.timezone :
										 graph->timezone);
}

/*
 * The customer's entries into the journey that still count.  Of entries while
 * no version had the cap, only the last one of each key is known.
 */
static int
count_entries(const JoMember *member, const JoGraph *graph)
{
	int			n = 0;
	ListCell   *cell;

	foreach(cell, member->memories)
	{
		const JoMemory *memory = lfirst(cell);

		if (memory->journey_id != graph->journey_id)
			continue;
		for (int i = 0; i < memory->nrecent; i++)
			n += counts(member, graph, memory->recent[i]);
		if (memory->nrecent == 0 ||
			memory->last_entered > memory->recent[memory->nrecent - 1])
			n += counts(member, graph, memory->last_entered);
	}
	return n;
}

static int
count_active(const JoMember *member, const JoGraph *graph)
{
	int			n = 0;
	ListCell   *cell;

	foreach(cell, member->runs)
	{
		const JoRun *run = lfirst(cell);

		n += run->journey_id == graph->journey_id &&
			run->state != JO_ENROLLMENT_ENDED;
	}
	return n;
}

/* The cap by which the member may not enter now, or NULL. */
const char *
jo_cap_refusal(JoBatch *batch, JoMember *member, const JoGraph *graph)
{
	const JoCaps *caps = &graph->entry.caps;

	if (caps->per_customer > 0 &&
		count_entries(member, graph) >= caps->per_customer)
		return "cap_per_customer";
	if (caps->at_once_per_customer > 0 &&
		count_active(member, graph) >= caps->at_once_per_customer)
		return "cap_at_once_per_customer";
	return find_shared_refusal(batch, graph);
}

/*
 * The run enters: keep the instants that its journey's cap may count, before
 * the memory itself learns of the entry.
 */
void
jo_cap_entered(const JoRun *run, JoMemory *memory)
{
	const JoMember *member = run->member;
	const JoGraph *graph = run->graph;
	TimestampTz *recent;
	int			n = 0;

	if (graph == NULL || graph->entry.caps.per_customer == 0)
		return;
	recent = palloc((memory->nrecent + 2) * sizeof(TimestampTz));
	for (int i = 0; i < memory->nrecent; i++)
		if (counts(member, graph, memory->recent[i]))
			recent[n++] = memory->recent[i];
	if (memory->runs > 0 &&
		(memory->nrecent == 0 ||
		 memory->last_entered > memory->recent[memory->nrecent - 1]) &&
		counts(member, graph, memory->last_entered))
		recent[n++] = memory->last_entered;
	recent[n++] = run->entered_at;
	memory->recent = recent;
	memory->nrecent = n;
}
