/*
 * journey/check_enter.c
 *	  Journeys that enter each other.
 *
 * From the definition alone follows which enter steps a run may reach before
 * any time has passed; the journeys they name are kept with the graph.  For an
 * author these are followed through the live versions of other journeys: what
 * leads back to the journey itself is a circle that would never rest.  The
 * engine stops what is not visible here (enrollment/cause.c).
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"

#include "journey/acts.h"
#include "journey/reader.h"

/* Which steps a run may reach with no time passing. */
static bool *
reach_at_once(JoReader *reader)
{
	bool	   *reached = palloc0(sizeof(bool) * (reader->nsteps + 1));
	int		   *queue = palloc(sizeof(int) * (reader->nsteps + 1));
	int			n = 0;

	if (reader->graph->start != JO_NO_STEP && reader->nsteps > 0)
	{
		reached[reader->graph->start] = true;
		queue[n++] = reader->graph->start;
	}
	for (int i = 0; i < n; i++)
	{
		for (int e = reader->first_edge[queue[i]]; e < reader->first_edge[queue[i] + 1]; e++)
		{
			const JoEdge *edge = &reader->edges[e];

			if (!edge->is_instant || edge->to == JO_NO_STEP ||
				reached[edge->to])
				continue;
			reached[edge->to] = true;
			queue[n++] = edge->to;
		}
	}
	return reached;
}

void
jo_find_enters(JoReader *reader)
{
	bool	   *reached;
	ListCell   *cell;

	if (reader->enters == NIL)
		return;
	reached = reach_at_once(reader);
	foreach(cell, reader->enters)
	{
		JoEnterUse *use = lfirst(cell);

		use->is_instant = reached[use->step];
		if (use->is_instant)
			reader->graph->enters = lappend(reader->graph->enters,
											use->journey);
	}
}

/* The live graph of a journey, or NULL. */
static JoGraph *
live_graph(const char *name)
{
	int32		journey_id = jo_journey_id(name);
	const JoAct *act;

	if (journey_id == 0)
		return NULL;
	act = jo_act_before(journey_id, PG_INT64_MAX);
	if (act == NULL || jo_act_refusal(act) != NULL)
		return NULL;
	return jo_graph(journey_id, act->version);
}

static bool
is_listed(List *names, const char *name)
{
	ListCell   *cell;

	foreach(cell, names)
	{
		if (strcmp(lfirst(cell), name) == 0)
			return true;
	}
	return false;
}

/*
 * Does "name" lead back to "home" at once?  *seen are the journeys that were
 * followed already; *circle, on the way back, gets the names in between.
 */
static bool
leads_home(const char *name, const char *home, List **seen, List **circle)
{
	JoGraph    *graph;
	ListCell   *cell;

	check_stack_depth();
	if (strcmp(name, home) == 0)
		return true;
	if (is_listed(*seen, name))
		return false;
	*seen = lappend(*seen, unconstify(char *, name));
	graph = live_graph(name);
	if (graph == NULL)
		return false;
	foreach(cell, graph->enters)
	{
		if (!leads_home(lfirst(cell), home, seen, circle))
			continue;
		*circle = lcons(unconstify(char *, name), *circle);
		return true;
	}
	return false;
}

static void
check_circle(JoReader *reader, const JoEnterUse *use)
{
	const char *home = reader->graph->name;
	List	   *seen = NIL;
	List	   *circle = NIL;
	StringInfoData names;
	ListCell   *cell;

	if (!use->is_instant || !leads_home(use->journey, home, &seen, &circle))
		return;
	initStringInfo(&names);
	foreach(cell, circle)
		appendStringInfo(&names, "\"%s\", ", (char *) lfirst(cell));
	jo_finding_add(reader->findings, JO_FINDING_ENTER_CYCLE, use->path, NULL,
				   "no time passes in the circle of journeys \"%s\", %s\"%s\"",
				   home, names.data, home);
}

/* Would the entry of the journey take what this step sends? */
static void
check_entry(JoReader *reader, const JoEnterUse *use)
{
	JoGraph    *graph;
	const JoEntry *entry;
	bool		is_taken;

	if (strcmp(use->journey, reader->graph->name) == 0)
		entry = &reader->graph->entry;
	else
	{
		graph = live_graph(use->journey);
		if (graph == NULL)
		{
			jo_finding_add(reader->findings, JO_FINDING_UNKNOWN_JOURNEY,
						   use->path, NULL, "journey \"%s\" is not live",
						   use->journey);
			return;
		}
		entry = &graph->entry;
	}
	is_taken = entry->kind != JO_ENTRY_API &&
		(entry->kind != JO_ENTRY_JOURNEY || entry->nparents == 0);
	for (int i = 0; i < entry->nparents && !is_taken; i++)
		is_taken = strcmp(entry->parents[i], reader->graph->name) == 0;
	if (!is_taken)
		jo_finding_add(reader->findings, JO_FINDING_ENTER_REFUSED, use->path,
					   NULL, "journey \"%s\" takes nobody from journey \"%s\"",
					   use->journey, reader->graph->name);
}

void
jo_check_enters(JoReader *reader)
{
	ListCell   *cell;

	if (reader->enters == NIL)
		return;
	jo_journey_cache_begin();
	PG_TRY();
	{
		foreach(cell, reader->enters)
		{
			JoEnterUse *use = lfirst(cell);

			check_entry(reader, use);
			check_circle(reader, use);
		}
	}
	PG_FINALLY();
	{
		jo_journey_cache_end();
	}
	PG_END_TRY();
}
