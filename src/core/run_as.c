/*
 * core/run_as.c
 *	  Switches the user id, the security context and the search_path.
 *
 * Every begin opens a GUC nest level, so that whatever the code in between
 * SETs (a function may call set_config()) is gone at the end.  search_path is
 * written only where it differs: SQL functions of ours carry it already, and
 * writing it costs more than all the rest.
 *
 * After an error the (sub)transaction abort restores user id, context and
 * settings; nobody calls jo_run_as_end() then.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/syscache.h"

#include "core/leaf.h"
#include "core/run_as.h"

#define JO_SEARCH_PATH "pg_catalog, pg_temp"

static void
run_as(JoRunAs *saved, Oid userid, int sec_context)
{
	GetUserIdAndSecContext(&saved->saved_userid, &saved->saved_sec_context);
	SetUserIdAndSecContext(userid, saved->saved_sec_context | sec_context);
	saved->guc_nest_level = NewGUCNestLevel();

	if (strcmp(namespace_search_path, JO_SEARCH_PATH) != 0)
		(void) set_config_option("search_path", JO_SEARCH_PATH,
								 PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
}

/* Raises when the extension does not exist in this database. */
void
jo_run_as_extension(JoRunAs *saved)
{
	run_as(saved, jo_extension_owner(), SECURITY_LOCAL_USERID_CHANGE);
}

void
jo_run_as_owner(JoRunAs *saved, Oid owner)
{
	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(owner)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role with OID %u does not exist", owner),
				 errdetail("It owned an expression that is to be evaluated."),
				 errhint("Declare the object again as a role that exists.")));

	run_as(saved, owner,
		   SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
}

void
jo_run_as_end(const JoRunAs *saved)
{
	AtEOXact_GUC(false, saved->guc_nest_level);
	SetUserIdAndSecContext(saved->saved_userid, saved->saved_sec_context);
}
