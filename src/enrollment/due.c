/*
 * enrollment/due.c
 *	  What is due next for one customer: his runs' timers, his messages', and the
 *	  dates by which he enters (plan.c), which are few.
 *
 * The truth is due_at in the run or message.  A customer with few of them is
 * asked one by one; one with many gets a heap of due times, in which nothing
 * is ever searched: who gets another due time is entered again, and an entry
 * that is no longer true is dropped when it comes to the top.
 *
 * What is due at one instant happens in the order of the customer's lists:
 * messages, then runs, the oldest entry first.  Runs that cannot matter to one
 * another are taken together; one that can tell others something is the last
 * of those that are, so that what it causes comes before the next run.
 */
#include "postgres.h"

#include <limits.h>

#include "lib/pairingheap.h"
#include "utils/memutils.h"

#include "enrollment/batch.h"

/* A due time of a run or of a message; the other is NULL. */
typedef struct DueEntry
{
	pairingheap_node node;
	TimestampTz due_at;
	JoRun	   *run;
	JoMessage  *message;
} DueEntry;

/* Among those due at one instant: messages by their order, then runs. */
static int
place_of(const DueEntry *entry)
{
	return entry->run != NULL ? entry->run->ordinal :
		entry->message->ordinal - INT_MAX;
}

/* The earliest is at the top. */
static int
compare_entries(const pairingheap_node *a, const pairingheap_node *b,
				void *arg)
{
	const DueEntry *left = pairingheap_const_container(DueEntry, node, a);
	const DueEntry *right = pairingheap_const_container(DueEntry, node, b);
	int			left_place;
	int			right_place;

	if (left->due_at != right->due_at)
		return left->due_at < right->due_at ? 1 : -1;
	left_place = place_of(left);
	right_place = place_of(right);
	return (left_place < right_place) - (left_place > right_place);
}

static void
enter(JoMember *member, TimestampTz due_at, JoRun *run, JoMessage *message)
{
	DueEntry   *entry = MemoryContextAlloc(GetMemoryChunkContext(member),
										   sizeof(DueEntry));

	entry->due_at = due_at;
	entry->run = run;
	entry->message = message;
	pairingheap_add(member->due_heap, &entry->node);
}

/* The run has a due time, which it had not before. */
void
jo_due_add_run(JoRun *run)
{
	if (run->member->due_heap != NULL && jo_run_has_timer(run))
		enter(run->member, run->due_at, run, NULL);
}

/* The same of a message. */
void
jo_due_add_message(JoMember *member, JoMessage *message)
{
	if (member->due_heap != NULL && jo_message_has_timer(message))
		enter(member, message->due_at, NULL, message);
}

static void
build_heap(JoMember *member)
{
	MemoryContext caller;
	ListCell   *cell;

	caller = MemoryContextSwitchTo(GetMemoryChunkContext(member));
	member->due_heap = pairingheap_allocate(compare_entries, NULL);
	MemoryContextSwitchTo(caller);
	foreach(cell, member->runs)
		jo_due_add_run(lfirst(cell));
	foreach(cell, member->messages)
		jo_due_add_message(member, lfirst(cell));
}

/* Does the run or message still have this due time? */
static bool
is_true(const DueEntry *entry)
{
	if (entry->run != NULL)
		return jo_run_has_timer(entry->run) &&
			entry->run->due_at == entry->due_at;
	return jo_message_has_timer(entry->message) &&
		entry->message->due_at == entry->due_at;
}

/* The first entry that is true, left at the top; NULL: nothing is due. */
static DueEntry *
first_entry(JoMember *member)
{
	while (!pairingheap_is_empty(member->due_heap))
	{
		DueEntry   *entry = pairingheap_container(DueEntry, node,
												  pairingheap_first(member->due_heap));

		if (is_true(entry))
			return entry;
		pairingheap_remove_first(member->due_heap);
		pfree(entry);
	}
	return NULL;
}

/* The earliest due time, asking one by one. */
static TimestampTz
find_earliest(const JoMember *member)
{
	TimestampTz due = JO_NO_TIME;
	ListCell   *cell;

	foreach(cell, member->runs)
	{
		const JoRun *run = lfirst(cell);

		if (jo_run_has_timer(run) && (due == JO_NO_TIME || run->due_at < due))
			due = run->due_at;
	}
	foreach(cell, member->messages)
	{
		const JoMessage *message = lfirst(cell);

		if (jo_message_has_timer(message) &&
			(due == JO_NO_TIME || message->due_at < due))
			due = message->due_at;
	}
	return due;
}

/* The earliest of runs and messages, which come before entries. */
TimestampTz
jo_due_next_of_runs(JoMember *member)
{
	DueEntry   *entry;

	if (member->due_heap == NULL)
	{
		if (list_length(member->runs) <= JO_LIST_LIMIT &&
			list_length(member->messages) <= JO_LIST_LIMIT)
			return find_earliest(member);
		build_heap(member);
	}
	entry = first_entry(member);
	return entry != NULL ? entry->due_at : JO_NO_TIME;
}

/* The earliest due time of the customer; JO_NO_TIME: none. */
TimestampTz
jo_due_next(JoMember *member)
{
	TimestampTz due = jo_due_next_of_runs(member);
	TimestampTz planned = jo_plan_next_due(member);

	if (due == JO_NO_TIME || (planned != JO_NO_TIME && planned < due))
		return planned;
	return due;
}

/* Would this match look at an event of that name? */
static bool
hears_match(const JoMatch *match, const char *name)
{
	if (match->on != NULL)
		return jo_streq(match->on, name);
	for (int i = 0; i < match->nretest; i++)
		if (jo_streq(match->retest_on[i], name))
			return true;
	return match->nretest == 0;
}

static bool
hears_step(const JoStep *step, const char *name)
{
	if (step->verb == JO_DIGEST)
		return hears_match(&step->u.digest.match, name);
	if (step->verb == JO_DELAY)
		return step->u.delay.restart.match.on != NULL &&
			hears_match(&step->u.delay.restart.match, name);
	if (step->verb != JO_WAIT)
		return false;
	for (int i = 0; i < step->u.wait.nbranches; i++)
		if (hears_match(&step->u.wait.branches[i], name))
			return true;
	return step->u.wait.restart.match.on != NULL &&
		hears_match(&step->u.wait.restart.match, name);
}

/* Could a run of the graph, wherever it stands, look at such an event? */
static bool
hears(const JoGraph *graph, const char *name)
{
	if (graph->has_goal && hears_match(&graph->goal.match, name))
		return true;
	for (int i = 0; i < graph->nexits; i++)
		if (hears_match(&graph->exits[i], name))
			return true;
	for (int i = 0; i < graph->nsteps; i++)
		if (hears_step(&graph->steps[i], name))
			return true;
	return false;
}

/* Could such an event matter to the customer: to a run, or by beginning one? */
static bool
is_heard(const JoMember *member, const char *name)
{
	const JoGraph *last = NULL;
	ListCell   *cell;

	if (jo_event_enters(name))
		return true;
	foreach(cell, member->runs)
	{
		const JoRun *run = lfirst(cell);

		if (run->graph != last && hears(run->graph, name))
			return true;
		last = run->graph;
	}
	return false;
}

/*
 * May a run of the graph that moves change what another run of the customer
 * meets?  By an event that is heard, a child, what a call writes, or when a
 * digest ended.
 */
static bool
graph_tells(const JoMember *member, const JoGraph *graph)
{
	for (int i = 0; i < graph->nsteps; i++)
	{
		const JoStep *step = &graph->steps[i];

		if (step->verb == JO_ENTER || step->verb == JO_CALL ||
			step->verb == JO_DIGEST ||
			(step->verb == JO_EMIT && is_heard(member, step->u.emit.event)))
			return true;
	}
	return false;
}

/* The same of a run; *quiet is a graph that is known to tell nothing. */
static bool
tells_others(const JoRun *run, const JoGraph **quiet)
{
	if (run->parent_visit != 0)
		return true;
	if (run->graph == *quiet)
		return false;
	if (graph_tells(run->member, run->graph))
		return true;
	*quiet = run->graph;
	return false;
}

/* Append to the list unless it was entered twice with one due time. */
static List *
append_once(List *list, void *item)
{
	return list != NIL && llast(list) == item ? list : lappend(list, item);
}

/* Take what is due from the heap, in the order of the customer's lists. */
static void
take_from_heap(JoMember *member, List **runs, List **messages)
{
	DueEntry   *entry;
	const JoGraph *quiet = NULL;
	bool		is_last = false;

	while (!is_last && (entry = first_entry(member)) != NULL &&
		   entry->due_at <= member->due)
	{
		if (entry->run != NULL)
		{
			*runs = append_once(*runs, entry->run);
			is_last = tells_others(entry->run, &quiet);
		}
		else
			*messages = append_once(*messages, entry->message);
		pairingheap_remove_first(member->due_heap);
		pfree(entry);
	}
}

/*
 * What is due at member->due: lists in CurrentMemoryContext, in the order of
 * the customer's own.  The caller gives each another due time, or none.  Of the
 * runs only the first where that can matter to the next.
 */
void
jo_due_take(JoMember *member, List **runs, List **messages)
{
	const JoGraph *quiet = NULL;
	ListCell   *cell;

	*runs = NIL;
	*messages = NIL;
	if (member->due_heap != NULL)
	{
		take_from_heap(member, runs, messages);
		return;
	}
	foreach(cell, member->messages)
	{
		JoMessage  *message = lfirst(cell);

		if (jo_message_has_timer(message) && message->due_at <= member->due)
			*messages = lappend(*messages, message);
	}
	foreach(cell, member->runs)
	{
		JoRun	   *run = lfirst(cell);

		if (!jo_run_has_timer(run) || run->due_at > member->due)
			continue;
		*runs = lappend(*runs, run);
		if (tells_others(run, &quiet))
			break;
	}
}
