/*
 * journey/picture.h
 *	  What a picture of a version shows, before it is Mermaid, DOT or SVG.
 *
 * The writers (mermaid.c, dot.c, svg.c) only decide how a box and an arrow look;
 * which there are, and the words on them, is the same in all three.
 */
#ifndef JO_PICTURE_H
#define JO_PICTURE_H

#include "journey/reader.h"

typedef enum JoPictureKind
{
	JO_PICTURE_ENTRY,			/* node 0 */
	JO_PICTURE_STEP,			/* nodes 1 .. nsteps, by position */
	JO_PICTURE_GOAL,			/* stands beside the steps: ends a run
								 * anywhere */
	JO_PICTURE_EXIT_RULE
} JoPictureKind;

typedef struct JoPictureNode
{
	JoPictureKind kind;
	JoVerb		verb;			/* of a step */
	char	   *name;			/* of the journey, the step; an exit rule's
								 * reason; "" of the goal */
	char	   *text;			/* what it does, "" for nothing to say; may be
								 * long, and hold any character */
} JoPictureNode;

typedef struct JoPictureEdge
{
	int			from;			/* a node */
	int			to;
	const char *label;			/* or NULL; may be long, and hold any
								 * character */
	bool		is_failure;		/* "on_failure" */
} JoPictureEdge;

typedef struct JoPicture
{
	char	   *journey;
	int32		version;
	char	   *description;	/* or NULL */
	int			nsteps;
	int			nnodes;
	JoPictureNode *nodes;
	int			nedges;
	JoPictureEdge *edges;		/* the entry's first, then by step in the
								 * author's order */
} JoPicture;

/* The picture of a definition; edges to steps that do not exist are left out. */
extern JoPicture *jo_picture(Jsonb *definition, int32 version,
							 const JoReading *reading);

/* The writers; palloc'd text in the database's encoding. */
extern char *jo_mermaid(const JoPicture *picture);
extern char *jo_dot(const JoPicture *picture);
extern char *jo_svg(const JoPicture *picture);

#endif							/* JO_PICTURE_H */
