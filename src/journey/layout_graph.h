/*
 * journey/layout_graph.h
 *	  Between the files of the layout: the layered graph.
 *
 * Boxes stand in even rows, labels in odd ones, so that a label is a place of
 * its own that nothing else can cover.  A vertex is a box, or the place where an
 * arrow passes a row; arrows to the same box share their places ("trunk") from
 * the row below their label on.  A link joins vertices of two neighbouring rows.
 */
#ifndef JO_LAYOUT_GRAPH_H
#define JO_LAYOUT_GRAPH_H

#include "journey/layout.h"

typedef struct JoVertex
{
	int			row;
	int			place;			/* in its row, from the left */
	double		width;
	double		height;
	double		x;				/* middle */
} JoVertex;

typedef struct JoLink
{
	int			upper;			/* vertices */
	int			lower;
	int			arrow;			/* the first that runs along it */
} JoLink;

/* Links of a vertex in one direction: other[first[v]] .. other[first[v+1] - 1]. */
typedef struct JoNeighbours
{
	int		   *first;
	int		   *other;
} JoNeighbours;

/* Where an arrow runs: vertices from its first to its last place, not counting
 * the two boxes; in the order from "from" to "to". */
typedef struct JoRoute
{
	int			first;			/* index of the chain below */
	int			length;
	bool		joins;			/* its last vertex was there before it */
} JoRoute;

typedef struct JoRow
{
	int			size;
	int		   *vertices;		/* from left to right */
	double		y;				/* top */
	double		height;
} JoRow;

typedef struct JoLayered
{
	JoLayout   *layout;
	int		   *ranks;			/* by box; its row is twice that */
	int			nvertices;		/* the boxes come first */
	int			vertex_room;
	JoVertex   *vertices;
	int			nlinks;
	int			link_room;
	JoLink	   *links;
	JoNeighbours up;
	JoNeighbours down;
	int			nrows;
	JoRow	   *rows;
	JoRoute    *routes;			/* by arrow */
	int			nchain;
	int			chain_room;
	int		   *chain;
} JoLayered;

/* layout_rank.c: directions, ranks, vertices, links, routes */
extern void jo_layout_rank(JoLayered *graph);

/* layout_order.c: the order in each row, with few crossings */
extern void jo_layout_order(JoLayered *graph);

/* layout_place.c: the x of each vertex */
extern void jo_layout_place(JoLayered *graph);

/* layout_relax.c: nearer to their neighbours, in the room that is left */
extern void jo_layout_relax(JoLayered *graph);

/* How far apart the middles of two neighbours in a row must be. */
extern double jo_layout_distance(const JoLayered *graph, int left, int right);

/* An array of so many; raises when it cannot be had. */
#define layout_array(type, n) \
	((type *) MemoryContextAllocHuge(CurrentMemoryContext, \
									 sizeof(type) * ((Size) (n) + 1)))
#define layout_array0(type, n) \
	((type *) memset(layout_array(type, n), 0, sizeof(type) * ((Size) (n) + 1)))

#endif							/* JO_LAYOUT_GRAPH_H */
