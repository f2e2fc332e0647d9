/*
 * journey/layout_rank.c
 *	  The first step of the layout: who stands above whom.
 *
 * Arrows that close a circle are found by a depth-first walk and counted as if
 * they went the other way; the rank of a box is then the longest way to it.
 * What passes rows on its way becomes vertices.
 *
 * Arrows to one box share those vertices, so their number is that of the boxes
 * times the rows, at worst; where it would pass MAX_VERTICES, the farthest
 * arrows become jumps until it does not.  Walks are iterative: a chain of ten
 * thousand steps is one path.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "journey/layout_graph.h"

#define MAX_VERTICES 150000

/* Arrows by one of their ends: arrow[first[box]] ... */
static JoNeighbours
arrows_by_box(const JoLayout *layout, bool by_target)
{
	JoNeighbours result;
	int		   *next;

	result.first = layout_array0(int, layout->nboxes + 1);
	result.other = layout_array(int, layout->narrows);
	for (int i = 0; i < layout->narrows; i++)
	{
		const JoArrow *arrow = &layout->arrows[i];

		if (arrow->from != arrow->to)
			result.first[(by_target ? arrow->to : arrow->from) + 1]++;
	}
	for (int i = 0; i < layout->nboxes; i++)
		result.first[i + 1] += result.first[i];
	next = layout_array(int, layout->nboxes);
	memcpy(next, result.first, sizeof(int) * layout->nboxes);
	for (int i = 0; i < layout->narrows; i++)
	{
		const JoArrow *arrow = &layout->arrows[i];

		if (arrow->from != arrow->to)
			result.other[next[by_target ? arrow->to : arrow->from]++] = i;
	}
	pfree(next);
	return result;
}

/* Walk from one box; arrows to a box that is still open go back. */
static void
walk(JoLayout *layout, const JoNeighbours *out, int start, char *state,
	 int *next, int *stack)
{
	int			depth = 0;

	stack[0] = start;
	state[start] = 1;
	while (depth >= 0)
	{
		int			box = stack[depth];
		JoArrow    *arrow;

		if (next[box] >= out->first[box + 1])
		{
			state[box] = 2;
			depth--;
			continue;
		}
		arrow = &layout->arrows[out->other[next[box]++]];
		arrow->is_back = state[arrow->to] == 1;
		if (state[arrow->to] != 0)
			continue;
		state[arrow->to] = 1;
		stack[++depth] = arrow->to;
	}
}

/* Boxes that nothing leads to come first, then what is only in circles. */
static void
find_back_arrows(JoLayout *layout, const JoNeighbours *out,
				 const JoNeighbours *in)
{
	char	   *state = layout_array0(char, layout->nboxes);
	int		   *next = layout_array(int, layout->nboxes);
	int		   *stack = layout_array(int, layout->nboxes);

	memcpy(next, out->first, sizeof(int) * layout->nboxes);
	for (int box = 0; box < layout->nboxes; box++)
	{
		if (in->first[box] == in->first[box + 1])
			walk(layout, out, box, state, next, stack);
	}
	for (int box = 0; box < layout->nboxes; box++)
	{
		if (state[box] == 0)
			walk(layout, out, box, state, next, stack);
	}
	pfree(state);
	pfree(next);
	pfree(stack);
}

static int
upper_box(const JoArrow *arrow)
{
	return arrow->is_back ? arrow->to : arrow->from;
}

static int
lower_box(const JoArrow *arrow)
{
	return arrow->is_back ? arrow->from : arrow->to;
}

/* The longest way to each box, in the order in which all above are known. */
static void
rank_boxes(JoLayered *graph)
{
	JoLayout   *layout = graph->layout;
	int		   *waiting = layout_array0(int, layout->nboxes);
	int		   *queue = layout_array(int, layout->nboxes);
	JoNeighbours out = arrows_by_box(layout, false);
	JoNeighbours in = arrows_by_box(layout, true);
	int			n = 0;

	for (int i = 0; i < layout->narrows; i++)
	{
		if (layout->arrows[i].from != layout->arrows[i].to)
			waiting[lower_box(&layout->arrows[i])]++;
	}
	for (int box = 0; box < layout->nboxes; box++)
	{
		if (waiting[box] == 0)
			queue[n++] = box;
	}
	for (int i = 0; i < n; i++)
	{
		int			box = queue[i];

		/* Down from here lead its own arrows, and those that go back to it. */
		for (int side = 0; side < 2; side++)
		{
			const JoNeighbours *list = side == 0 ? &out : &in;

			for (int a = list->first[box]; a < list->first[box + 1]; a++)
			{
				const JoArrow *arrow = &layout->arrows[list->other[a]];
				int			lower = lower_box(arrow);

				if (upper_box(arrow) != box)
					continue;
				graph->ranks[lower] = Max(graph->ranks[lower], graph->ranks[box] + 1);
				if (--waiting[lower] == 0)
					queue[n++] = lower;
			}
		}
	}
	Assert(n == layout->nboxes);
	pfree(waiting);
	pfree(queue);
}

/* What nothing leads to, but the first, stands just above what it leads to. */
static void
lower_sources(JoLayered *graph)
{
	JoLayout   *layout = graph->layout;
	int		   *highest = layout_array(int, layout->nboxes);
	bool	   *has_upper = layout_array0(bool, layout->nboxes);

	for (int box = 0; box < layout->nboxes; box++)
		highest[box] = PG_INT32_MAX;
	for (int i = 0; i < layout->narrows; i++)
	{
		const JoArrow *arrow = &layout->arrows[i];
		int			upper = upper_box(arrow);

		if (arrow->from == arrow->to)
			continue;
		has_upper[lower_box(arrow)] = true;
		highest[upper] = Min(highest[upper], graph->ranks[lower_box(arrow)]);
	}
	for (int box = 1; box < layout->nboxes; box++)
	{
		if (!has_upper[box] && highest[box] != PG_INT32_MAX)
			graph->ranks[box] = highest[box] - 1;
	}
	pfree(highest);
	pfree(has_upper);
}

static int
span(const JoLayered *graph, const JoArrow *arrow)
{
	return graph->ranks[lower_box(arrow)] - graph->ranks[upper_box(arrow)];
}

/* How many vertices arrows of at most this span need. */
static int64
count_vertices(const JoLayered *graph, int limit)
{
	const JoLayout *layout = graph->layout;
	int		   *longest = layout_array0(int, 4 * (Size) layout->nboxes);
	int64		result = layout->narrows;

	for (int i = 0; i < layout->narrows; i++)
	{
		const JoArrow *arrow = &layout->arrows[i];
		int		   *of = &longest[4 * arrow->to + 2 * arrow->is_back + arrow->bundle];

		if (span(graph, arrow) <= limit)
			*of = Max(*of, span(graph, arrow));
	}
	for (int i = 0; i < 4 * layout->nboxes; i++)
		result += 2 * longest[i];
	pfree(longest);
	return result;
}

static void
choose_jumps(JoLayered *graph)
{
	JoLayout   *layout = graph->layout;
	int			limit = 1;

	for (int i = 0; i < layout->narrows; i++)
		limit = Max(limit, span(graph, &layout->arrows[i]));
	while (limit > 1 && count_vertices(graph, limit) > MAX_VERTICES)
		limit /= 2;
	for (int i = 0; i < layout->narrows; i++)
		layout->arrows[i].is_jump = span(graph, &layout->arrows[i]) > limit;
}

static int
add_vertex(JoLayered *graph, int row, double width, double height)
{
	JoVertex   *vertex;

	if (graph->nvertices == graph->vertex_room)
	{
		graph->vertex_room *= 2;
		graph->vertices = repalloc_huge(graph->vertices,
										sizeof(JoVertex) * graph->vertex_room);
	}
	vertex = &graph->vertices[graph->nvertices];
	memset(vertex, 0, sizeof(JoVertex));
	vertex->row = row;
	vertex->width = width;
	vertex->height = height;
	return graph->nvertices++;
}

static void
add_link(JoLayered *graph, int arrow, int a, int b)
{
	bool		a_is_upper = graph->vertices[a].row < graph->vertices[b].row;
	JoLink	   *link;

	if (graph->nlinks == graph->link_room)
	{
		graph->link_room *= 2;
		graph->links = repalloc_huge(graph->links,
									 sizeof(JoLink) * graph->link_room);
	}
	link = &graph->links[graph->nlinks++];
	link->upper = a_is_upper ? a : b;
	link->lower = a_is_upper ? b : a;
	link->arrow = arrow;
}

static void
add_to_chain(JoLayered *graph, JoRoute *route, int vertex)
{
	if (graph->nchain == graph->chain_room)
	{
		graph->chain_room *= 2;
		graph->chain = repalloc_huge(graph->chain, sizeof(int) * graph->chain_room);
	}
	graph->chain[graph->nchain++] = vertex;
	route->length++;
}

/*
 * The way of one arrow from "from" to "to", row by row.  "trunk" has, by row,
 * the vertex of an earlier arrow to the same box in the same direction; "mine"
 * tells whether it is of this box.
 */
static void
route_arrow(JoLayered *graph, int number, int *trunk, int *mine, int mark)
{
	JoArrow    *arrow = &graph->layout->arrows[number];
	JoRoute    *route = &graph->routes[number];
	int			step = arrow->is_back ? -1 : 1;
	int			row = 2 * graph->ranks[arrow->from] + step;
	int			last = 2 * graph->ranks[arrow->to];
	int			previous = arrow->from;

	route->first = graph->nchain;
	if (arrow->is_jump)
		arrow->is_back = false;
	if (arrow->is_jump || arrow->label_width > 0)
	{
		int			vertex;

		/* A jump ends below its box, wherever it leads. */
		if (arrow->is_jump)
			vertex = add_vertex(graph, 2 * graph->ranks[arrow->from] + 1,
								arrow->jump_width, arrow->jump_height);
		else
			vertex = add_vertex(graph, row, arrow->label_width, arrow->label_height);
		add_link(graph, number, previous, vertex);
		add_to_chain(graph, route, vertex);
		if (arrow->is_jump)
			return;
		previous = vertex;
		row += step;
	}
	for (; row != last; row += step)
	{
		bool		is_new = mine[row] != mark;

		if (is_new)
		{
			trunk[row] = add_vertex(graph, row, 0, 0);
			mine[row] = mark;
		}
		add_link(graph, number, previous, trunk[row]);
		add_to_chain(graph, route, trunk[row]);
		if (!is_new)
		{
			route->joins = true;
			return;
		}
		previous = trunk[row];
	}
	add_link(graph, number, previous, arrow->to);
}

static void
route_arrows(JoLayered *graph)
{
	JoLayout   *layout = graph->layout;
	JoNeighbours in = arrows_by_box(layout, true);
	int		   *trunk = layout_array(int, graph->nrows);
	int		   *mine = layout_array0(int, graph->nrows);
	bool	   *routed = layout_array0(bool, layout->narrows);

	graph->vertex_room = 2 * (layout->nboxes + layout->narrows) + 16;
	graph->link_room = 2 * layout->narrows + 16;
	graph->chain_room = 2 * layout->narrows + 16;
	graph->vertices = layout_array(JoVertex, graph->vertex_room);
	graph->links = layout_array(JoLink, graph->link_room);
	graph->chain = layout_array(int, graph->chain_room);
	graph->routes = layout_array0(JoRoute, layout->narrows);
	for (int box = 0; box < layout->nboxes; box++)
		(void) add_vertex(graph, 2 * graph->ranks[box],
						  layout->boxes[box].width + layout->boxes[box].loop_width,
						  layout->boxes[box].height);
	for (int box = 0; box < layout->nboxes; box++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int trunks = 0; trunks < 4; trunks++)
		{
			for (int a = in.first[box]; a < in.first[box + 1]; a++)
			{
				const JoArrow *arrow = &layout->arrows[in.other[a]];

				if (!routed[in.other[a]] && arrow->is_back == (trunks >= 2) &&
					arrow->bundle == trunks % 2)
				{
					routed[in.other[a]] = true;
					route_arrow(graph, in.other[a], trunk, mine, 4 * box + trunks + 1);
				}
			}
		}
	}
	pfree(trunk);
	pfree(mine);
	pfree(routed);
}

/* By arrow, so that the author's order decides where nothing else does. */
static int
compare_links(const void *a, const void *b)
{
	const JoLink *left = a;
	const JoLink *right = b;

	if (left->arrow != right->arrow)
		return left->arrow < right->arrow ? -1 : 1;
	if (left->upper != right->upper)
		return left->upper < right->upper ? -1 : 1;
	return left->lower - right->lower;
}

/* The links of each vertex upwards, or downwards. */
static JoNeighbours
collect_links(const JoLayered *graph, bool is_up)
{
	JoNeighbours result;
	int		   *next = layout_array(int, graph->nvertices);

	result.first = layout_array0(int, graph->nvertices + 1);
	result.other = layout_array(int, graph->nlinks);
	for (int i = 0; i < graph->nlinks; i++)
		result.first[(is_up ? graph->links[i].lower : graph->links[i].upper) + 1]++;
	for (int v = 0; v < graph->nvertices; v++)
		result.first[v + 1] += result.first[v];
	memcpy(next, result.first, sizeof(int) * graph->nvertices);
	for (int i = 0; i < graph->nlinks; i++)
	{
		const JoLink *link = &graph->links[i];

		if (is_up)
			result.other[next[link->lower]++] = link->upper;
		else
			result.other[next[link->upper]++] = link->lower;
	}
	pfree(next);
	return result;
}

void
jo_layout_rank(JoLayered *graph)
{
	JoLayout   *layout = graph->layout;
	JoNeighbours out = arrows_by_box(layout, false);
	JoNeighbours in = arrows_by_box(layout, true);

	find_back_arrows(layout, &out, &in);
	CHECK_FOR_INTERRUPTS();
	graph->ranks = layout_array0(int, layout->nboxes);
	rank_boxes(graph);
	lower_sources(graph);
	choose_jumps(graph);
	for (int box = 0; box < layout->nboxes; box++)
		graph->nrows = Max(graph->nrows, 2 * graph->ranks[box] + 2);
	route_arrows(graph);
	qsort(graph->links, graph->nlinks, sizeof(JoLink), compare_links);
	graph->up = collect_links(graph, true);
	graph->down = collect_links(graph, false);
}
