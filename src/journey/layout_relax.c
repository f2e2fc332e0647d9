/*
 * journey/layout_relax.c
 *	  The last step for x: what stands far from its neighbours moves nearer.
 *
 * The mean of four extreme results leaves boxes in the middle of empty space.
 * Vertices that stand in one vertical line move together, towards the mean of
 * what they are linked to beside it, as far as their neighbours in the rows
 * let them: order, distances and straight lines stay.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "journey/layout_graph.h"

#define MAX_ROUNDS 40
#define MIN_ROUNDS 3

/* Vertices times rounds. */
#define WORK 1000000

typedef struct Lines
{
	int			n;
	int		   *of;				/* by vertex */
	int		   *first;			/* members of each, from the top */
	int		   *member;
} Lines;

/* Vertices that are linked and have the same x, each with at most one above
 * and one below. */
static void
find_lines(const JoLayered *graph, Lines *lines)
{
	bool	   *has_below = layout_array0(bool, graph->nvertices);
	int		   *next;

	lines->n = 0;
	lines->of = layout_array(int, graph->nvertices);
	for (int r = 0; r < graph->nrows; r++)
	{
		for (int i = 0; i < graph->rows[r].size; i++)
		{
			int			v = graph->rows[r].vertices[i];

			lines->of[v] = -1;
			for (int e = graph->up.first[v]; e < graph->up.first[v + 1]; e++)
			{
				int			u = graph->up.other[e];

				if (has_below[u] || graph->vertices[u].x != graph->vertices[v].x)
					continue;
				has_below[u] = true;
				lines->of[v] = lines->of[u];
				break;
			}
			if (lines->of[v] < 0)
				lines->of[v] = lines->n++;
		}
	}
	pfree(has_below);

	lines->first = layout_array0(int, lines->n + 1);
	lines->member = layout_array(int, graph->nvertices);
	for (int v = 0; v < graph->nvertices; v++)
		lines->first[lines->of[v] + 1]++;
	for (int i = 0; i < lines->n; i++)
		lines->first[i + 1] += lines->first[i];
	next = layout_array(int, lines->n);
	memcpy(next, lines->first, sizeof(int) * lines->n);
	for (int v = 0; v < graph->nvertices; v++)
		lines->member[next[lines->of[v]]++] = v;
	pfree(next);
}

/* Add up how far the links of one vertex lead to the side. */
static void
add_pull(const JoLayered *graph, const Lines *lines, int v,
		 const JoNeighbours *links, double *sum, int *n)
{
	for (int e = links->first[v]; e < links->first[v + 1]; e++)
	{
		int			u = links->other[e];

		if (lines->of[u] == lines->of[v])
			continue;
		*sum += graph->vertices[u].x - graph->vertices[v].x;
		(*n)++;
	}
}

/* How far a vertex can go to the left (negative) and to the right. */
static void
limit_by_row(const JoLayered *graph, int v, double *least, double *most)
{
	const JoVertex *vertex = &graph->vertices[v];
	const JoRow *row = &graph->rows[vertex->row];

	if (vertex->place > 0)
	{
		int			left = row->vertices[vertex->place - 1];

		*least = Max(*least, graph->vertices[left].x - vertex->x +
					 jo_layout_distance(graph, left, v));
	}
	if (vertex->place + 1 < row->size)
	{
		int			right = row->vertices[vertex->place + 1];

		*most = Min(*most, graph->vertices[right].x - vertex->x -
					jo_layout_distance(graph, v, right));
	}
}

static bool
move_line(JoLayered *graph, const Lines *lines, int line)
{
	double		sum = 0;
	double		least = -1e9;
	double		most = 1e9;
	double		shift;
	int			n = 0;

	for (int i = lines->first[line]; i < lines->first[line + 1]; i++)
	{
		int			v = lines->member[i];

		add_pull(graph, lines, v, &graph->up, &sum, &n);
		add_pull(graph, lines, v, &graph->down, &sum, &n);
		limit_by_row(graph, v, &least, &most);
	}
	if (n == 0 || least > most)
		return false;

	/* Rounding towards 0 never comes nearer than allowed. */
	shift = trunc(Max(least, Min(most, sum / n)));
	if (shift < least || shift > most || shift == 0)
		return false;
	for (int i = lines->first[line]; i < lines->first[line + 1]; i++)
		graph->vertices[lines->member[i]].x += shift;
	return true;
}

/* The leftmost edge becomes 0. */
static void
shift_to_zero(JoLayered *graph)
{
	double		least = 1e9;
	double		most = -1e9;

	for (int v = 0; v < graph->nvertices; v++)
	{
		const JoVertex *vertex = &graph->vertices[v];

		least = Min(least, vertex->x - vertex->width / 2);
		most = Max(most, vertex->x + vertex->width / 2);
	}
	for (int v = 0; v < graph->nvertices; v++)
		graph->vertices[v].x -= least;
	graph->layout->width = most - least;
}

void
jo_layout_relax(JoLayered *graph)
{
	Lines		lines;
	int			rounds = Max(MIN_ROUNDS, Min(MAX_ROUNDS, WORK / graph->nvertices));
	bool		has_moved = true;

	for (int i = 0; i < rounds && has_moved; i++)
	{
		CHECK_FOR_INTERRUPTS();
		has_moved = false;
		find_lines(graph, &lines);
		for (int n = 0; n < lines.n; n++)
		{
			int			line = i % 2 == 0 ? n : lines.n - 1 - n;

			has_moved = move_line(graph, &lines, line) || has_moved;
		}
		pfree(lines.of);
		pfree(lines.first);
		pfree(lines.member);
	}
	shift_to_zero(graph);
}
