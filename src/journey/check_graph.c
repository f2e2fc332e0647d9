/*
 * journey/check_graph.c
 *	  The steps as a graph: what is reached, what never ends, what spins, and
 *	  the number of each step.
 *
 * All walks are iterative and linear in steps and edges.  An edge whose step
 * does not exist, and a step without a verb, count as if a run could end
 * there: they have a finding of their own.
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "journey/reader.h"

/* Circles that are reported; a definition with more has one mistake. */
#define MAX_CYCLES 20

static void
index_edges(JoReader *reader)
{
	int			edge = 0;

	reader->first_edge = palloc(sizeof(int) * (reader->nsteps + 1));
	for (int step = 0; step < reader->nsteps; step++)
	{
		reader->first_edge[step] = edge;
		while (edge < reader->nedges && reader->edges[edge].from == step)
			edge++;
	}
	reader->first_edge[reader->nsteps] = edge;
	Assert(edge == reader->nedges);
}

static void
step_path(JoReader *reader, int step, JoPath *steps, JoPath *path)
{
	JsonbValue *name = &reader->sources[step].name;

	memset(steps, 0, sizeof(JoPath));
	steps->key = "steps";
	steps->key_length = strlen("steps");
	memset(path, 0, sizeof(JoPath));
	path->parent = steps;
	path->key = name->val.string.val;
	path->key_length = name->val.string.len;
}

/* Steps in breadth-first order from the start, then those not reached.
 * Returns how many are reached. */
static int
breadth_first(JoReader *reader, int *order)
{
	bool	   *seen = palloc0(sizeof(bool) * (reader->nsteps + 1));
	int			n = 0;
	int			reached;

	if (reader->graph->start != JO_NO_STEP && reader->nsteps > 0)
	{
		seen[reader->graph->start] = true;
		order[n++] = reader->graph->start;
	}
	for (int i = 0; i < n; i++)
	{
		for (int e = reader->first_edge[order[i]]; e < reader->first_edge[order[i] + 1]; e++)
		{
			int			to = reader->edges[e].to;

			if (to == JO_NO_STEP || seen[to])
				continue;
			seen[to] = true;
			order[n++] = to;
		}
	}
	reached = n;
	for (int step = 0; step < reader->nsteps; step++)
	{
		if (!seen[step])
			order[n++] = step;
	}
	return reached;
}

static void
check_reach(JoReader *reader, const int *order, int reached)
{
	/* Without a first step nothing is reached, which is said elsewhere. */
	if (reached == 0)
		return;
	for (int i = reached; i < reader->nsteps; i++)
	{
		JoPath		steps;
		JoPath		path;

		step_path(reader, order[i], &steps, &path);
		jo_finding_add(reader->findings, JO_FINDING_UNREACHABLE_STEP, &path, NULL,
					   "step \"%s\" is never reached",
					   reader->graph->steps[order[i]].name);
	}
}

static bool
may_end(JoReader *reader, int step)
{
	if (!reader->sources[step].has_verb || reader->sources[step].verb == JO_EXIT)
		return true;
	if (reader->first_edge[step] == reader->first_edge[step + 1])
		return true;			/* "next" is missing: said elsewhere */
	for (int e = reader->first_edge[step]; e < reader->first_edge[step + 1]; e++)
	{
		if (reader->edges[e].to == JO_NO_STEP)
			return true;
	}
	return false;
}

/* Which steps a run may end from: those that lead to one that may end. */
static bool *
find_ending(JoReader *reader)
{
	int		   *first = palloc0(sizeof(int) * (reader->nsteps + 1));
	int		   *next = palloc(sizeof(int) * (reader->nsteps + 1));
	int		   *sources = palloc(sizeof(int) * (reader->nedges + 1));
	int		   *queue = palloc(sizeof(int) * (reader->nsteps + 1));
	bool	   *ends = palloc0(sizeof(bool) * (reader->nsteps + 1));
	int			n = 0;

	/* The edges by where they lead: count, sum up, fill in. */
	for (int e = 0; e < reader->nedges; e++)
	{
		if (reader->edges[e].to != JO_NO_STEP)
			first[reader->edges[e].to + 1]++;
	}
	for (int step = 0; step < reader->nsteps; step++)
		first[step + 1] += first[step];
	memcpy(next, first, sizeof(int) * (reader->nsteps + 1));
	for (int e = 0; e < reader->nedges; e++)
	{
		if (reader->edges[e].to != JO_NO_STEP)
			sources[next[reader->edges[e].to]++] = reader->edges[e].from;
	}

	for (int step = 0; step < reader->nsteps; step++)
	{
		if (may_end(reader, step))
		{
			ends[step] = true;
			queue[n++] = step;
		}
	}
	for (int i = 0; i < n; i++)
	{
		for (int s = first[queue[i]]; s < first[queue[i] + 1]; s++)
		{
			if (ends[sources[s]])
				continue;
			ends[sources[s]] = true;
			queue[n++] = sources[s];
		}
	}
	return ends;
}

/* Report the steps where a run comes into a part without an exit. */
static void
check_ending(JoReader *reader, const int *order, int reached)
{
	JoGraph    *graph = reader->graph;
	bool	   *ends;
	bool	   *reported;

	if (graph->nexits > 0 || (graph->has_goal && graph->goal.ends))
		return;
	ends = find_ending(reader);
	reported = palloc0(sizeof(bool) * (reader->nsteps + 1));
	for (int i = 0; i < reached; i++)
	{
		int			from = order[i];

		for (int e = reader->first_edge[from]; e < reader->first_edge[from + 1]; e++)
		{
			int			to = reader->edges[e].to;

			if (to != JO_NO_STEP && ends[from] && !ends[to])
				reported[to] = true;
		}
		if (i == 0 && !ends[from])
			reported[from] = true;
	}
	for (int i = 0; i < reached; i++)
	{
		JoPath		steps;
		JoPath		path;

		if (!reported[order[i]])
			continue;
		step_path(reader, order[i], &steps, &path);
		jo_finding_add(reader->findings, JO_FINDING_DEAD_END, &path, NULL,
					   "no exit can be reached from step \"%s\"",
					   graph->steps[order[i]].name);
	}
}

/* What a depth-first walk over instant edges remembers of a step. */
typedef struct WalkStep
{
	int			next_edge;
	int			parent;			/* the step it was reached from */
	char		state;			/* not seen, on the path, done */
} WalkStep;

#define WALK_NEW	0
#define WALK_OPEN	1
#define WALK_DONE	2

/* The circle that the edge from "last" back to "first" closes. */
static void
add_cycle(JoReader *reader, const WalkStep *walk, int first, int last)
{
	StringInfoData names;
	JoPath		steps;
	JoPath		path;
	List	   *circle = NIL;
	ListCell   *cell;
	int			n = 0;

	for (int step = last; step != first; step = walk[step].parent)
		circle = lcons_int(step, circle);
	circle = lcons_int(first, circle);

	initStringInfo(&names);
	foreach(cell, circle)
	{
		if (n++ < 10)
			appendStringInfo(&names, "\"%s\", ",
							 reader->graph->steps[lfirst_int(cell)].name);
	}
	if (n > 10)
		appendStringInfo(&names, "... %d more, ", n - 10);
	step_path(reader, first, &steps, &path);
	jo_finding_add(reader->findings, JO_FINDING_INSTANT_CYCLE, &path, NULL,
				   "no time passes in the circle %s\"%s\"", names.data,
				   reader->graph->steps[first].name);
}

static void
open_step(JoReader *reader, WalkStep *walk, int step, int parent)
{
	walk[step].next_edge = reader->first_edge[step];
	walk[step].parent = parent;
	walk[step].state = WALK_OPEN;
}

/*
 * Walk depth-first along instant edges; an edge to a step that is still open
 * closes a circle.  After one was found the walk goes on, so that circles
 * which do not touch it are found too; at most one is reported for each step
 * that closes it, and MAX_CYCLES in all.
 */
static void
check_cycles(JoReader *reader, const int *order)
{
	WalkStep   *walk = palloc0(sizeof(WalkStep) * (reader->nsteps + 1));
	bool	   *reported = palloc0(sizeof(bool) * (reader->nsteps + 1));
	int			nreported = 0;

	for (int i = 0; i < reader->nsteps; i++)
	{
		int			step = order[i];

		if (walk[step].state != WALK_NEW)
			continue;
		open_step(reader, walk, step, JO_NO_STEP);
		while (step != JO_NO_STEP)
		{
			JoEdge	   *edge;

			if (walk[step].next_edge >= reader->first_edge[step + 1])
			{
				walk[step].state = WALK_DONE;
				step = walk[step].parent;
				continue;
			}
			edge = &reader->edges[walk[step].next_edge++];
			if (!edge->is_instant || edge->to == JO_NO_STEP ||
				walk[edge->to].state == WALK_DONE)
				continue;
			if (walk[edge->to].state == WALK_OPEN)
			{
				if (!reported[edge->to] && nreported++ < MAX_CYCLES)
					add_cycle(reader, walk, edge->to, step);
				reported[edge->to] = true;
				continue;
			}
			open_step(reader, walk, edge->to, step);
			step = edge->to;
		}
	}
}

void
jo_check_graph(JoReader *reader)
{
	int		   *order = palloc(sizeof(int) * (reader->nsteps + 1));
	int			reached;

	index_edges(reader);
	reached = breadth_first(reader, order);
	check_reach(reader, order, reached);
	check_ending(reader, order, reached);
	check_cycles(reader, order);
}

/* Number the steps breadth-first and turn everything to the new numbers. */
void
jo_number_steps(JoReader *reader)
{
	int		   *order = palloc(sizeof(int) * (reader->nsteps + 1));
	int		   *number = palloc(sizeof(int) * (reader->nsteps + 1));
	JoStep	   *steps;
	JoEdge	   *edges = palloc(sizeof(JoEdge) * (reader->nedges + 1));
	ListCell   *cell;
	int			n = 0;

	(void) breadth_first(reader, order);
	for (int i = 0; i < reader->nsteps; i++)
		number[order[i]] = i;

	/* Slots may lie in the steps: first the numbers, then the places. */
	foreach(cell, reader->slots)
	{
		int		   *slot = lfirst(cell);

		if (*slot != JO_NO_STEP)
			*slot = number[*slot];
	}
	steps = MemoryContextAllocHuge(CurrentMemoryContext,
								   sizeof(JoStep) * (reader->nsteps + 1));
	for (int i = 0; i < reader->nsteps; i++)
	{
		steps[i] = reader->graph->steps[order[i]];
		steps[i].position = i;
		for (int e = reader->first_edge[order[i]]; e < reader->first_edge[order[i] + 1]; e++)
		{
			edges[n] = reader->edges[e];
			edges[n].from = i;
			edges[n].to = edges[n].to == JO_NO_STEP ? JO_NO_STEP : number[edges[n].to];
			n++;
		}
	}
	pfree(reader->graph->steps);
	reader->graph->steps = steps;
	reader->edges = edges;
}
