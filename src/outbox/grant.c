/*
 * outbox/grant.c
 *	  grant_channel(), revoke_channel(), and how channels are written.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "core/definition.h"
#include "core/run_as.h"
#include "outbox/internal.h"

PG_FUNCTION_INFO_V1(journey_orch_grant_channel);
PG_FUNCTION_INFO_V1(journey_orch_revoke_channel);

bool
jo_channel_write(const char *statement, int nargs, Oid *types, Datum *values,
				 const char *nulls, Datum *first)
{
	JoRunAs		saved;
	bool		touched;
	bool		isnull;

	jo_run_as_extension(&saved);
	SPI_connect();
	if (SPI_execute_with_args(statement, nargs, types, values, nulls, false,
							  0) < 0)
		elog(ERROR, "could not write the tables of room outbox");
	touched = SPI_processed > 0;
	if (touched && first != NULL)
		*first = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
							   &isnull);
	SPI_finish();
	jo_run_as_end(&saved);
	return touched;
}

/* Arguments of grant_channel() and revoke_channel(). */
static void
ensure_grant_arguments(FunctionCallInfo fcinfo, const char *function)
{
	if (PG_ARGISNULL(0))
		jo_relay_null(function, "channel");
	if (PG_ARGISNULL(1))
		jo_relay_null(function, "role");
	jo_channel_ensure_exists(text_to_cstring(PG_GETARG_TEXT_PP(0)));
}

/* Write or delete a grant; true when something changed. */
static bool
change_grant(FunctionCallInfo fcinfo, const char *statement)
{
	Oid			types[] = {TEXTOID, REGROLEOID};
	Datum		values[] = {PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)};

	if (!jo_channel_write(statement, 2, types, values, NULL, NULL))
		return false;
	jo_definition_changed("channel_grant");
	return true;
}

/* grant_channel(channel, role) */
Datum
journey_orch_grant_channel(PG_FUNCTION_ARGS)
{
	Oid			role;
	char	   *role_name;
	Oid			relays = get_role_oid("journey_orch_relay", true);

	ensure_grant_arguments(fcinfo, "grant_channel");
	role = PG_GETARG_OID(1);
	role_name = GetUserNameFromId(role, true);
	if (role_name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role with OID %u does not exist", role)));
	(void) change_grant(fcinfo,
						"INSERT INTO journey_orch.channel_grant (channel, role)"
						" VALUES ($1, $2) ON CONFLICT DO NOTHING");
	if (OidIsValid(relays) && !has_privs_of_role(role, relays))
		ereport(NOTICE,
				(errmsg("role \"%s\" is not a member of journey_orch_relay",
						role_name),
				 errdetail("It cannot call journey_orch.claim() yet."),
				 errhint("GRANT journey_orch_relay TO %s.",
						 quote_identifier(role_name))));
	PG_RETURN_VOID();
}

/* revoke_channel(channel, role); a role that is gone may be given by OID */
Datum
journey_orch_revoke_channel(PG_FUNCTION_ARGS)
{
	ensure_grant_arguments(fcinfo, "revoke_channel");
	if (!change_grant(fcinfo,
					  "DELETE FROM journey_orch.channel_grant"
					  " WHERE channel = $1 AND role = $2"))
		ereport(NOTICE,
				(errmsg("the role had no grant on channel \"%s\"",
						text_to_cstring(PG_GETARG_TEXT_PP(0)))));
	PG_RETURN_VOID();
}
