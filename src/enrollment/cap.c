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
 *	  JO_LOCK_CAP shared to its end and adds at most that many.  No more than
 *	  one batch a lane is ever under way, and each looked at counts no newer
 *	  than those that the last of them saw, so together they stay below.
 *	- Near: it holds JO_LOCK_CAP alone, has counted after it got it, and so
 *	  after everybody else who entered has committed: the count is exact.
 *
 * A batch takes the locks of several journeys in the order of their ids: the
 * process remembers the capped journeys that it has met.  When it meets a new
 * one out of order two of them may wait for each other; PostgreSQL ends one,
 * and that batch is done again (test/tap/caps.pl).
 *
 * A trial takes no lock, since nobody may wait for it: it counts and decides.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "core/lane.h"
#include "enrollment/batch.h"
#include "journey/acts.h"

/* Entries into a journey that a batch may make without being alone. */
#define FAR_ENTRIES 4000

/* What the batch knows of a journey with a cap over all lanes. */
typedef struct JoCapState
{
	int32		journey_id;
	int64		active;			/* without what this batch adds */
	int64		total;
	int64		limit;			/* entries that this batch may add */
	bool		is_full;		/* and no lock is held */
} JoCapState;

/* Journeys with such a cap that this process has met, ascending. */
static List *known_journeys = NIL;

static bool
has_shared_cap(const JoGraph *graph)
{
	return graph->entry.caps.at_once > 0 || graph->entry.caps.total > 0;
}

/* Places that the journey's caps leave free. */
static int64
free_places(const JoCaps *caps, int64 active, int64 total)
{
	int64		places = PG_INT64_MAX;

	if (caps->at_once > 0)
		places = Min(places, caps->at_once - active);
	if (caps->total > 0)
		places = Min(places, caps->total - total);
	return places;
}

/* No place, as the batch knows it? */
static bool
is_full(const JoBatch *batch, const JoCaps *caps, const JoCapState *state)
{
	int64		active;
	int64		total;

	jo_tally_of_batch(batch, state->journey_id, &active, &total);
	return free_places(caps, state->active + active,
					   state->total + total) <= 0;
}

static bool
is_far(const JoBatch *batch, const JoCaps *caps, const JoCapState *state)
{
	/* the members of a careful batch count each for himself */
	return batch->limit <= FAR_ENTRIES && batch->care == NULL &&
		free_places(caps, state->active, state->total) >=
		(int64) JO_LANES * FAR_ENTRIES;
}

/* Find out how many the batch may let into the journey; see above. */
static void
settle_cap(JoBatch *batch, const JoGraph *graph, JoCapState *state)
{
	const JoCaps *caps = &graph->entry.caps;

	state->limit = PG_INT64_MAX;
	jo_tally_read(graph->journey_id, &state->active, &state->total);
	if (batch->sink->write_position == NULL)
		return;
	state->is_full = is_full(batch, caps, state);
	if (state->is_full)
		return;
	if (is_far(batch, caps, state))
	{
		jo_lock_shared(JO_LOCK_CAP, graph->journey_id);
		jo_tally_read(graph->journey_id, &state->active, &state->total);
		if (is_far(batch, caps, state))
		{
			state->limit = FAR_ENTRIES;
			return;
		}
		jo_unlock_shared(JO_LOCK_CAP, graph->journey_id);
	}
	jo_lock(JO_LOCK_CAP, graph->journey_id);
	jo_tally_read(graph->journey_id, &state->active, &state->total);
}

static void
remember_journey(int32 journey_id)
{
	MemoryContext caller;

	if (list_member_int(known_journeys, journey_id))
		return;
	caller = MemoryContextSwitchTo(TopMemoryContext);
	known_journeys = lappend_int(known_journeys, journey_id);
	list_sort(known_journeys, list_int_cmp);
	MemoryContextSwitchTo(caller);
}

static JoCapState *
find_state(const JoBatch *batch, int32 journey_id)
{
	ListCell   *cell;

	foreach(cell, batch->caps)
	{
		JoCapState *state = lfirst(cell);

		if (state->journey_id == journey_id)
			return state;
	}
	return NULL;
}

/* The state of a journey, settled with those that the process knows. */
static JoCapState *
get_state(JoBatch *batch, const JoMember *member, const JoGraph *graph)
{
	JoCapState *state = find_state(batch, graph->journey_id);
	ListCell   *cell;

	if (state != NULL)
		return state;
	remember_journey(graph->journey_id);
	foreach(cell, known_journeys)
	{
		int32		journey_id = lfirst_int(cell);
		const JoGraph *known = graph;

		if (journey_id != graph->journey_id)
		{
			const JoAct *act = jo_act_before(journey_id,
											 member->event->act_seq);

			known = act != NULL ? jo_graph(journey_id, act->version) : NULL;
		}
		if (known == NULL || !has_shared_cap(known) ||
			find_state(batch, journey_id) != NULL)
			continue;
		state = palloc0(sizeof(JoCapState));
		state->journey_id = journey_id;
		batch->caps = lappend(batch->caps, state);
		settle_cap(batch, known, state);
	}
	return find_state(batch, graph->journey_id);
}

/* The cap over all lanes that refuses, or NULL. */
static const char *
find_shared_refusal(JoBatch *batch, const JoMember *member,
					const JoGraph *graph)
{
	const JoCaps *caps = &graph->entry.caps;
	JoCapState *state;
	int64		active;
	int64		total;

	/* in a simulation there is nobody but the customer */
	if (!has_shared_cap(graph) || batch->simulation != NULL)
		return NULL;
	state = get_state(batch, member, graph);
	if (state->is_full && !is_full(batch, caps, state))
		settle_cap(batch, graph, state);
	jo_tally_of_batch(batch, graph->journey_id, &active, &total);
	if (caps->total > 0 && state->total + total >= caps->total)
		return "cap_total";
	if (caps->at_once > 0 && state->active + active >= caps->at_once)
		return "cap_at_once";
	if (total >= state->limit)
		return caps->at_once > 0 ? "cap_at_once" : "cap_total";
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
	return find_shared_refusal(batch, member, graph);
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
