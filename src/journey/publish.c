/*
 * journey/publish.c
 *	  publish(): from which event on a version is the one that customers enter.
 *
 * Publishing appends an act with a capture ticket: events with a later ticket
 * meet the new version, events with an earlier one the old state, whatever
 * order the lanes read them in.  People inside stay on the version they
 * entered with.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "capture/capture.h"
#include "core/clock.h"
#include "core/lane.h"
#include "core/errors.h"
#include "core/leaf.h"
#include "core/run_as.h"
#include "journey/author.h"
#include "journey/store.h"

PG_FUNCTION_INFO_V1(journey_orch_publish);

/* A word of a closed list, of which only the first is built. */
static char *
policy_argument(FunctionCallInfo fcinfo, int number, const char *name,
				const char *const *words, int nwords)
{
	char	   *word;
	StringInfoData known;

	jo_ensure_not_null(fcinfo, number, name);
	word = text_to_cstring(PG_GETARG_TEXT_PP(number));
	if (strcmp(word, words[0]) == 0)
		return word;

	initStringInfo(&known);
	for (int i = 0; i < nwords; i++)
	{
		if (strcmp(word, words[i]) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("%s => \"%s\" is not built in this release", name, word),
					 errhint("Use \"%s\".", words[0])));
		appendStringInfo(&known, "%s\"%s\"", i > 0 ? ", " : "", words[i]);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s => \"%s\" is not known", name, jo_clipped(word)),
			 errhint("It is one of %s.", known.data)));
}

static void
push_string(JsonbParseState **state, JsonbIteratorToken token,
			const char *text)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, text);
	value.val.string.len = strlen(text);
	(void) pushJsonbValue(state, token, &value);
}

static Jsonb *
policy_json(const char *existing, const char *inflight)
{
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_string(&state, WJB_KEY, "existing");
	push_string(&state, WJB_VALUE, existing);
	push_string(&state, WJB_KEY, "inflight");
	push_string(&state, WJB_VALUE, inflight);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* The version that newcomers enter now, 0: none. */
static int32
live_version(int32 journey_id)
{
	JoJourneyState state;
	int32		version;

	jo_journey_cache_begin();
	state = jo_journey_state(journey_id, PG_INT64_MAX, &version);
	jo_journey_cache_end();
	return state == JO_JOURNEY_LIVE ? version : 0;
}

/*
 * One row for the first step of the version, with the people who enter at
 * once, and one for every step of any version with people inside.
 */
static void
put_counts(ReturnSetInfo *result, int32 journey_id, int32 version,
		   const char *start)
{
	Oid			types[3] = {INT4OID, INT4OID, TEXTOID};
	Datum		values[3];
	JoRunAs		saved;

	values[0] = Int32GetDatum(journey_id);
	values[1] = Int32GetDatum(version);
	values[2] = CStringGetTextDatum(start);
	jo_run_as_extension(&saved);
	SPI_connect();
	if (SPI_execute_with_args("SELECT version, step, 0::bigint, sum(n)::bigint FROM"
							  " (SELECT version, step::text COLLATE \"C\" AS step, count(*) AS n"
							  "  FROM journey_orch.enrollment WHERE journey_id = $1"
							  "  GROUP BY 1, 2"
							  "  UNION ALL SELECT $2, $3 COLLATE \"C\", 0) AS s"
							  " GROUP BY version, step"
							  " ORDER BY version DESC, step <> $3, step",
							  3, types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not count the people inside");
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		Datum		columns[4];
		bool		nulls[4];

		for (int i = 0; i < 4; i++)
			columns[i] = SPI_getbinval(SPI_tuptable->vals[row],
									   SPI_tuptable->tupdesc, i + 1, &nulls[i]);
		tuplestore_putvalues(result->setResult, result->setDesc, columns, nulls);
	}
	SPI_finish();
	jo_run_as_end(&saved);
}

/* publish(journey, version, existing, inflight, preview) */
Datum
journey_orch_publish(PG_FUNCTION_ARGS)
{
	static const char *const existing_words[] = {"future", "now", "both"};
	static const char *const inflight_words[] = {"finish", "exit", "move"};
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *name;
	char	   *existing;
	char	   *inflight;
	int32		version;
	JoStoredJourney journey;
	Jsonb	   *definition;
	JoReading  *reading;

	jo_ensure_not_null(fcinfo, 0, "journey");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	version = jo_version_argument(fcinfo, 1);
	existing = policy_argument(fcinfo, 2, "existing", existing_words, 3);
	inflight = policy_argument(fcinfo, 3, "inflight", inflight_words, 3);
	jo_ensure_not_null(fcinfo, 4, "preview");
	InitMaterializedSRF(fcinfo, 0);

	jo_lock(JO_LOCK_NAME, jo_lock_key(name));
	jo_get_journey(name, &journey);
	jo_ensure_journey_owner(name, &journey);
	definition = jo_get_definition(name, &journey, &version);

	/* The world may have changed since define(). */
	reading = jo_definition_read(definition, journey.owner, true);
	jo_ensure_valid(name, reading);

	if (!PG_GETARG_BOOL(4))
	{
		if (live_version(journey.journey_id) == version)
			ereport(NOTICE,
					(errmsg("version %d of journey \"%s\" is live already",
							version, name)));
		else
		{
			jo_leaf_ensure();
			jo_insert_publication(&journey, version, jo_event_ticket(1),
								  policy_json(existing, inflight),
								  jo_clock_now());
		}
	}
	put_counts(result, journey.journey_id, version,
			   reading->graph->steps[reading->graph->start].name);
	return (Datum) 0;
}
