/*
 * core/errors.c
 *	  How a value that somebody gave is quoted in an error.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "core/errors.h"

#define WHOLE_BYTES 64
#define CLIPPED_BYTES 60

char *
jo_clipped(const char *value)
{
	int			length = strlen(value);

	if (length <= WHOLE_BYTES)
		return pstrdup(value);
	return psprintf("%.*s...", pg_mbcliplen(value, length, CLIPPED_BYTES),
					value);
}
