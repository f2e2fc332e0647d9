/*
 * enrollment/schedule_due.c
 *	  Planned times that have come: occurrences.
 *
 * A schedule's times are computed (core/cron.c) from the last one that came, or
 * from its beginning.  That one has come is a row of occurrence, unique by
 * schedule and time and written with the fan_out that tells the audience: who
 * sees it first makes it, whoever else does finds it made
 * (test/tap/schedule.pl).
 *
 * Under the real clock pg_cron wakes us each minute.  The newest time that is
 * not older than ON_TIME is on time; earlier ones were missed while nobody
 * woke us, and the schedule's policy says what becomes of them.
 *
 * Under the virtual clock no time is ever missed: they come one by one.  A lane
 * stops before the next one (jo_schedule_hold()) until its audience was told,
 * so a customer enters at the planned instant however far the clock was
 * advanced, and CALL run() asks the audience when every lane has come that far.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "core/civil.h"
#include "core/cron.h"
#include "core/lane.h"
#include "core/leaf.h"
#include "core/run_as.h"
#include "enrollment/batch.h"
#include "enrollment/fan_out.h"
#include "enrollment/json.h"
#include "enrollment/life.h"

/* A wake comes each minute; a planned time seen later than this was missed. */
#define ON_TIME (10 * USECS_PER_MINUTE)

/* Times of one schedule looked at in one go; the next wake goes on. */
#define MOST_TIMES 1000

/* Columns of the statement in load_schedules(). */
enum
{
	COLUMN_NAME = 1,
	COLUMN_JOURNEY,
	COLUMN_CRON,
	COLUMN_AUDIENCE,
	COLUMN_TIMEZONE,
	COLUMN_MISSED,
	COLUMN_OWNER,
	COLUMN_BEGIN
};

typedef struct Schedule
{
	char	   *name;
	int32		journey_id;
	JoCron		cron;
	pg_tz	   *zone;
	char	   *audience;		/* or NULL */
	char	   *missed;			/* skip, once, all */
	Oid			owner;
	TimestampTz begin;			/* later times have not come yet */
} Schedule;

static Schedule *
read_schedule(HeapTuple tuple, TupleDesc descriptor)
{
	Schedule   *schedule = palloc0(sizeof(Schedule));
	char	   *zone = SPI_getvalue(tuple, descriptor, COLUMN_TIMEZONE);
	bool		isnull;

	schedule->name = SPI_getvalue(tuple, descriptor, COLUMN_NAME);
	schedule->journey_id = DatumGetInt32(SPI_getbinval(tuple, descriptor,
													   COLUMN_JOURNEY,
													   &isnull));
	schedule->audience = SPI_getvalue(tuple, descriptor, COLUMN_AUDIENCE);
	schedule->missed = SPI_getvalue(tuple, descriptor, COLUMN_MISSED);
	schedule->owner = DatumGetObjectId(SPI_getbinval(tuple, descriptor,
													 COLUMN_OWNER, &isnull));
	schedule->begin = DatumGetTimestampTz(SPI_getbinval(tuple, descriptor,
														COLUMN_BEGIN,
														&isnull));
	schedule->zone = jo_zone_find(zone);

	/* A zone that the server no longer has stops this one only. */
	if (schedule->zone == NULL ||
		jo_cron_parse(SPI_getvalue(tuple, descriptor, COLUMN_CRON),
					  &schedule->cron) != NULL)
		return NULL;
	return schedule;
}

/* Prepare a statement when it is needed first: each batch asks under the
 * virtual clock. */
static void
keep_plan(SPIPlanPtr *plan, const char *sql, int ntypes, Oid *types)
{
	SPIPlanPtr	prepared;

	if (*plan != NULL)
		return;
	prepared = SPI_prepare(sql, ntypes, types);
	if (prepared == NULL || SPI_keepplan(prepared) != 0)
		elog(ERROR, "could not prepare a statement about schedules");
	*plan = prepared;
}

/*
 * All schedules, of schedule() and of live journeys, by name.  "reads": as the
 * active snapshot sees them, else as of now.
 */
static List *
load_schedules(TimestampTz now, bool reads)
{
	static SPIPlanPtr plan = NULL;
	Oid			type = TIMESTAMPTZOID;
	Datum		value = TimestampTzGetDatum(now);
	List	   *result = NIL;

	keep_plan(&plan, "SELECT s.name, s.journey_id, s.cron, s.audience,"
			  " s.timezone, s.missed, s.owner::oid,"
			  " greatest(s.since, o.planned_at)"
			  " FROM journey_orch._schedule AS s"
			  " LEFT JOIN LATERAL (SELECT max(planned_at) AS planned_at"
			  "  FROM journey_orch.occurrence"
			  "  WHERE schedule = s.name AND planned_at <= $1) AS o ON true"
			  " ORDER BY s.name", 1, &type);
	if (SPI_execute_plan(plan, &value, NULL, reads, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the schedules");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		Schedule   *schedule = read_schedule(SPI_tuptable->vals[i],
											 SPI_tuptable->tupdesc);

		if (schedule != NULL)
			result = lappend(result, schedule);
	}
	return result;
}

/* ---- occurrences ---- */

/* Write that a time has come; false when somebody else has. */
static bool
insert_occurrence(const Schedule *schedule, TimestampTz planned_at,
				  int64 event_id, int missed)
{
	Oid			types[] = {TEXTOID, TIMESTAMPTZOID, INT8OID, INT4OID};
	Datum		values[4];
	char		nulls[] = "    ";

	values[0] = CStringGetTextDatum(schedule->name);
	values[1] = TimestampTzGetDatum(planned_at);
	values[2] = Int64GetDatum(event_id);
	values[3] = Int32GetDatum(missed);
	if (event_id == 0)
		nulls[2] = 'n';
	if (SPI_execute_with_args("INSERT INTO journey_orch.occurrence"
							  " VALUES ($1, $2, clock_timestamp(), $3, $4)"
							  " ON CONFLICT DO NOTHING", 4, types, values,
							  nulls, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not write an occurrence");
	return SPI_processed > 0;
}

/* The time has come: its audience is to be told. */
static bool
make_occurrence(const Schedule *schedule, TimestampTz planned_at)
{
	JoFanOut	fan_out = {0};
	const JoAct *act;

	fan_out.event_id = jo_event_ticket(1);
	if (!insert_occurrence(schedule, planned_at, fan_out.event_id, 0))
		return false;
	jo_journey_cache_begin();
	act = jo_act_before(schedule->journey_id, PG_INT64_MAX);
	fan_out.version = act != NULL ? act->version : 0;
	fan_out.refusal = act == NULL ? "journey_draft" :
		act->state == JO_JOURNEY_ARCHIVED ? "archived" : jo_act_refusal(act);
	jo_journey_cache_end();
	fan_out.at = planned_at;
	fan_out.journey_id = schedule->journey_id;
	fan_out.event = JO_SCHEDULE_EVENT;
	fan_out.payload = jo_json_put_string(NULL, "schedule", schedule->name);
	fan_out.payload = jo_json_put_time(fan_out.payload, "planned_at",
									   planned_at);
	fan_out.last_customer = "";
	fan_out.schedule = schedule->name;
	fan_out.audience = schedule->audience;
	fan_out.owner = schedule->owner;
	jo_fan_out_insert(&fan_out);
	return true;
}

/* ---- the real clock ---- */

/* The times of a schedule up to "now", at most MOST_TIMES; how many. */
static int
list_times(const Schedule *schedule, TimestampTz now, TimestampTz *times)
{
	TimestampTz at = schedule->begin;
	int			n = 0;

	while (n < MOST_TIMES)
	{
		CHECK_FOR_INTERRUPTS();
		at = jo_cron_next(&schedule->cron, at, schedule->zone);
		if (at > now)
			break;
		times[n++] = at;
	}
	return n;
}

/*
 * Let the times of one schedule come.  Missed ones: "all" come, of "once" the
 * newest unless another is on time, of "skip" none; those left out are one row.
 */
static int
run_schedule(const Schedule *schedule, TimestampTz now, TimestampTz *times)
{
	int			n = list_times(schedule, now, times);
	int			missed = n;
	int			first;
	int			made = 0;

	if (n == 0)
		return 0;
	if (now - times[n - 1] <= ON_TIME)
		missed--;
	if (strcmp(schedule->missed, "all") == 0)
		first = 0;
	else if (strcmp(schedule->missed, "once") == 0)
		first = n - 1;
	else
		first = missed;
	if (first > 0)
		(void) insert_occurrence(schedule, times[first - 1], 0, first);
	for (int i = first; i < n; i++)
		made += make_occurrence(schedule, times[i]);
	return made;
}

int64
jo_schedule_run_due(void)
{
	TimestampTz now = jo_clock_now();
	TimestampTz *times = palloc(sizeof(TimestampTz) * MOST_TIMES);
	int64		made = 0;
	ListCell   *cell;
	JoRunAs		saved;

	jo_run_as_extension(&saved);
	SPI_connect();
	foreach(cell, load_schedules(now, false))
		made += run_schedule(lfirst(cell), now, times);
	SPI_finish();
	jo_run_as_end(&saved);
	return made;
}

/* ---- the virtual clock ---- */

/* The next planned time of any schedule up to "now"; DT_NOEND: none. */
static TimestampTz
next_time(List *schedules, TimestampTz now)
{
	TimestampTz next = DT_NOEND;
	ListCell   *cell;

	foreach(cell, schedules)
	{
		const Schedule *schedule = lfirst(cell);
		TimestampTz at = jo_cron_next(&schedule->cron, schedule->begin,
									  schedule->zone);

		if (at <= now)
			next = Min(next, at);
	}
	return next;
}

/*
 * Under the virtual clock the next planned time comes, for every schedule that
 * has it.  False: there is none up to "until".  Inside SPI, as the extension.
 *
 * One at a time: while an audience is being told, by whomever, no later time
 * comes, since a customer meets commands in the order of their tickets.  "waits":
 * the caller is to look again then.
 */
bool
jo_schedule_step(TimestampTz until, bool waits)
{
	JoClock		clock = jo_clock();
	TimestampTz end = until == JO_NO_TIME ? clock.now :
	Min(until, clock.now);
	List	   *schedules;
	TimestampTz at;
	ListCell   *cell;

	if (!clock.is_virtual)
		return false;
	jo_lock(JO_LOCK_NAME, jo_lock_key("planned time"));
	if (SPI_execute("SELECT FROM journey_orch.fan_out WHERE state = 'running'",
					false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read the open fan-outs");
	if (SPI_processed > 0)
		return waits;
	schedules = load_schedules(clock.now, false);
	at = next_time(schedules, end);
	if (at == DT_NOEND)
		return false;
	foreach(cell, schedules)
	{
		const Schedule *schedule = lfirst(cell);

		if (jo_cron_next(&schedule->cron, schedule->begin,
						 schedule->zone) == at)
			(void) make_occurrence(schedule, at);
	}
	return true;
}

/*
 * How far a lane may go under the virtual clock, as its batch's snapshot sees
 * it: not past an audience that is still to be told.  DT_NOEND: anywhere.
 */
TimestampTz
jo_schedule_hold(TimestampTz now)
{
	static SPIPlanPtr plan = NULL;
	TimestampTz hold;
	bool		isnull;
	JoRunAs		saved;

	jo_run_as_extension(&saved);
	SPI_connect();
	hold = next_time(load_schedules(now, true), now);
	keep_plan(&plan, "SELECT min(at) FROM journey_orch.fan_out"
			  " WHERE state = 'running'", 0, NULL);
	if (SPI_execute_plan(plan, NULL, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the open fan-outs");
	else
	{
		Datum		at = SPI_getbinval(SPI_tuptable->vals[0],
									   SPI_tuptable->tupdesc, 1, &isnull);

		if (!isnull)
			hold = Min(hold, DatumGetTimestampTz(at));
	}
	SPI_finish();
	jo_run_as_end(&saved);
	return hold == DT_NOEND ? hold : hold - 1;
}
