/*
 * journey/author.h
 *	  Shared by the authors' functions.
 */
#ifndef JO_AUTHOR_H
#define JO_AUTHOR_H

#include "fmgr.h"
#include "journey/reader.h"
#include "journey/store.h"

/* Raises 22004 when an argument is null. */
extern void jo_ensure_not_null(FunctionCallInfo fcinfo, int number,
							   const char *name);

/* A version number; 0 for NULL, the newest.  Raises 22023 below 1. */
extern int32 jo_version_argument(FunctionCallInfo fcinfo, int number);

/* Raises JO001 when there are errors, 0A000 when all of them are about what is
 * not built; lists them in the detail. */
extern void jo_ensure_valid(const char *name, const JoReading *reading);

/*
 * The definition that the arguments (journey, version) of a function which only
 * looks name; version NULL is the one published last, of a draft the newest.
 * Raises 42704 when there is none.
 */
extern Jsonb *jo_definition_argument(FunctionCallInfo fcinfo,
									 JoStoredJourney *journey, int32 *version);

#endif							/* JO_AUTHOR_H */
