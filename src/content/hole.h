/*
 * content/hole.h
 *	  Splits the text of a template's part into literals and holes.
 */
#ifndef JO_HOLE_H
#define JO_HOLE_H

#include "core/expression.h"
#include "nodes/pg_list.h"

typedef struct JoPiece
{
	char	   *text;			/* the literal, or the hole's SQL without the
								 * blanks around it */
	int			length;			/* of text, in bytes */
	int			offset;			/* byte offset of text in the part */
	bool		is_hole;
	bool		is_raw;			/* {{{ }}} */
} JoPiece;

/*
 * Split "part" into a list of JoPiece in CurrentMemoryContext.  On failure
 * returns NIL and sets "*error", whose position is one in the part.
 */
extern List *jo_hole_split(const char *part, JoError **error);

/* Character position, from 1, of a byte offset in a part. */
extern int	jo_hole_position(const char *part, int offset);

#endif							/* JO_HOLE_H */
