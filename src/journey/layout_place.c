/*
 * journey/layout_place.c
 *	  The third step of the layout: the x of each vertex in its row.
 *
 * After Brandes and Koepf, "Fast and Simple Horizontal Coordinate Assignment":
 * vertices are put into vertical lines with a middle neighbour of the row above
 * (or below), as far left (or right) as they go; a line where an arrow only
 * passes wins against others.  The four results are laid over each other, and
 * each vertex takes the mean of its two middle ones.  Each of the four keeps the
 * order and the distances of a row, so their mean keeps them too.
 *
 * Linear in vertices and links.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "journey/layout_graph.h"

#define BOX_GAP 28
#define LABEL_GAP 10
#define LINE_GAP 16

/* One of the four: the graph, seen upside down or in a mirror. */
typedef struct View
{
	const JoLayered *graph;
	bool		is_upside_down; /* lines are made with the row below */
	bool		is_mirrored;
	int		   *root;			/* by vertex: the first of its line */
	int		   *line;			/* by vertex: the next in its line, a circle */
	double	   *x;				/* by vertex */
} View;

static bool
is_box(const JoLayered *graph, int v)
{
	return v < graph->layout->nboxes;
}

/* Neither a box nor a label: an arrow only passes. */
static bool
is_passage(const JoLayered *graph, int v)
{
	return graph->vertices[v].width == 0;
}

double
jo_layout_distance(const JoLayered *graph, int left, int right)
{
	double		gap = LABEL_GAP;

	if (is_passage(graph, left) && is_passage(graph, right))
		gap = LINE_GAP;
	else if (is_box(graph, left) && is_box(graph, right))
		gap = BOX_GAP;
	else if (is_box(graph, left) || is_box(graph, right))
		gap = LINE_GAP;
	return (graph->vertices[left].width + graph->vertices[right].width) / 2 + gap;
}

/* The n-th row and the n-th vertex of a row, as the view sees them. */
static const JoRow *
view_row(const View *view, int n)
{
	return &view->graph->rows[view->is_upside_down ? view->graph->nrows - 1 - n : n];
}

static int
view_vertex(const View *view, const JoRow *row, int n)
{
	return row->vertices[view->is_mirrored ? row->size - 1 - n : n];
}

static int
view_place(const View *view, int v)
{
	const JoVertex *vertex = &view->graph->vertices[v];

	return view->is_mirrored ?
		view->graph->rows[vertex->row].size - 1 - vertex->place : vertex->place;
}

static const JoNeighbours *
view_above(const View *view)
{
	return view->is_upside_down ? &view->graph->down : &view->graph->up;
}

/*
 * The passage above a passage, or -1: the part of a line that must be straight.
 */
static int
inner_neighbour(const View *view, int v)
{
	const JoNeighbours *above = view_above(view);

	if (!is_passage(view->graph, v))
		return -1;
	for (int e = above->first[v]; e < above->first[v + 1]; e++)
	{
		if (is_passage(view->graph, above->other[e]))
			return above->other[e];
	}
	return -1;
}

/*
 * For each vertex of a row the range of places above that it can be lined up
 * with: not across a passage's line.  Arrays by place in the row.
 */
static void
find_limits(const View *view, const JoRow *row, const JoRow *above, int *from,
			int *to)
{
	int			limit = -1;

	for (int i = 0; i < row->size; i++)
	{
		int			inner = inner_neighbour(view, view_vertex(view, row, i));

		from[i] = limit;
		if (inner >= 0)
			limit = Max(limit, view_place(view, inner));
	}
	limit = above->size;
	for (int i = row->size - 1; i >= 0; i--)
	{
		int			inner = inner_neighbour(view, view_vertex(view, row, i));

		/* Of two such lines that cross, the left one stays straight. */
		to[i] = limit;
		if (inner >= 0 && view_place(view, inner) > from[i])
			limit = Min(limit, view_place(view, inner));
	}
}

static int
compare_ints(const void *a, const void *b)
{
	return *(const int *) a - *(const int *) b;
}

/* Line up the vertices of a row with a middle neighbour above. */
static void
align_row(View *view, const JoRow *row, const JoRow *above, int *from, int *to,
		  int *places)
{
	const JoNeighbours *links = view_above(view);
	int			last = -1;

	find_limits(view, row, above, from, to);
	for (int i = 0; i < row->size; i++)
	{
		int			v = view_vertex(view, row, i);
		int			n = 0;

		for (int e = links->first[v]; e < links->first[v + 1]; e++)
			places[n++] = view_place(view, links->other[e]);
		if (n == 0)
			continue;
		if (inner_neighbour(view, v) >= 0)
		{
			places[0] = view_place(view, inner_neighbour(view, v));
			n = 1;
		}
		qsort(places, n, sizeof(int), compare_ints);
		for (int m = (n - 1) / 2; m <= n / 2; m++)
		{
			int			u = view_vertex(view, above, places[m]);

			if (view->line[v] != v || places[m] <= last ||
				places[m] < from[i] || places[m] > to[i])
				continue;
			view->line[u] = v;
			view->root[v] = view->root[u];
			view->line[v] = view->root[v];
			last = places[m];
		}
	}
}

static void
align(View *view)
{
	const JoLayered *graph = view->graph;
	int			widest = 0;
	int		   *from;
	int		   *to;
	int		   *places = layout_array(int, graph->nlinks);

	for (int r = 0; r < graph->nrows; r++)
		widest = Max(widest, graph->rows[r].size);
	from = layout_array(int, widest);
	to = layout_array(int, widest);
	for (int v = 0; v < graph->nvertices; v++)
		view->root[v] = view->line[v] = v;
	for (int r = 1; r < graph->nrows; r++)
	{
		CHECK_FOR_INTERRUPTS();
		align_row(view, view_row(view, r), view_row(view, r - 1), from, to, places);
	}
	pfree(from);
	pfree(to);
	pfree(places);
}

/*
 * Lines as a graph: one must be so far to the left of another.  Push every line
 * as far left as it goes, then pull it back to the right where nothing holds it.
 */
static void
compact(View *view)
{
	const JoLayered *graph = view->graph;
	int			n = graph->nvertices;
	int		   *first = layout_array0(int, n + 1);
	int		   *next = layout_array(int, n);
	int		   *right = layout_array(int, n);	/* a line */
	double	   *distance = layout_array(double, n);
	int		   *waiting = layout_array0(int, n);
	int		   *queue = layout_array(int, n);
	int			nqueue = 0;

	for (int r = 0; r < graph->nrows; r++)
	{
		const JoRow *row = &graph->rows[r];

		for (int i = 0; i + 1 < row->size; i++)
			first[view->root[view_vertex(view, row, i)] + 1]++;
	}
	for (int v = 0; v < n; v++)
		first[v + 1] += first[v];
	memcpy(next, first, sizeof(int) * n);
	for (int r = 0; r < graph->nrows; r++)
	{
		const JoRow *row = &graph->rows[r];

		for (int i = 0; i + 1 < row->size; i++)
		{
			int			a = view_vertex(view, row, i);
			int			b = view_vertex(view, row, i + 1);
			int			slot = next[view->root[a]]++;

			right[slot] = view->root[b];
			distance[slot] = jo_layout_distance(graph, a, b);
			waiting[right[slot]]++;
		}
	}

	for (int v = 0; v < n; v++)
	{
		view->x[v] = 0;
		if (view->root[v] == v && waiting[v] == 0)
			queue[nqueue++] = v;
	}
	for (int i = 0; i < nqueue; i++)
	{
		int			v = queue[i];

		for (int e = first[v]; e < first[v + 1]; e++)
		{
			view->x[right[e]] = Max(view->x[right[e]], view->x[v] + distance[e]);
			if (--waiting[right[e]] == 0)
				queue[nqueue++] = right[e];
		}
	}
	for (int i = nqueue - 1; i >= 0; i--)
	{
		int			v = queue[i];
		double		limit = view->x[v];
		bool		has_limit = false;

		for (int e = first[v]; e < first[v + 1]; e++)
		{
			double		x = view->x[right[e]] - distance[e];

			limit = has_limit ? Min(limit, x) : x;
			has_limit = true;
		}
		view->x[v] = Max(view->x[v], limit);
	}
	for (int v = 0; v < n; v++)
		view->x[v] = view->x[view->root[v]];

	pfree(first);
	pfree(next);
	pfree(right);
	pfree(distance);
	pfree(waiting);
	pfree(queue);
}

/* The extent of one result, with half the widths at its ends. */
static void
extent(const JoLayered *graph, const double *x, double *least, double *most)
{
	*least = *most = x[0];
	for (int v = 0; v < graph->nvertices; v++)
	{
		*least = Min(*least, x[v] - graph->vertices[v].width / 2);
		*most = Max(*most, x[v] + graph->vertices[v].width / 2);
	}
}

/* Lay the four over the narrowest: those pushed left at its left edge, those
 * pushed right at its right one. */
static void
overlay(const JoLayered *graph, double *const results[4])
{
	double		least[4];
	double		most[4];
	int			narrowest = 0;

	for (int i = 0; i < 4; i++)
	{
		extent(graph, results[i], &least[i], &most[i]);
		if (most[i] - least[i] < most[narrowest] - least[narrowest])
			narrowest = i;
	}
	for (int i = 0; i < 4; i++)
	{
		double		shift = i % 2 == 0 ? least[narrowest] - least[i] :
		most[narrowest] - most[i];

		for (int v = 0; v < graph->nvertices; v++)
			results[i][v] += shift;
	}
}

static int
compare_doubles(const void *a, const void *b)
{
	double		left = *(const double *) a;
	double		right = *(const double *) b;

	return (left > right) - (left < right);
}

void
jo_layout_place(JoLayered *graph)
{
	double	   *results[4];

	for (int i = 0; i < 4; i++)
	{
		View		view = {graph, i >= 2, i % 2 == 1};

		view.root = layout_array(int, graph->nvertices);
		view.line = layout_array(int, graph->nvertices);
		view.x = results[i] = layout_array(double, graph->nvertices);
		align(&view);
		compact(&view);
		for (int v = 0; view.is_mirrored && v < graph->nvertices; v++)
			view.x[v] = -view.x[v];
		pfree(view.root);
		pfree(view.line);
	}
	overlay(graph, results);
	for (int v = 0; v < graph->nvertices; v++)
	{
		double		values[4];

		for (int i = 0; i < 4; i++)
			values[i] = results[i][v];
		qsort(values, 4, sizeof(double), compare_doubles);
		graph->vertices[v].x = (values[1] + values[2]) / 2;
	}
	for (int i = 0; i < 4; i++)
		pfree(results[i]);
}
