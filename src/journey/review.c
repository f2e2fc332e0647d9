/*
 * journey/review.c
 *	  approve_version(), and what publish() asks for under review.
 *
 * Approved is a version, not a name: what is defined later needs an approval of
 * its own.  The templates that a version sends are looked at when it is
 * published; one that changes later goes on in its approved version
 * (content/cache.c).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "content/content.h"
#include "core/definition.h"
#include "core/lane.h"
#include "core/leaf.h"
#include "core/run_as.h"
#include "journey/author.h"
#include "journey/store.h"

PG_FUNCTION_INFO_V1(journey_orch_approve_version);

/* Who wrote a version, and who has approved it (NULL: nobody). */
static void
read_version(const JoStoredJourney *journey, int32 version, char **author,
			 char **approver)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid			types[2] = {INT4OID, INT4OID};
	Datum		values[2];
	JoRunAs		saved;
	char	   *found;

	values[0] = Int32GetDatum(journey->journey_id);
	values[1] = Int32GetDatum(version);
	jo_run_as_extension(&saved);
	SPI_connect();
	if (SPI_execute_with_args("SELECT created_by, approved_by FROM journey_orch.journey_version"
							  " WHERE journey_id = $1 AND version = $2",
							  2, types, values, NULL, false, 0) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "could not read version %d", version);
	*author = MemoryContextStrdup(caller,
								  SPI_getvalue(SPI_tuptable->vals[0],
											   SPI_tuptable->tupdesc, 1));
	found = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2);
	*approver = found != NULL ? MemoryContextStrdup(caller, found) : NULL;
	SPI_finish();
	jo_run_as_end(&saved);
}

static void
write_approval(const JoStoredJourney *journey, int32 version, const char *note)
{
	Oid			types[3] = {INT4OID, INT4OID, TEXTOID};
	Datum		values[3];
	char		nulls[4] = "   ";
	JoRunAs		saved;

	values[0] = Int32GetDatum(journey->journey_id);
	values[1] = Int32GetDatum(version);
	values[2] = note != NULL ? CStringGetTextDatum(note) : (Datum) 0;
	nulls[2] = note != NULL ? ' ' : 'n';
	jo_run_as_extension(&saved);
	SPI_connect();
	if (SPI_execute_with_args("UPDATE journey_orch.journey_version"
							  " SET approved_by = session_user, approved_at = clock_timestamp(),"
							  "  approval_note = $3"
							  " WHERE journey_id = $1 AND version = $2",
							  3, types, values, nulls, false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "could not write an approval");
	SPI_finish();
	jo_run_as_end(&saved);
}

/* approve_version(journey, version, note) returns void */
Datum
journey_orch_approve_version(PG_FUNCTION_ARGS)
{
	JoStoredJourney journey;
	char	   *name;
	char	   *author;
	char	   *approver;
	int32		version;

	PreventCommandIfReadOnly("journey_orch.approve_version()");
	jo_ensure_not_null(fcinfo, 0, "journey");
	jo_ensure_not_null(fcinfo, 1, "version");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	version = jo_version_argument(fcinfo, 1);
	jo_lock(JO_LOCK_NAME, jo_lock_key(name));
	jo_get_journey(name, &journey);
	(void) jo_get_definition(name, &journey, &version);
	read_version(&journey, version, &author, &approver);
	jo_review_ensure_second(author, psprintf("version %d of journey \"%s\"",
											 version, name));
	write_approval(&journey, version, PG_ARGISNULL(2) ? NULL :
				   text_to_cstring(PG_GETARG_TEXT_PP(2)));
	PG_RETURN_VOID();
}

/* The current templates that the graph sends and nobody has approved, as a
 * list in words; NULL: none. */
static char *
list_unapproved(const JoGraph *graph)
{
	MemoryContext caller = CurrentMemoryContext;
	ArrayBuildState *names = initArrayResult(TEXTOID, caller, false);
	ArrayBuildState *channels = initArrayResult(TEXTOID, caller, false);
	Oid			types[2] = {TEXTARRAYOID, TEXTARRAYOID};
	Datum		values[2];
	JoRunAs		saved;
	char	   *list;

	for (int i = 0; i < graph->nsteps; i++)
	{
		const JoStep *step = &graph->steps[i];

		if (step->verb != JO_SEND)
			continue;
		for (int j = 0; j < step->u.send.nchannels; j++)
		{
			names = accumArrayResult(names,
									 CStringGetTextDatum(step->u.send.template),
									 false, TEXTOID, caller);
			channels = accumArrayResult(channels,
										CStringGetTextDatum(step->u.send.channels[j]),
										false, TEXTOID, caller);
		}
	}
	values[0] = makeArrayResult(names, caller);
	values[1] = makeArrayResult(channels, caller);
	jo_run_as_extension(&saved);
	SPI_connect();
	if (SPI_execute_with_args("SELECT string_agg(format('template \"%s\" of channel \"%s\"%s', t.name, t.channel,"
							  "  CASE WHEN t.locale <> '' THEN ', locale ' || t.locale END), '; '"
							  "  ORDER BY t.name, t.channel, t.locale)"
							  " FROM (SELECT DISTINCT ON (m.name, m.channel, m.locale) m.*"
							  "  FROM journey_orch.message_template AS m"
							  "  JOIN (SELECT DISTINCT * FROM unnest($1, $2) AS u(name, channel)) AS s"
							  "   ON s.name = m.name AND s.channel = m.channel"
							  "  ORDER BY m.name, m.channel, m.locale, m.version DESC) AS t"
							  " WHERE t.approved_by IS NULL",
							  2, types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read templates");
	list = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (list != NULL)
		list = MemoryContextStrdup(caller, list);
	SPI_finish();
	jo_run_as_end(&saved);
	return list;
}

void
jo_ensure_approved(const char *name, const JoStoredJourney *journey,
				   int32 version, const JoGraph *graph)
{
	char	   *author;
	char	   *approver;
	char	   *templates;

	if (!jo_require_review)
		return;
	read_version(journey, version, &author, &approver);
	if (approver == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version %d of journey \"%s\" is not approved", version, name),
				 errdetail("It was written by session user \"%s\"; journey_orch.require_review is on.",
						   author),
				 errhint("Let somebody else call journey_orch.approve_version().")));
	templates = list_unapproved(graph);
	if (templates != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("journey \"%s\" sends templates that are not approved", name),
				 errdetail("Not approved: %s.", templates),
				 errhint("Let somebody else call journey_orch.approve_template().")));
}
