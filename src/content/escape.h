/*
 * content/escape.h
 *	  Makes a value harmless in the part of a message it is put into.
 */
#ifndef JO_ESCAPE_H
#define JO_ESCAPE_H

#include "lib/stringinfo.h"

typedef enum JoEscape
{
	JO_ESCAPE_TEXT,				/* control characters but \n and \t are
								 * removed */
	JO_ESCAPE_HTML,				/* the same, and & < > " ' become entities */
	JO_ESCAPE_LINE				/* subject, header: the finished line is
								 * folded */
} JoEscape;

/* Append a hole's value. */
extern void jo_escape_append(StringInfo out, const char *value, int length,
							 JoEscape escape);

/*
 * Fold a finished line in place: each run of control characters and line
 * separators becomes one space, and none is left at either end.  Returns the
 * new length; the line stays terminated.
 */
extern int	jo_escape_fold(char *line, int length);

#endif							/* JO_ESCAPE_H */
