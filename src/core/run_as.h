/*
 * core/run_as.h
 *	  Whose rights SQL runs with.
 *
 * Two identities only.  Our own fixed SQL runs as the extension's owner;
 * anything an author or operator wrote runs as its owner inside a
 * security-restricted operation.  Both pin search_path to
 * "pg_catalog, pg_temp".  Begin and end nest; an error between them is undone
 * by the (sub)transaction abort, so no PG_TRY is needed.
 */
#ifndef JO_RUN_AS_H
#define JO_RUN_AS_H

typedef struct JoRunAs
{
	Oid			saved_userid;
	int			saved_sec_context;
	int			guc_nest_level;
} JoRunAs;

extern void jo_run_as_extension(JoRunAs *saved);

/* Raises 42704 when the role is gone. */
extern void jo_run_as_owner(JoRunAs *saved, Oid owner);

extern void jo_run_as_end(const JoRunAs *saved);

#endif							/* JO_RUN_AS_H */
