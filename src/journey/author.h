/*
 * journey/author.h
 *	  Shared by the authors' functions.
 */
#ifndef JO_AUTHOR_H
#define JO_AUTHOR_H

#include "fmgr.h"
#include "journey/reader.h"

/* Raises 22004 when an argument is null. */
extern void jo_ensure_not_null(FunctionCallInfo fcinfo, int number,
							   const char *name);

/* A version number; 0 for NULL, the newest.  Raises 22023 below 1. */
extern int32 jo_version_argument(FunctionCallInfo fcinfo, int number);

/* Raises JO001 when there are errors, 0A000 when all of them are about what is
 * not built; lists them in the detail. */
extern void jo_ensure_valid(const char *name, const JoReading *reading);

/* The steps as a Mermaid flowchart. */
extern char *jo_mermaid(Jsonb *definition, const JoReading *reading);

#endif							/* JO_AUTHOR_H */
