/*
 * permission/cap.c
 *	  Frequency caps: set_cap(), drop_cap(), and the lock that makes them exact.
 *
 * A claim counts with its own snapshot.  Two claims of one channel are one after
 * the other by the channel's lock; where a cap spans channels, claims of all
 * channels that it covers take one lock besides, before their snapshots, so that
 * each counts what the one before has handed out (test/tap/frequency_cap.pl).
 *
 * Every claim also holds the lock of declarations, shared, and set_cap() takes
 * it alone: so no claim goes on under fewer caps than are declared, and a new
 * cap counts every claim that was made before it (backfill()).
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "core/cache.h"
#include "core/clock.h"
#include "core/definition.h"
#include "core/errors.h"
#include "core/lane.h"
#include "core/leaf.h"
#include "core/run_as.h"
#include "permission/argument.h"
#include "permission/cap.h"
#include "permission/gate.h"

PG_FUNCTION_INFO_V1(journey_orch_set_cap);
PG_FUNCTION_INFO_V1(journey_orch_drop_cap);

/* Keys of JO_LOCK_FREQUENCY_CAP. */
#define DECLARATIONS	0
#define COUNTING		1

/* No cap looks back farther. */
#define LONGEST_DAYS	400

/* A calendar period is at most so long, in any zone and over clock changes. */
#define CALENDAR_DAYS(cap) ((cap)->months > 0 ? 33 : (cap)->days + 2)

/* Columns of table frequency_cap. */
enum
{
	Anum_name = 1,
	Anum_scope,
	Anum_max_messages,
	Anum_per,
	Anum_calendar,
	Anum_action,
	Anum_source,
	Anum_changed_at,
	Anum_reviewed_at
};

/* In the order of JoCapAction. */
static const char *const actions[] = {"continue", "defer", "exit", NULL};

#define CAP_COLUMNS "scope, max_messages, per, calendar, action, source"

static JoCache cache = {
	.name = "caps",
	.tables = {"frequency_cap"}
};

static List *all_caps;			/* of JoCap, by name */

void
jo_cap_init(void)
{
	jo_cache_register(&cache);
	jo_cap_use_init();
}

/* ---- the cache ---- */

static char *
slot_text(TupleTableSlot *slot, int attnum)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, attnum, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

static void
read_cap(TupleTableSlot *slot, void *arg)
{
	MemoryContext caller = MemoryContextSwitchTo(jo_cache_context(&cache));
	JoCap	   *cap = palloc0(sizeof(JoCap));
	bool		isnull;
	bool		is_reviewed;
	Interval   *per = DatumGetIntervalP(slot_getattr(slot, Anum_per, &isnull));

	cap->name = slot_text(slot, Anum_name);
	jo_scope_read(DatumGetJsonbP(slot_getattr(slot, Anum_scope, &isnull)),
				  &cap->scope);
	cap->max = DatumGetInt32(slot_getattr(slot, Anum_max_messages, &isnull));
	if (DatumGetBool(slot_getattr(slot, Anum_calendar, &isnull)))
	{
		cap->days = per->day;
		cap->months = per->month;
	}
	else
		cap->per = per->day * USECS_PER_DAY + per->time;
	while (strcmp(actions[cap->action], slot_text(slot, Anum_action)) != 0)
		cap->action++;
	(void) slot_getattr(slot, Anum_reviewed_at, &isnull);
	is_reviewed = !isnull;
	(void) slot_getattr(slot, Anum_source, &isnull);
	cap->needs_review = !isnull && !is_reviewed;
	all_caps = lappend(all_caps, cap);
	MemoryContextSwitchTo(caller);
}

static int
compare_names(const ListCell *a, const ListCell *b)
{
	const JoCap *left = lfirst(a);
	const JoCap *right = lfirst(b);

	return strcmp(left->name, right->name);
}

List *
jo_caps_begin(void)
{
	if (jo_cache_begin(&cache))
	{
		all_caps = NIL;
		jo_cache_read_table("frequency_cap", read_cap, NULL);
		list_sort(all_caps, compare_names);
		jo_cache_filled(&cache);
	}
	return all_caps;
}

void
jo_caps_end(void)
{
	jo_cache_end(&cache);
}

int64
jo_caps_longest(void)
{
	int64		longest = 0;
	ListCell   *cell;

	foreach(cell, all_caps)
	{
		const JoCap *cap = lfirst(cell);

		longest = Max(longest, cap->per > 0 ? cap->per :
					  CALENDAR_DAYS(cap) * USECS_PER_DAY);
	}
	return longest;
}

/* ---- the lock ---- */

/* Is there a cap over messages of the channel and of others? */
static bool
needs_counting_lock(const char *channel)
{
	bool		needs = false;
	ListCell   *cell;

	foreach(cell, jo_caps_begin())
	{
		const JoCap *cap = lfirst(cell);

		needs = needs || (!jo_scope_is_of_one_channel(&cap->scope) &&
						  jo_scope_has_channel(&cap->scope, channel));
	}
	jo_caps_end();
	return needs;
}

void
jo_caps_lock(const char *channel)
{
	Snapshot	snapshot;

	jo_lock_shared(JO_LOCK_FREQUENCY_CAP, DECLARATIONS);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	jo_definition_adopt(snapshot);
	UnregisterSnapshot(snapshot);
	if (needs_counting_lock(channel))
		jo_lock(JO_LOCK_FREQUENCY_CAP, COUNTING);
}

/* ---- set_cap(), drop_cap() ---- */

/* Raise unless the period can be counted; returns it in the form stored. */
static Interval *
period_argument(Interval *given, bool is_calendar)
{
	Interval   *per = palloc(sizeof(Interval));

	*per = *given;
	if (is_calendar)
	{
		bool		is_known = per->time == 0 &&
		((per->month == 0 && (per->day == 1 || per->day == 7)) ||
		 (per->month == 1 && per->day == 0));

		if (!is_known)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a calendar cap counts per day, week or month"),
					 errhint("Use per => '1 day', '1 week' or '1 month', or calendar => false.")));
		return per;
	}
	if (per->month != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must not have months unless \"%s\" is true",
						"per", "calendar"),
				 errhint("A month has no fixed length: name days, or count calendar months.")));
	if (per->day < -LONGEST_DAYS || per->day > LONGEST_DAYS ||
		per->day * USECS_PER_DAY + per->time <= 0 ||
		per->day * USECS_PER_DAY + per->time > LONGEST_DAYS * USECS_PER_DAY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must be greater than zero and at most %d days",
						"per", LONGEST_DAYS)));
	return per;
}

/*
 * Count what was handed out before, as far back as the cap looks, and is acked
 * or held.  Inside SPI, with every claim finished.  A message of a stream is in
 * no claim, and is counted only from here on.
 */
static void
backfill(int64 longest)
{
	JoParameters parameters = {0};

	jo_parameter(&parameters, TIMESTAMPTZOID,
				 TimestampTzGetDatum(jo_clock_now() - longest), false);
	(void) jo_parameters_execute(&parameters,
								 "WITH attempt AS ("
								 "  SELECT m.message_id, coalesce(c.attempts[m.n], 1) AS attempt,"
								 "   min(c.claimed_at) AS at, max(c.claim_id) AS last"
								 "  FROM journey_orch.claim AS c,"
								 "   unnest(c.held) WITH ORDINALITY AS m(message_id, n)"
								 "  WHERE c.claimed_at > $1 GROUP BY 1, 2),"
								 " gone AS ("
								 "  SELECT m.message_id, o.claim_id"
								 "  FROM journey_orch.claim_outcome AS o,"
								 "   unnest(o.message_ids) AS m(message_id)"
								 "  WHERE o.outcome NOT IN ('acked', 'reoffered', 'extended')"
								 "  AND o.claim_id >= (SELECT min(a.last) FROM attempt AS a))"
								 " INSERT INTO journey_orch.cap_use"
								 " SELECT o.aggregateid, a.at, a.message_id, o.aggregatetype, o.topic, j.name, false"
								 " FROM attempt AS a"
								 " JOIN journey_orch.outbox AS o ON o.id = a.message_id AND o.attempt = a.attempt"
								 " LEFT JOIN journey_orch.journey AS j USING (journey_id)"
								 " WHERE NOT EXISTS (SELECT FROM gone AS g"
								 "  WHERE g.message_id = a.message_id AND g.claim_id >= a.last)"
								 " AND NOT EXISTS (SELECT FROM journey_orch.cap_use AS u"
								 "  WHERE u.message_id = a.message_id AND u.at = a.at)");
}

/* Read the arguments as the cap's columns, $1 being the name. */
static void
read_arguments(FunctionCallInfo fcinfo, JoParameters *parameters)
{
	static const char *const names[] = {
		"name", "scope", "max_messages", "per", "calendar", "action"
	};
	char	   *action;

	for (int i = 0; i < lengthof(names); i++)
		jo_argument_ensure(fcinfo, i, "set_cap", names[i]);
	jo_parameter_text(parameters, jo_argument_text(fcinfo, 0, "set_cap",
												   "name"));
	action = jo_argument_text(fcinfo, 5, "set_cap", "action");
	jo_argument_one_of("action", action, actions);
	if (PG_GETARG_INT32(2) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must be at least 1, not %d", "max_messages",
						PG_GETARG_INT32(2)),
				 errhint("To send nothing at all call journey_orch.halt().")));
	jo_parameter(parameters, JSONBOID,
				 JsonbPGetDatum(jo_scope_argument(PG_GETARG_DATUM(1))), false);
	jo_parameter(parameters, INT4OID, PG_GETARG_DATUM(2), false);
	jo_parameter(parameters, INTERVALOID,
				 IntervalPGetDatum(period_argument(PG_GETARG_INTERVAL_P(3),
												   PG_GETARG_BOOL(4))), false);
	jo_parameter(parameters, BOOLOID, PG_GETARG_DATUM(4), false);
	jo_parameter_text(parameters, action);
	jo_parameter_text(parameters, jo_argument_optional(fcinfo, 6));
}

/* Write the cap; returns what has become of it.  Inside SPI. */
static const char *
write_cap(JoParameters *parameters)
{
	if (jo_parameters_execute(parameters,
							  "INSERT INTO journey_orch.frequency_cap"
							  " (name, " CAP_COLUMNS ", changed_at)"
							  " VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp())"
							  " ON CONFLICT (name) DO NOTHING") > 0)
		return "created";
	if (jo_parameters_execute(parameters,
							  "UPDATE journey_orch.frequency_cap"
							  " SET (" CAP_COLUMNS ") = ($2, $3, $4, $5, $6, $7),"
							  " changed_at = clock_timestamp(),"
							  " reviewed_at = NULL, reviewed_by = NULL, review_note = NULL"
							  " WHERE name = $1 AND (" CAP_COLUMNS ")"
							  " IS DISTINCT FROM ($2, $3, $4, $5, $6, $7)") > 0)
		return "replaced";
	return "unchanged";
}

/* set_cap(name, scope, max_messages, per, calendar, action, source) →
 * 'created', 'replaced' or 'unchanged'. */
Datum
journey_orch_set_cap(PG_FUNCTION_ARGS)
{
	JoParameters parameters = {0};
	const char *outcome;
	int64		longest;
	JoRunAs		saved;

	read_arguments(fcinfo, &parameters);
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("journey_orch.set_cap() needs isolation level READ COMMITTED"),
				 errdetail("It counts what was claimed until it got its lock.")));
	jo_leaf_ensure();
	jo_lock(JO_LOCK_FREQUENCY_CAP, DECLARATIONS);
	jo_run_as_extension(&saved);
	SPI_connect();
	outcome = write_cap(&parameters);
	if (strcmp(outcome, "unchanged") != 0)
	{
		jo_definition_changed("frequency_cap");
		CommandCounterIncrement();
		(void) jo_caps_begin();
		longest = jo_caps_longest();
		jo_caps_end();
		backfill(longest);
	}
	SPI_finish();
	jo_run_as_end(&saved);
	PG_RETURN_TEXT_P(cstring_to_text(outcome));
}

/* drop_cap(name) → was there such a cap? */
Datum
journey_orch_drop_cap(PG_FUNCTION_ARGS)
{
	JoParameters parameters = {0};
	bool		existed;
	JoRunAs		saved;

	jo_parameter_text(&parameters,
					  jo_argument_text(fcinfo, 0, "drop_cap", "name"));
	jo_leaf_ensure();
	jo_run_as_extension(&saved);
	SPI_connect();
	existed = jo_parameters_execute(&parameters,
									"DELETE FROM journey_orch.frequency_cap"
									" WHERE name = $1") > 0;
	SPI_finish();
	jo_run_as_end(&saved);
	if (existed)
		jo_definition_changed("frequency_cap");
	PG_RETURN_BOOL(existed);
}
