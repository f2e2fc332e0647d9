/*
 * enrollment/schedule.c
 *	  schedule(), unschedule() and run_schedules(): recurring times at which an
 *	  audience enters.
 *
 * Which times those are is computed here, in the schedule's zone; pg_cron,
 * which knows one zone for the whole server, only wakes us: one job of this
 * database, each minute (docs/decisions/0013).  pg_cron lives in one database
 * of the server.  Where that is another one, whoever rules there makes the job;
 * that it works is seen by its waking us.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"

#include "core/civil.h"
#include "core/cron.h"
#include "core/errors.h"
#include "core/lane.h"
#include "core/leaf.h"
#include "core/run_as.h"
#include "enrollment/batch.h"
#include "enrollment/fan_out.h"
#include "enrollment/life.h"
#include "journey/author.h"

PG_FUNCTION_INFO_V1(journey_orch_schedule);
PG_FUNCTION_INFO_V1(journey_orch_unschedule);
PG_FUNCTION_INFO_V1(journey_orch_run_schedules);
PG_FUNCTION_INFO_V1(journey_orch_schedule_times);

#define WAKE "SELECT journey_orch.run_schedules()"

/* What schedule() is asked for. */
typedef struct Declaration
{
	char	   *name;
	char	   *cron;
	char	   *audience;
	char	   *timezone;		/* NULL: the journey's */
	const char *missed;
	JoStoredJourney journey;
} Declaration;

/* Name of pg_cron's job. */
static char *
job_name(void)
{
	return psprintf("journey_orch %s", get_database_name(MyDatabaseId));
}

/* Has somebody woken us lately? */
static bool
is_woken(void)
{
	bool		isnull;

	if (SPI_execute("SELECT max(at) > clock_timestamp() - interval '5 minutes'"
					" FROM journey_orch.schedule_wake", false, 0) !=
		SPI_OK_SELECT)
		elog(ERROR, "could not read who woke us");
	return DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0],
									  SPI_tuptable->tupdesc, 1, &isnull)) &&
		!isnull;
}

/* Make pg_cron's job, or see that there is one. */
static void
make_job(void)
{
	Oid			types[] = {TEXTOID, TEXTOID, TEXTOID};
	Datum		values[3];
	char	   *name = job_name();

	if (!OidIsValid(get_extension_oid("pg_cron", true)))
	{
		if (is_woken())
			return;
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("pg_cron does not wake database \"%s\"",
						get_database_name(MyDatabaseId)),
				 errdetail("Schedules need it, but under the virtual clock."),
				 errhint("CREATE EXTENSION pg_cron here. Where it is in another database, execute there SELECT cron.schedule_in_database('%s', '* * * * *', '%s', '%s') and come back in a minute.",
						 name, WAKE, get_database_name(MyDatabaseId))));
	}
	values[0] = CStringGetTextDatum(name);
	values[1] = CStringGetTextDatum(WAKE);
	values[2] = CStringGetTextDatum(get_database_name(MyDatabaseId));
	if (SPI_execute_with_args("SELECT cron.schedule_in_database($1,"
							  " '* * * * *', $2, $3)",
							  3, types, values, NULL, false,
							  0) != SPI_OK_SELECT)
		elog(ERROR, "could not make a job of pg_cron");
}

void
jo_schedule_ensure_timer(void)
{
	JoRunAs		saved;

	if (jo_clock().is_virtual)
		return;
	jo_run_as_extension(&saved);
	SPI_connect();
	make_job();
	SPI_finish();
	jo_run_as_end(&saved);
}

/* ---- schedule() ---- */

static char *
required_text(FunctionCallInfo fcinfo, int number, const char *name)
{
	char	   *value;

	jo_ensure_not_null(fcinfo, number, name);
	value = text_to_cstring(PG_GETARG_TEXT_PP(number));
	if (value[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must not be empty", name)));
	return value;
}

static void
ensure_name(const char *name)
{
	bool		is_name = name[0] >= 'a' && name[0] <= 'z' &&
	strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name) &&
	strlen(name) <= 63;

	if (!is_name)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" cannot be \"%s\"", "name",
						jo_clipped(name)),
				 errhint("A name is a lower-case letter, then lower-case letters, digits and underscores, at most 63.")));
}

static void
ensure_times(const Declaration *declaration)
{
	JoCron		cron;
	char	   *fault = jo_cron_parse(declaration->cron, &cron);

	if (declaration->timezone != NULL &&
		jo_zone_find(declaration->timezone) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%s\" is not known",
						jo_clipped(declaration->timezone)),
				 errhint("Use a name of pg_timezone_names, such as Europe/Berlin.")));
	if (fault == NULL && jo_cron_next(&cron, jo_clock_now(),
									  jo_zone_get(NULL)) == DT_NOEND)
		fault = psprintf("\"%s\" never comes", declaration->cron);
	if (fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" has no such times: %.200s", "cron",
						fault),
				 errhint("Write minute, hour, day of the month, month and weekday, such as \"30 9 * * mon-fri\".")));
}

static void
ensure_audience(const Declaration *declaration)
{
	JoError    *error;

	if (jo_audience_compile(declaration->audience, GetUserId(), true,
							&error) != NULL)
		return;
	ereport(ERROR,
			(errcode(MAKE_SQLSTATE(error->sqlstate[0], error->sqlstate[1],
								   error->sqlstate[2], error->sqlstate[3],
								   error->sqlstate[4])),
			 errmsg("argument \"%s\": %s", "audience_sql", error->message),
			 error->position > 0 ?
			 errdetail("At character %d.", error->position) : 0,
			 error->hint != NULL ? errhint("%s", error->hint) : 0));
}

/* Write the declaration; the word for what that was. */
static const char *
store(const Declaration *declaration, Oid owner)
{
	Oid			types[] = {TEXTOID, INT4OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID,
	OIDOID, TIMESTAMPTZOID};
	Datum		values[8] = {0};
	char		nulls[] = "        ";
	bool		isnull;
	const char *outcome = "unchanged";

	values[0] = CStringGetTextDatum(declaration->name);
	values[1] = Int32GetDatum(declaration->journey.journey_id);
	values[2] = CStringGetTextDatum(declaration->cron);
	values[3] = CStringGetTextDatum(declaration->audience);
	if (declaration->timezone != NULL)
		values[4] = CStringGetTextDatum(declaration->timezone);
	else
		nulls[4] = 'n';
	values[5] = CStringGetTextDatum(declaration->missed);
	values[6] = ObjectIdGetDatum(owner);
	values[7] = TimestampTzGetDatum(jo_clock_now());
	if (SPI_execute_with_args("INSERT INTO journey_orch.schedule AS s"
							  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, clock_timestamp())"
							  " ON CONFLICT (name) DO UPDATE SET"
							  " journey_id = $2, cron = $3, audience = $4,"
							  " timezone = $5, missed = $6, owner = $7,"
							  " since = $8, changed_at = clock_timestamp()"
							  " WHERE (s.journey_id, s.cron, s.audience,"
							  "  s.timezone, s.missed, s.owner) IS DISTINCT FROM"
							  "  ($2, $3, $4, $5, $6, $7::regrole)"
							  " RETURNING xmax = 0",
							  8, types, values, nulls, false,
							  0) != SPI_OK_INSERT_RETURNING)
		elog(ERROR, "could not write a schedule");
	if (SPI_processed > 0)
		outcome = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0],
											 SPI_tuptable->tupdesc, 1,
											 &isnull)) ?
			"created" : "replaced";
	return outcome;
}

/* Raise unless the caller owns the schedule of this name, if there is one. */
static bool
ensure_own(const char *name)
{
	Oid			type = TEXTOID;
	Datum		value = CStringGetTextDatum(name);
	JoStoredJourney journey;
	char	   *journey_name = NULL;
	JoRunAs		saved;
	MemoryContext caller = CurrentMemoryContext;

	jo_run_as_extension(&saved);
	SPI_connect();
	if (SPI_execute_with_args("SELECT j.name FROM journey_orch.schedule AS s"
							  " JOIN journey_orch.journey AS j USING (journey_id)"
							  " WHERE s.name = $1", 1, &type, &value, NULL,
							  false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read a schedule");
	if (SPI_processed > 0)
		journey_name =
			MemoryContextStrdup(caller,
								SPI_getvalue(SPI_tuptable->vals[0],
											 SPI_tuptable->tupdesc, 1));
	SPI_finish();
	jo_run_as_end(&saved);
	if (journey_name == NULL)
		return false;
	jo_get_journey(journey_name, &journey);
	jo_ensure_journey_owner(journey_name, &journey);
	return true;
}

/* schedule(name, journey, cron, audience_sql, timezone, missed) */
Datum
journey_orch_schedule(PG_FUNCTION_ARGS)
{
	static const char *const missed_words[] = {"skip", "once", "all"};
	Declaration declaration = {0};
	char	   *journey;
	const char *outcome;
	Oid			owner = GetUserId();
	JoRunAs		saved;

	PreventCommandIfReadOnly("journey_orch.schedule()");
	declaration.name = required_text(fcinfo, 0, "name");
	journey = required_text(fcinfo, 1, "journey");
	declaration.cron = required_text(fcinfo, 2, "cron");
	declaration.audience = required_text(fcinfo, 3, "audience_sql");
	if (!PG_ARGISNULL(4))
		declaration.timezone = required_text(fcinfo, 4, "timezone");
	declaration.missed = missed_words[jo_word_argument(fcinfo, 5, "missed",
													   missed_words, 3)];
	ensure_name(declaration.name);
	ensure_times(&declaration);
	jo_leaf_ensure();
	jo_get_journey(journey, &declaration.journey);
	jo_ensure_journey_owner(journey, &declaration.journey);
	ensure_audience(&declaration);
	jo_lock(JO_LOCK_NAME, jo_lock_key(psprintf("schedule %s",
											   declaration.name)));
	(void) ensure_own(declaration.name);
	jo_schedule_ensure_timer();

	jo_run_as_extension(&saved);
	SPI_connect();
	outcome = store(&declaration, owner);
	SPI_finish();
	jo_run_as_end(&saved);
	if (strcmp(outcome, "replaced") == 0)
		ereport(NOTICE,
				(errmsg("schedule \"%s\" was replaced", declaration.name)));
	PG_RETURN_TEXT_P(cstring_to_text(outcome));
}

/* Remove pg_cron's job when no schedule is left that needs it. */
static void
remove_job(void)
{
	Oid			type = TEXTOID;
	Datum		value = CStringGetTextDatum(job_name());

	if (!OidIsValid(get_extension_oid("pg_cron", true)))
		return;
	if (SPI_execute_with_args("SELECT cron.unschedule(jobid) FROM cron.job"
							  " WHERE jobname = $1 AND NOT EXISTS"
							  " (SELECT FROM journey_orch._schedule)",
							  1, &type, &value, NULL, false,
							  0) != SPI_OK_SELECT)
		elog(ERROR, "could not remove a job of pg_cron");
}

/* unschedule(name) returns boolean: was there one? */
Datum
journey_orch_unschedule(PG_FUNCTION_ARGS)
{
	char	   *name;
	Oid			type = TEXTOID;
	Datum		value;
	bool		was_there;
	JoRunAs		saved;

	PreventCommandIfReadOnly("journey_orch.unschedule()");
	name = required_text(fcinfo, 0, "name");
	jo_lock(JO_LOCK_NAME, jo_lock_key(psprintf("schedule %s", name)));
	was_there = ensure_own(name);
	value = CStringGetTextDatum(name);
	jo_run_as_extension(&saved);
	SPI_connect();
	if (SPI_execute_with_args("DELETE FROM journey_orch.schedule"
							  " WHERE name = $1", 1, &type, &value, NULL,
							  false, 0) != SPI_OK_DELETE)
		elog(ERROR, "could not delete a schedule");
	remove_job();
	SPI_finish();
	jo_run_as_end(&saved);
	PG_RETURN_BOOL(was_there);
}

/* schedule_times(cron, timezone, since, max) returns setof timestamptz */
Datum
journey_orch_schedule_times(PG_FUNCTION_ARGS)
{
	Declaration declaration = {0};
	JoCron		cron;
	pg_tz	   *zone;
	TimestampTz at;

	declaration.cron = required_text(fcinfo, 0, "cron");
	declaration.timezone = required_text(fcinfo, 1, "timezone");
	at = PG_ARGISNULL(2) ? jo_clock_now() : PG_GETARG_TIMESTAMPTZ(2);
	jo_ensure_not_null(fcinfo, 3, "max");
	if (TIMESTAMP_NOT_FINITE(at))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be finite", "since")));
	ensure_times(&declaration);
	(void) jo_cron_parse(declaration.cron, &cron);
	zone = jo_zone_get(declaration.timezone);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; i < PG_GETARG_INT32(3); i++)
	{
		ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
		Datum		value;
		bool		isnull = false;

		CHECK_FOR_INTERRUPTS();
		at = jo_cron_next(&cron, at, zone);
		if (at == DT_NOEND)
			break;
		value = TimestampTzGetDatum(at);
		tuplestore_putvalues(result->setResult, result->setDesc, &value,
							 &isnull);
	}
	return (Datum) 0;
}

/* Say that somebody has woken us. */
static void
note_wake(void)
{
	JoRunAs		saved;

	jo_run_as_extension(&saved);
	SPI_connect();
	if (SPI_execute("UPDATE journey_orch.schedule_wake"
					" SET at = clock_timestamp()", false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "could not write who woke us");
	if (SPI_processed == 0 &&
		SPI_execute("INSERT INTO journey_orch.schedule_wake"
					" VALUES (clock_timestamp())", false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not write who woke us");
	SPI_finish();
	jo_run_as_end(&saved);
}

/* run_schedules() returns bigint: audiences that are to be told */
Datum
journey_orch_run_schedules(PG_FUNCTION_ARGS)
{
	int64		made = 0;

	PreventCommandIfReadOnly("journey_orch.run_schedules()");
	jo_leaf_ensure();
	note_wake();
	if (!jo_clock().is_virtual)
		made = jo_schedule_run_due();
	if (made > 0)
		jo_fan_out_ring();
	PG_RETURN_INT64(made);
}
