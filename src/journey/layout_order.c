/*
 * journey/layout_order.c
 *	  The second step of the layout: the order of each row, with few crossings.
 *
 * The order begins as a depth-first walk meets the vertices, which draws a tree
 * without a crossing.  Then rows are sorted by the middle of their neighbours
 * above, then below, and so on, and neighbours change places where that removes
 * a crossing; the best order seen is kept.  The number of passes depends on the
 * size alone, so that the same graph always gets the same order.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "journey/layout_graph.h"

#define MAX_PASSES 24
#define MIN_PASSES 4

/* Vertices times passes; about a second. */
#define WORK 1000000

/* Above this neighbours are not tried the other way round. */
#define MAX_SWAPPED 5000

typedef struct SortKey
{
	double		key;
	int			place;
	int			vertex;
} SortKey;

static void
append_to_row(JoLayered *graph, int v)
{
	JoRow	   *row = &graph->rows[graph->vertices[v].row];

	graph->vertices[v].place = row->size;
	row->vertices[row->size++] = v;
}

static void
make_rows(JoLayered *graph)
{
	graph->rows = layout_array0(JoRow, graph->nrows);
	for (int v = 0; v < graph->nvertices; v++)
		graph->rows[graph->vertices[v].row].size++;
	for (int r = 0; r < graph->nrows; r++)
	{
		graph->rows[r].vertices = layout_array(int, graph->rows[r].size);
		graph->rows[r].size = 0;
	}
}

static void
order_by_walk(JoLayered *graph)
{
	bool	   *seen = layout_array0(bool, graph->nvertices);
	int		   *next = layout_array(int, graph->nvertices);
	int		   *stack = layout_array(int, graph->nvertices);

	memcpy(next, graph->down.first, sizeof(int) * graph->nvertices);
	for (int start = 0; start < graph->nvertices; start++)
	{
		int			depth = 0;

		/* What has something above it is met from there. */
		if (seen[start] || graph->up.first[start] < graph->up.first[start + 1])
			continue;
		stack[0] = start;
		seen[start] = true;
		append_to_row(graph, start);
		while (depth >= 0)
		{
			int			v = stack[depth];
			int			lower;

			if (next[v] >= graph->down.first[v + 1])
			{
				depth--;
				continue;
			}
			lower = graph->down.other[next[v]++];
			if (seen[lower])
				continue;
			seen[lower] = true;
			append_to_row(graph, lower);
			stack[++depth] = lower;
		}
	}
	pfree(seen);
	pfree(next);
	pfree(stack);
}

static int
compare_keys(const void *a, const void *b)
{
	const SortKey *left = a;
	const SortKey *right = b;

	if (left->key != right->key)
		return left->key < right->key ? -1 : 1;
	return left->place - right->place;
}

/* Sort a row by the middle of its neighbours; equal ones turn round when
 * "turns". */
static void
sort_row(JoLayered *graph, int number, const JoNeighbours *fixed, bool turns,
		 SortKey *keys)
{
	JoRow	   *row = &graph->rows[number];

	for (int i = 0; i < row->size; i++)
	{
		int			v = row->vertices[i];
		int			n = fixed->first[v + 1] - fixed->first[v];
		double		sum = 0;

		for (int e = fixed->first[v]; e < fixed->first[v + 1]; e++)
			sum += graph->vertices[fixed->other[e]].place;
		keys[i].key = n > 0 ? sum / n : i;
		keys[i].place = turns ? -i : i;
		keys[i].vertex = v;
	}
	qsort(keys, row->size, sizeof(SortKey), compare_keys);
	for (int i = 0; i < row->size; i++)
	{
		row->vertices[i] = keys[i].vertex;
		graph->vertices[keys[i].vertex].place = i;
	}
}

/* Crossings of the links of two neighbours with the left one left, less those
 * with the two the other way round. */
static int
crossings_saved(const JoLayered *graph, const JoNeighbours *links, int left,
				int right)
{
	int			result = 0;

	for (int a = links->first[left]; a < links->first[left + 1]; a++)
	{
		int			p = graph->vertices[links->other[a]].place;

		for (int b = links->first[right]; b < links->first[right + 1]; b++)
		{
			int			q = graph->vertices[links->other[b]].place;

			result += (p > q) - (p < q);
		}
	}
	return result;
}

static void
swap(JoLayered *graph, JoRow *row, int place)
{
	int			left = row->vertices[place];

	row->vertices[place] = row->vertices[place + 1];
	row->vertices[place + 1] = left;
	graph->vertices[row->vertices[place]].place = place;
	graph->vertices[left].place = place + 1;
}

/*
 * Change neighbours where it removes crossings, until nothing more is won.
 * "equal": in the first round also where it neither wins nor loses, since what
 * wins may be two such steps away.
 */
static void
swap_neighbours(JoLayered *graph, bool equal)
{
	bool		has_changed = true;

	for (int round = 0; has_changed && round < MAX_PASSES; round++)
	{
		has_changed = false;
		for (int r = 0; r < graph->nrows; r++)
		{
			JoRow	   *row = &graph->rows[r];

			CHECK_FOR_INTERRUPTS();
			for (int i = 0; i + 1 < row->size; i++)
			{
				int			left = row->vertices[i];
				int			right = row->vertices[i + 1];
				int			saved = crossings_saved(graph, &graph->up, left, right) +
				crossings_saved(graph, &graph->down, left, right);

				if (saved < 0 || (saved == 0 && !(equal && round == 0)))
					continue;
				swap(graph, row, i);
				has_changed = true;
			}
		}
	}
}

static int
compare_places(const void *a, const void *b)
{
	return *(const int *) a - *(const int *) b;
}

/* Crossings below one row: the inversions of the lower ends, counted in a
 * binary indexed tree. */
static int64
count_below(const JoLayered *graph, int r, int *tree, int *places)
{
	const JoRow *row = &graph->rows[r];
	int			size = graph->rows[r + 1].size;
	int64		result = 0;
	int64		before = 0;

	memset(tree, 0, sizeof(int) * (size + 1));
	for (int i = 0; i < row->size; i++)
	{
		int			v = row->vertices[i];
		int			n = 0;

		for (int e = graph->down.first[v]; e < graph->down.first[v + 1]; e++)
			places[n++] = graph->vertices[graph->down.other[e]].place;
		qsort(places, n, sizeof(int), compare_places);

		/* Links of one vertex do not cross: first count, then add. */
		for (int k = 0; k < n; k++)
		{
			result += before;
			for (int p = places[k] + 1; p > 0; p -= p & -p)
				result -= tree[p];
		}
		for (int k = 0; k < n; k++)
		{
			for (int p = places[k] + 1; p <= size; p += p & -p)
				tree[p]++;
		}
		before += n;
	}
	return result;
}

static int64
count_crossings(const JoLayered *graph)
{
	int		   *tree = layout_array(int, graph->nvertices);
	int		   *places = layout_array(int, graph->nlinks);
	int64		result = 0;

	for (int r = 0; r + 1 < graph->nrows; r++)
		result += count_below(graph, r, tree, places);
	pfree(tree);
	pfree(places);
	return result;
}

static void
pass(JoLayered *graph, int number, bool turns, SortKey *keys)
{
	bool		is_down = number % 2 == 0;

	for (int i = 1; i < graph->nrows; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (is_down)
			sort_row(graph, i, &graph->up, turns, keys);
		else
			sort_row(graph, graph->nrows - 1 - i, &graph->down, turns, keys);
	}
}

/* Put neighbours back into the order of the walk, which is the author's, where
 * it costs no crossing. */
static void
restore_author_order(JoLayered *graph, const int *first)
{
	bool		has_changed = true;

	for (int round = 0; has_changed && round < MAX_PASSES; round++)
	{
		has_changed = false;
		for (int r = 0; r < graph->nrows; r++)
		{
			JoRow	   *row = &graph->rows[r];

			CHECK_FOR_INTERRUPTS();
			for (int i = 0; i + 1 < row->size; i++)
			{
				int			left = row->vertices[i];
				int			right = row->vertices[i + 1];

				if (first[left] < first[right] ||
					crossings_saved(graph, &graph->up, left, right) +
					crossings_saved(graph, &graph->down, left, right) < 0)
					continue;
				swap(graph, row, i);
				has_changed = true;
			}
		}
	}
}

/* The order of all rows, as places by vertex: kept, and put back. */
static void
keep_order(const JoLayered *graph, int *places)
{
	for (int v = 0; v < graph->nvertices; v++)
		places[v] = graph->vertices[v].place;
}

static void
restore_order(JoLayered *graph, const int *places)
{
	for (int v = 0; v < graph->nvertices; v++)
	{
		graph->vertices[v].place = places[v];
		graph->rows[graph->vertices[v].row].vertices[places[v]] = v;
	}
}

/*
 * Passes from the order of the walk; "turns" says what becomes of equal ones in
 * the first.  Returns the fewest crossings seen; *best is the order then.
 */
static int64
improve(JoLayered *graph, bool turns, int passes, int64 fewest, int *best)
{
	SortKey    *keys = layout_array(SortKey, graph->nvertices);

	for (int i = 0; i < passes && fewest > 0; i++)
	{
		int64		crossings;

		pass(graph, i, turns, keys);
		if (graph->nvertices <= MAX_SWAPPED)
			swap_neighbours(graph, i % 3 == 1);
		crossings = count_crossings(graph);
		if (crossings < fewest)
		{
			fewest = crossings;
			keep_order(graph, best);
		}
		turns = i % 2 == 1 ? !turns : turns;
	}
	pfree(keys);
	return fewest;
}

void
jo_layout_order(JoLayered *graph)
{
	int		   *first = layout_array(int, graph->nvertices);
	int		   *best = layout_array(int, graph->nvertices);
	int64		fewest;
	int			passes;

	make_rows(graph);
	order_by_walk(graph);
	keep_order(graph, first);
	keep_order(graph, best);
	fewest = count_crossings(graph);
	passes = Max(MIN_PASSES, Min(MAX_PASSES, WORK / graph->nvertices));
	fewest = improve(graph, false, passes, fewest, best);
	restore_order(graph, first);
	(void) improve(graph, true, passes, fewest, best);
	restore_order(graph, best);
	if (graph->nvertices <= MAX_SWAPPED)
		restore_author_order(graph, first);
	pfree(first);
	pfree(best);
}
