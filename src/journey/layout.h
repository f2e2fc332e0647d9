/*
 * journey/layout.h
 *	  Places boxes and arrows on a plane, in layers from top to bottom.
 *
 * Knows nothing of journeys: sizes in, places out.  The caller fills in the
 * sizes and the edges, jo_layout() the rest.  Units are the caller's; y grows
 * downwards.  The same input gives the same places.
 */
#ifndef JO_LAYOUT_H
#define JO_LAYOUT_H

typedef struct JoBox
{
	double		width;
	double		height;
	double		loop_width;		/* kept free at its right, for arrows to
								 * itself */
	/* out */
	double		x;				/* left */
	double		y;				/* top */
} JoBox;

typedef struct JoPoint
{
	double		x;
	double		y;
} JoPoint;

typedef struct JoArrow
{
	int			from;			/* box; equal to "to": left to the caller */
	int			to;
	int			bundle;			/* 0 or 1; arrows to one box run together with
								 * those of the same */
	double		label_width;	/* 0: none */
	double		label_height;
	double		jump_width;		/* of the label when the arrow is a jump */
	double		jump_height;
	/* out */
	bool		is_back;		/* goes up: it closes a circle */
	bool		is_jump;		/* too far: ends at its label, which should
								 * name the box it leads to */
	bool		has_head;		/* false: runs into another arrow to the same
								 * box before it gets there */
	double		label_x;		/* middle */
	double		label_y;		/* top */
	int			npoints;
	JoPoint    *points;			/* from the box on; a straight line where two
								 * have the same x, else a curve that leaves
								 * and arrives vertically */
} JoArrow;

typedef struct JoLayout
{
	int			nboxes;
	JoBox	   *boxes;
	int			narrows;
	JoArrow    *arrows;
	/* out */
	double		width;
	double		height;
} JoLayout;

extern void jo_layout(JoLayout *layout);

#endif							/* JO_LAYOUT_H */
