/*
 * journey/pretend.c
 *	  The journeys that a simulation wants to be live.
 *
 * A simulation asks what a version would do, a draft too, and not what became
 * of the published one.  So while it runs this backend's engine is told of
 * other journeys: those of the pretence, each published once, before all time.
 * Nothing of it is stored and nobody else can see it.
 *
 * A version that is pretended keeps the id of its journey: splits, holdouts and
 * the ids of runs are then those that they would really be.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/acl.h"

#include "core/clock.h"
#include "journey/author.h"
#include "journey/pretend.h"
#include "journey/schema.h"

/* The id of a journey that does not exist; no stored one has it. */
#define UNSTORED_ID (-1)

typedef struct Pretended
{
	int32		journey_id;
	JoGraph    *graph;
	bool		takes_events;
	JoAct		act;
} Pretended;

/* The graphs that events of one name enter. */
typedef struct Entered
{
	const char *name;
	List	   *graphs;
} Entered;

struct JoPretence
{
	MemoryContext context;
	int			count;
	int			room;
	Pretended  *journeys;		/* sorted by id once it has begun */
	List	   *entered;		/* of Entered *: what was asked so far */
};

JoPretence *jo_pretence = NULL;

JoPretence *
jo_pretence_create(void)
{
	JoPretence *pretence = palloc0(sizeof(JoPretence));

	pretence->context = CurrentMemoryContext;
	pretence->room = 8;
	pretence->journeys = palloc(pretence->room * sizeof(Pretended));
	return pretence;
}

static bool
has_journey(const JoPretence *pretence, int32 journey_id)
{
	for (int i = 0; i < pretence->count; i++)
		if (pretence->journeys[i].journey_id == journey_id)
			return true;
	return false;
}

void
jo_pretence_add(JoPretence *pretence, JoGraph *graph, bool takes_events)
{
	Pretended  *journey;

	if (has_journey(pretence, graph->journey_id))
		return;
	if (pretence->count == pretence->room)
	{
		pretence->room *= 2;
		pretence->journeys = repalloc(pretence->journeys,
									  pretence->room * sizeof(Pretended));
	}
	journey = &pretence->journeys[pretence->count++];
	memset(journey, 0, sizeof(Pretended));
	journey->journey_id = graph->journey_id;
	journey->graph = graph;
	journey->takes_events = takes_events;
	journey->act.kind = JO_ACT_PUBLISH;
	journey->act.at = JO_NO_TIME;
	journey->act.state = JO_JOURNEY_LIVE;
	journey->act.version = graph->version;
	journey->act.pause = -1;
}

void
jo_pretence_add_live(JoPretence *pretence)
{
	ListCell   *cell;

	foreach(cell, jo_live_graphs())
		jo_pretence_add(pretence, lfirst(cell), true);
}

/* Add the journey of this name as it is published; a draft's newest version. */
static void
add_by_name(JoPretence *pretence, const char *name)
{
	JoStoredJourney journey;
	const JoAct *act;
	JoGraph    *graph;

	if (!jo_find_journey(name, &journey) ||
		has_journey(pretence, journey.journey_id))
		return;
	act = jo_act_before(journey.journey_id, PG_INT64_MAX);
	if (act != NULL &&
		(act->is_stopped || act->state == JO_JOURNEY_ARCHIVED))
		return;
	graph = jo_graph(journey.journey_id,
					 act != NULL ? act->version : journey.newest);
	if (graph != NULL)
		jo_pretence_add(pretence, graph, false);
}

void
jo_pretence_add_entered(JoPretence *pretence)
{
	/* the array grows on the way */
	for (int i = 0; i < pretence->count; i++)
	{
		const JoGraph *graph = pretence->journeys[i].graph;

		for (int step = 0; step < graph->nsteps && graph->error == NULL; step++)
			if (graph->steps[step].verb == JO_ENTER)
				add_by_name(pretence, graph->steps[step].u.enter.journey);
	}
}

static int
compare_journeys(const void *a, const void *b)
{
	int32		left = ((const Pretended *) a)->journey_id;
	int32		right = ((const Pretended *) b)->journey_id;

	return (left > right) - (left < right);
}

JoPretence *
jo_pretence_begin(JoPretence *pretence)
{
	JoPretence *before = jo_pretence;

	qsort(pretence->journeys, pretence->count, sizeof(Pretended),
		  compare_journeys);
	jo_pretence = pretence;
	return before;
}

void
jo_pretence_end(JoPretence *before)
{
	jo_pretence = before;
}

static Pretended *
find_journey(int32 journey_id)
{
	Pretended	key = {.journey_id = journey_id};

	return bsearch(&key, jo_pretence->journeys, jo_pretence->count,
				   sizeof(Pretended), compare_journeys);
}

JoGraph *
jo_pretended_graph(int32 journey_id)
{
	Pretended  *journey = find_journey(journey_id);

	return journey != NULL ? journey->graph : NULL;
}

const JoAct *
jo_pretended_act(int32 journey_id)
{
	Pretended  *journey = find_journey(journey_id);

	return journey != NULL ? &journey->act : NULL;
}

int32
jo_pretended_id(const char *name)
{
	for (int i = 0; i < jo_pretence->count; i++)
		if (strcmp(jo_pretence->journeys[i].graph->name, name) == 0)
			return jo_pretence->journeys[i].journey_id;
	return 0;
}

List *
jo_pretended_entered_by(const char *name)
{
	MemoryContext caller;
	Entered    *entered;
	ListCell   *cell;

	foreach(cell, jo_pretence->entered)
	{
		entered = lfirst(cell);
		if (strcmp(entered->name, name) == 0)
			return entered->graphs;
	}
	caller = MemoryContextSwitchTo(jo_pretence->context);
	entered = palloc0(sizeof(Entered));
	entered->name = pstrdup(name);
	for (int i = 0; i < jo_pretence->count; i++)
	{
		const Pretended *journey = &jo_pretence->journeys[i];

		if (journey->takes_events &&
			jo_graph_is_entered_by(journey->graph, name))
			entered->graphs = lappend(entered->graphs, journey->graph);
	}
	list_sort(entered->graphs, jo_compare_graphs);
	jo_pretence->entered = lappend(jo_pretence->entered, entered);
	MemoryContextSwitchTo(caller);
	return entered->graphs;
}

JoGraph *
jo_graph_of_definition(Jsonb *definition)
{
	JoStoredJourney journey = {0};
	JsonbValue	root;
	JoReading  *reading;
	char	   *name;
	bool		exists;

	jo_json_root(definition, &root);
	name = jo_read_string(&root, "journey");
	exists = name != NULL && jo_find_journey(name, &journey);
	if (exists)
		jo_ensure_journey_owner(name, &journey);
	reading = jo_definition_read(definition,
								 exists ? journey.owner : GetUserId(), true);
	jo_ensure_valid(name, reading);
	reading->graph->journey_id = exists ? journey.journey_id : UNSTORED_ID;
	return reading->graph;
}
