/*
 * journey/layout.c
 *	  A layered drawing, after Sugiyama: ranks, order, places, then the lines.
 *
 * Every arrow passes a row straight up or down, at a place of its own, and
 * bends only in the gaps between rows; so no line touches a box or label that is
 * not its own, and no label another.  test/tap/pictures.pl measures it.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "journey/layout_graph.h"

/* The gap between two rows grows with the widest bend in it. */
#define LEAST_GAP 16
#define MOST_GAP 56
#define GAP_PER_WIDTH 0.08

/* Lines at one side of a box: so far from its corners and from each other. */
#define PORT_MARGIN 18.0
#define PORT_GAP 16.0

/* Where a line meets a box. */
typedef struct Port
{
	int			box;
	bool		is_bottom;
	double		x;				/* of what the line comes from */
	int			vertex;
	double	   *result;			/* its x at the box */
} Port;

static void
place_rows(JoLayered *graph)
{
	double		y = 0;

	for (int v = 0; v < graph->nvertices; v++)
	{
		JoRow	   *row = &graph->rows[graph->vertices[v].row];

		row->height = Max(row->height, graph->vertices[v].height);
	}
	for (int r = 0; r < graph->nrows; r++)
	{
		JoRow	   *row = &graph->rows[r];
		double		bend = 0;

		CHECK_FOR_INTERRUPTS();
		row->y = y;
		for (int i = 0; i < row->size; i++)
		{
			int			v = row->vertices[i];

			for (int e = graph->down.first[v]; e < graph->down.first[v + 1]; e++)
				bend = Max(bend, fabs(graph->vertices[v].x -
									  graph->vertices[graph->down.other[e]].x));
		}
		graph->layout->height = y + row->height;
		y += row->height + Min(MOST_GAP, LEAST_GAP + rint(bend * GAP_PER_WIDTH));
	}
}

static void
place_boxes(JoLayered *graph)
{
	JoLayout   *layout = graph->layout;

	for (int b = 0; b < layout->nboxes; b++)
	{
		const JoRow *row = &graph->rows[graph->vertices[b].row];
		JoBox	   *box = &layout->boxes[b];

		box->x = graph->vertices[b].x - (box->width + box->loop_width) / 2;
		box->y = row->y + (row->height - box->height) / 2;
	}
}

static int
compare_ports(const void *a, const void *b)
{
	const Port *left = a;
	const Port *right = b;

	if (left->box != right->box)
		return left->box < right->box ? -1 : 1;
	if (left->is_bottom != right->is_bottom)
		return left->is_bottom ? 1 : -1;
	if (left->x != right->x)
		return left->x < right->x ? -1 : 1;
	return left->vertex - right->vertex;
}

/* The ports of one side of a box: straight below or above what they lead to
 * where they can, and apart. */
static void
place_side(const JoBox *box, Port *ports, int n)
{
	double		margin = Min(PORT_MARGIN, box->width / 2);
	double		least = box->x + margin;
	double		most = box->x + box->width - margin;
	double		gap = n > 1 ? Min(PORT_GAP, (most - least) / (n - 1)) : 0;

	for (int i = 0; i < n; i++)
	{
		ports[i].x = Max(least, Min(most, ports[i].x));
		if (i > 0)
			ports[i].x = Max(ports[i].x, ports[i - 1].x +
							 (ports[i].vertex != ports[i - 1].vertex ? gap : 0));
	}
	for (int i = n - 1; i >= 0; i--)
	{
		double		limit = most;

		if (i < n - 1)
			limit = ports[i + 1].x -
				(ports[i].vertex != ports[i + 1].vertex ? gap : 0);
		ports[i].x = Min(ports[i].x, limit);
		*ports[i].result = ports[i].x;
	}
}

static void
add_port(const JoLayered *graph, Port *port, int box, bool is_bottom,
		 int vertex, double *result)
{
	port->box = box;
	port->is_bottom = is_bottom;
	port->vertex = vertex;
	port->x = graph->vertices[vertex].x;
	port->result = result;
}

/* Where each arrow leaves its box and, unless it joins another, arrives. */
static void
place_ports(const JoLayered *graph, double *starts, double *ends)
{
	const JoLayout *layout = graph->layout;
	Port	   *ports = layout_array(Port, 2 * (Size) layout->narrows);
	int			n = 0;

	for (int a = 0; a < layout->narrows; a++)
	{
		const JoArrow *arrow = &layout->arrows[a];
		const JoRoute *route = &graph->routes[a];

		if (route->length == 0)
			continue;
		add_port(graph, &ports[n++], arrow->from, !arrow->is_back,
				 graph->chain[route->first], &starts[a]);
		if (!route->joins && !arrow->is_jump)
			add_port(graph, &ports[n++], arrow->to, arrow->is_back,
					 graph->chain[route->first + route->length - 1], &ends[a]);
	}
	qsort(ports, n, sizeof(Port), compare_ports);
	for (int i = 0; i < n;)
	{
		int			next = i + 1;

		while (next < n && ports[next].box == ports[i].box &&
			   ports[next].is_bottom == ports[i].is_bottom)
			next++;
		place_side(&layout->boxes[ports[i].box], &ports[i], next - i);
		i = next;
	}
	pfree(ports);
}

/* Append a point; of three in one vertical line the middle one is dropped. */
static void
add_point(JoArrow *arrow, double x, double y)
{
	int			n = arrow->npoints;

	if (n > 0 && arrow->points[n - 1].x == x && arrow->points[n - 1].y == y)
		return;
	if (n > 1 && arrow->points[n - 1].x == x && arrow->points[n - 2].x == x)
		arrow->points[n - 1].y = y;
	else
	{
		arrow->points[n].x = x;
		arrow->points[n].y = y;
		arrow->npoints++;
	}
}

/* The two edges of a row, in the direction of the arrow. */
static void
row_edges(const JoRow *row, bool goes_up, double *enters, double *leaves)
{
	*enters = goes_up ? row->y + row->height : row->y;
	*leaves = goes_up ? row->y : row->y + row->height;
}

static void
draw_arrow(const JoLayered *graph, int number, double start, double end)
{
	JoArrow    *arrow = &graph->layout->arrows[number];
	const JoRoute *route = &graph->routes[number];
	const JoBox *from = &graph->layout->boxes[arrow->from];
	const JoBox *to = &graph->layout->boxes[arrow->to];
	const JoRow *row;
	bool		up = arrow->is_back;
	double		enters;
	double		leaves;

	arrow->points = layout_array(JoPoint, 2 * (Size) route->length + 4);
	arrow->has_head = !route->joins;
	row_edges(&graph->rows[graph->vertices[arrow->from].row], up, &enters, &leaves);
	add_point(arrow, start, up ? from->y : from->y + from->height);
	add_point(arrow, start, leaves);
	for (int i = 0; i < route->length; i++)
	{
		const JoVertex *vertex = &graph->vertices[graph->chain[route->first + i]];
		bool		is_last = i == route->length - 1;

		row = &graph->rows[vertex->row];
		row_edges(row, up, &enters, &leaves);
		add_point(arrow, vertex->x, enters);
		if (vertex->width > 0)
		{
			arrow->label_x = vertex->x;
			arrow->label_y = row->y + (row->height - vertex->height) / 2;
		}
		if (arrow->is_jump)
			add_point(arrow, vertex->x, arrow->label_y);
		if (is_last && (arrow->is_jump || route->joins))
			return;
		add_point(arrow, vertex->x, leaves);
	}
	row_edges(&graph->rows[graph->vertices[arrow->to].row], up, &enters, &leaves);
	add_point(arrow, end, enters);
	add_point(arrow, end, up ? to->y + to->height : to->y);
}

static void
draw_arrows(const JoLayered *graph)
{
	const JoLayout *layout = graph->layout;
	double	   *starts = layout_array0(double, layout->narrows);
	double	   *ends = layout_array0(double, layout->narrows);

	place_ports(graph, starts, ends);
	for (int a = 0; a < layout->narrows; a++)
	{
		CHECK_FOR_INTERRUPTS();
		if (graph->routes[a].length > 0)
			draw_arrow(graph, a, starts[a], ends[a]);
	}
	pfree(starts);
	pfree(ends);
}

void
jo_layout(JoLayout *layout)
{
	JoLayered	graph = {layout};

	if (layout->nboxes == 0)
		return;
	jo_layout_rank(&graph);
	jo_layout_order(&graph);
	jo_layout_place(&graph);
	jo_layout_relax(&graph);
	place_rows(&graph);
	place_boxes(&graph);
	draw_arrows(&graph);
}
